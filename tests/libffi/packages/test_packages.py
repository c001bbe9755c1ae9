# SPDX-License-Identifier: MIT
"""test_packages - what of the packages can be checked without a network and without root.

The packages themselves are built, compared and used by ``make test-deb``, ``test-rpm`` and
``test-musl``, which take minutes and need a mirror.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.libffi.packages import planted
from tests.support.process import output, run
from tests.support.programs import program

HERE = Path(__file__).resolve().parent
SERIES = HERE.parents[2] / "patches" / "libffi"
DEBIAN = pytest.mark.skipif(not shutil.which("dpkg-parsechangelog"), reason="no dpkg-dev here")


def changelog(version: str, tmp_path: Path) -> Path:
    """Give the entry for `version`, in a file."""
    path = tmp_path / "changelog"
    script = SERIES / "deb" / "changelog.sh"
    path.write_text(output(["sh", script, version, "unstable", "1700000000"]), encoding="utf-8")
    return path


@DEBIAN
@pytest.mark.parametrize("stock", ["3.4.4-1", "3.4.8-2"])
def test_changelog_entry_is_read_by_dpkg(stock: str, tmp_path: Path) -> None:
    """All fields are there, and dpkg warns about none."""
    path = changelog(stock, tmp_path)
    command = ["dpkg-parsechangelog", "-l", str(path)]
    read = run(command)
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
        run(["dpkg", "--compare-versions", older, "lt", newer])


def test_changelog_without_its_arguments_says_how_it_is_used() -> None:
    """A missing argument is an error, not an entry with a hole."""
    command = ["sh", str(SERIES / "deb" / "changelog.sh"), "3.4.8-2"]
    told = run(command, status=2)
    assert told.stdout == ""
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
    told = output(program(planted.executable_and_shared, str(page)))
    assert "r-xs" in told
    assert str(page) in told
