# SPDX-License-Identifier: MIT
"""run - real programs on the patched libffi.so.8, and on the stock one beside it.

``python run.py --patched LIBDIR --stock LIBDIR [--upstream LIBDIR] [--only NAME...] [--docs FILE]``

Every client (programs.py) runs on each library, with and without PR_SET_MDWE. It makes
thousands of callbacks, checks every result itself, and reads its own /proc/self/maps at the start,
while most callbacks are live, and at the end; what it read is judged here, by the one judge that
the package's doctor uses. On the patched library a wrong result, a writable executable page, or a
writable alias of one fails the run (status 1). So does stock being judged clean without a
policy: then the judge, or the client, sees nothing. So does a client that is not there.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

from bench.reporting.page import replace_between  # noqa: E402
from ffi_static.doctor.maps import (  # noqa: E402 - found through the line above
    audit_maps,
    read_maps,
)
from tests.libffi.clients.programs import CLIENTS, Client, install  # noqa: E402
from tests.support.policies import MDWE, PLAIN, mdwe_refusal, run_under  # noqa: E402
from tests.support.process import EVERYTHING, HangError  # noqa: E402

MOMENTS = ("start", "peak", "end")
LIBRARIES = ("patched", "stock", "upstream")
#: What tells most, in a client's last words: the first line that matches the first of these.
TELLING = (r"\bgot .+, not\b", "VIOLATION", r"[Ee]rror\b|memory|allocat|BUG")
REPORT = re.compile(r"^callbacks=(\d+) live=(\d+)$", re.MULTILINE)


@dataclass
class Row:
    """One run of a client."""

    client: str
    library: str
    policy: str
    callbacks: int = 0
    live: int = 0
    failure: str = ""  # why it did not end well
    memory: str = ""  # what the judge found, "none" when nothing
    loaded: str = ""  # the libffi it really ran with

    @property
    def good(self) -> bool:
        return not self.failure and self.memory == "none"

    @property
    def text(self) -> str:
        result = self.failure or f"{self.callbacks:,} calls right"
        return result if self.memory in ("", "none") else f"{result}; {self.memory}"


def last_words(done: subprocess.CompletedProcess[str]) -> str:
    """Give how it ended, and the line that says why."""
    lines = [line.strip() for line in f"{done.stdout}\n{done.stderr}".splitlines() if line.strip()]
    telling = [line for how in TELLING for line in lines if re.search(how, line)]
    words = (telling or lines or [""])[0].replace("|", "/")
    words = re.sub(r" at 0x[0-9a-f]+|\S*/(?=\w+_client)", "", words)[:120]
    code = done.returncode
    end = signal.Signals(-code).name if code < 0 else f"status {code}"
    return f"{end}: {words}" if words else end


def judge(maps: list[str]) -> str:
    """Name each way to write to executable pages that was open at one of the moments."""
    found = [audit_maps(text) for text in maps]
    kinds = {"writable-executable": "W+X mappings", "writable-alias": "writable aliases of code"}
    most = {kind: max(sum(f.kind == kind for f in one) for one in found) for kind in kinds}
    return ", ".join(f"{n} {kinds[kind]}" for kind, n in most.items() if n) or "none"


def try_client(client: Client, library: str, folder: Path, policy: str) -> Row:
    row = Row(client.name, library, policy)
    with tempfile.TemporaryDirectory() as scratch:
        maps = Path(scratch, "maps")
        env = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": scratch,
            "LC_ALL": "C.UTF-8",
            "LD_LIBRARY_PATH": str(folder),
            "CLIENT_MAPS": str(maps),
            **client.env,
        }
        try:
            quiet = {"without": EVERYTHING, "stdin": subprocess.DEVNULL}
            done = run_under(policy, client.argv, env=env, **quiet)
        except HangError:
            row.failure = "hangs (stopped after 300 s)"
            return row
        files = [Path(f"{maps}.{m}") for m in MOMENTS]
        texts = [f.read_text(errors="surrogateescape") for f in files if f.exists()]
    report = REPORT.search(done.stdout)
    if done.returncode != 0 or report is None:
        row.failure = last_words(done)
    else:
        row.callbacks, row.live = int(report[1]), int(report[2])
    if texts:
        row.memory = judge(texts)
        paths = {m.path for text in texts for m in read_maps(text) if "/libffi.so" in m.path}
        row.loaded = ", ".join(sorted(paths))
        wanted = (folder / "libffi.so.8").resolve()
        if not row.failure and {Path(p).resolve() for p in paths} != {wanted}:
            row.failure = f"ran with {row.loaded or 'no libffi'}, not with {wanted}"
    if not row.failure and len(texts) != len(MOMENTS):
        row.failure = f"gave {len(texts)} of {len(MOMENTS)} readings of its maps"
    return row


def table(rows: list[Row], versions: dict[str, str]) -> str:
    columns = [library for library in LIBRARIES if any(r.library == library for r in rows)]
    lines = [
        f"| client | policy | {' | '.join(columns)} |",
        "|---|---" + "|---" * len(columns) + "|",
    ]
    for name, version in versions.items():
        for policy in (PLAIN, MDWE):
            cell = {r.library: r.text for r in rows if (r.client, r.policy) == (name, policy)}
            if cell:
                shown = " | ".join(cell.get(library, "not run") for library in columns)
                lines.append(f"| {name} {version} | {policy} | {shown} |")
    return "\n".join(lines)


def judge_all(rows: list[Row]) -> list[str]:
    """Tell what keeps this run from being a pass."""
    ours = {c.name for c in CLIENTS if c.ours}
    bad = [
        f"{r.client} on patched ({r.policy}): {r.text}"
        for r in rows
        if r.library == "patched" and r.client in ours and not r.good
    ]
    blind = [
        f"{r.client} on stock (plain) shows no writable code ({r.text}): this run would not see any"
        for r in rows
        if r.library == "stock" and r.policy == PLAIN and r.client in ours and r.memory == "none"
    ]
    return bad + blind


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Real clients on the patched libffi.so.8.")
    parser.add_argument("--patched", type=Path, required=True, metavar="LIBDIR")
    parser.add_argument("--stock", type=Path, required=True, metavar="LIBDIR")
    parser.add_argument("--upstream", type=Path, metavar="LIBDIR", help="one more column")
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME")
    parser.add_argument("--docs", type=Path, help="a page with the markers of the table")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "clients")
    parser.add_argument("--base", default="", help="what these libraries are, for the report")
    return parser.parse_args()


def main() -> int:
    given = arguments()
    folders = {name: getattr(given, name) for name in LIBRARIES if getattr(given, name)}
    folders = {name: folder.resolve() for name, folder in folders.items()}
    for folder in folders.values():
        if not (folder / "libffi.so.8").exists():
            print(f"no libffi.so.8 in {folder}: make libffi builds it", file=sys.stderr)
            return 2
    chosen = [
        c for c in CLIENTS if not given.only or any(o.lower() in c.name.lower() for o in given.only)
    ]
    missing = [c for c in chosen if not c.there()]
    installed = install(missing) if missing else ""
    if installed:
        print(installed)
    absent = [c for c in missing if not c.there()]
    refusal = mdwe_refusal()
    policies = [PLAIN] if refusal else [PLAIN, MDWE]
    there = [c for c in chosen if c not in absent]
    versions = {c.name: c.version_text() for c in there}
    rows = []
    for client in there:
        for library, folder in folders.items():
            rows += [try_client(client, library, folder, policy) for policy in policies]
        print(f"  {client.name}: {', '.join(r.text for r in rows if r.client == client.name)}")
    text = table(rows, {c.name: versions[c.name].removeprefix(f"{c.name} ") for c in there})
    wrong = judge_all(rows)
    wrong += [f"{c.name} did not run: {installed}" for c in absent]
    wrong += [f"nothing ran under PR_SET_MDWE: {refusal}"] if refusal else []
    notes = [f"{c.name} is not counted: {c.why}." for c in there if not c.ours]
    given.out.mkdir(parents=True, exist_ok=True)
    report = {
        "base": given.base,
        "versions": versions,
        "rows": [asdict(row) for row in rows],
        "wrong": wrong,
        "notes": notes,
        "installed": installed,
    }
    (given.out / "report.json").write_text(json.dumps(report, indent=1) + "\n")
    (given.out / "table.md").write_text(text + "\n")
    print(f"\n{text}\n\n" + "\n".join(notes))
    if given.docs:
        replace_between(given.docs, "clients", f"{given.base}\n\n{text}")
    for line in wrong:
        print(f"WRONG: {line}", file=sys.stderr)
    print(f"{given.out / 'report.json'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
