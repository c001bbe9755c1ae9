# SPDX-License-Identifier: MIT
"""cairocffi_png - cairocffi (qtile, charts, older WeasyPrint): PNG and PDF to file objects.

cairo writes and reads through ``ffi.callback``s that call the object's write() and read().
"""

from __future__ import annotations

import io

import cairocffi


def main() -> None:
    surface = cairocffi.ImageSurface(cairocffi.FORMAT_ARGB32, 64, 48)
    context = cairocffi.Context(surface)
    context.set_source_rgb(0.2, 0.4, 0.6)
    context.paint()
    png, pdf = io.BytesIO(), io.BytesIO()
    surface.write_to_png(png)
    again = cairocffi.ImageSurface.create_from_png(io.BytesIO(png.getvalue()))
    assert bytes(again.get_data()[:3]) == bytes(surface.get_data()[:3])
    document = cairocffi.PDFSurface(pdf, 100, 100)
    cairocffi.Context(document).show_page()
    document.finish()
    assert pdf.getvalue().startswith(b"%PDF-")
    assert pdf.getvalue().rstrip().endswith(b"%%EOF")
    print(f"cairo {cairocffi.cairo_version_string()}: a PNG there and back, a PDF")


if __name__ == "__main__":
    main()
