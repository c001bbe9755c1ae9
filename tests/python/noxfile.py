# SPDX-License-Identifier: MIT
"""noxfile - the Python tests on every CPython that the project supports: `make test-py-all`

    nox -f tests/python/noxfile.py                              all versions
    nox -f tests/python/noxfile.py -s tests-3.9 -- -k dropin    one version, and pytest's arguments
    nox -f tests/python/noxfile.py -s wheel-3.9                 the wheel that `make wheels` built

A version comes from PATH, from pyenv, or from Debian's unstable (root.sh beside this file makes a
scratch root of it). Those without the GIL are built from source (free_threaded.sh). Each gets an
environment in build/py with the newest tools that it can run (requirements/any.txt), and the
package built for it. Versions run one after another, because all build in this checkout. A version
that is nowhere to be had is skipped, and the summary says so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import nox

ROOT = Path(__file__).resolve().parents[2]
VERSIONS = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.15")
#: Without the GIL. cffi refuses to be built for 3.13t and works there: REFUSED installs it.
FREE_THREADED = ("3.13t", "3.14t", "3.15t")
REFUSED_BY_CFFI, REFUSED = "3.13t", "tests/python/refused_cffi.py"
#: What Debian's unstable has; root.sh names the packages.
DEBIAN = ("3.14", "3.15")
PIP = (
    ("--disable-pip-version-check", "install", "-q", "-r", "requirements/any.txt"),
    ("install", "-q", "--no-build-isolation", "--no-deps", "-e", "."),
)
#: What a wheel is tried with: the tests, without the checkout that they are from. These need it.
NEED_CHECKOUT = ("test_build.py", "test_dist.py", "test_elsewhere.py", "test_typing.py")
TESTS = ("tests/python", "tests/house/test_examples.py")
#: Tests wait for programs, forks and locks, so two at a time.
TWO_AT_A_TIME = ("-q", "-n", "2")

nox.options.envdir = str(ROOT / "build/py/nox")
nox.options.reuse_venv = "yes"
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = True


def usable(python: str, version: str) -> bool:
    """Tell whether `python` is that version of CPython, and can make environments."""
    question = (
        "import sys, sysconfig, venv, ensurepip, ctypes; print('%d.%d' % sys.version_info[:2]"
        " + 't' * bool(sysconfig.get_config_var('Py_GIL_DISABLED')))"
    )
    try:
        done = subprocess.run([python, "-c", question], capture_output=True, text=True, check=False)
    except OSError:
        return False
    return done.stdout.strip() == version


def interpreter(version: str) -> str | None:
    """Give the path of a CPython of this machine: pyenv's newest, or the one in PATH."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    plain = version.rstrip("t")
    builds = {path: path.name[len(plain) + 1 :] for path in pyenv.glob(f"{plain}.*")}
    ending = version[len(plain) :]
    releases = [
        path
        for path, patch in builds.items()
        if patch.endswith(ending) and patch[: len(patch) - len(ending)].isdigit()
    ]
    releases.sort(key=lambda path: int(builds[path].rstrip("t")), reverse=True)
    found = [str(path / "bin/python3") for path in releases]
    found += filter(None, [shutil.which(f"python{version}")])
    return next((python for python in found if usable(python, version)), None)


def test(session: nox.Session, python: str) -> None:
    """Build the package for a CPython of this machine, and run the tests."""
    session.chdir(ROOT)
    venv = ROOT / "build/py" / session.name
    if not (venv / "bin/python").exists():
        session.run(python, "-m", "venv", str(venv), external=True)
    run = partial(session.run, str(venv / "bin/python"), "-m", external=True)
    if session.name.endswith(REFUSED_BY_CFFI):
        session.run(sys.executable, REFUSED, str(venv / "bin/python"), external=True)
    for words in PIP:
        run("pip", *words)
    run("pytest", *TWO_AT_A_TIME, *(session.posargs or TESTS))


def built(session: nox.Session, version: str) -> str:
    """Give a CPython without the GIL, which is built once."""
    build = ("bash", "tests/python/free_threaded.sh", version.rstrip("t"))
    session.chdir(ROOT)
    made = session.run(*build, external=True, silent=True, stderr=None, success_codes=(0, 2))
    if not isinstance(made, str) or not made.strip().startswith("/"):
        session.skip(f"CPython {version}: its source is not to be had")
    python = Path(made.strip().splitlines()[-1])
    session.env["LD_PRELOAD"] = str(python.parents[1] / "yield.so")
    return str(python)


