# SPDX-License-Identifier: MIT
"""_build_lib - how ``ffi_static._lib`` is built: run by setup.py through ``cffi_modules``

One shared object holds the C library (csrc, the same sources as libffi_static.so.0), its cffi
bindings (``lib``, ``ffi``) and the native types of csrc/py. The cffi declarations below repeat
csrc/include/ffi_static.h; the C compiler compares them when the module is compiled.
"""

from __future__ import annotations

import glob
import os
import shlex
import subprocess
import sysconfig

from cffi import FFI

ROOMS = ("base", "arch/{isa}", "tramp", "plan", "closure", "py")

PREAMBLE = """
#include <ffi.h>
#include "ffi_static.h"
/* module.c has the PyInit function that Python calls; this file's gets another name. */
#define PyInit__lib fs_py_cffi_init
void *const *fs_py_cffi_table(void);
void *const *fs_py_cffi_table(void)
{
    return _cffi_exports;
}
"""

DECLARATIONS = """
#define FFI_STATIC_VERSION_MAJOR ...
#define FFI_STATIC_VERSION_MINOR ...
#define FFI_STATIC_VERSION_PATCH ...
#define FFI_STATIC_MAX_ARGS ...
#define FFI_STATIC_MAX_SIZE ...
typedef struct { ...; } ffi_cif;
typedef void (*ffi_static_handler)(ffi_cif *, void *, void **, void *);
typedef struct ffi_static_closure { ...; } ffi_static_closure;
ffi_static_closure *ffi_static_alloc(size_t size, unsigned flags, void **code);
int ffi_static_prep(ffi_static_closure *, ffi_cif *, ffi_static_handler, void *, unsigned flags);
void *ffi_static_address(const ffi_static_closure *);
ffi_static_closure *ffi_static_from_address(const void *code);
int ffi_static_free(ffi_static_closure *);
const char *ffi_static_error(void);
const char *ffi_static_version(void);
unsigned ffi_static_provider_count(void);
const char *ffi_static_provider_name(unsigned index);
const char *ffi_static_provider_about(const char *name);
int ffi_static_provider_probe(const char *name, char *why, size_t size);
const char *ffi_static_provider_of(const void *code);
struct ffi_static_stats {
    uint64_t size, live, cached, slots, tables, empty_tables, maps, unmaps;
};
int ffi_static_get_stats(struct ffi_static_stats *, size_t size);
int ffi_static_check(void);
"""


def isa() -> str:
    """The folder under csrc/arch of the machine that the compiler builds for."""
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    try:
        machine = subprocess.run(
            [*compiler, "-dumpmachine"], capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        machine = os.uname().machine
    return machine.strip().split("-")[0]


def libffi(option: str, prefix: str) -> list[str]:
    """What pkg-config says of libffi, without `prefix`; nothing when it is not there."""
    try:
        found = subprocess.run(
            ["pkg-config", option, "libffi"], capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return []
    return [word[len(prefix) :] for word in shlex.split(found) if word.startswith(prefix)]


def sources() -> list[str]:
    """All C and assembly files of the rooms, relative to the top of the tree."""
    return [
        name
        for room in ROOMS
        for pattern in ("*.c", "*.S")
        for name in sorted(glob.glob(os.path.join("csrc", room.format(isa=isa()), pattern)))
    ]


def compile_flags() -> list[str]:
    """The Makefile's flags. The library's symbols stay inside the module."""
    flags = ["-std=gnu11", "-O2", "-fvisibility=hidden", "-pthread", "-DFFI_STATIC_API="]
    if isa() in ("x86_64", "i686", "i386"):
        flags.append("-fcf-protection=full")
    return flags


ffibuilder = FFI()
ffibuilder.cdef(DECLARATIONS)
ffibuilder.set_source(
    "ffi_static._lib",
    PREAMBLE,
    sources=sources(),
    depends=sorted(glob.glob("csrc/**/*.h", recursive=True)),
    include_dirs=[
        "csrc",
        "csrc/include",
        os.path.join("csrc", "arch", isa()),
        *libffi("--cflags-only-I", "-I"),
    ],
    library_dirs=libffi("--libs-only-L", "-L"),
    libraries=["ffi"],
    define_macros=[("_CFFI_NO_LIMITED_API", None)],
    extra_compile_args=compile_flags(),
    extra_link_args=["-pthread", "-Wl,-z,relro,-z,now,-z,noexecstack"],
    py_limited_api=False,
)

if __name__ == "__main__":
    ffibuilder.compile(verbose=True)
