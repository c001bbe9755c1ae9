# SPDX-License-Identifier: MIT
"""places - the interpreters of this machine, and environments and sources for the peers' suites.

Everything is made under build/peers: an environment per interpreter and version of cffi, with a
wheel of this tree in it (built from a copy, so that it is what a user installs), and cffi's source
packages, fetched with pip.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import shutil
import sys
import tarfile
from pathlib import Path

from tests.support import process

ROOT = Path(__file__).resolve().parent.parent.parent
PEERS = (ROOT / os.environ.get("BUILD", "build") / "peers").resolve()
STARTUP = ("ffi_static_start.py", "ffi_static.pth", "ffi_static.start")
SOURCES = ("setup.py", "pyproject.toml", "README.md", "LICENSE", *STARTUP, "ffi_static", "csrc")
#: What of csrc is not in the wheel.
ELSEWHERE = ("csrc/hook/", "csrc/kernel/")
#: Ends the version of a cffi that patches/cffi changed.
PATCHED = "+patched"
PATCH = ROOT / "patches/cffi/libffi-closures-on-linux.patch"
SO = "lib/libffi.so.8"
TOOLS = ("pytest==8.4.2", "pytest-timeout==2.4.0", "py==1.11.0", "setuptools==80.9.0", "wheel")


def run(*command: str | Path, **env: str) -> str:
    """Run a command to its end. If it fails, exit with its output."""
    env = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", **env}
    try:
        return process.output(command, env=env, timeout=None)
    except process.ProcessError as error:
        sys.exit(str(error)[-8000:])


@functools.cache
def pythons() -> dict[str, Path]:
    """Interpreters that can make environments, by a name: "3.9.18", "debian-3.11.2"."""
    found: dict[str, Path] = {}
    try:
        root = Path(run("pyenv", "root").strip())
    except (SystemExit, OSError):
        root = Path("/nowhere")
    candidates = [*sorted((root / "versions").glob("3.*/bin/python3")), Path("/usr/bin/python3")]
    candidates += [Path(p) for n in range(9, 15) if (p := shutil.which(f"python3.{n}"))]
    ask = "import sys, venv, ctypes; print(sys.executable, '%d.%d.%d' % sys.version_info[:3])"
    for each in candidates:
        said = process.run([each, "-c", ask], status=None)
        if said.returncode != 0:
            continue
        executable, version = said.stdout.rsplit(maxsplit=1)
        if (3, 9) <= tuple(map(int, version.split(".")[:2])) <= (3, 14):
            place = Path(executable.strip()).resolve()
            name = f"debian-{version}" if place.parent == Path("/usr/bin") else version
            found.setdefault(name, place)
    return found


@functools.cache
def digest() -> str:
    """A number for the contents of the wheel. Results of older wheels are not kept."""
    total = hashlib.sha256()
    for path in sorted(p for name in SOURCES for p in walk(ROOT / name)):
        total.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return total.hexdigest()[:12]


def walk(top: Path) -> list[Path]:
    if top.is_file():
        return [top]
    found = [p for p in top.rglob("*") if p.is_file() and not is_built(p)]
    names = {p: str(p.relative_to(ROOT)) for p in found}
    return [p for p in found if not names[p].startswith(ELSEWHERE) or "/uapi/" in names[p]]


def is_built(path: Path) -> bool:
    """Name the files that a build left beside the sources."""
    return path.suffix in {".so", ".o", ".pyc"} or path.name == "_lib.c"


def copy_sources(place: Path) -> None:
    """Copy what a wheel is built from."""
    for path in (p for name in SOURCES for p in walk(ROOT / name)):
        target = place / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)


def environment(python: str, cffi: str) -> Path:
    """Give the interpreter of an environment with cffi's wheel and the tools of the tests."""
    venv = PEERS / "venv" / f"{python}-cffi-{cffi}"
    ready = venv / ".tools"
    if not ready.exists():
        run(pythons()[python], "-m", "venv", "--clear", venv)
        pip = (venv / "bin/python", "-m", "pip", "install", "-q")
        run(*pip, *TOOLS)
        if not cffi.endswith(PATCHED):
            run(*pip, "--only-binary=cffi", f"cffi=={cffi}")
        ready.touch()
    return venv / "bin/python"


