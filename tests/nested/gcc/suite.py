# SPDX-License-Identifier: MIT
"""suite - which of GCC's own tests make pointers to nested functions, and how each is compiled.

The tests are in Debian's gcc-14-source. They are read from there, unpacked below build/, and never
copied. DejaGnu's comments in them say how they are compiled; what this file needs of those is read
here, because DejaGnu itself wants a GCC that was built beside its tests.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

ARCHIVES = Path("/usr/src/gcc-14")
#: Folders of the testsuite: which files are looked at, and the pattern of the names, or else of the
#: texts, of those whose pointers are to nested functions.
C_FOLDERS = (
    "gcc.c-torture/execute",
    "gcc.dg",
    "gcc.dg/asan",
    "gcc.dg/torture",
    "gcc.dg/torture/stackalign",
)
FOLDERS = {
    **dict.fromkeys(C_FOLDERS, ("*.c", r"^(nest|heap-trampoline)", "target trampolines")),
    "gnat.dg": ("*.adb", r"^(trampoline|nested)", None),
    "gfortran.dg": (
        "*.[fF]*",
        r"^(proc_ptr_|host_assoc_|internal_dummy|dummy_procedure|nest)",
        None,
    ),
}


@dataclass(frozen=True)
class Test:
    """One test that is run: its file, the language, and the options that it names itself."""

    path: Path
    language: str  # C, Ada, Fortran
    options: tuple[str, ...]

    @property
    def name(self) -> str:
        return str(self.path).rpartition("/testsuite/")[2]


def unpack(to: Path) -> Path:
    """Unpack those folders of the testsuite below ``to``, if they are not there; give the suite."""
    suite = to / "gcc" / "testsuite"
    if not (to / ".unpacked").exists():
        (archive,) = ARCHIVES.glob("gcc-14*.tar.xz")
        to.mkdir(parents=True, exist_ok=True)
        tops = sorted({re.sub("^gcc.dg/.*", "gcc.dg", folder) for folder in FOLDERS})
        members = [f"*/gcc/testsuite/{top}/*" for top in tops]
        subprocess.run(
            ["tar", "-xJf", archive, "-C", to, "--strip-components=1", "--wildcards", *members],
            check=True,
        )
        (to / ".unpacked").touch()
    return suite


def _options(text: str) -> tuple[str, ...]:
    """The options of dg-options and the like that are for every machine."""
    found = re.findall(r'dg-(?:additional-)?options "([^"]*)"\s*\}', text)
    return tuple(option for words in found for option in words.split())


def _is_run(folder: str, text: str) -> bool:
    said = re.search(r"dg-do (\w+)", text)
    return folder == "gcc.c-torture/execute" if said is None else said[1] == "run"


def tests(suite: Path) -> list[Test]:
    """Give every wanted test that is run, in order."""
    found = []
    for folder, (pattern, called, says) in FOLDERS.items():
        for path in sorted((suite / folder).glob(pattern)):
            text = path.read_text(encoding="latin-1")
            wanted = re.search(called, path.name) or (says is not None and says in text)
            # A test that needs other files besides is not one of these.
            if wanted and "dg-additional-sources" not in text and _is_run(folder, text):
                language = {"gnat.dg": "Ada", "gfortran.dg": "Fortran"}.get(folder, "C")
                found.append(Test(path, language, _options(text)))
    return found
