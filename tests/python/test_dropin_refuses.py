# SPDX-License-Identifier: MIT
"""test_dropin_refuses - modules that install() does not know, and import tables of every make

A refusal says why, and changes nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.python.conftest import Script, build_extension
from tests.python.programs import dropin_refuses
from tests.support.process import output
from tests.support.programs import cases, program


@cases(dropin_refuses)
def test_case(script: Script, function: Any, given: tuple[Any, ...]) -> None:
    script(program(function, *given))


# ---- import tables


def test_a_read_only_table_that_must_stay_so_is_left_alone(script: Script, tmp_path: Path) -> None:
    build_extension(tmp_path, "tables", "-Wl,-z,relro,-z,now")
    left = dropin_refuses.a_read_only_table_that_must_stay_so_is_left_alone
    script(program(left, str(tmp_path)))


@pytest.mark.parametrize("called_before", [False, True])
@pytest.mark.parametrize(
    ("flags", "rights"),
    [
        ("-Wl,-z,norelro", "rw"),
        ("-Wl,-z,relro,-z,lazy", "rw"),
        ("-Wl,-z,relro,-z,now", "r-"),
        ("-fno-plt -Wl,-z,relro,-z,now", "r-"),
        ("-fno-plt -Wl,-z,relro,-z,lazy", "r-"),
    ],
)
def test_every_make_of_import_table(
    script: Script, tmp_path: Path, flags: str, rights: str, called_before: bool
) -> None:
    made = build_extension(tmp_path, "tables", *flags.split())
    script(program(dropin_refuses.every_make_of_import_table, str(tmp_path), called_before))
    assert_rights(made, rights)


def assert_rights(path: Path, rights: str) -> None:
    """Show that the table under test was what its name says."""
    maps = output(program(dropin_refuses.table_is, str(path)))
    rows = [line.split() for line in maps.splitlines()]
    base = min(int(start, 16) for start, _ in rows)
    relocations = output(["readelf", "-rW", path])
    at = next(
        int(line.split()[0], 16) for line in relocations.splitlines() if "ffi_closure_alloc" in line
    )
    inside = [mode for start, mode in rows if int(start, 16) <= base + at]
    assert inside[-1] == rights, maps + relocations
