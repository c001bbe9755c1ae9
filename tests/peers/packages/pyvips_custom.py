# SPDX-License-Identifier: MIT
"""pyvips_custom - pyvips (image servers): an image read from and written to Python streams.

libvips calls ``ffi.callback``s, from its own worker threads too.
"""

from __future__ import annotations

import io
from typing import Any

import pyvips


def main() -> None:
    image = pyvips.Image.black(300, 200, bands=3).add([10, 20, 30]).cast("uchar")
    written = io.BytesIO()
    target = pyvips.TargetCustom()
    target.on_write(lambda chunk: written.write(bytes(chunk)))
    image.write_to_target(target, ".png")
    source = pyvips.SourceCustom()
    again = io.BytesIO(written.getvalue())
    source.on_read(again.read)
    source.on_seek(lambda offset, whence: again.seek(offset, whence))
    loaded: Any = pyvips.Image.new_from_source(source, "", access="sequential")
    assert (loaded.width, loaded.height) == (300, 200)
    assert [round(loaded.extract_band(n).avg()) for n in range(1)] == [10]
    version = ".".join(str(pyvips.version(n)) for n in range(3))
    print(f"libvips {version}: a PNG of {len(written.getvalue())} bytes there and back")


if __name__ == "__main__":
    main()
