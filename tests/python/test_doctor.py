# SPDX-License-Identifier: MIT
"""test_doctor - the report, its exit status, and that the audit finds what it is for."""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import pty
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import _cffi_backend
import pytest

from ffi_static import _strict, doctor
from ffi_static.doctor import advice, child, layout, policies, trials
from ffi_static.doctor.maps import mapping_at, read_maps
from ffi_static.doctor.text import render
from tests.python.programs import fresh
from tests.support.process import run
from tests.support.programs import program

ROOT = Path(__file__).resolve().parent.parent.parent

CLEAN = """\
00400000-00401000 r--p 00000000 fe:00 17                                 /usr/bin/program
00401000-00402000 r-xp 00001000 fe:00 17                                 /usr/bin/program
00403000-00404000 rw-p 00003000 fe:00 17                                 /usr/bin/program
7f0000000000-7f0000001000 rw-p 00000000 00:00 0
7f0000002000-7f0000003000 r--s 00000000 fe:00 99                         /usr/lib/locale/C
7f0000004000-7f0000005000 rw-s 00000000 00:01 41                         /dev/shm/a b (deleted)
7fff00000000-7fff00001000 r-xp 00000000 00:00 0                          [vdso]
"""
WX = "7f0000010000-7f0000011000 rwxp 00000000 00:00 0 \n"
CODE = (
    "7f0000020000-7f0000022000 r-xs 00001000 00:01 7                          /memfd:f (deleted)\n"
)
ALIAS = (
    "7f0000030000-7f0000031000 rw-s 00002000 00:01 7                          /memfd:f (deleted)\n"
)
NEAR = (
    "7f0000030000-7f0000031000 rw-s 00003000 00:01 7                          /memfd:f (deleted)\n"
)
COPY = (
    "7f0000030000-7f0000031000 rw-p 00002000 00:01 7                          /memfd:f (deleted)\n"
)


def examine(*options: str, mdwe: bool = False, **env: str) -> Any:
    command = [sys.executable, "-m", "ffi_static", "doctor", *options]
    if mdwe:
        command = program(fresh.doctor_under_mdwe, *options)
    return run(command, status=None, env=env)


def report(*, mdwe: bool = False, status: int = 0, **env: str) -> dict[str, Any]:
    done = examine("--json", mdwe=mdwe, **env)
    assert (done.returncode, done.stderr) == (status, "")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.fixture(scope="module")
def healthy() -> dict[str, Any]:
    return report(FFI_STATIC_PROVIDER="resident,text,file,memfd")  # with a module or without


@pytest.fixture(scope="module")
def needs_mdwe() -> None:
    if policies.mdwe()["state"] == "unsupported":
        pytest.skip("this kernel has no PR_SET_MDWE (Linux 6.3)")


# ---- the report


def test_healthy_machine_exits_with_zero(healthy: dict[str, Any]) -> None:
    assert healthy["healthy"] is True
    assert healthy["audit"]["findings"] == []
    assert healthy["audit"]["closures"] == 2000


def test_every_provider_is_listed_in_order_and_every_closure_has_one(
    healthy: dict[str, Any],
) -> None:
    names = [each["name"] for each in healthy["providers"]["list"]]
    assert names == ["resident", "trampfd", "text", "file", "memfd"]
    assert sum(healthy["providers"]["used"].values()) == 2000
    assert healthy["providers"]["used"]["resident"] == 256


def test_json_has_every_field_that_the_page_names(healthy: dict[str, Any]) -> None:
    page = (ROOT / "docs/use/doctor.md").read_text(encoding="utf-8")
    fields = re.findall(r"^\| `([a-z_.]+)` \|", page, flags=re.MULTILINE)
    assert len(fields) > 10
    for field in fields:
        value: Any = healthy
        for key in field.split("."):
            assert key in value, field
            value = value[key]
    named = {field.split(".")[0] for field in re.findall(r"`([a-z_.*]+)`", page)}
    assert set(healthy) <= named


