# SPDX-License-Identifier: MIT
"""test_hosted - what of the hosted CI's files can be checked here, where it does not run

Its lint is in test_lint.py. A runner's commands were run by hand in a clone.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.python.noxfile import NEED_CHECKOUT

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = ROOT / ".github/workflows"


@pytest.fixture
def settings() -> str:
    """Give what pyproject.toml has for cibuildwheel."""
    return (ROOT / "pyproject.toml").read_text("utf-8").partition("[tool.cibuildwheel]")[2]


def test_wheels_are_tested_without_what_needs_a_checkout(settings: str) -> None:
    """As noxfile.py does. cibuildwheel has none, and what cannot be collected ends the run."""
    (command,) = re.findall(r'^test-command = "(.*)"$', settings, re.MULTILINE)
    assert set(re.findall(r"--ignore-glob=\*/(\S+)", command)) == set(NEED_CHECKOUT)
    (sources,) = re.findall(r"^test-sources = \[(.*)\]$", settings, re.MULTILINE)
    needed = {
        "tests",
        "pyproject.toml",
        "ffi_static.pth",
        "ffi_static.start",
        "docs/use",
        "examples",
    }
    assert {word.strip('" ') for word in sources.split(",")} == needed


@pytest.mark.skipif(not WORKFLOWS.exists(), reason="an sdist has no workflows")
def test_hosted_tests_import_a_built_package() -> None:
    """`python -m pytest` imports the folder of a checkout; an editable build puts _lib into it."""
    text = (WORKFLOWS / "test.yml").read_text("utf-8")
    installs = re.findall(r"pip install .*", text)
    assert [line for line in installs if line.endswith(" -e .")]
    assert not [line for line in installs if line.endswith(" .") and not line.endswith(" -e .")]


@pytest.mark.skipif(not WORKFLOWS.exists(), reason="an sdist has no workflows")
def test_user_of_a_runner_has_what_make_asks_of_root() -> None:
    """A job without a container is no root, so .ci/need would end it with advice."""
    for path in WORKFLOWS.glob("*.yml"):
        for job in re.split(r"^  (?=\w+:$)", path.read_text("utf-8"), flags=re.MULTILINE)[1:]:
            if "run: make" in job and "container:" not in job:
                assert re.search(r"sudo apt-get .*libffi-dev.*\n(.*\n)*.*run: make", job), job
