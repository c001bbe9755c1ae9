# SPDX-License-Identifier: MIT
"""programs - real packages from PyPI, each with a real callback, in the four modes.

Each file of tests/peers/packages is a program that uses one library, prints one line and exits with
0, or with 77 when the machine lacks something that it needs. They run in one environment with the
newest releases that pip finds, because users will install these.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from .modes import MODES, once
from .places import PEERS, digest, pythons, run, wheel

HERE = Path(__file__).resolve().parent / "packages"
REQUIREMENTS = (
    *("pyOpenSSL", "psycopg", "cairocffi", "soundfile", "numpy", "pyvips", "pyenchant"),
    *("python-pam", "six", "fusepy", "PySDL2", "pysdl2-dll", "setuptools", "pytest"),
)
#: Exit status of a program whose machine lacks something.
SKIP = 77
RESULTS = PEERS / "results" / "packages.json"


def environment(reference: str, cffi: str) -> Path:
    """Give the interpreter of the environment with all packages and this tree's wheel."""
    venv = PEERS / "venv" / f"packages-{reference}"
    python, ready = venv / "bin/python", venv / ".ours"
    pip = (python, "-m", "pip", "install", "-q")
    if not python.exists():
        run(pythons()[reference], "-m", "venv", "--clear", venv)
        run(*pip, *REQUIREMENTS)
    if not ready.exists() or ready.read_text(encoding="ascii") != digest():
        run(*pip, "--no-deps", "--force-reinstall", wheel(reference, cffi))
        ready.write_text(digest(), encoding="ascii")
    return python


def outcome(python: Path, program: Path, mode: str) -> tuple[str, str]:
    """Run one program in one mode: ("passed" | "skipped" | "failed" | signal, its last line)."""
    folder = PEERS / "results" / f"package-{program.stem}" / mode
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "tmp").mkdir(parents=True)
    status = once([str(python), str(program)], {}, folder, folder, mode)
    said = (folder / "output").read_text(encoding="utf-8").strip().splitlines() or [""]
    if status < 0:
        return f"killed by signal {-status}", said[-1]
    names = {0: "passed", SKIP: "skipped"}
    return names.get(status, "failed"), said[-1]


def perform(reference: str, cffi: str) -> None:
    """Run every program in every mode, and keep what came out."""
    python = environment(reference, cffi)
    found: dict[str, dict[str, tuple[str, str]]] = {}
    for program in sorted(HERE.glob("*.py")):
        print(f"{program.stem} ...", flush=True)
        found[program.stem] = {mode: outcome(python, program, mode) for mode in MODES}
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps({"digest": digest(), "found": found}, indent=1))


def table() -> tuple[str, list[str]]:
    """Give the table as Markdown, and the results that break the promise."""
    if not RESULTS.exists():
        return "", ["packages: not run"]
    kept = json.loads(RESULTS.read_text(encoding="utf-8"))
    wrong = [] if kept["digest"] == digest() else ["packages: not run for this tree"]
    rows = ["| package | " + " | ".join(MODES) + " |", "|---" * (1 + len(MODES)) + "|"]
    for name, outcomes in kept["found"].items():
        rows.append(f"| {name} | " + " | ".join(outcomes[mode][0] for mode in MODES) + " |")
        promised = {"stock": "passed", "dropin": "passed", "dropin-strict": "passed"}
        if outcomes["stock"][0] == "skipped":
            promised = dict.fromkeys(promised, "skipped")
        wrong += [
            f"{name} {mode}: {outcomes[mode][0]}: {outcomes[mode][1]}"
            for mode, expected in promised.items()
            if outcomes[mode][0] != expected
        ]
    return "\n".join(rows), wrong
