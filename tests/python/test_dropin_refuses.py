# SPDX-License-Identifier: MIT
"""test_dropin_refuses - modules that install() does not know, and import tables of every make

A refusal says why, and changes nothing.
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

STRANGE = """
import warnings
from dropin_tools import *
from types import SimpleNamespace
import _cffi_backend, _ctypes, math
from ffi_static._dropin import probe
def maps():
    return [l.split()[:2] for l in open("/proc/self/maps") if "_ctypes" in l or "_cffi_b" in l]
def refused(name, module):
    before = maps()
    try:
        probe.serve(name, module)
    except ffi_static.InstallError as error:
        assert maps() == before
        assert ffi_static.installed() == (), ffi_static.installed()
        return str(error)
    raise AssertionError("served " + name)
def stock(make):
    made = [make(lambda x: x + 1) for _ in range(200)]
    assert not any(ours(address) for _, address in made)
    assert {caller.call(address, 1) for _, address in made} == {2}
class Proxy:
    def __init__(self, module, **other):
        self.__dict__.update(module.__dict__)
        self.__dict__.update(other)
"""


@pytest.fixture
def run(script: Any) -> Any:
    def start(code: str, **options: Any) -> Any:
        return script(STRANGE + code, **options)

    return start


def test_a_module_with_libffi_inside_is_refused_with_the_reason(run: Any) -> None:
    run("""
said = refused("_ctypes", SimpleNamespace(dlopen=math.sin, __file__=None))
assert "imports neither ffi_closure_alloc" in said and "statically" in said, said
""")


def test_a_module_without_the_function_is_refused(run: Any) -> None:
    run("""
assert "_ctypes" in refused("_ctypes", SimpleNamespace())
assert "_cffi_backend" in refused("_cffi_backend", SimpleNamespace(callback=lambda *a: None))
""")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("new_function_type=lambda a, r, v: _cffi_backend.new_function_type(a[:2], r, v)", "sign"),
        ("new_primitive_type=lambda n: _cffi_backend.new_primitive_type('int')", "types"),
        ("cast=lambda t, made: 4096", "address"),
        ("new_void_type=None", "trial"),
    ],
)
def test_a_cffi_whose_trial_goes_wrong_is_refused_and_put_back(
    run: Any, change: str, why: str
) -> None:
    run(f"""
old = [with_cffi(lambda x: x - 1) for _ in range(100)]
if {why!r} == "trial":
    ok = probe._cffi_arguments  # the drain needs it, the trial shall fail
    probe._cffi_arguments = lambda m: ok(_cffi_backend)
    probe._cffi_maker = len  # of a module: TypeError, of no signal handler's making
said = refused("_cffi_backend", Proxy(_cffi_backend, {change}))
assert {why!r} in said, said
stock(with_cffi)
assert {{caller.call(address, 1) for _, address in old}} == {{0}}
del old
gc.collect()
stock(with_cffi)
""")


def test_a_ctypes_whose_trial_goes_wrong_is_refused_and_put_back(run: Any) -> None:
    run("""
class Short(_ctypes._SimpleCData):
    _type_ = "h"
old = with_ctypes(lambda x: x - 1)
real = probe._ctypes_maker
def other(module):
    make, address = real(module)
    return (lambda f: INT(f)), address
probe._ctypes_maker = other
said = refused("_ctypes", _ctypes)
assert "describes signatures" in said, said
probe._ctypes_maker = lambda m: (real(m)[0], lambda made: 4096)
assert "address" in refused("_ctypes", _ctypes)
stock(with_ctypes)
assert caller.call(old[1], 1) == 0
probe._ctypes_maker = real
ffi_static.install()
f, address = with_ctypes(abs)
assert ours(address)
""")


def test_when_one_is_refused_the_other_is_put_back(run: Any) -> None:
    run("""
sys.modules["_cffi_backend"] = Proxy(_cffi_backend, cast=lambda t, made: 4096)
try:
    ffi_static.install()
except ffi_static.InstallError as error:
    assert "_cffi_backend" in str(error)
else:
    raise AssertionError
