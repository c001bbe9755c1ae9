# SPDX-License-Identifier: MIT
"""test_atomics - what is read and changed in one step is a word of 32 bits, or more

A byte or a half word is not: on RISC-V gcc 12 knows no such step and calls libatomic's function,
which neither the library nor a libffi with the series is linked with, so that no program links.
Plain loads and stores of bytes are fine everywhere.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STEP = re.compile(
    r"__atomic_(?:exchange_n|compare_exchange_n|fetch_\w+|\w+_fetch)\(\s*&?([\w.>\[\]-]+)"
)
NARROW = r"\b(?:bool|char|short|u?int(?:8|16)_t)\s+(?:\w+,\s*)*{}\s*[;=,\[]"


def narrow(text: str, headers: str) -> list[str]:
    """Name what a source changes in one step that is narrower than a word, by its declaration."""
    names = {re.split(r"->|\.", found)[-1].partition("[")[0] for found in STEP.findall(text)}
    found = [name for name in names if re.search(NARROW.format(name), text + headers)]
    return sorted(found + re.findall(r"__atomic_test_and_set", text))


def sources() -> list[Path]:
    """List the C of programs; the kernel has its own rules."""
    return [p for p in sorted((ROOT / "csrc").rglob("*.[ch]")) if "kernel" not in p.parts]


def test_no_source_changes_less_than_a_word_in_one_step() -> None:
    headers = "".join(p.read_text(encoding="utf-8") for p in sources() if p.suffix == ".h")
    seen = {
        str(path.relative_to(ROOT)): narrow(path.read_text(encoding="utf-8"), headers)
        for path in sources()
    }
    assert {path: names for path, names in seen.items() if names} == {}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("static bool said; __atomic_exchange_n(&said, true, 0)", ["said"]),
        ("struct { uint8_t at; } *c; __atomic_compare_exchange_n(&c->at, &x, 1", ["at"]),
        ("char a, busy; __atomic_fetch_or(&busy, 1, 0)", ["busy"]),
        ("static char busy; __atomic_test_and_set(&busy, 0)", ["__atomic_test_and_set"]),
        ("uint32_t said; __atomic_exchange_n(&said, 1, 0)", []),
        ("bool said; __atomic_store_n(&said, true, 0)", []),
    ],
)
def test_a_byte_is_found(text: str, found: list[str]) -> None:
    assert narrow(text, "") == found
