# SPDX-License-Identifier: MIT
"""test_libffi - the patch series: what can be said without libffi's sources, and with a build.

The first part runs everywhere: the series is what csrc gives, small where it is written by hand,
and documented. The second part looks at what `make libffi SUITE=...` built, where it has been run;
upstream's own testsuite is `make test-libffi`, which takes minutes and needs the network once.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.libffi import upstream
from tests.support.ctests import build
from tests.support.process import output, run

ROOT = Path(__file__).resolve().parents[2]
SERIES = ROOT / "patches/libffi"
HERE = ROOT / "tests/libffi"
BUILT = ROOT / os.environ.get("BUILD", "build") / "libffi"
SUITES = ("bookworm", "trixie", "newest", "el9")
VERSIONS = ("3.4.2", "3.4.4", "3.4.8", "3.8.0")
HOOKS = [SERIES / f"ffi-static-hooks-{version}.patch" for version in VERSIONS]
BODY = SERIES / "ffi-static-body.patch"
#: Folders of csrc whose files are in the body.
ROOMS = ("include", "kernel/include", "base", "arch", "tramp", "plan", "hook")
LEFT_OUT = {"hop.h", "hop_lp64.h", "hop.S"}


# ---- the series itself


def test_body_is_what_csrc_gives() -> None:
    run([sys.executable, SERIES / "refresh.py", "--check"])


def test_body_applied_gives_the_files_of_csrc(tmp_path: Path) -> None:
    if shutil.which("patch") is None:
        pytest.skip("patch is not installed")
    run(["patch", "-p1", "--fuzz=0", "-i", BODY], cwd=tmp_path)
    wanted = {  # with names of libffi's own
        f"src/static/{path.relative_to(ROOT / 'csrc')}": re.sub(
            rb"(?<![A-Za-z0-9_])fs_(?=[a-z0-9])", b"ffi_fs_", path.read_bytes()
        )
        for room in ROOMS
        for path in (ROOT / "csrc" / room).rglob("*.[chS]")
        if path.name not in LEFT_OUT
    }
    made = {
        str(path.relative_to(tmp_path)): path.read_bytes()
        for path in tmp_path.rglob("*")
        if path.is_file()
    }
    assert {name: made.pop(name, None) for name in wanted} == wanted
    assert made.keys() == {"src/static/static.am", "m4/ffi_static.m4"}  # what configures the build
    assert all(text.startswith(b"# SPDX") for text in made.values())


def test_every_source_of_the_body_is_built_and_distributed(tmp_path: Path) -> None:
    text = BODY.read_text(encoding="utf-8")
    listed = text[text.index("+++ b/src/static/static.am") :]
    names = set(re.findall(r"^\+\+\+ b/(src/static/\S+\.[chS])$", text, re.MULTILINE))
    distributed, _, built = listed.partition("\n+if FFI_STATIC_")
    assert names
    assert {name for name in names if f"\t{name}" not in distributed} == set()
    # For a folder without plans, of which there is none at present.
    lacking = [
        f for f in (ROOT / "csrc/arch").iterdir() if f.is_dir() and not (f / "abi.c").exists()
    ]
    unbuilt = set() if lacking else {"src/static/hook/unplanned.c"}
    assert {n for n in names if not n.endswith(".h") and f"\t{n}" not in built} == unbuilt


def header(patch: Path) -> str:
    return patch.read_text(encoding="utf-8").partition("\n--- ")[0]


@pytest.mark.parametrize("patch", [BODY, *HOOKS], ids=lambda path: path.stem)
def test_patch_has_a_dep3_header(patch: Path) -> None:
    fields = dict(re.findall(r"^([A-Z][A-Za-z-]+): (\S.*)$", header(patch), re.MULTILINE))
    assert {"Description", "Author", "Forwarded", "Last-Update"} <= fields.keys()
    assert fields["Forwarded"] in {"no", "not-needed"} or fields["Forwarded"].startswith("http")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", fields["Last-Update"])


def hunks(patch: Path) -> list[list[str]]:
    parts = re.split(r"^@@ .*@@.*\n", patch.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [[x for x in p.splitlines() if not x.startswith(("---", "+++"))] for p in parts[1:]]


@pytest.mark.parametrize("patch", HOOKS, ids=lambda path: path.stem)
def test_hooks_are_few_lines_with_little_of_libffi_around_them(patch: Path) -> None:
    found = hunks(patch)
    assert found
    for hunk in found:
        assert len([x for x in hunk if x.startswith("+")]) <= 5, hunk
        assert len([x for x in hunk if x.startswith("-")]) <= 1, hunk
        assert len([x for x in hunk if not x.startswith("+")]) <= 7, hunk
    # How many files there are follows from how many architectures are served. In one there are the
    # include, what prepares closures and what calls their handlers; i386 prepares in two places
    # (its raw closures are its own), ARM calls in two.
    _, *files = re.split(r"^--- a/", patch.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert max(len(re.findall(r"^@@ ", file, re.MULTILINE)) for file in files) <= 4


@pytest.mark.parametrize("version", VERSIONS)
def test_series_is_the_body_then_its_hooks(version: str) -> None:
    names = (SERIES / f"series.{version}").read_text(encoding="utf-8").split()
    assert names == [BODY.name, f"ffi-static-hooks-{version}.patch"]
    assert f"({version})" in header(SERIES / names[1])


def test_no_series_or_hook_is_left_out_of_these_tests() -> None:
    assert {path.name for path in SERIES.glob("series.*")} == {f"series.{v}" for v in VERSIONS}
    assert set(SERIES.glob("*.patch")) == {BODY, *HOOKS}


# ---- the comparison of `make test-libffi` can say no


def load_suite() -> Any:
    spec = importlib.util.spec_from_file_location("libffi_suite", HERE / "suite.py")
    assert spec and spec.loader
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_comparison_sees_a_new_failure_and_a_missing_test() -> None:
    suite = load_suite()
    summary = (
        "PASS: a/x.c -O2 (test for excess errors)\nFAIL: a/y.c\n{}\t\t=== libffi Summary ===\n"
    )

    def outcome(variant: str, more: str) -> Any:
        return suite.Outcome(suite.Job("s", variant), suite.parse(summary.format(more)))

    stock = outcome("stock", "PASS: a/z.c execution test\nPASS: a/z.c execution test\n")
    same = outcome("patched", "PASS: a/z.c execution test\nPASS: a/z.c execution test\n")
    fails = outcome("patched", "PASS: a/z.c execution test\nFAIL: a/z.c execution test\n")
    fewer = outcome("patched", "PASS: a/z.c execution test\n")
    assert suite.compare(stock, same) == []
    assert ["z.c" in line for line in suite.compare(stock, fails)] == [True]
    assert ["z.c" in line for line in suite.compare(stock, fewer)] == [True]
    assert suite.compare(fails, same) == []
    with pytest.raises(ValueError, match="interrupted"):
        suite.parse("PASS: a/x.c\n")


# ---- what was built


@pytest.fixture(params=SUITES)
def base(request: pytest.FixtureRequest) -> Path:
    folder: Path = BUILT / request.param
    if not (folder / ".built").exists():
        pytest.skip(f"not built here: make libffi SUITE={request.param} (needs a Debian mirror)")
    return folder


def test_series_applies_to_the_pristine_source_without_fuzz(base: Path, tmp_path: Path) -> None:
    version = (base / "version").read_text().strip()
    shutil.copytree(base / "source", tmp_path / "tree", symlinks=True)
    for name in (SERIES / f"series.{version}").read_text(encoding="utf-8").split():
        done = run(["patch", "-p1", "--fuzz=0", "-i", SERIES / name], cwd=tmp_path / "tree")
        assert not re.search(r"offset|fuzz", done.stdout), done.stdout


UPSTREAM = sorted((SERIES / "upstream").glob("*.patch"))
#: Not a fault's: an idea of this project's, with a head to send and a test.
SENT = [patch for patch in UPSTREAM if patch.name[0].isdigit()]


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """3.8.0's: `make libffi SUITE=newest` gets it, and so do the builds for other machines."""
    source = BUILT / "newest" / "source"
    if not (source / "configure.ac").exists():
        pytest.skip("not there: make libffi SUITE=newest (needs a Debian mirror)")
    return Path(shutil.copytree(source, tmp_path / "tree", symlinks=True))


