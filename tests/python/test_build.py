# SPDX-License-Identifier: MIT
"""test_build - what setup.py and `import ffi_static` say when something is missing

Where they said nothing, pip installed a package without its extension and called it a success.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import runpy
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

import pytest

import ffi_static
from tests.support.process import output, run

ROOT = Path(__file__).resolve().parents[2]
STARTUP_FILES = ("ffi_static_start.py", "ffi_static.pth", "ffi_static.start")
BUILD_FILES = ("setup.py", "pyproject.toml", "README.md", "LICENSE", *STARTUP_FILES)


def python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run([sys.executable, *arguments], status=None, cwd=folder)


def setup(before: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Run setup.py of a copy that has no C, after `before`."""
    for name in BUILD_FILES:
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "ffi_static").mkdir()
    shutil.copy(ROOT / "ffi_static/__init__.py", tmp_path / "ffi_static")
    (tmp_path / "csrc/py").mkdir(parents=True, exist_ok=True)
    (tmp_path / "csrc/include").mkdir(exist_ok=True)
    for file in ("csrc/rooms.txt", "csrc/py/extension.py", "csrc/include/ffi_static.h"):
        shutil.copy(ROOT / file, tmp_path / file)
    name = "import runpy; sys.argv = ['setup.py', '--name']; runpy.run_path('setup.py')"
    return python(tmp_path, "-c", f"import sys\n{before}\n{name}")


def test_setup_goes_on_where_nothing_is_missing(tmp_path: Path) -> None:
    done = setup("", tmp_path)
    assert (done.returncode, done.stdout.split()) == (0, ["ffi_static"]), done.stderr


def test_setup_without_cffi_stops_and_names_it(tmp_path: Path) -> None:
    done = setup("sys.modules['cffi'] = None", tmp_path)
    assert done.returncode == 1
    assert "cffi>=1.15.1 (tried to import it, got:" in done.stderr
    assert "pip install 'cffi>=1.15.1'" in done.stderr


def test_setup_without_cffis_backend_stops_and_names_cffi(tmp_path: Path) -> None:
    done = setup("sys.modules['_cffi_backend'] = None", tmp_path)
    assert done.returncode == 1
    assert "cffi>=1.15.1 (tried to import it, got:" in done.stderr


def test_setup_with_old_packages_stops_and_names_them(tmp_path: Path) -> None:
    old = "import cffi, setuptools; cffi.__version__ = '1.14'; setuptools.__version__ = '60.9.3'"
    done = setup(old, tmp_path)
    assert done.returncode == 1
    assert "setuptools>=77.0 (found setuptools 60.9.3)" in done.stderr
    assert "cffi>=1.15.1 (found cffi 1.14)" in done.stderr
    assert "pip install 'setuptools>=77.0' 'cffi>=1.15.1'" in done.stderr


def test_setup_with_setuptools_that_know_no_licence_expression_stops(tmp_path: Path) -> None:
    """Such setuptools, which Pythons before 3.12 bring, would print pages of a schema."""
    done = setup("import setuptools; setuptools.__version__ = '76.1.0'", tmp_path)
    assert done.returncode == 1
    assert "setuptools>=77.0 (found setuptools 76.1.0)" in done.stderr


def test_setup_goes_on_with_older_setuptools_where_the_licence_is_a_table(tmp_path: Path) -> None:
    """As packaging/debian/rules writes it; the setuptools that runs reads both."""
    table = (
        "p = 'pyproject.toml'; s = open(p).read(); "
        "open(p, 'w').write(s.replace('license = \"MIT\"', 'license = { text = \"MIT\" }')"
        ".replace('license-files', '# license-files'))"
    )
    old = "import setuptools; setuptools.__version__ = '66.1.1'"
    done = setup(f"{table}\n{old}", tmp_path)
    assert (done.returncode, done.stdout.split()) == (0, ["ffi_static"]), done.stderr


