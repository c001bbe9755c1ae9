# SPDX-License-Identifier: MIT
"""test_dropin_copies - copies of ctypes and cffi inside of packages, and other users of libffi

What an object has and imports tells, not its name. What is not served is named: by installed(), by
the report, and where all is required.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

PRELUDE = r"""
import importlib, importlib.util, pathlib, shutil, tempfile, warnings
from dropin_tools import *
import _cffi_backend, _ctypes
from ffi_static._dropin import probe

FOLDER = pathlib.Path(tempfile.mkdtemp())
sys.path.insert(0, str(FOLDER))
BACKENDS = {"_ctypes": _ctypes, "_cffi_backend": _cffi_backend}

def vendor(package, module, file=None):
    # a package that carries a copy; the name of the module, which is not imported yet
    (FOLDER / package).mkdir(exist_ok=True)
    (FOLDER / package / "__init__.py").write_text("")
    source = pathlib.Path(BACKENDS[module].__file__)
    shutil.copy(source, FOLDER / package / (file or source.name))
    return f"{package}.{module}"

def with_copy(copy, function):
    # int(short, double, void *): what the probe makes; (the callback, its address)
    kind = probe.kind_of(copy)
    make, address = (probe._ctypes_maker if kind == "ctypes" else probe._cffi_maker)(copy)
    made = make(lambda a, b, c: function(a))
    return made, address(made)

def call(address, value):
    return ffi_static._lib.dropin_call(address, value, 0.5, 1)

def works(copy, served):
    made = [with_copy(copy, lambda x, k=k: x + k) for k in range(100)]
    assert {ours(address) for _, address in made} == {served}
    assert [call(address, 7) for _, address in made] == [7 + k for k in range(100)]

def state_of(name):
    (found,) = [s for s in ffi_static.installed() if s.module == name]
    return found
"""

BOTH = pytest.mark.parametrize("module", ["_ctypes", "_cffi_backend"])


@pytest.fixture
def run(script: Any) -> Any:
    def start(code: str, **options: Any) -> Any:
        return script(PRELUDE + code, **options)

    return start


# ---- copies


@BOTH
@pytest.mark.parametrize("loaded", ["before", "after"])
def test_a_copy_in_a_package_is_served(run: Any, module: str, loaded: str) -> None:
    run(f"""
name = vendor("carrier", {module!r})
if {loaded!r} == "after":
    ffi_static.install()
copy = importlib.import_module(name)
if {loaded!r} == "before":
    works(copy, False)
ffi_static.install()
works(copy, True)
found = state_of("carrier." + {module!r})
assert (found.state, found.made) == ("served", 100) and found.how, found
assert found.file.startswith(str(FOLDER)), found
assert state_of({module!r}).made == 0, "each has a record of its own"
works(BACKENDS[{module!r}], True)
ffi_static.uninstall()
works(copy, False)
works(BACKENDS[{module!r}], False)
ffi_static.install()
works(copy, True)
""")


@BOTH
def test_a_copy_of_any_file_and_module_name(run: Any, module: str) -> None:
    run(f"""
vendor("carrier", {module!r}, "a_name.bin")
vendor("carrier", {module!r}, "another.bin")
from importlib.machinery import ExtensionFileLoader, ModuleSpec
def load(file):
    name = "a.very" + "_" * 300 + "long.name." + {module!r}
    path = str(FOLDER / "carrier" / file)
    loader = ExtensionFileLoader(name, path)
    made = importlib.util.module_from_spec(ModuleSpec(name, loader, origin=path))
    loader.exec_module(made)
    return made
first = load("a_name.bin")
sys.modules["alias"] = first
ffi_static.install()
second = load("another.bin")
works(first, True)
works(second, True)
assert len([s for s in ffi_static.installed() if s.state == "served"]) == 4
""")


def test_several_copies_at_once_each_with_its_own_memory(run: Any) -> None:
    run("""
names = [vendor(f"carrier{n}", "_cffi_backend") for n in range(4)]
copies = [importlib.import_module(name) for name in names[:2]]
old = [with_copy(copy, lambda x: x - 1) for copy in copies]
ffi_static.install()
copies += [importlib.import_module(name) for name in names[2:]]
for copy in copies:
    works(copy, True)
assert [state_of(name).leftover for name in names] == [1, 1, 0, 0]
assert [call(address, 3) for _, address in old] == [2, 2]
for _ in range(5):
    ffi_static.uninstall()
    for copy in copies:
        works(copy, False)
    ffi_static.install()
    for copy in copies:
        works(copy, True)
""")


def test_a_copy_that_cannot_be_served_is_named_and_the_others_are_served(run: Any) -> None:
    run("""
name = vendor("carrier", "_cffi_backend")
importlib.import_module(name)
real = probe._cffi_maker
def other(module):
    make, address = real(module)
    return make, (lambda made: 4096) if module.__name__ == name else address
