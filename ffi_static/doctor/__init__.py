# SPDX-License-Identifier: MIT
"""doctor - what this system allows, which provider is used, and whether the promise holds here

`python -m ffi_static doctor [--json]` reads the policies and asks every provider. In children it
makes callbacks with ctypes, cffi and this package, and audits the memory map. The exit status is 0
when this package's callbacks work and leave no memory that is writable and executable. Otherwise it
is 1, and the report gives advice. docs/use/doctor.md describes the JSON form.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

from ffi_static._output import program
from ffi_static.doctor import policies, trials
from ffi_static.doctor.advice import advise
from ffi_static.doctor.layout import takes_colour
from ffi_static.doctor.maps import Finding, audit_maps, read_maps
from ffi_static.doctor.text import render

__all__ = ["Finding", "audit_maps", "examine", "main"]

#: The version of the JSON form. It grows when a field changes its meaning or goes away.
SCHEMA = 1


def _system() -> dict[str, Any]:
    name, version = platform.libc_ver()
    return {
        "architecture": platform.machine(),
        "kernel": f"{platform.system()} {platform.release()}",
        "libc": f"{name} {version}".strip() or "unknown (musl has no version to ask for)",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "ffi_static": _version(),
    }


def _version() -> str:
    try:
        from ffi_static import _lib
    except ImportError as error:
        return f"not loadable: {error}"
    return str(_lib.ffi.string(_lib.lib.ffi_static_version()).decode())


def _sealing() -> dict[str, Any]:
    """Tell how closures are sealed, and whether all are (FFI_STATIC_HARDEN)."""
    result: dict[str, Any] = {"override": os.environ.get("FFI_STATIC_HARDEN"), "works": False}
    try:
        from ffi_static import _lib
    except ImportError as error:
        return {**result, "method": None, "all": False, "reason": f"not loadable: {error}"}
    ffi, lib = _lib.ffi, _lib.lib
    method = ffi.new("const char **")
    status = lib.ffi_static_sealing(method)
    works = status >= 0
    return {
        **result,
        "works": works,
        "method": ffi.string(method[0]).decode() if works else None,
        "all": status == 1,
        "reason": "" if works else ffi.string(lib.ffi_static_error()).decode(errors="replace"),
    }


def _providers() -> dict[str, Any]:
    override = os.environ.get("FFI_STATIC_PROVIDER")
    result: dict[str, Any] = {"override": override, "list": []}
    try:
        from ffi_static import _lib
    except ImportError:
        return result
    ffi, lib = _lib.ffi, _lib.lib
    for index in range(lib.ffi_static_provider_count()):
        name = lib.ffi_static_provider_name(index)
        why = ffi.new("char[]", 512)
        status = lib.ffi_static_provider_probe(name, why, len(why))
        result["list"].append(
            {
                "name": ffi.string(name).decode(),
                "about": ffi.string(lib.ffi_static_provider_about(name)).decode(),
                "works": status == 0,
                "errno": -status,
                "reason": ffi.string(why).decode(errors="replace") if status else "",
            }
        )
    return result


def _callbacks() -> dict[str, Any]:
    makers = (
        ("ctypes", trials.which_ctypes, trials.try_ctypes),
        ("cffi", trials.which_cffi, trials.try_cffi),
        ("ffi_static", dict, trials.try_ours),
    )
    found = {
        name: {
            "library": which(),
            "plain": trials.attempt(make),
            "mdwe": trials.attempt(make, mdwe=True),
        }
        for name, which, make in makers
    }
    for name in ("ctypes", "cffi"):
        found[name]["installed"] = trials.attempt(partial(trials.try_installed, name))
    return found


def examine(modules: Sequence[str] = ()) -> dict[str, Any]:
    """Examine this system and process. Return the object of the JSON form.

    A child imports `modules` and looks for other makers of closures. All trials run in forked
    children, so call this where fork() is safe. Raises OSError when fork is refused or /proc is not
    mounted.
    """
    read_maps()  # raises without /proc, before other answers become misleading
    report: dict[str, Any] = {
        "schema": SCHEMA,
        "system": _system(),
        "providers": _providers(),
        "sealing": _sealing(),
        "policies": policies.policies(),
        "trials": policies.trials(),
        "callbacks": _callbacks(),
        "closures": trials.who_makes_closures(modules),
    }
    ours = report["callbacks"]["ffi_static"]["plain"]
    report["providers"]["used"] = ours.get("providers", {})
    report["audit"] = {key: ours.get(key) for key in ("closures", "before", "findings")}
    report["healthy"] = bool(ours["works"]) and ours["memory"]["safe"] and not ours["findings"]
    report["advice"] = advise(report)
    return report


def main(argv: list[str] | None = None) -> int:
    """Run the command `doctor`. Return its exit status."""
    parser = argparse.ArgumentParser(
        prog=f"{program()} doctor",
        description="What this system allows, which provider is used, an audit of the memory map.",
    )
    parser.add_argument(
        "--json", action="store_true", help="machine-readable, see docs/use/doctor.md"
    )
    parser.add_argument(
        "module",
        nargs="*",
        help="a module to import: does it, or a library that it loads, make closures itself?",
    )
    options = parser.parse_args(argv)
    try:
        report = examine(options.module)
    except OSError as error:
        print(f"doctor: cannot examine this system: {error}", file=sys.stderr)
        if error.filename and str(error.filename).startswith("/proc"):
            print("doctor: mount /proc here: mount -t proc proc /proc", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(report, indent=2))
    else:
        print(render(report, coloured=takes_colour(sys.stdout)))
    return 0 if report["healthy"] else 1
