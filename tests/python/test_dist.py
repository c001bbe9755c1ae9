# SPDX-License-Identifier: MIT
"""test_dist - the source distribution and the wheel, as someone has them who has no checkout

The distributions are made once, from the files of this checkout as they are now.
"""

from __future__ import annotations

import email
import re
import shutil
import sys
import sysconfig
import tarfile
import zipfile
from email.message import Message
from pathlib import Path

import pytest

import ffi_static
from tests.python.conftest import HERE
from tests.support.process import MAKE, output, run

ROOT = Path(__file__).resolve().parents[2]


pytestmark = pytest.mark.slow  # builds the library, and the package

FOLDERS = ("tests/core", "tests/python")
#: It takes nothing from the network.
PIP = (sys.executable, "-m", "pip", "-q", "--disable-pip-version-check", "--no-input")


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the sdist of a copy of this tree; give the folder that it unpacks to."""
    folder = tmp_path_factory.mktemp("sdist")
    listed = run(["git", "ls-files", "-coz", "--exclude-standard"], status=None, cwd=ROOT)
    if listed.returncode:  # this is an unpacked sdist itself
        return ROOT
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).exists():
            (folder / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / "tree" / name, follow_symlinks=False)
    run([sys.executable, "setup.py", "-q", "sdist", "-d", str(folder)], cwd=folder / "tree")
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        if hasattr(tarfile, "data_filter"):
            tar.extraction_filter = tarfile.data_filter
        tar.extractall(folder)
    (made,) = (path for path in folder.glob("ffi_static-*") if path.is_dir())
    return made


@pytest.fixture(scope="module")
def wheel(unpacked: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel of the unpacked sdist by pip, as a user does."""
    folder = tmp_path_factory.mktemp("wheel")
    run([*PIP, "wheel", "--no-deps", "--no-build-isolation", "-w", folder, "."], cwd=unpacked)
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    """Give what the wheel says of itself."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        return email.message_from_bytes(archive.read(name))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel into a folder; give the folder. No checkout is on its import path."""
    folder = tmp_path_factory.mktemp("installed")
    run([*PIP, "install", "--no-deps", "--target", folder, wheel])
    return folder


def test_sdist_builds_the_library(unpacked: Path, tmp_path: Path) -> None:
    run(["make", "-s", "-j2", "lib", f"BUILD={tmp_path}"], cwd=unpacked, without=MAKE)
    assert (tmp_path / "lib/libffi_static.so.0").exists()


def test_sdist_has_all_tests_of_this_tree(unpacked: Path) -> None:
    """Collecting imports every test file with all that it imports."""
    words = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    here, there = (
        {line for line in output([*words, *FOLDERS], cwd=tree).splitlines() if "::" in line}
        for tree in (ROOT, unpacked)
    )
    assert here
    assert there == here


def test_wheel_of_the_sdist_makes_callbacks(installed: Path, tmp_path: Path) -> None:
    program = "import ffi_static, sys; f = ffi_static.callback('int(int)', lambda x: x + 1)\n"
    program += "print(f.as_ctypes(__import__('ctypes').CFUNCTYPE(__import__('ctypes').c_int,"
    program += "__import__('ctypes').c_int))(41), ffi_static.__file__)"
    told = output([sys.executable, "-c", program], cwd=tmp_path, env={"PYTHONPATH": str(installed)})
    answer, file = told.split()
    assert (answer, Path(file).parent.parent) == ("42", installed)


def test_metadata_is_complete(metadata: Message) -> None:
    assert metadata["Version"] == ffi_static.__version__
    assert metadata["License-Expression"] == "MIT"
    assert metadata.get_all("License-File") == ["LICENSE"]
    assert metadata["Description-Content-Type"] == "text/markdown"
    readme = (ROOT / "README.md").read_text("utf-8")
    assert str(metadata.get_payload()).strip() == readme.strip()
    assert metadata["Author"] and metadata["Summary"] and metadata["Keywords"]
    assert not metadata.get_all("Project-URL")  # none is known to be real
    assert not [c for c in metadata.get_all("Classifier", []) if c.startswith("License ::")]


def test_classifiers_name_the_versions_that_the_tests_run_on(metadata: Message) -> None:
    version = re.compile(r"Programming Language :: Python :: (3\.\d+)")
    told = [m[1] for c in metadata.get_all("Classifier", []) if (m := version.fullmatch(c))]
    noxfile = (ROOT / "tests/python/noxfile.py").read_text("utf-8")
    (tried,) = re.findall(r"^VERSIONS = \((.*)\)$", noxfile, re.MULTILINE)
    assert told == re.findall(r"[\d.]+", tried)