def test_built(session: nox.Session, version: str) -> None:
    """Do the same with a CPython without the GIL."""
    test(session, built(session, version))


def test_in_root(session: nox.Session, version: str) -> None:
    """Do the same in a scratch root of Debian's unstable."""
    if version not in DEBIAN:
        session.skip(f"CPython {version} is neither in PATH nor in pyenv nor in Debian's unstable")
    session.chdir(ROOT)
    run = partial(session.run, "bash", "tests/python/root.sh", version, external=True)
    for words in PIP:
        run("python", "-m", "pip", *words)
    run("python", "-m", "pytest", *TWO_AT_A_TIME, *(session.posargs or TESTS))


def test_wheel(session: nox.Session, python: str | None, version: str, libc: str) -> None:
    """Install the wheel of dist/ for this machine, and run the tests far from the checkout."""
    tag = f"cp{version.replace('.', '')}"
    wheels = sorted((ROOT / "dist").glob(f"ffi_static-*-{tag}-{libc}*_{os.uname().machine}.whl"))
    if not wheels:
        session.error(f"dist/ has no wheel for CPython {version}: make wheels ONLY={version}")
    far = ROOT / "build/py" / session.name
    shutil.rmtree(far, ignore_errors=True)
    left_out = shutil.ignore_patterns("__pycache__", *NEED_CHECKOUT)
    shutil.copytree(ROOT / "tests/python", far / "tests/python", ignore=left_out)
    shutil.copytree(ROOT / "tests/support", far / "tests/support", ignore=left_out)
    for name in ("pyproject.toml", "ffi_static.pth", "ffi_static.start", "tests/conftest.py"):
        shutil.copy(ROOT / name, far / name)
    for name in ("docs/use", "examples"):
        shutil.copytree(ROOT / name, far / name, ignore=left_out)
    shutil.copy(wheels[-1], far)
    script = """
        cd "$1"
        python -m venv $2 venv
        venv/bin/python -m pip --disable-pip-version-check install -q $3 ./*.whl
        shift 3
        cd tests/python && exec ../../venv/bin/python -m pytest -q -c ../../pyproject.toml \
            --rootdir ../.. -n 2 "$@"
    """
    venv, packages = "--clear", "-r ../../../requirements/any.txt"
    session.chdir(ROOT)
    where = str(far.relative_to(ROOT))
    if libc == "musllinux":  # its CPython has the tests' packages, and no TLS to fetch any
        venv, packages = "--system-site-packages", "--no-index"
    if version in FREE_THREADED:
        python = python or built(session, version)
    if version == REFUSED_BY_CFFI:  # pip would not find a cffi, so the environment has one before
        venv = ""
        session.run(python, "-m", "venv", str(far / "venv"), external=True)
        session.run(sys.executable, REFUSED, str(far / "venv/bin/python"), external=True)
    words = ["sh", "-euc", script, "sh", where, venv, packages]
    given = session.posargs or (".",)
    if libc == "musllinux":
        words = ["bash", "tests/python/musl.sh", *words]
    elif python is None:
        words = ["bash", "tests/python/root.sh", version, *words]
    else:
        session.env["PATH"] = f"{Path(python).parent}:{os.environ['PATH']}"
    session.run(*words, *given, external=True)


for each in VERSIONS + FREE_THREADED:
    path = interpreter(each)
    elsewhere = test_built if each in FREE_THREADED else test_in_root
    do = partial(test, python=path) if path else partial(elsewhere, version=each)
    other = "built from source" if each in FREE_THREADED else "Debian sid"
    do.__doc__ = path or other  # `nox --list` shows it
    do.__name__ = f"tests-{each}"  # type: ignore[attr-defined]
    nox.session(do, name=f"tests-{each}", python=False)
    do = partial(test_wheel, python=path, version=each, libc="manylinux")
    do.__doc__ = "the wheel of dist/"
    do.__name__ = f"wheel-{each}"  # type: ignore[attr-defined]
    nox.session(do, name=f"wheel-{each}", python=False, default=False)

do = partial(test_wheel, python=None, version="3.13", libc="musllinux")  # musl.sh's version
do.__doc__ = "the wheel of dist/ for musl"
do.__name__ = "wheel-musl"  # type: ignore[attr-defined]
nox.session(do, name="wheel-musl", python=False, default=False)
