# SPDX-License-Identifier: MIT
"""doctor - what this system allows, which provider is used, and whether our promise holds here.

`python -m ffi_static doctor [--json]`. It reads the policies, asks every provider, makes callbacks
with ctypes, cffi and this package in children that exit at once, and audits the memory map. The
exit status is 0 when callbacks of this package work and leave no memory that is writable and
executable, else 1, with advice. The JSON form is described in docs/use/doctor.md.
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

from . import _policies, _trial
from ._maps import Finding, audit_maps, read_maps

__all__ = ["Finding", "audit_maps", "examine", "main"]

#: Grows when a field of the JSON form changes its meaning or goes away.
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
        from . import _lib
    except ImportError as error:
        return f"not loadable: {error}"
    return str(_lib.ffi.string(_lib.lib.ffi_static_version()).decode())


def _providers() -> dict[str, Any]:
    override = os.environ.get("FFI_STATIC_PROVIDER")
    result: dict[str, Any] = {"override": override, "list": []}
    try:
        from . import _lib
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
        ("ctypes", _trial.which_ctypes, _trial.try_ctypes),
        ("cffi", _trial.which_cffi, _trial.try_cffi),
        ("ffi_static", dict, _trial.try_ours),
    )
    found = {
        name: {
            "library": which(),
            "plain": _trial.attempt(make),
            "mdwe": _trial.attempt(make, mdwe=True),
        }
        for name, which, make in makers
    }
    for name in ("ctypes", "cffi"):
        found[name]["installed"] = _trial.attempt(partial(_trial.try_installed, name))
    return found


def examine(modules: Sequence[str] = ()) -> dict[str, Any]:
    """Examine this system and process; gives the JSON form's object.

    `modules` are imported, in a child, and looked at for others that make closures. Makes its
    trials in forked children: call it where fork() is safe. Raises OSError when fork is refused or
    /proc is not mounted.
    """
    read_maps()  # without /proc every other answer would be about that
    report: dict[str, Any] = {
        "schema": SCHEMA,
        "system": _system(),
        "providers": _providers(),
        "policies": _policies.policies(),
        "trials": _policies.trials(),
        "callbacks": _callbacks(),
        "closures": _trial.who_makes_closures(modules),
    }
    ours = report["callbacks"]["ffi_static"]["plain"]
    report["providers"]["used"] = ours.get("providers", {})
    report["audit"] = {key: ours.get(key) for key in ("closures", "before", "findings")}
    report["healthy"] = bool(ours["works"]) and ours["memory"]["safe"] and not ours["findings"]
    report["advice"] = _advice(report)
    return report


def _advice(report: dict[str, Any]) -> list[str]:
    """Say what to do about what was found, most urgent first."""
    ours = report["callbacks"]["ffi_static"]
    providers = report["providers"]
    advice = []
    if report["system"]["ffi_static"].startswith("not loadable"):
        advice.append("The extension module is missing: build it with `pip install .` or `make`.")
    elif not ours["plain"]["works"]:
        advice.append(f"Callbacks cannot be made here: {ours['plain']['answer']}")
        if providers["override"] is not None:
            advice.append("FFI_STATIC_PROVIDER is set: unset it to have every provider tried.")
    elif ours["plain"]["findings"]:
        advice.append("The audit failed. Report this with the output of `doctor --json`, please.")
    tables = [p for p in providers["list"] if p["works"] and p["name"] != "resident"]
    if providers["list"] and not tables:
        advice.append(
            "Only the resident table is available: programs with more callbacks at once than it "
            "holds will fail. The reasons are listed with the providers."
        )
    for name in ("ctypes", "cffi"):
        advice += _advice_on_stock(name, report["callbacks"][name])
    return advice + _advice_on_others(report["closures"])


def _advice_on_others(closures: dict[str, Any]) -> list[str]:
    errors = closures.get("errors", {})
    return [
        *(
            f"{each['module']} ({each['file']}) is not served by ffi_static.install(): "
            f"{each['reason']}."
            for each in closures.get("list", ())
            if each["state"] in ("refused", "unserved")
        ),
        *(f"{name} was not looked at, its import fails: {why}" for name, why in errors.items()),
    ]


def _advice_on_stock(name: str, stock: dict[str, Any]) -> list[str]:
    plain, denied = stock["plain"], stock["mdwe"]
    instead = "ffi_static.install() moves them to read-only code, without a change to programs"
    if not stock["installed"]["works"]:
        instead = (
            f"use ffi_static.callback instead (install() cannot: {stock['installed']['answer']})"
        )
    if not plain["works"]:
        return [f"{name}'s own callbacks fail here: {instead}."]
    if plain["memory"]["safe"]:
        return []
    if denied["works"] is False:
        then = " and fail under MemoryDenyWriteExecute="
    elif denied["works"] and denied["memory"]["kind"] == "writable-alias":
        then = ", and under MemoryDenyWriteExecute= a forked child can overwrite them"
    else:
        then = ""
    where = plain["memory"]["about"]
    return [f"{name}'s own callbacks live in {where}{then}: {instead}."]


def _outcome(result: dict[str, Any]) -> str:
    if not result["works"]:
        return f"{'unknown' if result['works'] is None else 'FAILS'}: {result['answer']}"
    return f"{'works' if result['memory']['safe'] else 'UNSAFE'}: in {result['memory']['about']}"


def _built(which: dict[str, Any]) -> str:
    if "error" in which:
        return str(which["error"])
    parts = [which.get("version"), which.get("built")]
    if which.get("linked"):
        parts.append(f"libffi linked {which['linked']}")
    parts.append(which.get("libffi"))
    return ", ".join(part for part in parts if part)


def _heading(title: str, rows: list[str]) -> list[str]:
    return ["", title, *rows]


def _row(name: str, state: str, about: str) -> str:
    return f"  {name:<20} {state:<11} {about}".rstrip()


def _render_providers(providers: dict[str, Any]) -> list[str]:
    used = ", ".join(f"{name} ({count})" for name, count in providers["used"].items())
    return [
        *(
            _row(each["name"], "yes" if each["works"] else "NO", each["reason"] or each["about"])
            for each in providers["list"]
        ),
        f"  {'used here':<20} {used or 'none'}",
        f"  {'FFI_STATIC_PROVIDER':<20} {providers['override'] or 'not set'}",
    ]


def _render_policies(policies: dict[str, Any]) -> list[str]:
    rows = [_row(name, each["state"], each["about"]) for name, each in policies.items()]
    context = policies["selinux"]["context"]
    return [*rows, _row("", "context", context)] if context else rows


def _render_callbacks(callbacks: dict[str, Any]) -> list[str]:
    rows = []
    for name, each in callbacks.items():
        rows.append(f"  {name:<12} {_built(each['library'])}".rstrip())
        rows.append(f"    {'as things are':<18} {_outcome(each['plain'])}")
        rows.append(f"    {'under MDWE':<18} {_outcome(each['mdwe'])}")
        if "installed" in each:
            rows.append(f"    {'after install()':<18} {_outcome(each['installed'])}")
    return rows


def _render_closures(closures: dict[str, Any]) -> list[str]:
    if "error" in closures:
        return [f"  unknown: {closures['error']}"]
    rows = [_row(each["module"], each["state"], each["file"]) for each in closures["list"]]
    return rows or ["  none"]


def _render_audit(audit: dict[str, Any]) -> list[str]:
    if audit["findings"] is None:
        return []
    clean = ["  clean      no page of ours is writable and executable, none has a writable alias"]
    return _heading(
        f"Audit of /proc/self/maps with {audit['closures']} callbacks of ours live",
        [
            *(f"  FOUND      {each}" for each in audit["findings"]),
            *(f"  not ours   {each}" for each in audit["before"]),
            *([] if audit["findings"] else clean),
        ],
    )


def render(report: dict[str, Any]) -> str:
    """Lay the report out for people."""
    trials = [f"  {each['about']:<56} {each['answer']}" for each in report["trials"].values()]
    lines = [
        "ffi_static doctor",
        *(f"  {name:<20} {value}" for name, value in report["system"].items()),
        *_heading("Providers of trampolines, in order", _render_providers(report["providers"])),
        *_heading(
            "Policies on memory that is writable and executable",
            _render_policies(report["policies"]),
        ),
        *_heading("What this system answers, when a child asks to", trials),
        *_heading(
            "Callbacks of this Python, as things are and under MemoryDenyWriteExecute=",
            _render_callbacks(report["callbacks"]),
        ),
        *_heading(
            "Who makes closures with libffi in this process, after install()",
            _render_closures(report["closures"]),
        ),
        *_render_audit(report["audit"]),
        *_heading(
            "Healthy." if report["healthy"] else "NOT HEALTHY.",
            [f"  * {each}" for each in report["advice"]],
        ),
    ]
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Run the command line `doctor`; gives the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m ffi_static doctor",
        description="What this system allows, which provider is used, an audit of the memory map.",
    )
    parser.add_argument(
        "--json", action="store_true", help="machine-readable, see docs/use/doctor.md"
    )
    parser.add_argument(
        "module",
        nargs="*",
        help="to be imported and looked at: does it, or what it needs, make closures of its own?",
    )
    options = parser.parse_args(argv)
    try:
        report = examine(options.module)
    except OSError as error:
        print(f"doctor: cannot examine this system: {error}", file=sys.stderr)
        if error.filename and str(error.filename).startswith("/proc"):
            print("doctor: mount /proc here: mount -t proc proc /proc", file=sys.stderr)
        return 1
    print(json.dumps(report, indent=2) if options.json else render(report))
    return 0 if report["healthy"] else 1


if __name__ == "__main__":
    from ._output import run_command

    run_command(main)