@pytest.mark.parametrize("name", ["ctypes", "cffi"])
def test_callbacks_after_install_are_shown_to_be_safe(healthy: dict[str, Any], name: str) -> None:
    installed = healthy["callbacks"][name]["installed"]
    assert installed["works"] is True and installed["memory"]["safe"] is True
    assert "imports" in installed["how"]
    assert (installed["turbo"], installed["no_turbo"]) == (True, "")
    assert not any("use ffi_static.callback" in each for each in healthy["advice"])


def test_what_install_cannot_serve_is_advised_to_use_callback() -> None:
    unsafe = {"works": True, "memory": {"safe": False, "kind": "writable-executable", "about": "X"}}
    refused = {"works": False, "answer": "InstallError: libffi is linked into it statically"}
    stock = {"plain": unsafe, "mdwe": refused, "installed": refused}
    (said,) = advice._on_stock("ctypes", stock)
    assert "use ffi_static.callback instead" in said and "statically" in said


def test_text_names_every_provider_policy_and_rival() -> None:
    done = examine()
    assert (done.returncode, done.stderr) == (0, "")
    words = (
        "resident",
        "trampfd",
        "text",
        "file",
        "memfd",
        "mdwe",
        "selinux",
        "seccomp",
        "memfd_noexec",
    )
    for word in (*words, "pax", "ctypes", "cffi", "ffi_static", "Healthy", "clean"):
        assert re.search(rf"^ *{re.escape(word)}\b|^{word}", done.stdout, re.MULTILINE), word


def on_a_terminal(**env: str) -> str:
    """Run doctor with a terminal as its stdout; give what the terminal gets."""
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "ffi_static", "doctor"],
        stdout=theirs,
        env={**os.environ, "TERM": "xterm", "NO_COLOR": "", **env},
    )
    os.close(theirs)
    said = b""
    with contextlib.suppress(OSError):  # EIO: the last writer has closed the terminal
        while block := os.read(ours, 65536):
            said += block
    os.close(ours)
    assert child.wait() == 0
    return said.decode()


def test_colours_are_for_terminals_and_no_color_forbids_them() -> None:
    assert "\033[" not in examine().stdout
    assert "\033[" not in on_a_terminal(NO_COLOR="1")
    assert "\033[" not in on_a_terminal(TERM="dumb")
    shown = on_a_terminal()
    assert shown.startswith("\033[1;32mHealthy\033[0m: callbacks of ffi_static work")
    assert re.search(r"resident +\033\[1;32myes\033\[0m ", shown)


def test_report_begins_with_the_verdict_and_fits_100_columns(healthy: dict[str, Any]) -> None:
    lines = render(healthy).splitlines()
    assert lines[0].startswith("Healthy: ")
    advice = [f"  * {each}" for each in healthy["advice"]]
    assert " ".join("\n".join(lines[1:]).split()).startswith(" ".join(" ".join(advice).split()))
    assert max(map(len, lines)) <= 100
    assert len(examine().stdout.splitlines()) == len(lines)


@pytest.mark.parametrize(
    "line",
    ["  name   state  " + "word " * 50, "  * " + "word " * 50, "x" * 250, "  name  " + "/p" * 75],
)
def test_long_lines_are_broken_and_lose_nothing(line: str) -> None:
    parts = layout.fit(line)
    assert len(parts) > 1 and max(map(len, parts)) <= 100
    assert "".join("".join(parts).split()) == "".join(line.split())


def test_what_follows_stands_under_the_last_column() -> None:
    _, second = layout.fit("  name   state  " + "word " * 30)
    assert second.startswith(" " * 16 + "word")


def test_unknown_option_is_refused_with_usage() -> None:
    done = examine("--yaml")
    assert done.returncode == 2
    assert "usage: python -m ffi_static doctor" in done.stderr


def test_without_proc_it_says_so_and_exits_with_one() -> None:
    command = f"umount -l /proc && exec {sys.executable} -m ffi_static doctor"
    unshare = ["unshare", "--mount", "sh", "-c"]
    if run([*unshare, "true"], status=None).returncode:
        pytest.skip("needs root to unmount /proc in a namespace of its own")
    done = run([*unshare, command], status=None)
    assert (done.returncode, done.stdout) == (1, "")
    assert "/proc/self/maps" in done.stderr
    assert "mount -t proc" in done.stderr