probe._cffi_maker = other
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    ffi_static.install()
found, = [w for w in seen if w.category is ffi_static.InstallWarning]
assert "cannot serve carrier._cffi_backend" in str(found.message)
refusal = state_of(name)
assert refusal.state == "refused" and "address" in refusal.reason, refusal
probe._cffi_maker = real
works(sys.modules[name], False)
works(_cffi_backend, True)
ffi_static.install()
assert state_of(name).state == "served"
works(sys.modules[name], True)
""")


def test_a_copy_is_left_alone_when_its_kind_was_not_asked_for(run: Any) -> None:
    run("""
copies = [importlib.import_module(vendor("carrier", module)) for module in BACKENDS]
ffi_static.install(ctypes=False)
assert [s.module for s in ffi_static.installed()] == ["_cffi_backend", "carrier._cffi_backend"]
works(copies[0], False)
works(copies[1], True)
""")


def test_modules_that_load_when_asked_are_not_loaded(run: Any) -> None:
    run("""
(FOLDER / "lazy.py").write_text("raise SystemExit('loaded')")
spec = importlib.util.find_spec("lazy")
spec.loader = importlib.util.LazyLoader(spec.loader)
lazy = importlib.util.module_from_spec(spec)
sys.modules["lazy"] = lazy
spec.loader.exec_module(lazy)
class Proxy:
    def __getattr__(self, name):
        raise SystemExit(name)
sys.modules["proxy"] = Proxy()
ffi_static.install()
ffi_static.installed()
""")


def test_imports_are_as_they_were_after_uninstall(run: Any) -> None:
    run("""
import _imp
before = _imp.exec_dynamic
ffi_static.install()
ffi_static.install()
assert _imp.exec_dynamic is not before
ffi_static.uninstall()
assert _imp.exec_dynamic is before
ffi_static.install()
ours_, _imp.exec_dynamic = _imp.exec_dynamic, (lambda m, now=_imp.exec_dynamic: now(m))
ffi_static.uninstall()  # another one stands before ours: both stay, and ours does nothing
copy = importlib.import_module(vendor("carrier", "_cffi_backend"))
works(copy, False)
""")


def test_an_extension_that_fails_has_the_traceback_of_stock(run: Any, tmp_path: Path) -> None:
    build(tmp_path, FAILING, "failing")
    run(f"""
import traceback
sys.path.insert(0, {str(tmp_path)!r})
def lines():
    try:
        import failing
    except ZeroDivisionError:
        return [line for line in traceback.format_exc().splitlines() if "File" in line]
stock = lines()
ffi_static.install()
assert lines() == stock and len(stock) == 1, (lines(), stock)
""")


# ---- other users of libffi

USER = r"""
#include <ffi.h>
#include <stddef.h>
static void answer(ffi_cif *cif, void *ret, void **args, void *data)
{
    *(ffi_arg *)ret = 42;
}
/* A closure that answers 42, called once. */
int use(void);
int use(void)
{
    static ffi_cif cif;
    void *code = NULL;
    int result = -1;
    ffi_closure *closure = ffi_closure_alloc(sizeof *closure, &code);
    if (closure && ffi_prep_cif(&cif, FFI_DEFAULT_ABI, 0, &ffi_type_sint, NULL) == FFI_OK &&
        ffi_prep_closure_loc(closure, &cif, answer, NULL, code) == FFI_OK)
        result = ((int (*)(void))code)();
    ffi_closure_free(closure);
    return result;
}
"""
EXTENSION = (
    "#include <Python.h>\n"
    + USER
    + r"""