@pytest.mark.parametrize("patch", UPSTREAM, ids=lambda p: p.stem)
def test_patch_of_upstream_applies_to_its_release(patch: Path, release: Path) -> None:
    done = run(["patch", "-p1", "--fuzz=0", "-i", patch], cwd=release)
    assert not re.search(r"offset|fuzz", done.stdout), done.stdout


DAYS = BUILT.parent / "tests" / "libffi" / "bad_days" / "days"


def hardened(suite: str, case: str, status: int | None = 0) -> subprocess.CompletedProcess[str]:
    library = BUILT / suite / "lib" / "libffi.so.8"
    if not library.exists():
        pytest.skip(f"not built here: make libffi SUITE={suite} (needs a Debian mirror)")
    build("tests-libffi-bad-days")
    env = {"DAYS_LIBFFI": str(library), "FFI_STATIC_HARDEN": "1"}
    return run([DAYS, case], status=status, env=env)


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("case", ["as_it_is", "prepared_again", "fork_child_makes_its_own", "exec"])
def test_hardened_libffi_makes_sealed_closures(suite: str, case: str) -> None:
    hardened(suite, case)


@pytest.mark.parametrize("suite", SUITES)
def test_hardened_libffi_says_what_it_cannot_seal(suite: str) -> None:
    said = hardened(suite, "sizes_to_262080", status=None).stderr
    assert said.startswith("libffi: FFI_STATIC_HARDEN: ffi_closure_alloc() gives NULL: ")
    assert "bytes behind a closure" in said.splitlines()[0]
    written = hardened(suite, "cleared_before_free", status=None)
    assert written.returncode == -signal.SIGSEGV


