# SPDX-License-Identifier: MIT
"""test_bad_days - bad input and bad days of the C library: right answers or a clear error.

Each case is a process of its own, a program in tests/core/bad_days; docs/results/bad-days.md is the
table of what happens in each. Every program kills itself when anything asks for memory that is
writable and executable, and looks for writable aliases at its end (tests/support/fs_test.h).
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support import process
from tests.support.ctests import BUILD, LIBRARY, PROVIDERS, ROOT, build, cases, judge, run

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAMS = BUILD / "tests" / "core" / "bad_days"
DEFAULT = "default"
ORDERS = (DEFAULT, *PROVIDERS)


@pytest.fixture(autouse=True)
def _built() -> None:
    build("tests-bad-days")


def bad(program: str, case: str, *arguments: str, **env: str | None) -> str:
    """Run a case of tests/core/bad_days; `provider` and `refuses` become the variables they set."""
    names = {"provider": "FFI_STATIC_PROVIDER", "refuses": "FS_TEST_REFUSES"}
    given = {names.get(k, k): v for k, v in env.items() if v not in (None, DEFAULT)}
    return judge(
        run(PROGRAMS / program, case, *arguments, env={k: str(v) for k, v in given.items()})
    )


# ---- input


@pytest.mark.parametrize("case", cases("bad_days", "input"))
def test_input(case: str) -> None:
    bad("input", case)


@pytest.mark.parametrize("case", cases("bad_days", "signatures"))
def test_signature(case: str) -> None:
    bad("signatures", case)


@pytest.mark.parametrize("order", [DEFAULT, "text", "file", "memfd"])
@pytest.mark.parametrize("case", [c for c in cases("bad_days", "abort") if c != "table_gone"])
def test_call_aborts_with_one_line(case: str, order: str) -> None:
    env = {} if order == DEFAULT else {"FFI_STATIC_PROVIDER": order}
    done = run(PROGRAMS / "abort", case, env=env)
    address = done.stdout.strip()
    assert done.returncode == -signal.SIGABRT, (done.returncode, done.stderr)
    assert re.fullmatch("0x[0-9a-f]+", address)
    assert done.stderr.count("\n") == 1 and done.stderr.endswith("\n")
    assert address in done.stderr
    assert ("freed" if case.startswith("freed") else "prepared") in done.stderr
    assert ("freed" in done.stderr) == case.startswith("freed")


@pytest.mark.parametrize("order", [DEFAULT, "text", "file", "memfd"])
def test_call_into_an_unmapped_table_ends_the_process(order: str) -> None:
    env = {} if order == DEFAULT else {"FFI_STATIC_PROVIDER": order}
    done = run(PROGRAMS / "abort", "table_gone", env=env)
    assert done.returncode in (-signal.SIGABRT, -signal.SIGSEGV), (done.returncode, done.stderr)


# ---- the library's file


DEVICE_CASES = [c for c in cases("bad_days", "places") if c.startswith("device_")]


@pytest.fixture
def own_library(tmp_path: Path) -> Path:
    """A copy of the library, in a folder of its own, that a test may harm."""
    folder = tmp_path / "lib"
    folder.mkdir()
    shutil.copy2(LIBRARY, folder)
    return folder


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    "how",
    ["deleted", "garbage", "shifted", "copied", "directory", "fifo", "socket", "device",
     "linked_fifo"],
)  # fmt: skip
@pytest.mark.parametrize("when", ["harm_before_first", "harm_in_between"])
def test_library_file(when: str, how: str, order: str, own_library: Path) -> None:
    refuses = "1" if order in ("resident", "file") else None
    bad("disk", when, how, provider=order, refuses=refuses, LD_LIBRARY_PATH=str(own_library))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    "name",
    ["with a space", "new\nline", "back\\slash", "\\012", "gone (deleted)", "r-xp", "ümlaut"],
)
def test_path(name: str, order: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    folder.mkdir()
    shutil.copy2(LIBRARY, folder)
    refuses = "1" if order == "resident" else None
    bad(
        "disk", "go_on_as_it_is", name, provider=order, refuses=refuses, LD_LIBRARY_PATH=str(folder)
    )


@pytest.mark.parametrize("order", ORDERS)
def test_library_moved_and_linked(order: str, own_library: Path) -> None:
    refuses = "1" if order == "resident" else None
    path = str(own_library)
    bad("disk", "moved_and_linked", provider=order, refuses=refuses, LD_LIBRARY_PATH=path)


@pytest.mark.parametrize("order", [DEFAULT, "trampfd"])
@pytest.mark.parametrize("case", DEVICE_CASES)
def test_device_is_something_else(case: str, order: str, own_library: Path) -> None:
    refuses = "1" if order == "trampfd" else None
    bad("places", case, provider=order, refuses=refuses, LD_LIBRARY_PATH=str(own_library))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    "case",
    [c for c in cases("bad_days", "places") if "memfd" not in c and c not in DEVICE_CASES],
)
def test_place(case: str, order: str, own_library: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    no_device = order == "trampfd" and case.startswith("chroot")
    refuses = "1" if order in ("resident", "file") or no_device else None
    bad(
        "places", case, str(root), provider=order, refuses=refuses, LD_LIBRARY_PATH=str(own_library)
    )


@pytest.mark.parametrize("order", ORDERS)
def test_memfd_noexec(order: str, tmp_path: Path) -> None:
    refuses = "1" if order == "resident" else None  # vm.memfd_noexec is about execve, not mmap
    bad("places", "memfds_may_not_be_executed", str(tmp_path), provider=order, refuses=refuses)


OVERLAY = """
set -e
mount -t tmpfs none "$1"
mkdir "$1"/lower "$1"/upper "$1"/work "$1"/merged
cp "$2" "$1"/lower/
mount -t overlay overlay -o lowerdir="$1"/lower,upperdir="$1"/upper,workdir="$1"/work "$1"/merged ||
    exit 77
