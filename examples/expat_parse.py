#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""expat_parse - libexpat reads a real XML file and calls Python for each tag and each text.

Three callbacks with ctypes types share one parser. A mistake in the file is an error with its line;
an exception in a handler stops the parser and arrives where the parser was called. Run it as::

    python examples/expat_parse.py [file.xml]

Without an argument it takes the largest XML file that it finds on this system.
"""

from __future__ import annotations

import ctypes
import os
import re
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape, quoteattr

import ffi_static

if TYPE_CHECKING:
    from collections.abc import Iterator

PLACES = ("/usr/share/xml", "/usr/share/mime/packages", "/usr/share/X11/xkb/rules", "/etc")
LARGEST = 8_000_000  # bytes; more would only take longer
# Files that say something by reference to another file, which parsers are free not to follow.
ELSEWHERE = re.compile(rb"<!ENTITY|<!DOCTYPE[^>\[]*(SYSTEM|PUBLIC)")
TEXTS = Path("/usr/share/common-licenses")

Start = ctypes.CFUNCTYPE(
    None, ctypes.c_void_p, ctypes.c_char_p, ctypes.POINTER(ctypes.c_char_p)
)  # user data, name, names and values of the attributes in turn, then NULL
End = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_char_p)
Text = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int)  # not ended by a 0


def load_expat() -> ctypes.CDLL:
    """Load libexpat and tell ctypes its signatures. OSError if this system has none."""
    expat = ctypes.CDLL("libexpat.so.1")
    parser = ctypes.c_void_p
    for name, result, arguments in (
        ("XML_ParserCreate", parser, [ctypes.c_char_p]),
        ("XML_ParserFree", None, [parser]),
        ("XML_SetElementHandler", None, [parser, ctypes.c_void_p, ctypes.c_void_p]),
        ("XML_SetCharacterDataHandler", None, [parser, ctypes.c_void_p]),
        ("XML_Parse", ctypes.c_int, [parser, ctypes.c_char_p, ctypes.c_int, ctypes.c_int]),
        ("XML_StopParser", ctypes.c_int, [parser, ctypes.c_ubyte]),
        ("XML_GetErrorCode", ctypes.c_int, [parser]),
        ("XML_ErrorString", ctypes.c_char_p, [ctypes.c_int]),
        ("XML_GetCurrentLineNumber", ctypes.c_ulong, [parser]),
        ("XML_ExpatVersion", ctypes.c_char_p, []),
    ):
        function = getattr(expat, name)
        function.restype, function.argtypes = result, arguments
    return expat


class Document:
    """What a document consists of: tags by name, attributes, bytes of text, depth."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.tags: Counter[str] = Counter()
        self.attributes = 0
        self.text = 0
        self.depth = self.deepest = 0

    @property
    def elements(self) -> int:
        """All tags together."""
        return sum(self.tags.values())

    def start(self, _data: int | None, name: bytes, attributes: Any) -> None:
        """Count an opening tag and its attributes."""
        self.tags[name.decode()] += 1
        self.depth += 1
        self.deepest = max(self.deepest, self.depth)
        place = 0
        while attributes[place] is not None:
            self.attributes += not attributes[place].startswith(b"xmlns")  # as ElementTree does
            place += 2

    def end(self, _data: int | None, _name: bytes) -> None:
        """Go back up."""
        self.depth -= 1

    def characters(self, _data: int | None, text: int, length: int) -> None:
        """Count text; expat hands it out in pieces that have no end mark."""
        self.text += len(ctypes.string_at(text, length))


def parse(path: Path, document: Document) -> None:
    """Let libexpat read ``path`` and call the three methods of ``document``.

    Raises ValueError with the line where the file is not well-formed XML, OSError where it cannot
    be read, and whatever a method raised.
    """
    expat = load_expat()
    parser = expat.XML_ParserCreate(None)
    raised: list[BaseException] = []

    def stop(_kind: Any, error: BaseException, _traceback: Any) -> None:
        raised.append(error)
        expat.XML_StopParser(parser, 0)

    start = ffi_static.callback(Start, document.start, onerror=stop)
    end = ffi_static.callback(End, document.end, onerror=stop)
    text = ffi_static.callback(Text, document.characters, onerror=stop)
    try:
        expat.XML_SetElementHandler(parser, start, end)
        expat.XML_SetCharacterDataHandler(parser, text)
        content = path.read_bytes()
        if not expat.XML_Parse(parser, content, len(content), 1) and not raised:
            reason = expat.XML_ErrorString(expat.XML_GetErrorCode(parser)).decode()
            raise ValueError(f"{path}:{expat.XML_GetCurrentLineNumber(parser)}: {reason}")
    finally:
        expat.XML_ParserFree(parser)  # first the user of the callbacks, then the callbacks
        for callback in (start, end, text):
            callback.close()
    if raised:
        raise raised[0]


@contextmanager
def real_file() -> Iterator[Path]:
    """Find the largest XML file of this system that is not too large, or make one of its texts."""
    found = []
    for place in PLACES:
        for where, _, names in os.walk(place):
            found += [Path(where, name) for name in names if name.endswith(".xml")]
    sizes = sorted(((path.stat().st_size, path) for path in found if path.is_file()), reverse=True)
    for size, path in sizes:
        if size <= LARGEST and not ELSEWHERE.search(path.read_bytes()):
            yield path
            return
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "licences.xml"
        print(f"no plain XML file in {', '.join(PLACES)}: made one from the texts in {TEXTS}")
        with made.open("w", encoding="utf-8") as file:
            file.write("<licences>\n")
            for path in sorted(TEXTS.iterdir()):
                text = path.read_text(encoding="utf-8", errors="replace").replace("\f", "")
                file.write(f"<licence name={quoteattr(path.name)}>{escape(text)}</licence>\n")
            file.write("</licences>\n")
        yield made


def agrees_with_elementtree(path: Path, document: Document) -> bool:
    """Compare with Python's own parser: the tags, the attributes, the bytes of text."""
    elements = list(ET.parse(path).getroot().iter())
    text = sum(len((e.text or "").encode()) + len((e.tail or "").encode()) for e in elements)
    attributes = sum(len(e.attrib) for e in elements)
    mine = (document.elements, document.attributes, document.text)
    return mine == (len(elements), attributes, text)


def main() -> int:
    """Parse, check, and show what the file consists of."""
    document = Document()
    try:
        if len(sys.argv) > 1:
            path = Path(sys.argv[1])
            parse(path, document)
            agrees = agrees_with_elementtree(path, document)
        else:
            with real_file() as path:
                parse(path, document)
                agrees = agrees_with_elementtree(path, document)
    except (OSError, ValueError, ET.ParseError) as error:
        print(f"expat_parse: {error}", file=sys.stderr)
        return 1
    if not agrees:
        print("expat_parse: libexpat and xml.etree do not agree", file=sys.stderr)
        return 1
    print(f"{path}: {document.elements:,} elements, {document.attributes:,} attributes,")
    print(f"{document.text:,} bytes of text, {document.deepest} deep; xml.etree agrees")
    for name, count in document.tags.most_common(5):
        print(f"{count:8,}  <{name}>")
    return 0


if __name__ == "__main__":
    sys.exit(main())
