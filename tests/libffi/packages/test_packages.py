# SPDX-License-Identifier: MIT
"""test_packages - what of the packages can be checked without a network and without root.

The packages themselves are built, compared and used by ``make test-deb``, ``test-rpm`` and
``test-musl``, which take minutes and need a mirror.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
SERIES = HERE.parents[2] / "patches" / "libffi"
DEBIAN = pytest.mark.skipif(not shutil.which("dpkg-parsechangelog"), reason="no dpkg-dev here")

#: A program that makes the mapping which use.py must find: executable, and shared.
PLANTED = """
import mmap, sys
sys.path.insert(0, sys.argv[1])
import use
before = use.audit()
with open(sys.argv[2], "r+b") as file:
    m = mmap.mmap(file.fileno(), 4096, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_EXEC)
print(len(before), *(set(use.audit()) - set(before)))
"""


def changelog(version: str, tmp_path: Path) -> Path:
    """Give the entry for `version`, in a file."""
    made = subprocess.run(
        ["sh", str(SERIES / "deb" / "changelog.sh"), version, "unstable", "1700000000"],
        check=True,
        capture_output=True,
        text=True,
    )
    path = tmp_path / "changelog"
    path.write_text(made.stdout, encoding="utf-8")
    return path


@DEBIAN
@pytest.mark.parametrize("stock", ["3.4.4-1", "3.4.8-2"])
def test_changelog_entry_is_read_by_dpkg(stock: str, tmp_path: Path) -> None:
    """All fields are there, and dpkg warns about none."""
    path = changelog(stock, tmp_path)
    command = ["dpkg-parsechangelog", "-l", str(path)]
    read = subprocess.run(command, check=True, capture_output=True, text=True)
    assert read.stderr == ""
    fields = dict(re.findall(r"^(\w+): (.*)$", read.stdout, re.MULTILINE))
    assert (fields["Source"], fields["Version"]) == ("libffi", f"{stock}+static1")
    assert fields["Timestamp"] == "1700000000"


@DEBIAN
def test_version_is_newer_than_stock_and_older_than_its_next_revision(tmp_path: Path) -> None:
    """So apt takes ours over stock and its rebuilds, and the distribution's next over ours."""
    path = changelog("3.4.8-2", tmp_path)
    ours = path.read_text(encoding="utf-8").split("(")[1].split(")")[0]
    for older, newer in (("3.4.8-2", ours), ("3.4.8-2+b1", ours), (ours, "3.4.8-3")):
        subprocess.run(["dpkg", "--compare-versions", older, "lt", newer], check=True)


def test_changelog_without_its_arguments_says_how_it_is_used() -> None:
    """A missing argument is an error, not an entry with a hole."""
    command = ["sh", str(SERIES / "deb" / "changelog.sh"), "3.4.8-2"]
    told = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (told.returncode, told.stdout) == (2, "")
    assert "usage" in told.stderr


@pytest.mark.parametrize("series", sorted(p.name for p in SERIES.glob("series.*")))
def test_spec_fragment_names_every_patch_of_the_series(series: str) -> None:
    """The fragment has the same patches in the same order, and applies each."""
    spec = (SERIES / "rpm" / "ffi-static.spec.in").read_text(encoding="utf-8")
    version = series.partition(".")[2]
    named = re.findall(r"^Patch(\d+): +(\S+)", spec, re.MULTILINE)
    patches = [patch.replace("%{version}", version) for _, patch in named]
    assert patches == (SERIES / series).read_text(encoding="utf-8").split()
    applied = re.findall(r"^%patch -P (\d+)", spec, re.MULTILINE)
    assert applied == [number for number, _ in named]


def test_audit_finds_an_executable_mapping_that_is_shared(tmp_path: Path) -> None:
    """The check of the session in the scratch root can fail."""
    page = tmp_path / "page"
    page.write_bytes(bytes(4096))
    command = [sys.executable, "-c", PLANTED, str(HERE), str(page)]
    told = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "r-xs" in told.stdout
    assert str(page) in told.stdout