def test_patches_of_upstream_apply_one_after_the_other(release: Path) -> None:
    for patch in UPSTREAM:
        run(["patch", "-p1", "--fuzz=0", "-i", patch], cwd=release)


@pytest.mark.parametrize("patch", SENT, ids=lambda p: p.stem)
def test_patch_of_upstream_is_small_with_a_test_and_a_letter(patch: Path) -> None:
    letter, *files = re.split(r"^diff --git .*\n", patch.read_text(), flags=re.MULTILINE)
    body = "".join(
        re.sub(r"\A.*?^\+\+\+ .*?$", "", f, flags=re.MULTILINE | re.DOTALL) for f in files
    )
    assert 0 < len(re.findall(r"^[-+]", body, re.MULTILINE)) < 150
    tests = re.findall(r"^\+\+\+ b/testsuite/(\S+\.c)$", "".join(files), re.MULTILINE)
    assert len(tests) == 1
    assert re.search(rf"^\+\t.*\b{tests[0]} ", body, re.MULTILINE), "not in Makefile.am"
    assert "{ dg-do run" in body
    assert letter.startswith("From ")
    assert f"testsuite/{tests[0]}: New test." in letter
    for part in ("Subject: [PATCH] ", "What it costs: ", "What it does not do: ", "Tests: "):
        assert letter.count(f"\n{part}") == 1, part


def test_judgement_of_a_patch_of_upstream_can_say_no() -> None:
    own, other = "libffi.closures/tramp_no_fd.c", "libffi.threads/fork.c"
    release = {"x.c": "PASS", f"{own} -O2": "FAIL", f"{other} -O2": "FAIL"}
    assert upstream.judge(release, {"x.c": "PASS", f"{own} -O2": "PASS"}, "1") == []
    assert upstream.judge(release, {"x.c": "FAIL", f"{own} -O2": "PASS"}, "1") == ["FAIL: x.c"]
    assert upstream.judge(release, {"x.c": "PASS", f"{own} -O2": "FAIL"}, "1") == [f"{own}: FAIL"]
    assert len(upstream.judge(release, {"x.c": "PASS"}, "1")) == 2
    assert upstream.judge(release, {**release, f"{own} -O2": "PASS"}, "all")


def test_six_patches_of_upstream_are_numbered() -> None:
    assert [patch.name[0] for patch in SENT] == list("123456")


