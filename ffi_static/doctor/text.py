# SPDX-License-Identifier: MIT
"""text - the doctor's report, for people: the verdict and what to do, then what was found"""

from __future__ import annotations

from typing import Any

from ffi_static.doctor.layout import colour, fit


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


def _render_sealing(sealing: dict[str, Any]) -> list[str]:
    which = "all closures" if sealing["all"] else "those that ask for it"
    about = f"{which}, by {sealing['method']}" if sealing["works"] else sealing["reason"]
    return [
        _row("sealed", "yes" if sealing["works"] else "NO", about),
        f"  {'FFI_STATIC_HARDEN':<20} {sealing['override'] or 'not set'}",
    ]


def _render_policies(policies: dict[str, Any]) -> list[str]:
    rows = [_row(name, each["state"], each["about"]) for name, each in policies.items()]
    context = policies["selinux"]["context"]
    return [*rows, _row("", "context", context)] if context else rows


def _render_callbacks(callbacks: dict[str, Any]) -> list[str]:
    rows = []
    for name, each in callbacks.items():
        rows.append(f"  {name:<12} {_built(each['library'])}".rstrip())
        rows.append(f"    {'here':<18} {_outcome(each['plain'])}")
        rows.append(f"    {'under MDWE':<18} {_outcome(each['mdwe'])}")
        if "installed" in each:
            rows.append(f"    {'after install()':<18} {_outcome(each['installed'])}")
            if each["installed"]["works"]:
                why = each["installed"]["no_turbo"]
                turbo = "yes" if each["installed"]["turbo"] else f"no: {why}"
                rows.append(f"    {'turbo':<18} {turbo}")
    return rows


def _render_closures(closures: dict[str, Any]) -> list[str]:
    if "error" in closures:
        return [f"  unknown: {closures['error']}"]
    rows = [_row(each["module"], each["state"], each["file"]) for each in closures["list"]]
    return rows or ["  none"]


def _render_audit(audit: dict[str, Any]) -> list[str]:
    if audit["findings"] is None:
        return []
    clean = [
        "  clean      these callbacks left no page writable and executable, and no writable alias"
    ]
    return _heading(
        f"Audit of /proc/self/maps with {audit['closures']} callbacks of ffi_static live",
        [
            *(f"  FOUND      {each}" for each in audit["findings"]),
            *(f"  before     {each}" for each in audit["before"]),
            *([] if audit["findings"] else clean),
        ],
    )


def _verdict(report: dict[str, Any]) -> list[str]:
    if report["healthy"]:
        said = "Healthy: callbacks of ffi_static work, and leave no memory writable and executable."
    elif report["callbacks"]["ffi_static"]["plain"]["works"]:
        said = "NOT HEALTHY: callbacks of ffi_static leave memory that can be written and executed."
    else:
        said = "NOT HEALTHY: callbacks of ffi_static do not work here."
    return [said, *(f"  * {each}" for each in report["advice"])]


def render(report: dict[str, Any], *, coloured: bool = False) -> str:
    """Lay the report out as lines of text, each of at most 100 columns."""
    trials = [f"  {each['about']:<56} {each['answer']}" for each in report["trials"].values()]
    lines = [
        *_verdict(report),
        *_heading("System", [f"  {name:<20} {value}" for name, value in report["system"].items()]),
        *_heading("Providers of trampolines, in order", _render_providers(report["providers"])),
        *_heading("Sealed closures", _render_sealing(report["sealing"])),
        *_heading(
            "Policies on memory that is writable and executable",
            _render_policies(report["policies"]),
        ),
        *_heading("What this system answers, when a child asks to", trials),
        *_heading(
            "Callbacks of this Python, here and under MemoryDenyWriteExecute=",
            _render_callbacks(report["callbacks"]),
        ),
        *_heading(
            "Who makes closures with libffi in this process, after install()",
            _render_closures(report["closures"]),
        ),
        *_render_audit(report["audit"]),
    ]
    fitting = [part for line in lines for part in fit(line)]
    return "\n".join(map(colour, fitting) if coloured else fitting)