# ---- under a policy, and with a provider forced


@pytest.mark.usefixtures("needs_mdwe")
def test_under_mdwe_the_policy_is_seen_and_our_callbacks_work() -> None:
    result = report(mdwe=True)
    assert result["policies"]["mdwe"]["state"] == "on"
    assert result["trials"]["anonymous_wx"]["allowed"] is False
    assert "EACCES" in result["trials"]["anonymous_wx"]["answer"]
    assert result["trials"]["write_then_execute"]["allowed"] is False
    assert result["callbacks"]["ffi_static"]["plain"]["works"] is True
    assert result["audit"]["findings"] == []


@pytest.mark.usefixtures("needs_mdwe")
def test_under_mdwe_no_callback_is_said_to_live_in_writable_and_executable_memory() -> None:
    for each in report(mdwe=True)["callbacks"].values():
        memory = each["plain"].get("memory", {"kind": "none"})
        assert memory["kind"] != "writable-executable"


@pytest.mark.parametrize("name", ["text", "file", "memfd"])
def test_forced_provider_serves_every_callback(name: str) -> None:
    result = report(FFI_STATIC_PROVIDER=name)
    assert result["providers"]["override"] == name
    assert result["providers"]["used"] == {name: 2000}
    assert result["callbacks"]["ffi_static"]["plain"]["memory"]["safe"] is True


def test_provider_that_is_too_small_is_unhealthy_and_advised_about() -> None:
    result = report(FFI_STATIC_PROVIDER="resident", status=1)
    assert result["healthy"] is False
    assert result["callbacks"]["ffi_static"]["plain"]["works"] is False
    assert any("FFI_STATIC_PROVIDER" in each for each in result["advice"])


def test_provider_that_does_not_exist_is_unhealthy_and_the_legal_names_are_shown() -> None:
    done = examine(FFI_STATIC_PROVIDER="magic")
    assert done.returncode == 1
    assert "NOT HEALTHY: " in done.stdout
    assert "magic" in done.stdout
    assert "resident, trampfd, text, file, memfd" in done.stdout


def test_without_the_extension_the_report_still_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ffi_static._lib", None)
    monkeypatch.delattr("ffi_static._lib", raising=False)
    result = doctor.examine()
    assert result["healthy"] is False
    assert result["system"]["ffi_static"].startswith("not loadable")
    assert "pip install" in result["advice"][0]
    assert "NOT HEALTHY: " in render(result)


# ---- the audit


@pytest.mark.parametrize("maps", [CLEAN, CLEAN + CODE, CLEAN + CODE + NEAR, CLEAN + CODE + COPY])
def test_audit_of_a_clean_maps_file_is_empty(maps: str) -> None:
    assert doctor.audit_maps(maps) == []


def test_audit_finds_a_writable_and_executable_page() -> None:
    (finding,) = doctor.audit_maps(CLEAN + WX)
    assert finding.kind == "writable-executable"
    assert "7f0000010000-7f0000011000 rwxp anonymous" in str(finding)


def test_audit_finds_a_writable_alias_of_an_executable_page() -> None:
    (finding,) = doctor.audit_maps(CLEAN + CODE + ALIAS)
    assert finding.kind == "writable-alias"
    assert "7f0000020000" in finding.where
    assert "7f0000030000" in finding.through


def test_audit_finds_an_alias_of_private_executable_pages_too() -> None:
    assert len(doctor.audit_maps(CODE.replace("r-xs", "r-xp") + ALIAS)) == 1


def test_audit_refuses_a_line_that_it_does_not_understand() -> None:
    with pytest.raises(ValueError, match="not a line of a maps file: 'nonsense'"):
        doctor.audit_maps(CLEAN + "nonsense\n")