def others(base: Path) -> list[Path]:
    return [base / name for name in ("stock", "upstream") if (base / name).exists()]


def symbols(prefix: Path) -> set[tuple[str, ...]]:
    listed = output(["nm", "-D", "--defined-only", "--with-symbol-versions", prefix / SO])
    return {tuple(line.split()[1:]) for line in listed.splitlines()}


SO = "lib/libffi.so.8"


def test_exports_and_versions_are_those_of_stock_and_our_mark(base: Path) -> None:
    mark = {
        ("T", "ffi_static_survives_fork@@FFI_STATIC_1.0"),
        ("A", "FFI_STATIC_1.0"),
    }
    exported = symbols(base)
    assert mark & exported == mark
    exported -= mark
    assert any("ffi_closure_alloc@@LIBFFI_CLOSURE_8.0" in names for names in exported)
    for other in others(base):
        assert exported == symbols(other)


def archive_names(prefix: Path) -> set[str]:
    listed = output(["nm", "-g", "--defined-only", prefix / "lib/libffi.a"])
    return {line.split()[2] for line in listed.splitlines() if len(line.split()) == 3}


def test_archive_adds_no_name_outside_of_libffis_own(base: Path) -> None:
    """Hidden is not private there: a program's fs_lock() would be taken for ours, or clash."""
    added = archive_names(base) - archive_names(base / "stock")
    assert any("alloc" in name for name in added)
    tables = "trampoline_code_table"  # upstream's, where it is told that code and data are apart
    assert {n for n in added - {tables} if not n.startswith(("ffi_", "_ffi_"))} == set()


def dynamic(prefix: Path) -> str:
    return output(["readelf", "-dW", prefix / SO])


def test_soname_and_file_name_are_those_of_stock(base: Path) -> None:
    soname = re.findall(r"SONAME.*\[(.*)\]", dynamic(base))
    assert soname == ["libffi.so.8"]
    for other in others(base):
        assert soname == re.findall(r"SONAME.*\[(.*)\]", dynamic(other))
        assert (base / SO).resolve().name == (other / SO).resolve().name


def test_headers_have_the_sizes_of_stock(base: Path, tmp_path: Path) -> None:
    def sizes(prefix: Path) -> str:
        program = tmp_path / f"sizes-{prefix.name}"
        output(["gcc", "-o", program, HERE / "sizes.c", "-I", prefix / "include"])
        return output([program])

    found = sizes(base)
    assert "sizeof ffi_closure" in found
    for other in others(base):
        assert found == sizes(other)


def test_pkg_config_file_says_what_stock_says(base: Path) -> None:
    def said(prefix: Path) -> str:
        text = (prefix / "lib/pkgconfig/libffi.pc").read_text()
        return re.sub(r"^\w*(prefix|dir)=.*", "", text, flags=re.MULTILINE)

    assert said(base) == said(base / "stock")


def mapped_rights(prefix: Path) -> list[int]:
    """Give the constants that reach the rights of mmap and mprotect, read in the disassembly."""
    code = output(["objdump", "-d", "--no-show-raw-insn", prefix / SO]).splitlines()
    found = []
    for number, line in enumerate(code):
        if re.search(r"call\s+\w+ <(?:mmap|mmap64|mprotect)@plt>", line):
            for before in reversed(code[max(0, number - 15) : number]):
                match = re.search(r"mov\s+\$0x(\w+),%edx|(xor\s+%edx,%edx)", before)
                if match:
                    found.append(int(match[1] or "0", 16))
                    break
    return found


def test_no_mapping_is_asked_for_writable_and_executable(base: Path) -> None:
    asked = mapped_rights(base)
    assert asked
    assert [rights for rights in asked if rights & 6 == 6] == []
    assert [rights for rights in mapped_rights(base / "stock") if rights & 6 == 6]


