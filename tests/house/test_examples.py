# SPDX-License-Identifier: MIT
"""test_examples - the examples give right results, also where the kernel refuses writable code.

Each example runs as its user runs it, in a process of its own, under no policy and under
PR_SET_MDWE, and its memory map is read from inside its callbacks (tests/support/audited.py). The
examples check their own results against a second way to compute them; here a few facts are
counted once more from outside.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.house.programs import examples
from tests.support import policies
from tests.support.audited import writable_code
from tests.support.ctests import build
from tests.support.process import make, run
from tests.support.programs import program

if TYPE_CHECKING:
    import subprocess

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
AUDITED = ROOT / "tests" / "support" / "audited.py"

# What an example prints when it is right, and the callbacks that the audit must have seen at work.
# pthread_callback's runs in threads of C's, which a profile hook does not see: there the main
# thread is watched while the callback exists.
EXPECTED = {
    "sort_words": (r"[\d,]+ words of .*\n.* after [\d,]+ calls .*sorted\(\) agrees", {"compare"}),
    "nftw_doc": (r"[\d,]+ files with [\d,]+ bytes .*\n.*os\.lstat\(\) agree", {"visit"}),
    "sqlite_functions": (
        r"(?s)files of .* by suffix\n.*by number: .*suffix\(42\) is an error: suffix\(\): a path"
        r".*stopped when Python was asked 100 times: interrupted",
        {"call", "compare", "enough"},
    ),
    "expat_parse": (r"[\d,]+ elements, .*\n.*xml\.etree agrees", {"start", "end", "characters"}),
    "pthread_callback": (r"[\d,]+ lines in \d+ files, each counted by a pthread", {"run"}),
}

# The walk compares two walks, so its folder must be at rest. /usr/share/doc is not while apt works.
ARGUMENTS = {"nftw_doc": (str(ROOT / "csrc"),)}

both_policies = pytest.mark.parametrize("policy", policies.POLICIES)


def run_example(
    name: str, *arguments: str, policy: str = policies.PLAIN
) -> subprocess.CompletedProcess[str]:
    """Run one example to its end; skip where the policy cannot be had here."""
    if reason := policies.refusal(policy):
        pytest.skip(reason)
    argv = [sys.executable, str(EXAMPLES / f"{name}.py"), *arguments]
    return policies.run_under(policy, argv)


def run_audited(
    script: Path, report: Path, policy: str, *arguments: str
) -> tuple[str, dict[str, Any]]:
    """Run a script under audit; its output and the report. Fails the test if it fails."""
    if reason := policies.refusal(policy):
        pytest.skip(reason)
    argv = [sys.executable, str(AUDITED), str(report), str(script), *arguments]
    done = policies.run_under(policy, argv)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, json.loads(report.read_text())


def test_every_example_is_tested() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == set(EXPECTED)


@both_policies
@pytest.mark.parametrize("name", EXPECTED)
def test_example_is_right(name: str, policy: str) -> None:
    done = run_example(name, *ARGUMENTS.get(name, ()), policy=policy)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert re.search(EXPECTED[name][0], done.stdout), done.stdout


@both_policies
@pytest.mark.parametrize("name", EXPECTED)
def test_no_page_is_writable_and_executable(name: str, policy: str, tmp_path: Path) -> None:
    output, report = run_audited(
        EXAMPLES / f"{name}.py", tmp_path / "report.json", policy, *ARGUMENTS.get(name, ())
    )
    pattern, watched = EXPECTED[name]
    assert re.search(pattern, output), output
    assert watched <= set(report["functions"])
    assert report["mdwe"] == (policy == policies.MDWE)
    assert report["findings"] == []


def test_the_audit_finds_a_writable_executable_page(tmp_path: Path) -> None:
    script = tmp_path / "bad.py"
    script.write_text(
        "import mmap\n"
        "def during():\n    pass\n"
        "page = mmap.mmap(-1, 4096, prot=7)\n"
        "during()\n"
        "page.close()\n"
    )
    _, report = run_audited(script, tmp_path / "report.json", policies.PLAIN)
    assert any("writable and executable" in finding for finding in report["findings"])


def test_the_audit_finds_a_writable_alias() -> None:
    maps = (
        "7f0000000000-7f0000001000 r-xs 00000000 00:01 77 /memfd:x (deleted)\n"
        "7f0000002000-7f0000003000 rw-s 00000000 00:01 77 /memfd:x (deleted)\n"
        "7f0000004000-7f0000005000 rw-p 00000000 00:00 0\n"
    )
    assert ["writable alias" in finding for finding in writable_code(maps)] == [True]


def test_mdwe_is_in_force_in_what_it_runs() -> None:
    if reason := policies.refusal(policies.MDWE):
        pytest.skip(reason)
    ask = program(examples.ask_for_writable_code)
    assert policies.run_under(policies.PLAIN, ask).returncode == 0
    refused = policies.run_under(policies.MDWE, ask)
    assert refused.returncode == 1
    assert "PermissionError" in refused.stderr


def test_unknown_policy_names_the_legal_ones() -> None:
    with pytest.raises(ValueError, match="plain, mdwe"):
        policies.run_under("strict", ["true"])


def test_sort_words_counts_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("pear Apple fig\n")
    (tmp_path / "b").write_text("apple\n")
    done = run_example("sort_words", str(tmp_path))
    assert done.stdout.startswith("4 words of "), done.stdout + done.stderr
    assert "from Apple by way of fig to pear" in done.stdout


def test_sort_words_of_nothing(tmp_path: Path) -> None:
    done = run_example("sort_words", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "after 0 calls" in done.stdout


def test_nftw_counts_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "file.txt").write_bytes(b"12345")
    (tmp_path / "big").write_bytes(b"")
    os.truncate(tmp_path / "big", 5_000_000_000)
    (tmp_path / "link").symlink_to("nowhere")
    done = run_example("nftw_doc", str(tmp_path))
    assert done.stdout.startswith("2 files with 5,000,000,005 bytes in 2 folders"), done.stderr
    assert "and 1 links" in done.stdout


def test_nftw_is_stopped_by_what_the_callback_returns() -> None:
    done = run_example("nftw_doc", "--stop-after", "3")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "stopped by the callback after 3 files\n"


def test_nftw_that_is_not_stopped_says_so(tmp_path: Path) -> None:
    (tmp_path / "only").touch()
    done = run_example("nftw_doc", str(tmp_path), "--stop-after", "3")
    assert done.stdout == "not stopped: there are only 1 files\n"


def test_nftw_waits_for_a_folder_that_changes_to_rest(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    changing = examples.folder_that_changes
    done = policies.run_under(policies.PLAIN, program(changing, str(tmp_path), 3))
    assert (done.stdout, done.stderr) == ("True 3 4\n", "")
    done = policies.run_under(policies.PLAIN, program(changing, str(tmp_path), 100))
    assert (done.stdout, done.stderr) == ("changed during 5 walks\n", "")


def test_expat_names_the_line_of_a_mistake(tmp_path: Path) -> None:
    path = tmp_path / "bad.xml"
    path.write_text("<a>\n<b>\n</a>\n")
    done = run_example("expat_parse", str(path))
    assert done.returncode == 1
    assert done.stderr == f"expat_parse: {path}:3: mismatched tag\n"


def test_expat_makes_a_file_where_there_is_none() -> None:
    done = policies.run_under(policies.PLAIN, program(examples.no_xml_file))
    assert done.returncode == 0, done.stderr
    assert "no plain XML file in /nowhere: made one" in done.stdout
    assert "<licence>" in done.stdout


def test_expat_hands_on_an_exception_of_a_handler(tmp_path: Path) -> None:
    path = tmp_path / "good.xml"
    path.write_text("<a><b/><c/></a>")
    fails = program(examples.handler_that_fails, str(path))
    done = policies.run_under(policies.PLAIN, fails)
    assert (done.stdout, done.stderr) == ("no b, please ['a', 'b']\n", "")


@pytest.mark.parametrize("name", EXPECTED)
def test_a_place_that_is_not_there_is_an_error_in_words(name: str, tmp_path: Path) -> None:
    done = run_example(name, str(tmp_path / "absent"))
    assert done.returncode == 1
    assert done.stdout == ""
    assert re.fullmatch(rf"{name}: .*absent.*\n", done.stderr)


# ---- callback_page, which is in C

LINKED = {
    "pie": ("-pie", "shared"),
    "no-pie": ("-no-pie", "shared"),
    "static": ("-static", "archive"),
    "static-pie": ("-static-pie", "archive"),
    "library": ("-shared", "shared"),
}
LIBS = {
    "shared": f"-L{ROOT}/build/lib -l:libffi_static.so.0 -lffi -Wl,-rpath,{ROOT}/build/lib",
    "archive": f"{ROOT}/build/lib/libffi_static.a -lffi -pthread",
}


def callback_page(out: Path, how: str) -> Path:
    """Build the example as its reader does, against the library of this tree."""
    flag, kind = LINKED[how]
    build("lib")
    make(
        "-C",
        str(EXAMPLES / "callback_page"),
        f"OUT={out}",
        f"CFLAGS=-O2 {'-fno-pie' if flag in ('-no-pie', '-static') else '-fPIC'}",
        f"LDFLAGS={flag}",
        f"FFI_STATIC_CFLAGS=-I{ROOT}/csrc/include",
        f"FFI_STATIC_LIBS={LIBS[kind]}",
    )
    return out / "callback_page"


def judge_page(output: str, callbacks: int, provider: str = "text") -> None:
    pages = -(-callbacks // 4096)
    said = output.splitlines()
    assert said[0] == (
        f"{callbacks} live callbacks on {pages} pages of provider {provider}: "
        "each called, each knew itself"
    )
    assert re.fullmatch(r"[\d.]+ bytes of memory a callback \(PSS\), .* 64 .*", said[1])
    assert said[2:] == ["0 pages are writable and executable", "all freed"]


@both_policies
@pytest.mark.parametrize("how", [how for how in LINKED if how != "library"])
def test_a_hundred_thousand_callbacks_of_a_runtime(how: str, policy: str, tmp_path: Path) -> None:
    if reason := policies.refusal(policy):
        pytest.skip(reason)
    done = policies.run_under(policy, [str(callback_page(tmp_path, how))])
    assert done.returncode == 0, done.stdout + done.stderr
    judge_page(done.stdout, 100_000)


@pytest.mark.parametrize("provider", ["text", "file", "memfd"])
def test_callbacks_of_a_runtime_from_each_provider(provider: str, tmp_path: Path) -> None:
    page = callback_page(tmp_path, "pie")
    judge_page(
        run([str(page), "9000"], env={"FFI_STATIC_PROVIDER": provider}).stdout, 9000, provider
    )


def test_callbacks_of_a_runtime_whose_program_was_deleted(tmp_path: Path) -> None:
    page = callback_page(tmp_path, "pie")
    script = 'exec 3<"$1"; rm "$1"; exec /proc/self/fd/3 9000'
    done = run(["sh", "-c", script, "sh", str(page)])
    judge_page(done.stdout, 9000)
    assert not page.exists()


def test_callbacks_of_a_runtime_in_a_library_that_is_unloaded(tmp_path: Path) -> None:
    library = callback_page(tmp_path, "library")
    done = policies.run_under(policies.PLAIN, program(examples.run_and_unload, str(library)))
    assert done.returncode == 0, done.stdout + done.stderr
    judge_page(done.stdout.removesuffix("unloaded\n"), 9000)
    assert done.stdout.endswith("unloaded\n")