@pytest.mark.parametrize("name", ["python -m ffi_static", "ffi-static"])
def test_command_tells_its_name_and_version(installed: Path, name: str) -> None:
    words = ["-m", "ffi_static"] if name.startswith("python") else [str(installed / "bin" / name)]
    env = {"PYTHONPATH": str(installed)}
    told = output([sys.executable, *words, "--version"], cwd=installed, env=env)
    assert told == f"ffi_static {ffi_static.__version__}\n"
    for command in ((), ("doctor",)):
        said = output([sys.executable, *words, *command, "--help"], cwd=installed, env=env)
        assert said.startswith(f"usage: {' '.join([name, *command])} ")


def test_script_runs_a_program_with_the_drop_in(tmp_path: Path) -> None:
    script = Path(sys.executable).parent / "ffi-static"
    if not script.exists():
        pytest.skip(f"ffi_static was not installed with its script into {script.parent}")
    program = tmp_path / "program.py"
    program.write_text("import ffi_static\nprint([s.state for s in ffi_static.installed()])")
    assert "waiting" in output([str(script), "run", str(program)], cwd=tmp_path)


FROZEN = """
import ctypes, sys
import ffi_static
f = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda x: x + 1)
print(f(41), [(each.module, each.made) for each in ffi_static.installed()])
g = ffi_static.callback(ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int), lambda x: x + 2)
print(g.as_ctypes()(40))
"""


def test_frozen_program_is_served(installed: Path, tmp_path: Path) -> None:
    pytest.importorskip("PyInstaller", reason="PyInstaller is not installed (requirements/dev.txt)")
    if not sysconfig.get_config_var("Py_ENABLE_SHARED"):
        pytest.skip("this Python has no shared libpython, which PyInstaller needs")
    (tmp_path / "app.py").write_text(FROZEN)
    words = [sys.executable, "-m", "PyInstaller", "--log-level=ERROR", "app.py"]
    run(words, cwd=tmp_path, env={"PYTHONPATH": str(installed)})
    app = tmp_path / "dist/app/app"
    assert output([app], cwd="/", without=("FFI_",)) == "42 []\n42\n"
    told = output([app], cwd="/", env={"FFI_STATIC_INSTALL": "require,ctypes"})
    assert told == "42 [('_ctypes', 1)]\n42\n"
    done = run([app], cwd="/", status=125, env={"FFI_STATIC_INSTALL": "require,wrong"})
    assert "'wrong' is unknown" in done.stderr


SERVED = "import ffi_static, ctypes; print([each.module for each in ffi_static.installed()])"


@pytest.mark.parametrize("how", ["pip install --target", "sitecustomize", "-S", "-S, start()"])
def test_startup_where_python_reads_no_startup_file(
    installed: Path, tmp_path: Path, how: str
) -> None:
    """docs/use/hardened.md says what is not served, and what to do."""
    if how == "sitecustomize":
        (tmp_path / "sitecustomize.py").write_text("import ffi_static_start as s; s.start()")
    before = "import ffi_static_start as s; s.start(); " if how == "-S, start()" else ""
    path = [tmp_path, installed, *filter(None, sys.path)]  # cffi is this environment's
    env = {"FFI_STATIC_INSTALL": "require,ctypes", "PYTHONPATH": ":".join(map(str, path))}
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    python = Path(sys.base_prefix) / "bin" / version  # it has no startup file of ours
    site = ["-S"] if how.startswith("-S") else []
    told = output([str(python), *site, "-c", before + SERVED], cwd=tmp_path, env=env)
    assert told == ("['_ctypes']\n" if how in ("sitecustomize", "-S, start()") else "[]\n")


@pytest.mark.parametrize("before", ["", "import ffi_static_start as s; s.start(); "])
def test_startup_where_python_is_embedded_without_site(
    installed: Path, tmp_path: Path, before: str
) -> None:
    program, name = tmp_path / "embedding", sysconfig.get_config_var("LDVERSION")
    if not sysconfig.get_config_var("Py_ENABLE_SHARED"):
        pytest.skip("this Python has no shared libpython to embed")
    where = [f"-I{sysconfig.get_path('include')}", f"-L{sysconfig.get_config_var('LIBDIR')}"]
    run(["gcc", HERE / "extensions/embedding.c", "-o", program, *where, f"-lpython{name}"])
    path = [installed, *filter(None, sys.path)]  # cffi is this environment's
    env = {
        "FFI_STATIC_INSTALL": "require,ctypes",
        "PYTHONPATH": ":".join(map(str, path)),
        "LD_LIBRARY_PATH": str(sysconfig.get_config_var("LIBDIR")),
    }
    told = output([program, sys.base_prefix, before + SERVED], cwd=tmp_path, env=env)
    assert told == ("['_ctypes']\n" if before else "[]\n")