def test_no_temporary_file_and_no_dlmalloc_is_left(base: Path) -> None:
    def imports(prefix: Path) -> set[str]:
        listed = output(["nm", "-D", "--undefined-only", prefix / SO])
        return {line.split()[-1].partition("@")[0] for line in listed.splitlines()}

    fallback = {"mkostemp", "mkstemp", "setmntent", "getmntent_r", "endmntent", "hasmntopt"}
    assert imports(base) & fallback == set()
    assert imports(base / "stock") & fallback
    tree = base / "work/patched/b/src/.libs"
    assert output(["nm", "--defined-only", tree / "closures.o"]).strip() == ""
    stock = output(["nm", "--defined-only", base / "work/stock/b/src/.libs/closures.o"])
    assert "dlmalloc" in stock or "dlmmap" in stock


def test_library_has_no_writable_and_executable_segment_and_no_executable_stack(base: Path) -> None:
    headers = output(["readelf", "-lW", base / SO])
    flags = re.findall(r"^\s+(\w+)\s+0x.* ([R ][W ][E ]) +0x\w+$", headers, flags=re.MULTILINE)
    assert {"LOAD", "GNU_STACK"} <= {name for name, _ in flags}
    assert [name for name, rights in flags if "W" in rights and "E" in rights] == []


@pytest.mark.parametrize("suite", SUITES)
def test_every_object_built_with_cf_protection_is_marked_for_it(suite: str) -> None:
    """Of the objects, because a library is marked only if the C library's start files are, too."""
    tree = BUILT / suite / "work/cet/b/src"
    if not tree.exists():
        pytest.skip(f"not built here: make {BUILT.relative_to(ROOT)}/{suite}/.cet")
    objects = sorted(path for path in tree.rglob("*.o") if path.parent.name == ".libs")
    assert any(path.name.endswith("entry.o") for path in objects)
    for path in objects:
        assert "IBT, SHSTK" in output(["readelf", "-nW", path]), path.name


# ---- an existing program on it


@pytest.fixture
def program(base: Path, tmp_path: Path) -> Path:
    """Compile a program against stock's headers and library."""
    stock, made = base / "stock", tmp_path / "closures"
    flags = ["-O2", "-Wall", "-Wextra", "-Werror", f"-I{stock}/include", f"-L{stock}/lib"]
    output(["gcc", *flags, "-o", made, HERE / "closures.c", "-lffi"])
    return made


@pytest.fixture(scope="session")
def deny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("deny") / "deny"
    output(["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", made, HERE / "deny.c"])
    return made


def run_on(
    prefix: Path, program: Path, deny: Path, *policies: str
) -> subprocess.CompletedProcess[str]:
    launcher: list[str | Path] = [deny, *policies, "--"] if policies else []
    done = run([*launcher, program], status=None, env={"LD_LIBRARY_PATH": str(prefix / "lib")})
    if done.returncode == 77:
        pytest.skip(done.stderr)
    return done


def test_a_handler_that_writes_nothing_returns_zero(base: Path, deny: Path, tmp_path: Path) -> None:
    """Every ABI of x86-64, raw closures, Go's, and types that have no plan."""
    made = tmp_path / "silent"
    flags = ["-O2", "-Wall", "-Wextra", "-Werror", f"-I{base}/include", f"-L{base}/lib"]
    output(["gcc", *flags, "-o", made, HERE / "silent.c", "-lffi"])
    done = run_on(base, made, deny)
    assert done.returncode == 0, done.stdout + done.stderr
    zeros, calls = re.findall(r"\d+", done.stdout)
    assert 50 < int(zeros) <= int(calls)
    unchanged = run_on(base / "stock", made, deny)
    assert unchanged.returncode == 1, unchanged.stdout


POLICIES = [(), ("mdwe",), ("wx",), ("mdwe", "wx", "memfd", "proc")]


@pytest.mark.parametrize("policies", POLICIES, ids=lambda words: "-".join(words) or "plain")
def test_program_built_for_stock_runs_on_patched(
    base: Path, program: Path, deny: Path, policies: tuple[str, ...]
) -> None:
    done = run_on(base, program, deny, *policies)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"5000 closures, -?\d+ mappings\n", done.stdout)


def test_the_same_program_on_stock_shows_what_the_audit_finds(
    base: Path, program: Path, deny: Path
) -> None:
    done = run_on(base / "stock", program, deny)
    assert done.returncode == 1
    assert "writable and executable:" in done.stderr
    assert run_on(base / "stock", program, deny, "wx").returncode != 0
