# SPDX-License-Identifier: MIT
"""test_lint - the tools of `make lint`, and both compilers, as tests.

The commands are the Makefile's. The library is also compiled with the other compiler, as a debug
build and without optimisation: warnings are errors, and each knows some that the others do not.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.support.process import make, run

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ("lint-ruff", "lint-types", "lint-stubs", "lint-sdist", "lint-hosted", "lint-c")


@pytest.mark.parametrize("target", TOOLS)
def test_tool_finds_nothing(target: str) -> None:
    make(target)


BUILDS = {
    "gcc": ("CC=gcc", "CFLAGS=-O2 -g"),
    "gcc-debug": ("CC=gcc", "CFLAGS=-O0 -g -DFS_DEBUG"),
    "clang": ("CC=clang", "CFLAGS=-O2 -g"),
    "clang-debug": ("CC=clang", "CFLAGS=-O0 -g -DFS_DEBUG"),
}


@pytest.mark.parametrize("name", BUILDS)
def test_library_compiles_without_a_warning(name: str) -> None:
    compiler, flags = BUILDS[name]
    if shutil.which(compiler.partition("=")[2]) is None:
        pytest.skip(f"{compiler} is not installed (`sh .ci/packages` names the package)")
    done = make("lib", f"BUILD=build/compilers/{name}", compiler, flags)
    assert "warning" not in done.stderr, done.stderr


@pytest.mark.parametrize("compiler", ["gcc -std=c99", "gcc -std=gnu17", "g++ -std=c++11", "clang"])
def test_public_header_compiles_alone_and_strictly(compiler: str, tmp_path: Path) -> None:
    words = compiler.split()
    if shutil.which(words[0]) is None:
        pytest.skip(f"{words[0]} is not installed (`sh .ci/packages` names the package)")
    source = tmp_path / ("header.cc" if words[0] == "g++" else "header.c")
    source.write_text("#include <ffi_static.h>\nint main(void) { return 0; }\n", encoding="utf-8")
    strict = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only"]
    run([*words, *strict, f"-I{ROOT}/csrc/include", source])


def test_every_ignored_ruff_rule_has_its_reason() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    ruff = text[text.index("[tool.ruff]") :]
    rules = [line for line in ruff.splitlines() if re.match(r'\s+"[A-Z]+\d*",', line)]
    assert rules
    assert [line for line in rules if "#" not in line] == []


def test_pre_commit_runs_tools_of_the_environment_only() -> None:
    text = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    entries = re.findall(r"entry: (\S+)", text)
    assert entries
    assert all(entry.startswith(".venv/bin/") for entry in entries)


def test_shell_scripts_parse() -> None:
    scripts = [path for path in sorted((ROOT / ".ci").iterdir()) if path.is_file()]
    for room in ("tests", "packaging", "patches", "csrc"):
        scripts += sorted((ROOT / room).rglob("*.sh"))
    assert len(scripts) > 10
    for script in scripts:
        shell = "bash" if "bash" in script.read_text(encoding="utf-8").splitlines()[0] else "sh"
        done = run([shell, "-n", script], status=None)
        assert done.returncode == 0, done.stderr


def test_requirements_and_build_system_agree() -> None:
    build = (ROOT / "requirements/build.txt").read_text(encoding="utf-8")
    pinned = dict(re.findall(r"^([\w-]+)==([\d.]+)", build, flags=re.MULTILINE))
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    requires = re.search(r"^requires = \[(.*?)\]", text, flags=re.MULTILINE | re.DOTALL)
    assert requires
    for name, least in re.findall(r'"([\w-]+)(?:>=([\d.]+))?"', requires[1]):
        have = [int(n) for n in pinned[name].split(".")]
        assert have >= [int(n) for n in least.split(".") if n], name


def test_python_of_the_tests_is_one_that_the_project_supports() -> None:
    assert sys.version_info >= (3, 9)
