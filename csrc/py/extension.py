# SPDX-License-Identifier: MIT
"""extension - how ``ffi_static._lib`` is built: run by setup.py through ``cffi_modules``

One shared object holds the C library (csrc, the same sources as libffi_static.so.0), its cffi
bindings (``lib``, ``ffi``), the native types of csrc/py, and csrc/dropin. The cffi declarations
below repeat csrc/include/ffi_static.h; the C compiler compares both.
"""

from __future__ import annotations

import glob
import os
import re
import shlex
import subprocess
import sysconfig
from functools import cache

from cffi import FFI


def rooms() -> list[str]:
    """The rooms of csrc that the extension is built from."""
    with open("csrc/rooms.txt", encoding="ascii") as file:
        lines = [line.split() for line in file if not line.startswith("#")]
    named = [room for room, *builds in lines if "python" in builds]
    return [f"arch/{isa()}" if room == "arch" else room for room in named]


PREAMBLE = """
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/types.h>
#include <termios.h>
#include <time.h>
#include <wchar.h>
#include <ffi.h>
#include "ffi_static.h"
/* dropin/module.c has the PyInit function that Python calls; this file's gets another name. */
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
int ffi_static_sealing(const char **method);
const char *ffi_static_error(void);
const char *ffi_static_version(void);
unsigned ffi_static_provider_count(void);
const char *ffi_static_provider_name(unsigned index);
const char *ffi_static_provider_about(const char *name);
int ffi_static_provider_probe(const char *name, char *why, size_t size);
const char *ffi_static_provider_of(const void *code);
struct ffi_static_stats {
    uint64_t size, live, cached, slots, tables, empty_tables, maps, unmaps, stamps, copies, sealed;
};
int ffi_static_get_stats(struct ffi_static_stats *, size_t size);
int ffi_static_check(void);
"""

#: Integer types of POSIX, and some that BSD added. The C compiler tells how large each is.
POSIX = """
blkcnt_t blksize_t cc_t clock_t clockid_t dev_t fsblkcnt_t fsfilcnt_t gid_t id_t in_addr_t in_port_t
ino_t key_t mode_t nfds_t nlink_t off_t pid_t rlim_t sa_family_t sig_atomic_t socklen_t speed_t
suseconds_t tcflag_t time_t uid_t useconds_t wint_t u_char u_short u_int u_long
"""


def compiler() -> list[str]:
    """The C compiler, with what chooses the machine that it compiles for."""
    command = os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
    flags = shlex.split(os.environ.get("CFLAGS", ""))
    return [*shlex.split(command), *(flag for flag in flags if flag.startswith("-m"))]


def ask(script: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a script of csrc/arch."""
    command = ["sh", os.path.join("csrc", "arch", script), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@cache
def isa() -> str:
    """The folder under csrc/arch of the machine that the compiler builds for."""
    return ask("isa.sh", *compiler()).stdout.strip() or os.uname().machine


def python_isa() -> str | None:
    """The same of the machine that this Python is for; None when Python does not tell.

    The kernel's machine is another one where a 32-bit Python runs on a 64-bit kernel, and where
    crossenv sets Python's platform from outside.
    """
    crossing = os.environ.get("_PYTHON_HOST_PLATFORM", "")  # "linux-aarch64"
    multiarch = str(sysconfig.get_config_var("MULTIARCH") or "")  # "x86_64-linux-gnu"
    if not crossing and multiarch.endswith("x32"):
        return "x32"
    name = crossing.partition("-")[2] if crossing else multiarch.partition("-")[0]
    return ask("isa.sh", "--named", name).stdout.strip() if name else None


def check_isa() -> None:
    """Stop with one sentence where closures do not run, or the compiler is not this Python's."""
    asked = ask("runs.sh", isa())
    if asked.returncode:
        raise SystemExit(asked.stdout.strip() or asked.stderr.strip())
    wanted = python_isa()
    if wanted not in (None, isa()):
        raise SystemExit(
            f"ffi_static cannot be built: the compiler ({shlex.join(compiler())}) builds for "
            f"{isa()}, but this Python's extension modules are for {wanted}; set CC to a compiler "
            f"for {wanted}"
        )


def arch_flags() -> list[str]:
    """What csrc/arch/<isa>/link.mk gives the Makefile as ARCH_CFLAGS."""
    path = os.path.join("csrc", "arch", isa(), "link.mk")
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as file:
        found = re.findall(r"^ARCH_CFLAGS\s*:=(.*)$", file.read(), re.MULTILINE)
    return [flag for line in found for flag in shlex.split(line)]


def pkg_config(option: str) -> list[str]:
    """What pkg-config says of libffi; nothing where either is missing."""
    try:
        found = subprocess.run(
            ["pkg-config", option, "libffi"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return []
    return shlex.split(found.stdout)


def sources() -> list[str]:
    """All C and assembly files of the rooms, relative to the top of the tree."""
    return [
        name
        for room in rooms()
        for pattern in ("*.c", "*.S")
        for name in sorted(glob.glob(os.path.join("csrc", room, pattern)))
    ]


ffibuilder = FFI()
ffibuilder.cdef(DECLARATIONS + "".join(f"typedef int... {name};\n" for name in POSIX.split()))
ffibuilder.set_source(
    "ffi_static._lib",
    PREAMBLE,
    sources=sources(),
    depends=["csrc/py/_lib.map", *sorted(glob.glob("csrc/**/*.h", recursive=True))],
    include_dirs=[
        "csrc",
        "csrc/include",
        os.path.join("csrc", "arch", isa()),
        *(flag[len("-I") :] for flag in pkg_config("--cflags-only-I")),
    ],
    library_dirs=[flag[len("-L") :] for flag in pkg_config("--libs-only-L")],
    libraries=["ffi"],
    define_macros=[("_CFFI_NO_LIMITED_API", None), ("FFI_STATIC_API", "")],
    # The Makefile's flags. Nothing of the library is visible outside the module.
    extra_compile_args=["-std=gnu11", "-O2", "-fvisibility=hidden", "-pthread", *arch_flags()],
    extra_link_args=[
        "-pthread",
        "-Wl,-z,relro,-z,now,-z,noexecstack",
        "-Wl,--version-script=csrc/py/_lib.map",
    ],
    py_limited_api=False,
)
