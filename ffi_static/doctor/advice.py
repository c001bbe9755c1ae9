# SPDX-License-Identifier: MIT
"""advice - what to do about what the doctor found"""

from __future__ import annotations

from typing import Any


def advise(report: dict[str, Any]) -> list[str]:
    """Give advice on what was found, the most urgent first."""
    ours = report["callbacks"]["ffi_static"]
    providers = report["providers"]
    said = []
    if report["system"]["ffi_static"].startswith("not loadable"):
        said.append("The extension module is missing: build it with `pip install .` or `make`.")
    elif not ours["plain"]["works"]:
        said.append(f"Callbacks cannot be made here: {ours['plain']['answer']}")
        if providers["override"] is not None:
            said.append("FFI_STATIC_PROVIDER is set: unset it to have every provider tried.")
    elif ours["plain"]["findings"]:
        said.append("The audit failed. Report this with the output of `doctor --json`, please.")
    tables = [p for p in providers["list"] if p["works"] and p["name"] != "resident"]
    if providers["list"] and not tables:
        said.append(
            "Only the resident table is available: a program with more callbacks at once than it "
            "holds will fail. The reasons stand beside the providers."
        )
    for name in ("ctypes", "cffi"):
        said += _on_stock(name, report["callbacks"][name])
    return said + _on_others(report["closures"])


def _on_others(closures: dict[str, Any]) -> list[str]:
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


def _on_stock(name: str, stock: dict[str, Any]) -> list[str]:
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