def patch_digest(libffi: Path) -> str:
    """A number for what a patched cffi is made of."""
    return hashlib.sha256(PATCH.read_bytes() + (libffi / SO).read_bytes()).hexdigest()[:12]


def with_patched(python: str, cffi: str, libffi: Path) -> tuple[Path, bool]:
    """Give an environment with cffi, patched, on `libffi`; and whether it is new."""
    interpreter = environment(python, cffi + PATCHED)
    ready, made_of = interpreter.parent.parent / ".patched", patch_digest(libffi)
    if ready.exists() and ready.read_text(encoding="ascii") == made_of:
        return interpreter, False
    copy = PEERS / "patched" / cffi
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(cffi_source(cffi), copy)
    strip = "-p1" if (copy / "src/c").exists() else "-p2"
    run("patch", strip, "--fuzz=0", "-d", copy, "-i", PATCH)
    pip = (interpreter, "-m", "pip", "install", "-q", "--no-build-isolation", "--force-reinstall")
    flags = {"CFLAGS": f"-I{libffi}/include", "LDFLAGS": f"-L{libffi}/lib -Wl,-rpath,{libffi}/lib"}
    run(*pip, copy, PKG_CONFIG_PATH=f"{libffi}/lib/pkgconfig", **flags)
    ready.write_text(made_of, encoding="ascii")
    return interpreter, True


def with_ours(python: str, cffi: str) -> Path:
    """Give the same interpreter after this tree's wheel was installed into its environment."""
    interpreter = environment(python, cffi)
    ready = interpreter.parent.parent / ".ours"
    if not ready.exists() or ready.read_text(encoding="ascii") != digest():
        run(
            interpreter,
            "-m",
            "pip",
            "install",
            "-q",
            "--no-deps",
            "--force-reinstall",
            wheel(python, cffi),
        )
        ready.write_text(digest(), encoding="ascii")
    return interpreter


def wheel(python: str, cffi: str) -> Path:
    """Build this tree's wheel with an interpreter, from a copy of the tree."""
    place = PEERS / "wheel" / f"{python}-{digest()}"
    if not list(place.glob("*.whl")):
        copy = place / "tree"
        shutil.rmtree(place, ignore_errors=True)
        copy_sources(copy)
        pip = (environment(python, cffi), "-m", "pip", "wheel", "-q")
        run(*pip, "--no-build-isolation", "--no-deps", "-w", place, copy)
    return next(place.glob("*.whl"))


def cffi_source(version: str) -> Path:
    """Give the unpacked source package of cffi, fetched with pip."""
    version = version.replace(PATCHED, "")
    place = PEERS / "source"
    top = place / f"cffi-{version}"
    if not top.exists():
        pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:"]
        run(*pip, "--no-build-isolation", "-d", place, f"cffi=={version}")
        archive = next(
            p
            for p in place.glob("*.tar.gz")
            if re.fullmatch(rf"cffi-{re.escape(version)}\.tar\.gz", p.name)
        )
        with tarfile.open(archive) as tar:
            tar.extractall(place)
    return top


def debian_tests(version: str) -> Path | None:
    """Give the folder with Debian's ctypes tests, which are in a package of their own, or None."""
    minor = ".".join(version.split("-")[-1].split(".")[:2])
    place = PEERS / "debian" / minor
    top = place / "usr/lib" / f"python{minor}"
    if not top.exists():
        place.mkdir(parents=True, exist_ok=True)
        name = f"libpython{minor}-testsuite"
        got = process.run(["apt-get", "download", name], status=None, cwd=place)
        if got.returncode != 0:
            return None
        run("dpkg-deb", "-x", next(place.glob("*.deb")), place)
    return top