shift 2
exec "$@"
"""


@pytest.mark.parametrize("where", ["merged", "lower"])  # overlayfs, as in containers; tmpfs
@pytest.mark.parametrize("order", ORDERS)
def test_file_system(order: str, where: str, tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("needs root to mount an overlay")
    before = ("unshare", "-m", "sh", "-c", OVERLAY, "sh", str(tmp_path), str(LIBRARY))
    env = {"LD_LIBRARY_PATH": str(tmp_path / where)}
    if order != DEFAULT:
        env["FFI_STATIC_PROVIDER"] = order
    if order == "resident":
        env["FS_TEST_REFUSES"] = "1"
    done = run(PROGRAMS / "disk", "go_on_as_it_is", where, env=env, before=before)
    if done.returncode == 77:
        pytest.skip(f"overlayfs: {done.stderr.strip()}")
    judge(done)


# ---- limits


@pytest.mark.parametrize("order", [DEFAULT, "resident,text", "resident,file", "resident,memfd"])
@pytest.mark.parametrize("case", cases("bad_days", "heap"))
def test_no_heap(case: str, order: str) -> None:
    bad("heap", case, provider=order)


# ---- the lock


@pytest.mark.parametrize("order", [DEFAULT, "text", "file", "memfd"])
@pytest.mark.parametrize(
    "case", ["tables_come_and_go", "fork_waits_for_an_allocator_that_waits_for_nobody"]
)
def test_nothing_is_called_under_the_lock(case: str, order: str) -> None:
    bad("outside", case, provider=order)


@pytest.mark.parametrize(
    "case", ["the_unwinder_is_told", "fork_waits_for_an_allocator_that_waits_for_nobody"]
)
def test_the_unwinder_is_told_without_the_lock(case: str) -> None:
    bad("outside", case, FFI_STATIC_UNWIND="1")


@pytest.mark.parametrize("order", ["resident,trampfd", "bogus"])
def test_a_refusal_is_put_into_words_without_the_lock(order: str) -> None:
    if "trampfd" in PROVIDERS:
        pytest.skip("there is a /dev/trampfd here, which refuses nothing")
    bad("outside", "a_refusal_is_put_into_words", provider=order)


def test_others_go_on_while_a_path_does_not_answer() -> None:
    bad("outside", "others_go_on_while_a_path_does_not_answer", provider="resident,file")


FD_CASES = [c for c in cases("bad_days", "limits") if c.startswith("every_fd")]


@pytest.mark.parametrize("order", [DEFAULT, "text", "file", "memfd"])
@pytest.mark.parametrize("case", FD_CASES)
def test_every_fd_taken(case: str, order: str) -> None:
    bad("limits", case, provider=order, refuses="1" if order in ("file", "memfd") else None)


@pytest.mark.parametrize("order", [DEFAULT, "text", "file", "memfd"])
def test_fds_closed_and_reused(order: str) -> None:
    bad("limits", "fds_closed_and_reused_by_the_application", provider=order)


@pytest.mark.parametrize("order", [DEFAULT, "resident,text", "resident,file", "resident,memfd"])
@pytest.mark.parametrize(
    "case", [c for c in cases("bad_days", "limits") if "address_space" in c or "mapping" in c]
)
def test_memory_limit(case: str, order: str) -> None:
    bad("limits", case, provider=order)


@pytest.mark.parametrize("order", [DEFAULT, "resident,file", "text", "file", "memfd"])
def test_smallest_stack(order: str) -> None:
    bad("limits", "the_smallest_stack_is_enough_to_make_tables", provider=order)


@pytest.mark.parametrize("order", [DEFAULT, "text", "file", "memfd"])
def test_file_size_limit(order: str) -> None:
    refuses = "1" if order == "memfd" else None
    bad("limits", "files_may_not_be_as_large_as_a_table", provider=order, refuses=refuses)


@pytest.mark.parametrize("order", [DEFAULT, "text", "file", "memfd"])
@pytest.mark.parametrize("case", ["locked_now_and_in_future", "locked_now"])
def test_memory_is_locked(case: str, order: str) -> None:
    bad("limits", case, provider=order)


@pytest.mark.parametrize("order", ["resident,text,memfd", "text", "memfd"])
def test_memory_is_locked_beyond_the_limit(order: str) -> None:
    refuses = "1" if order == "text" else None
    bad("limits", "locked_by_root_who_is_nobody_now", provider=order, refuses=refuses)


@pytest.mark.parametrize("case", cases("bad_days", "overcommit"))
def test_overcommit(case: str) -> None:
    bad("overcommit", case)  # skips outside of a machine of its own: machine_days.py


@pytest.mark.slow
def test_millions() -> None:
    """A million; ten of them with FS_TEST_DIVIDE=1."""
    divide = os.environ.get("FS_TEST_DIVIDE", "10")
    bad("millions", "ten_million_at_once", FS_TEST_DIVIDE=divide)


# ---- policies

NEEDS = {"text": {"mremap"}, "file": {"openat"}, "memfd": {"memfd_create"}}
CALLS = ["openat", "memfd_create", "mremap"]
SAYS = {"EPERM": "Operation not permitted", "ENOSYS": "Function not implemented"}


@pytest.mark.parametrize("error", ["EPERM", "ENOSYS"])
@pytest.mark.parametrize("order", [DEFAULT, "text", "file", "memfd"])
@pytest.mark.parametrize("call", CALLS)
def test_seccomp_refuses_one(call: str, order: str, error: str) -> None:
    refuses = SAYS[error] if call in NEEDS.get(order, ()) else None
    bad("policy", "refused", error, call, provider=order, refuses=refuses)


@pytest.mark.parametrize("error", ["EPERM", "ENOSYS"])
@pytest.mark.parametrize("order", [DEFAULT, "text", "file", "memfd"])
def test_seccomp_refuses_all(order: str, error: str) -> None:
    bad("policy", "refused", error, *CALLS, provider=order, refuses=SAYS[error])


def test_seccomp_refuses_all_and_each_provider_says_why() -> None:
    text = bad("policy", "everything_refused_lists_each_provider_with_its_reason")
    for provider in ("text", "file", "memfd"):
        assert re.search(rf"\b{provider}\b[^;\n]*Operation not permitted", text), text


@pytest.mark.parametrize("order", [DEFAULT, "text", "file", "memfd"])
@pytest.mark.parametrize("call", ["mmap", "mprotect"])
def test_seccomp_refuses_what_every_table_needs(call: str, order: str) -> None:
    bad("policy", "refused", "EPERM", call, provider=order, refuses=SAYS["EPERM"])


@pytest.mark.parametrize("call", ["munmap", "madvise", "prctl"])
def test_seccomp_refuses_what_no_table_needs(call: str) -> None:
    bad("policy", "refused", "EPERM", call)


def test_seccomp_after_the_999th() -> None:
    bad("policy", "refused_after_the_999th")


@pytest.mark.parametrize("order", [DEFAULT, "text", "memfd"])
def test_seccomp_kills_who_opens_a_file(order: str) -> None:
    if "trampfd" in PROVIDERS:
        pytest.skip("there is a /dev/trampfd here, which has to be opened")
    bad("policy", "whoever_opens_a_file_is_killed", provider=order)


def test_probe_gives_the_reason() -> None:
    bad("policy", "probe_gives_the_reason")


@pytest.mark.parametrize("order", [DEFAULT, "text", "file", "memfd"])
def test_every_descriptor_is_close_on_exec(order: str) -> None:
    bad("policy", "every_descriptor_is_close_on_exec", provider=order)


@pytest.mark.parametrize("order", [DEFAULT, "text", "file", "memfd"])
@pytest.mark.parametrize("case", [c for c in cases("bad_days", "policy") if c.startswith("mdwe")])
def test_mdwe(case: str, order: str) -> None:
    bad("policy", case, provider=order)


@pytest.mark.parametrize("order", [DEFAULT, "text", "file", "memfd"])
def test_sealed_text(order: str) -> None:
    refuses = SAYS["EPERM"] if order == "text" else None
    bad("policy", "text_is_sealed", provider=order, refuses=refuses)


@pytest.mark.parametrize("order", [DEFAULT, "text", "memfd"])
def test_anonymous_text(order: str) -> None:
    bad("text", "anonymous", provider=order, refuses="1" if order == "text" else None)


@pytest.mark.parametrize("order", [DEFAULT, "text", "file", "memfd"])
def test_library_rewritten_in_place(order: str, own_library: Path) -> None:
    refuses = "1" if order in ("text", "file") else None
    path = str(own_library)
    bad("text", "file_rewritten_in_place", provider=order, refuses=refuses, LD_LIBRARY_PATH=path)


def test_anonymous_table() -> None:
    bad("text", "anonymous", "table")


def test_anonymous_text_after_the_999th() -> None:
    bad("text", "anonymous_after_the_999th")


def test_anonymous_text_while_others_call() -> None:
    bad("text", "anonymous_while_others_call")


@pytest.mark.parametrize("order", [DEFAULT, "resident,text,memfd"])
def test_anonymous_text_while_others_make_tables(order: str) -> None:
    bad("text", "anonymous_while_others_make_tables_and_fork", provider=order)


# ---- FFI_STATIC_PROVIDER


@pytest.mark.parametrize(
    ("order", "served"),
    [
        ("text", ["text"]),
        ("file", ["file"]),
        ("memfd", ["memfd"]),
        ("resident,memfd", ["resident", "memfd"]),
        ("memfd,text", ["memfd"]),
        ("resident", ["resident"]),
    ],
)
def test_provider_is_the_one_named(order: str, served: list[str]) -> None:
    build("tests-c")
    program = BUILD / "tests" / "core" / "c" / "provider_env"
    judge(run(program, "served_by", *served, env={"FFI_STATIC_PROVIDER": order}))


@pytest.mark.parametrize(
    ("order", "named"),
    [("tarmpfd", "tarmpfd"), ("text,bogus", "bogus"), ("bogus,text", "bogus"), ("TEXT", "TEXT"),
     ("text;file", "text;file"), ("x" * 5000, "xxxx")],
)  # fmt: skip
def test_wrong_provider_lists_the_legal_names(order: str, named: str) -> None:
    build("tests-c")
    program = BUILD / "tests" / "core" / "c" / "provider_env"
    judge(run(program, "wrong", named, env={"FFI_STATIC_PROVIDER": order}))


NOBODY = 65534


@pytest.fixture
def public_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)  # noqa: PTH101 - a path of its own, not pytest's private one
        yield Path(name)


@pytest.mark.parametrize("set_user_id", [True, False])
def test_provider_variable_is_ignored_when_set_user_id(
    set_user_id: bool, public_folder: Path
) -> None:
    build("tests-c")
    if os.getuid() != 0:
        pytest.skip("needs root to make a set-user-id program and to run it as another user")
    if os.statvfs(public_folder).f_flag & os.ST_NOSUID:
        pytest.skip(f"{public_folder} is mounted nosuid")
    program = public_folder / "program"
    shutil.copy(BUILD / "tests" / "core" / "c" / "provider_env.static", program)
    program.chmod(0o4755 if set_user_id else 0o755)
    as_nobody = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    case = ["ignored_when_set_user_id"] if set_user_id else ["wrong", "bogus"]
    judge(run(program, *case, env={"FFI_STATIC_PROVIDER": "bogus"}, before=as_nobody))


# ---- fork, exec, dlclose, threads


@pytest.mark.parametrize("order", [DEFAULT, "text", "file", "memfd"])
@pytest.mark.parametrize("case", cases("bad_days", "fork"))
def test_fork(case: str, order: str) -> None:
    bad("fork", case, provider=order)


@pytest.mark.parametrize("order", [DEFAULT, "text", "file", "memfd"])
@pytest.mark.parametrize("case", cases("bad_days", "locks"))
def test_lock(case: str, order: str) -> None:
    bad("locks", case, provider=order)


@pytest.mark.parametrize("order", ORDERS)
def test_no_descriptor_is_kept_or_inherited(order: str) -> None:
    bad("exec", "no_descriptor_is_kept_or_inherited", provider=order)


def test_vfork_and_exec_inside_a_handler() -> None:
    bad("exec", "vfork_and_exec_inside_a_handler")


@pytest.mark.parametrize("order", [DEFAULT, "text", "file", "memfd"])
@pytest.mark.parametrize("case", cases("bad_days", "dl"))
def test_dlopen(case: str, order: str, own_library: Path) -> None:
    other = str(own_library / LIBRARY.name)
    paths = {
        "FS_TEST_LIBRARY": str(LIBRARY),
        "FS_TEST_OTHER_LIBRARY": other,
        "FS_TEST_PLUGIN": str(PROGRAMS / "plugin.so"),
    }
    bad("dl", case, **paths, provider=order)


@pytest.mark.parametrize("order", [DEFAULT, "text", "file", "memfd"])
@pytest.mark.parametrize("case", cases("bad_days", "namespaces"))
def test_namespace(case: str, order: str) -> None:
    if "glibc" not in platform.libc_ver()[0]:
        pytest.skip("dlmopen() is glibc's")
    bad("namespaces", case, provider=order, FS_TEST_LIBRARY=str(LIBRARY))


@pytest.mark.parametrize("order", [DEFAULT, "text", "file", "memfd"])
@pytest.mark.parametrize("case", cases("bad_days", "threads"))
def test_threads(case: str, order: str) -> None:
    bad("threads", case, provider=order)


# ---- stamps

# Those that take all mappings take a second and more, whatever the provider is.
STAMPS = [
    (order, program, case)
    for order in (DEFAULT, "text", "file", "memfd")
    for program in ("stamps", "stamps_later")
    for case in cases("bad_days", program)
    if order in (DEFAULT, "text") or case != "no_mapping_left"
]


@pytest.mark.parametrize(("order", "program", "case"), STAMPS)
def test_stamps(order: str, program: str, case: str) -> None:
    bad(program, case, provider=order)


# ---- the tests themselves


def test_the_filter_kills_what_asks_for_writable_and_executable(tmp_path: Path) -> None:
    source = tmp_path / "wx.c"
    source.write_text(
        '#include "fs_test.h"\n#include <sys/mman.h>\n'
        "CASE(wx) { mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE |"
        " MAP_ANONYMOUS, -1, 0); }\n"
        'CASE(alias) { int fd = memfd_create("x", 0); CHECK(ftruncate(fd, 4096) == 0);'
        " mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);"
        " mmap(0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0); }\n"
    )  # fmt: skip
    objects = ("harness", "fs_test", "days", "fs_maps", "seccomp")
    support = [str(BUILD / "tests" / "support" / f"{name}.o") for name in objects]
    program = tmp_path / "wx"
    include = [f"-I{ROOT / 'csrc/include'}", f"-I{ROOT / 'tests/support'}"]
    library = str(BUILD / "lib" / "libffi_static.a")
    command = ["gcc", *include, "-o", str(program), str(source), *support, library]
    process.run([*command, "-lffi", "-lm", "-pthread"])
    assert run(program, "wx").returncode == -signal.SIGSYS
    alias = run(program, "alias")
    assert alias.returncode == 3 and "writable alias" in alias.stderr


def test_every_program_is_run() -> None:
    sources = {path.stem for path in (ROOT / "tests" / "core" / "bad_days").glob("*.c")}
    text = Path(__file__).read_text()
    assert sources == {s for s in sources if f'"{s}"' in text}