static PyObject *call(PyObject *self, PyObject *unused)
{
    return PyLong_FromLong(use());
}
static PyMethodDef functions[] = {{"call", call, METH_NOARGS, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef def = {PyModuleDef_HEAD_INIT, "user", NULL, -1, functions};
PyMODINIT_FUNC PyInit_user(void);
PyMODINIT_FUNC PyInit_user(void)
{
    return PyModule_Create(&def);
}
"""
)
FAILING = r"""
#include <Python.h>
static int fail(PyObject *module)
{
    PyErr_SetString(PyExc_ZeroDivisionError, "as asked");
    return -1;
}
static PyModuleDef_Slot slots[] = {{Py_mod_exec, fail}, {0, NULL}};
static struct PyModuleDef def = {.m_base = PyModuleDef_HEAD_INIT, .m_name = "failing",
                                 .m_slots = slots};
PyMODINIT_FUNC PyInit_failing(void);
PyMODINIT_FUNC PyInit_failing(void)
{
    return PyModuleDef_Init(&def);
}
"""


def build(folder: Path, source: str, name: str) -> Path:
    (folder / f"{name}.c").write_text(source)
    made = folder / f"{name}.so"
    compiler = shlex.split(os.environ.get("CC", "gcc"))
    options = ["-shared", "-fPIC", f"-I{sysconfig.get_path('include')}"]
    command = [*compiler, *options, "-o", str(made), str(folder / f"{name}.c"), "-lffi"]
    subprocess.run(command, check=True)
    return made


@pytest.mark.parametrize("loaded", ["before", "after"])
def test_an_extension_that_uses_libffi_itself_is_named(
    run: Any, tmp_path: Path, loaded: str
) -> None:
    made = build(tmp_path, EXTENSION, "user")
    run(f"""
sys.path.insert(0, {str(tmp_path)!r})
if {loaded!r} == "before":
    import user
ffi_static.install()
import user
found = state_of("user")
assert (found.state, found.file) == ("unserved", {str(made)!r}), found
assert "ffi_closure_alloc, ffi_prep_closure_loc" in found.reason, found
assert user.call() == 42, "and it works as ever"
ffi_static.uninstall()
assert "unserved" not in [s.state for s in ffi_static.installed()]
""")


def test_a_library_that_uses_libffi_is_named_while_it_is_loaded(run: Any, tmp_path: Path) -> None:
    made = build(tmp_path, USER, "library")
    run(f"""
ffi_static.install()
assert "unserved" not in [s.state for s in ffi_static.installed()]
library = ctypes.CDLL({str(made)!r})
found = state_of("library.so")
assert (found.state, found.file) == ("unserved", {str(made)!r}), found
assert library.use() == 42
ctypes.CDLL(None).dlclose(ctypes.c_void_p(library._handle))
assert "unserved" not in [s.state for s in ffi_static.installed()]
""")


def test_libffi_and_this_package_are_not_named(run: Any) -> None:
    run("""
ffi_static.install()
assert "libffi" in open("/proc/self/maps").read()
assert {s.state for s in ffi_static.installed()} == {"served"}, ffi_static.installed()
""")


# ---- where all is required


def start(code: str, value: str, **env: str) -> Any:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("FFI_STATIC_")}
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**clean, "FFI_STATIC_INSTALL": value, **env},
        timeout=300,
    )


def test_required_an_extension_that_uses_libffi_fails_its_import(tmp_path: Path) -> None:
    made = build(tmp_path, EXTENSION, "user")
    code = (
        "import sys\n"
        "for _ in range(2):\n"
        "    try:\n"
        "        import user\n"
        "    except Exception as error:\n"
        "        print(type(error).__name__, error)\n"
        "assert 'user' not in sys.modules\n"
        "import _ctypes, mmap, select\n"  # others are not made to fail by it
        "print('on')\n"
    )
    said = start(code, "require", PYTHONPATH=str(tmp_path))
    lines = said.stdout.splitlines()
    assert len(lines) == 3, said
    assert lines[2] == "on"
    assert all(line.startswith(f"InstallError user ({made}) is not served") for line in lines[:2])
    relaxed = start("import user; print(user.call())", "1", PYTHONPATH=str(tmp_path))
    assert (relaxed.stdout, relaxed.stderr) == ("42\n", "")


def test_required_an_extension_that_was_there_before_ends_python(tmp_path: Path) -> None:
    build(tmp_path, EXTENSION, "user")
    code = (
        "import os, user\n"
        "os.environ['FFI_STATIC_INSTALL'] = 'require'\n"
        "import ffi_static._startup\n"
        "print('ran')\n"
    )
    said = start(code, "0", PYTHONPATH=str(tmp_path))
    assert (said.stdout, said.returncode) == ("", 125)
    assert said.stderr.count("\n") == 1
    assert "user.so) is not served" in said.stderr
    assert "giving up, as required" in said.stderr


def test_required_a_copy_that_cannot_be_served_fails_its_import(tmp_path: Path) -> None:
    code = (
        "import os, shutil, sys, _cffi_backend\n"
        "from ffi_static._dropin import probe\n"
        "probe._cffi_maker = lambda m: (m.callback, lambda made: 4096)\n"
        f"folder = {str(tmp_path)!r} + '/carrier'\n"
        "os.mkdir(folder)\n"
        "shutil.copy(_cffi_backend.__file__, folder)\n"
        f"sys.path.insert(0, {str(tmp_path)!r})\n"
        "try:\n"
        "    import carrier._cffi_backend\n"
        "except Exception as error:\n"
        "    print(type(error).__name__, error)\n"
    )
    said = start(code, "require")
    assert said.stdout.startswith("InstallError carrier._cffi_backend ("), said


def test_required_a_library_is_told_of_once_and_works(tmp_path: Path) -> None:
    made = build(tmp_path, USER, "library")
    code = (
        "import ctypes\n"
        f"library = ctypes.CDLL({str(made)!r})\n"
        "import mmap, select, _json, _csv, _socket, _bisect\n"
        "print(library.use())\n"
    )
    said = start(code, "require", FFI_STATIC_REPORT="1")
    assert (said.stdout, said.returncode) == ("42\n", 0), said
    lines = [line for line in said.stderr.splitlines() if str(made) in line]
    assert len(lines) == 2, "when it was met, and in the report"
    assert all("not served: it makes closures with libffi itself" in line for line in lines)
