#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""sort_words - libc's qsort() puts the words of the licences in order, asking Python which is less.

The smallest complete use: a C function (qsort) that takes a function pointer, and a Python
function that C calls some hundreds of thousands of times. Run it as::

    python examples/sort_words.py [folder]
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import cffi

import ffi_static

FOLDER = Path("/usr/share/common-licenses")

ffi: Any = cffi.FFI()
ffi.cdef("void qsort(char **words, size_t count, size_t size, int (*order)(char **, char **));")
libc = ffi.dlopen(None)


def read_words(folder: Path) -> list[bytes]:
    """Read all words of all files in ``folder``; a file that is there under two names, once."""
    files = sorted({path.resolve() for path in folder.iterdir() if path.is_file()})
    return [word for path in files for word in path.read_bytes().split()]


def alphabetic(word: bytes) -> tuple[bytes, bytes]:
    """Make the key of a dictionary's order: capitals do not matter, unless all else is equal."""
    return word.lower(), word


def sort_with_qsort(words: list[bytes]) -> tuple[list[bytes], int]:
    """Sort ``words`` with libc's qsort; the sorted list, and how often Python was called."""
    texts = [ffi.new("char[]", word) for word in words]  # C holds no references: this list does
    array = ffi.new("char *[]", texts)
    calls = 0

    @ffi_static.callback("int(char **, char **)")
    def compare(a: Any, b: Any) -> int:
        nonlocal calls
        calls += 1
        left, right = alphabetic(ffi.string(a[0])), alphabetic(ffi.string(b[0]))
        return (left > right) - (left < right)

    with compare:  # closed at the end of the block: from then on C must not call it
        libc.qsort(array, len(words), ffi.sizeof("char *"), compare.cdata)
    return [ffi.string(text) for text in array], calls


def main() -> int:
    """Sort, check against Python's own sorted(), and show the result."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    try:
        words = read_words(folder)
    except OSError as error:
        print(f"sort_words: {error}", file=sys.stderr)
        return 1
    start = time.perf_counter()
    result, calls = sort_with_qsort(words)
    seconds = time.perf_counter() - start
    if result != sorted(words, key=alphabetic):
        print("sort_words: qsort and sorted() do not agree", file=sys.stderr)
        return 1
    different = sorted(set(words), key=alphabetic)
    print(f"{len(words):,} words of {folder}, {len(different):,} of them different,")
    print(f"in order after {calls:,} calls from C to Python in {seconds:.2f} s; sorted() agrees")
    if different:
        middle = different[len(different) // 2]
        first, last = different[0].decode("latin-1"), different[-1].decode("latin-1")
        print(f"from {first} by way of {middle.decode('latin-1')} to {last}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
