# SPDX-License-Identifier: MIT
"""run - bad days of the patched libffi.so.8, with stock's and upstream's outcome beside.

``make libffi-bad-days`` runs each row of rows.py on each library, in a process of its own and on
a copy of the library of its own, and rewrites the table in docs/results/libffi-bad-days.md between
its markers. The patched library runs under a filter that kills the process when anything asks for
memory that is writable and executable; on all of them /proc/self/maps is judged at the end. The
status is 1 when the patched library does not do what rows.py says.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

from bench.reporting.page import replace_between  # noqa: E402
from tests.libffi.bad_days.rows import ABORTS, SECTIONS, Row  # noqa: E402

LIBRARIES = ("patched", "stock", "upstream")
TIMEOUT = 90
WRONG, WRITABLE, CANNOT = 1, 3, 77  # exit statuses of the program (tests/support/harness.h)


def tidy(text: str, scratch: str) -> str:
    """Give one line without what differs from run to run, fit for a cell of a table."""
    text = re.sub(rf"{re.escape(scratch)}\S*/", "", text)
    text = re.sub(r"0x[0-9a-f]+", "0x…", text)
    return " ".join(text.split()).replace("|", "/").strip()


def told(done: subprocess.CompletedProcess[str], scratch: str) -> str:
    """Say what happened, in the words of the table."""
    code = done.returncode
    # Of a failed check, what it says: neither its line of the source nor errno.
    text = re.sub(r"^\S+:\d+: |(?: \(errno .*\))$", "", done.stderr.strip())
    out, err = tidy(done.stdout, scratch), tidy(text, scratch)
    if code == 0:
        return out
    if code == WRITABLE:
        kinds = {"alias": "a writable alias of code", "descriptor": "a descriptor to write to code"}
        kind = next((text for word, text in kinds.items() if word in err), "W+X memory")
        return f"{out}, with **{kind}**"
    if code == WRONG:
        return f"**wrong**: {err}"
    if code == CANNOT:
        return f"not run: {out}"
    if code == -signal.SIGABRT and err:
        return f"{ABORTS}{err}"
    if code == -signal.SIGSYS:
        return "**asked for W+X memory** (killed by this test's filter)"
    return f"**{signal.Signals(-code).name}**" if code < 0 else f"status {code}: {err}"


def prepare(row: Row, library: Path, scratch: Path) -> tuple[Path, list[str]]:
    """Lay out the library's copy, and the root that its path means another file in."""
    folder = scratch / row.folder
    folder.mkdir()
    copy = folder / "libffi.so.8"
    shutil.copy(library, copy)
    if row.cut:
        Path(str(copy).split(" ")[0]).write_bytes(b"\xcc" * copy.stat().st_size)
    case = list(row.case)
    if "ROOT" in case:
        root = scratch / "root"
        other = root / str(copy).lstrip("/")
        other.parent.mkdir(parents=True)
        other.write_bytes(b"\xcc" * copy.stat().st_size)
        (root / "proc").mkdir()
        case[case.index("ROOT")] = str(root)
    return copy, case


def try_row(row: Row, program: Path, library: Path, *, strict: bool) -> str:
    if row.root and os.geteuid() != 0:
        return "not run: needs root"
    with tempfile.TemporaryDirectory() as name:
        copy, case = prepare(row, library, Path(name))
        env = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "DAYS_LIBFFI": str(copy)}
        env.update({"DAYS_STRICT": "1"} if strict else {})
        env.update({"DAYS_MDWE": "1"} if row.mdwe else {})
        # Files and not pipes: a child that hangs would keep a pipe open after its parent ended.
        said = {stream: Path(name, stream) for stream in ("out", "err")}
        with said["out"].open("w") as out, said["err"].open("w") as err:
            process = subprocess.Popen(
                [str(program), *case],
                stdout=out,
                stderr=err,
                stdin=subprocess.DEVNULL,
                env=env,
                start_new_session=True,
            )
        try:
            status = process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            return "**hangs**"
        finally:  # what it left behind, too
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        texts = [path.read_text(errors="replace") for path in said.values()]
        done = subprocess.CompletedProcess(process.args, status, *texts)
        return told(done, name)


def table(results: dict[str, list[tuple[Row, dict[str, str]]]]) -> str:
    lines = []
    for section, rows in results.items():
        lines += [f"| {section} | patched | stock | upstream |", "|---|---|---|---|"]
        lines += [
            f"| {row.what} | " + " | ".join(cells[library] for library in LIBRARIES) + " |"
            for row, cells in rows
        ]
        lines.append("")
    return "\n".join(lines).rstrip()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Bad days of the patched libffi.so.8.")
    parser.add_argument("--program", type=Path, required=True, help="the C program with the cases")
    for library in LIBRARIES:
        parser.add_argument(f"--{library}", type=Path, required=True, metavar="LIBDIR")
    parser.add_argument("--docs", type=Path, help="a page with the markers of the table")
    parser.add_argument("--only", nargs="*", default=[], metavar="WORD")
    parser.add_argument("--base", default="", help="what these libraries are")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "libffi-bad-days")
    return parser.parse_args()


def main() -> int:
    given = arguments()
    paths = {name: (getattr(given, name) / "libffi.so.8").resolve() for name in LIBRARIES}
    for path in paths.values():
        if not path.exists():
            print(f"there is no {path}: make libffi builds it", file=sys.stderr)
            return 2
    results: dict[str, list[tuple[Row, dict[str, str]]]] = {}
    wrong = []
    for section, rows in SECTIONS.items():
        for row in rows:
            words = f"{row.what} {' '.join(row.case)}".lower()
            if given.only and not any(word.lower() in words for word in given.only):
                continue
            cells = {
                name: try_row(row, given.program.resolve(), path, strict=name == "patched")
                for name, path in paths.items()
            }
            results.setdefault(section, []).append((row, cells))
            good = re.fullmatch(row.patched, cells["patched"])
            print(f"{'  ' if good else '! '}{row.what}: " + " | ".join(cells.values()), flush=True)
            if not good:
                wrong.append(f"{row.what}: {cells['patched']} (expected: {row.patched})")
    given.out.mkdir(parents=True, exist_ok=True)
    report = {
        "base": given.base,
        "rows": [{"what": r.what, **c} for rows in results.values() for r, c in rows],
        "wrong": wrong,
    }
    (given.out / "report.json").write_text(json.dumps(report, indent=1) + "\n")
    if given.docs:
        text = f"libffi: {given.base}.\n\n{table(results)}"
        replace_between(given.docs, "bad days", text)
    for line in wrong:
        print(f"WRONG: {line}", file=sys.stderr)
    print(f"{sum(len(rows) for rows in results.values())} rows, {len(wrong)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