@pytest.mark.parametrize("name", ["CC", "CFLAGS", "LDFLAGS"])
def test_setup_names_a_variable_with_half_a_quote(tmp_path: Path, name: str) -> None:
    done = setup(f'import os; os.environ[{name!r}] = "gcc \'-O2"', tmp_path)
    assert done.returncode == 1
    assert done.stderr == (f"ffi_static cannot be built: {name}=gcc '-O2: No closing quotation\n")


def build(tmp_path: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run `setup.py build_ext` of a copy with the C of the architectures alone.

    s390x has trampolines only in it.
    """
    shutil.copytree(ROOT / "csrc/arch", tmp_path / "csrc/arch")
    for name in ("entry.S", "abi.c"):
        (tmp_path / "csrc/arch/s390x" / name).unlink()
    setup("", tmp_path)
    command = [sys.executable, "setup.py", "-q", "build_ext"]
    return run(command, status=None, cwd=tmp_path, env=env, without=("CC", "CFLAGS"))


@pytest.mark.parametrize(
    ("isa", "why"), [("s390x", "s390x yet:"), ("vax", "vax: csrc/arch has no folder for it;")]
)
def test_build_where_closures_do_not_run_ends_in_a_sentence(
    isa: str, why: str, tmp_path: Path
) -> None:
    compiler = tmp_path / "compiler"
    compiler.write_text(f"#!/bin/sh\n[ $1 = -dumpmachine ] && echo {isa}-linux-gnu\n")
    compiler.chmod(0o755)
    done = build(tmp_path, CC=str(compiler), _PYTHON_HOST_PLATFORM=f"linux-{isa}")
    assert done.returncode == 1
    (said,) = done.stderr.splitlines()
    assert said.startswith(f"ffi_static cannot be built for {why}")
    assert "the patched libffi (patches/libffi/README.md)" in said


def test_build_with_another_machines_compiler_ends_in_a_sentence(tmp_path: Path) -> None:
    done = build(tmp_path, CC="gcc", _PYTHON_HOST_PLATFORM="linux-ppc64le")
    assert done.returncode == 1
    (said,) = done.stderr.splitlines()
    here = output(["gcc", "-dumpmachine"]).partition("-")[0]  # the kernel may be another one's
    assert f"the compiler (gcc) builds for {here}" in said
    assert "this Python's extension modules are for powerpc64le; set CC to a compiler" in said


def test_missing_files_of_the_c_library_are_not_taken_for_a_missing_compiler(
    tmp_path: Path,
) -> None:
    """gcc without libc6-dev compiles what includes nothing, and cannot link."""
    compiler = tmp_path / "compiler"
    compiler.write_text(
        "#!/bin/sh\n"
        '[ "$1" = -dumpmachine ] && exec gcc -dumpmachine\n'
        'for word; do [ "$word" != -c ] || exec gcc "$@"; done\n'
        'echo "ld: cannot find Scrt1.o: No such file or directory" >&2; exit 1\n'
    )
    compiler.chmod(0o755)
    done = build(tmp_path, CC=str(compiler))
    assert done.returncode == 1
    assert "the C library's headers: install libc6-dev" in done.stderr
    assert "cannot find Scrt1.o" in done.stderr
    assert done.stderr.rstrip().endswith("apt-get install libc6-dev")


@pytest.mark.parametrize(
    ("multiarch", "platform", "isa"),
    [
        ("x86_64-linux-gnu", "", "x86_64"),
        ("i386-linux-gnu", "", "i686"),  # a 32-bit Python on a 64-bit kernel
        ("x86_64-linux-gnux32", "", "x32"),
        ("arm-linux-gnueabihf", "", "arm"),
        ("x86_64-linux-gnu", "linux-armv7l", "arm"),
        ("x86_64-linux-gnu", "linux-aarch64", "aarch64"),
        (None, "", None),
    ],
)
def test_machine_that_a_python_is_for(
    monkeypatch: pytest.MonkeyPatch, multiarch: str, platform: str, isa: str
) -> None:
    monkeypatch.chdir(ROOT)
    told = runpy.run_path(str(ROOT / "csrc/py/extension.py"))["python_isa"]
    monkeypatch.setattr(
        sysconfig, "get_config_var", lambda name: {"MULTIARCH": multiarch}.get(name)
    )
    monkeypatch.setenv("_PYTHON_HOST_PLATFORM", platform)
    assert told() == isa


def test_private_names_of_python_stand_in_one_header() -> None:
    """Each is there for versions that have no public name for it, or without the GIL."""
    sources = (ROOT / "csrc").rglob("*.[ch]")
    named = {path.name for path in sources if re.search(r"\b_Py\w", path.read_text("utf-8"))}
    assert named == {"compat.h"}


def test_flags_of_the_machine_are_the_makefiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    extension = runpy.run_path(str(ROOT / "csrc/py/extension.py"))
    for isa, flags in (
        ("x86_64", ["-fcf-protection=full"]),
        ("aarch64", ["-mbranch-protection=standard"]),
        ("s390x", []),
    ):
        monkeypatch.setitem(extension["arch_flags"].__globals__, "isa", lambda: isa)  # noqa: B023
        assert extension["arch_flags"]() == flags


def test_sdist_has_every_file_of_the_repository(tmp_path: Path) -> None:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    listed = run(["git", "ls-files", "-z"], status=None, cwd=ROOT, text=False)
    if listed.returncode:
        pytest.skip("this is no checkout")
    wanted = {Path(os.fsdecode(name)) for name in listed.stdout.split(b"\0") if name}
    for name in wanted:
        (tmp_path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, tmp_path / "tree" / name, follow_symlinks=False)
    done = python(tmp_path / "tree", "setup.py", "-q", "sdist", "--dist-dir", str(tmp_path))
    assert done.returncode == 0, done.stderr
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        packed = {Path(*Path(name).parts[1:]) for name in tar.getnames()}
    assert {name for name in wanted - packed if (ROOT / name).exists()} == set()


def test_wheel_has_every_file_of_the_package(tmp_path: Path) -> None:
    for name in BUILD_FILES:
        shutil.copy(ROOT / name, tmp_path)
    for name in ("ffi_static", "csrc"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    done = python(tmp_path, "setup.py", "-q", "build_py", "--build-lib", "built")
    assert done.returncode == 0, done.stderr
    ours = {".py", ".pyi", ".typed"}
    wanted, built = (
        {path.relative_to(top) for path in top.glob("ffi_static/**/*") if path.suffix in ours}
        for top in (tmp_path, tmp_path / "built")
    )
    assert Path("ffi_static/_callback/shape.py") in wanted
    assert built == wanted
    beside = {path.name for path in (tmp_path / "built").glob("ffi_static*.*")}
    reads_start = sys.version_info >= (3, 15)
    assert beside == set(STARTUP_FILES if reads_start else STARTUP_FILES[:-1])


def test_import_without_the_extension_says_so(tmp_path: Path) -> None:
    without = shutil.ignore_patterns("*.so", "__pycache__")
    shutil.copytree(ROOT / "ffi_static", tmp_path / "ffi_static", ignore=without)
    # -S: an editable install's finder would find the extension of the checkout
    done = python(tmp_path, "-S", "-c", "import ffi_static")
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ImportError: ffi_static's extension module _lib is not built")
    assert str(tmp_path / "ffi_static") in last
    assert "pip install" in last


def test_version_is_that_of_the_header() -> None:
    header = (ROOT / "csrc/include/ffi_static.h").read_text("utf-8")
    numbers = re.findall(
        r"^#define FFI_STATIC_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", header, re.MULTILINE
    )
    assert ".".join(numbers) == ffi_static.__version__ == importlib.metadata.version("ffi_static")