assert {s.state for s in ffi_static.installed()} <= {"restored"}
stock(with_ctypes)
sys.modules["_cffi_backend"] = _cffi_backend
ffi_static.install()
f, address = with_ctypes(abs)
assert ours(address)
""")


def test_a_module_that_was_served_before_stays_so_when_another_is_refused(run: Any) -> None:
    run("""
ffi_static.install(cffi=False)
sys.modules["_cffi_backend"] = Proxy(_cffi_backend, cast=lambda t, made: 4096)
try:
    ffi_static.install()
except ffi_static.InstallError:
    pass
f, address = with_ctypes(abs)
assert ours(address)
""")


def test_an_unknown_module_imported_after_install_is_warned_of(run: Any) -> None:
    run("""
import tempfile
from pathlib import Path
ffi_static.install()
folder = tempfile.mkdtemp()
Path(folder, "_cffi_backend.py").write_text("__version__ = '99'")
sys.path.insert(0, folder)
del sys.modules["_cffi_backend"]
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    import _cffi_backend
assert _cffi_backend.__version__ == "99"
found, = [w for w in seen if w.category is ffi_static.InstallWarning]
assert "cannot serve _cffi_backend" in str(found.message)
refusal, = [s for s in ffi_static.installed() if s.state == "refused"]
assert (refusal.module, refusal.version) == ("_cffi_backend", "99") and refusal.reason
assert refusal.file == str(Path(folder, "_cffi_backend.py"))
""")


def test_more_copies_than_there_are_records_are_refused(run: Any) -> None:
    run("""
import importlib, shutil, tempfile
ffi_static.install()
warnings.simplefilter("ignore")
path = _ctypes.__file__
keep = []
for i in range(12):
    folder = tempfile.mkdtemp()
    shutil.copy(path, folder)
    sys.path.insert(0, folder)
    keep.append(sys.modules.pop("_ctypes"))
    importlib.import_module("_ctypes")
    shutil.rmtree(folder)
states = [s.state for s in ffi_static.installed()]
assert states.count("served") == 8 and states.count("refused") == 6, states
refusals = [s for s in ffi_static.installed() if s.state == "refused"]
assert len({s.file for s in refusals}) == 6, "each by its file"
assert all("too many copies" in s.reason for s in refusals), refusals
""")


# ---- import tables

TABLE = r"""
#include <Python.h>
#include <ffi.h>
static PyObject *dlopen_(PyObject *self, PyObject *unused)
{
    Py_RETURN_NONE;
}
static PyObject *make(PyObject *self, PyObject *unused)
{
    void *code = NULL, *closure = ffi_closure_alloc(sizeof(ffi_closure), &code);
    return Py_BuildValue("KK", (unsigned long long)(uintptr_t)closure,
                         (unsigned long long)(uintptr_t)code);
}
static PyObject *drop(PyObject *self, PyObject *closure)
{
    ffi_closure_free((void *)(uintptr_t)PyLong_AsUnsignedLongLong(closure));
    Py_RETURN_NONE;
}
static PyObject *prepare(PyObject *self, PyObject *args)
{
    ffi_cif cif;
    unsigned long long closure, code;
    if (!PyArg_ParseTuple(args, "KK", &closure, &code))
        return NULL;
    ffi_prep_cif(&cif, FFI_DEFAULT_ABI, 0, &ffi_type_void, NULL);
    return PyLong_FromLong(ffi_prep_closure_loc((void *)(uintptr_t)closure, &cif, NULL, NULL,
                                                (void *)(uintptr_t)code));
}
static PyMethodDef functions[] = {{"dlopen", dlopen_, METH_NOARGS, NULL},
                                  {"make", make, METH_NOARGS, NULL},
                                  {"drop", drop, METH_O, NULL},
                                  {"prepare", prepare, METH_VARARGS, NULL},
                                  {NULL, NULL, 0, NULL}};
static struct PyModuleDef def = {PyModuleDef_HEAD_INIT, "tables", NULL, -1, functions};
PyMODINIT_FUNC PyInit_tables(void);
PyMODINIT_FUNC PyInit_tables(void)
{
    return PyModule_Create(&def);
}
"""


def build_tables(folder: Path, flags: str) -> None:
    (folder / "tables.c").write_text(TABLE)
    made = [str(folder / "tables.so"), str(folder / "tables.c")]
    compiler = shlex.split(os.environ.get("CC", "gcc"))
    options = ["-shared", "-fPIC", f"-I{sysconfig.get_path('include')}", *flags.split()]
    subprocess.run([*compiler, *options, "-o", *made, "-lffi"], check=True)


def test_a_read_only_table_that_must_stay_so_is_left_alone(run: Any, tmp_path: Path) -> None:
    build_tables(tmp_path, "-Wl,-z,relro,-z,now")
    run(f"""