def executable_memfd(*, sealed: bool) -> list[str]:
    """Map a memfd executable, keep it open for writing; give the kinds that the audit finds."""
    import fcntl

    fd = os.memfd_create("audited", os.MFD_ALLOW_SEALING)
    os.write(fd, bytes(mmap.PAGESIZE))
    if sealed:
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE)
    code = mmap.mmap(
        fd, mmap.PAGESIZE, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_EXEC
    )
    kinds = [f.kind for f in doctor.audit_maps() if "memfd:audited" in f.where]
    code.close()
    os.close(fd)
    return kinds


def test_audit_finds_a_descriptor_through_which_executable_memory_can_be_written() -> None:
    # mmap keeps a duplicate of the descriptor, so there are two.
    assert set(executable_memfd(sealed=False)) == {"writable-descriptor"}


def test_audit_accepts_a_sealed_descriptor() -> None:
    assert executable_memfd(sealed=True) == []


@pytest.mark.parametrize(
    ("maps", "kind", "safe"),
    [
        (
            WX.replace("7f0000010000", "1000").replace("7f0000011000", "2000"),
            "writable-executable",
            0,
        ),
        (
            "1000-2000 r-xs 00000000 00:01 7 /memfd:f\n" + ALIAS,
            "static",
            1,
        ),
        ("1000-2000 r-xs 00000000 00:01 7 /m\n3000-4000 rw-s 0 00:01 7 /m\n", "writable-alias", 0),
        ("1000-2000 r-xp 00000000 fe:00 7 /usr/lib/l.so\n", "static", 1),
        ("1000-2000 r-xp 00000000 00:00 0 \n", "private", 1),
        ("1000-2000 rw-p 00000000 00:00 0 \n", "unmapped", 0),
        ("", "unmapped", 0),
    ],
)
def test_memory_of_an_address_is_described(maps: str, kind: str, safe: int) -> None:
    described = trials.describe_memory(0x1800, read_maps(maps))
    assert (described["kind"], described["safe"]) == (kind, bool(safe))


def test_mapping_of_an_address_ends_before_its_end() -> None:
    mappings = read_maps(CLEAN)
    first = mapping_at(0x400FFF, mappings)
    second = mapping_at(0x401000, mappings)
    assert first is not None and first.perms == "r--p"
    assert second is not None and second.executable


# ---- children and policies


def test_child_brings_back_an_answer_an_exception_and_a_signal() -> None:
    def fails() -> dict[str, Any]:
        raise LookupError("on purpose")

    def dies() -> dict[str, Any]:
        os.write(2, b"a last word\n")
        os.kill(os.getpid(), signal.SIGKILL)
        return {}

    assert child.run_in_child(lambda: {"pid": os.getpid()})["pid"] != os.getpid()
    assert child.run_in_child(fails) == {"error": "LookupError: on purpose"}
    assert child.run_in_child(dies) == {"error": "killed by SIGKILL: a last word"}


@pytest.mark.usefixtures("needs_mdwe")
def test_policy_switched_on_in_a_child_stays_there() -> None:
    def ask() -> dict[str, Any]:
        _strict.deny_write_execute()
        return policies.mdwe()

    before = policies.mdwe()
    assert child.run_in_child(ask)["state"] == "on"
    assert policies.mdwe() == before