import platform, struct
sys.path.insert(0, {str(tmp_path)!r})
import tables
calls = {{"x86_64": 10, "aarch64": 226}}  # mprotect
code = [(0x20, 0, 0, 0), (0x15, 0, 1, calls[platform.machine()]), (6, 0, 0, 0x50000 + 13),
        (6, 0, 0, 0x7FFF0000)]  # its number? then EACCES, else allow
text = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *each) for each in code))
program = struct.pack("@HP", len(code), ctypes.addressof(text))
prctl = ctypes.CDLL(None, use_errno=True).prctl
assert prctl(38, 1, 0, 0, 0) == 0
assert prctl(22, 2, ctypes.c_char_p(program), 0, 0) == 0, os.strerror(ctypes.get_errno())
try:
    ffi_static._lib.dropin_bind("_ctypes", "", tables.dlopen)
except RuntimeError as error:
    assert "read-only" in str(error) and "denied" in str(error) and "policy" in str(error), error
else:
    raise AssertionError
closure, code = tables.make()
assert not ours(code)
""")


@pytest.mark.parametrize("called_before", [False, True])
@pytest.mark.parametrize(
    ("flags", "rights"),
    [
        ("-Wl,-z,norelro", "rw"),
        ("-Wl,-z,relro,-z,lazy", "rw"),
        ("-Wl,-z,relro,-z,now", "r-"),
        ("-fno-plt -Wl,-z,relro,-z,now", "r-"),
        ("-fno-plt -Wl,-z,relro,-z,lazy", "r-"),
    ],
)
def test_every_make_of_import_table(
    run: Any, tmp_path: Path, flags: str, rights: str, called_before: bool
) -> None:
    build_tables(tmp_path, flags)
    run(f"""
sys.path.insert(0, {str(tmp_path)!r})
import tables
lib = ffi_static._lib
def table():
    d = [l.split()[1][:3] for l in open("/proc/self/maps") if "tables.so" in l]
    assert not any("w" in mode and "x" in mode for mode in d)
    return d
if {called_before}:
    closure, code = tables.make()
    tables.drop(closure)
before = table()
stock, stock_code = tables.make() if {called_before} else (0, 0)
record, kind, served = lib.dropin_bind("_ctypes", "", tables.dlopen)
assert kind == "libffi" and not served
assert table() == before, (table(), before)
closure, code = tables.make()
assert ours(code), hex(code)
assert tables.prepare(closure, code) == 0 and ours(code)
if {called_before}:
    tables.drop(stock)  # by libffi, whose it is
tables.drop(closure)
lib.dropin_restore(record, False)
assert table() == before
closure, code = tables.make()
assert closure and not ours(code)
tables.drop(closure)
""")
    assert_rights(tmp_path / "tables.so", rights)


def assert_rights(path: Path, rights: str) -> None:
    """Show that the table under test was what its name says."""
    code = (
        "import ctypes, sys\n"
        f"ctypes.CDLL({str(path)!r}, ctypes.RTLD_GLOBAL)\n"
        "d = [l.split() for l in open('/proc/self/maps') if 'tables.so' in l]\n"
        "print(*(m[0].split('-')[0] + ' ' + m[1][:2] for m in d), sep='\\n')\n"
    )
    maps = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    rows = [line.split() for line in maps.stdout.splitlines()]
    base = min(int(start, 16) for start, _ in rows)
    wide = ["readelf", "-rW", str(path)]
    relocations = subprocess.run(wide, capture_output=True, text=True, check=True).stdout
    at = next(
        int(line.split()[0], 16) for line in relocations.splitlines() if "ffi_closure_alloc" in line
    )
    inside = [mode for start, mode in rows if int(start, 16) <= base + at]
    assert inside[-1] == rights, maps.stdout + relocations