def fake_root(tmp_path: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


def test_selinux_is_read_where_it_is_in_force(tmp_path: Path) -> None:
    files = {
        "sys/fs/selinux/enforce": "1",
        "sys/fs/selinux/booleans/deny_execmem": "1 1",
        "proc/self/attr/current": "system_u:system_r:httpd_t:s0\0",
    }
    told = policies.selinux(fake_root(tmp_path, files))
    assert (told["state"], told["context"]) == ("enforcing", "system_u:system_r:httpd_t:s0")
    assert "deny_execmem is on" in told["about"]


def test_selinux_permissive_and_unmounted_are_told_apart(tmp_path: Path) -> None:
    permissive = fake_root(tmp_path / "a", {"sys/fs/selinux/enforce": "0"})
    unmounted = fake_root(tmp_path / "b", {"proc/filesystems": "nodev\tselinuxfs\n"})
    assert policies.selinux(permissive)["state"] == "permissive"
    assert policies.selinux(unmounted)["state"] == "unknown"
    assert policies.selinux(tmp_path / "nothing")["state"] == "absent"


def test_seccomp_and_pax_are_read_from_status(tmp_path: Path) -> None:
    status = "Name:\tx\nPaX:\tPeMRs\nSeccomp:\t2\nSeccomp_filters:\t3\n"
    root = fake_root(tmp_path, {"proc/self/status": status})
    seccomp, pax = policies.seccomp(root), policies.pax(root)
    assert (seccomp["state"], seccomp["filters"]) == ("filter", 3)
    assert pax["state"] == "PeMRs"
    assert "MPROTECT is on" in pax["about"]


@pytest.mark.parametrize(("value", "word"), [("0", "may be"), ("1", "unless"), ("2", "no memfd")])
def test_memfd_noexec_is_explained(tmp_path: Path, value: str, word: str) -> None:
    root = fake_root(tmp_path, {"proc/sys/vm/memfd_noexec": value + "\n"})
    assert word in policies.memfd_noexec(root)["about"]


def test_absent_files_are_told_as_such(tmp_path: Path) -> None:
    assert policies.seccomp(tmp_path)["state"] == "unknown"
    assert policies.pax(tmp_path)["state"] == "absent"
    assert policies.memfd_noexec(tmp_path)["state"] == "unsupported"


# ---- who makes closures


def test_doctor_names_who_makes_closures(tmp_path: Path) -> None:
    (tmp_path / "carrier").mkdir()
    (tmp_path / "carrier/__init__.py").touch()
    shutil.copy(_cffi_backend.__file__, tmp_path / "carrier")
    source = "int ffi_prep_closure(void *, void *, void *, void *);\n"
    source += "int use(void) { return ffi_prep_closure(0, 0, 0, 0); }\n"
    (tmp_path / "library.c").write_text(source)
    library = str(tmp_path / "liblibrary.so")
    compiler = shlex.split(os.environ.get("CC", "gcc"))
    options = ["-shared", "-fPIC", "-o", library, str(tmp_path / "library.c"), "-lffi"]
    run([*compiler, *options])
    (tmp_path / "loads_it.py").write_text(f"import ctypes\nlib = ctypes.CDLL({library!r})\n")
    words = ("carrier._cffi_backend", "loads_it", "not_there")
    report = json.loads(examine("--json", *words, PYTHONPATH=str(tmp_path)).stdout)
    found = {each["module"]: each for each in report["closures"]["list"]}
    assert {name: each["state"] for name, each in found.items()} == {
        "_ctypes": "served",
        "_cffi_backend": "served",
        "carrier._cffi_backend": "served",
        "liblibrary.so": "unserved",
    }
    assert found["liblibrary.so"]["file"] == library
    assert "through ffi_prep_closure" in found["liblibrary.so"]["reason"]
    assert list(report["closures"]["errors"]) == ["not_there"]
    assert any(library in line for line in report["advice"])
    assert any("not_there was not looked at" in line for line in report["advice"])
    said = examine(*words, PYTHONPATH=str(tmp_path)).stdout
    assert f"liblibrary.so unserved {library}" in " ".join(said.split())


@pytest.mark.parametrize("brought", ["libffi-4f1c2a9e.so.8.1.2", "libffi.so.7.1.0"])
def test_libffi_that_another_package_brought_is_not_taken_for_the_modules_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, brought: str
) -> None:
    module = tmp_path / "_ctypes.so"
    module.write_bytes(b"\0ffi_prep_closure_loc\0libffi.so.8\0libc.so.6\0")
    lines = [
        f"7f{i}000-7f{i}100 r-xp 00000000 fe:00 {i} {path}\n"
        for i, path in enumerate([f"/site/ffi_static.libs/{brought}", "/lib/libffi.so.8.1.2"])
    ]
    monkeypatch.setattr(trials, "read_maps", lambda: read_maps("".join(lines)))
    told = trials._linked(str(module), b"ffi_prep_closure_loc")
    assert told == {"linked": "dynamically", "libffi": "libffi.so.8.1.2"}
