# SPDX-License-Identifier: MIT
"""targets - every target of the Makefile, tried in a Debian root that has nothing

``python -m tests.house.targets [--suite trixie] [--user] [TARGET ...]`` runs targets by
clean_root.sh, root's in a fresh root each. One that begins with `setup`, as the user's column
shows, gets a copy of a root in which setup has ended; its seconds and packages have setup's in
them. A target that takes more than some minutes has a short form in `SHORT`. What came out replaces
the row of the target in docs/results/targets.md, so the page is made in as many runs as one likes;
an unnamed target is run only if its cell is empty.

What a user without rights sees is right in two cases: the target works, or one sentence says what
to install or that root is needed, and the status is 2. Exit status: 0 when all went well, else 1.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/results/targets.md"
#: What to add to a target, so that it takes minutes.
SHORT = {
    "arch-same": "BASE=HEAD~1",
    "bench-count": "ISA=aarch64",
    "bench-isas": "ONLY=i686",
    "deb": "SUITE=bookworm",
    "fuzz": "COUNT=2000",
    "install": "DESTDIR=/tmp/there",
    "install-dkms": "DESTDIR=/tmp/there",
    "kmod": "KERNEL=6.1",
    "release": "DRAFT=yes PARTS=sdist",
    "soak": "MINUTES=1",
    "test-arch": "ISA=aarch64 KIND=core",
    "test-cffi-patch": "ONLY=test_c-2.0.0",
    "test-cfi": "ISA=aarch64",
    "test-clean-root": "ONLY=lib",
    "test-libffi": "TEST_SUITES=bookworm",
    "test-nested": "ONLY=coroutines",
    "test-peers": "ONLY=test_c",
    "test-py-all": "ONLY=3.11",
    "test-targets": "ONLY=help",
    "test-upstream": "ONLY=1",
    "test-vm": "KERNEL=6.1 PARTS=a",
    "test-wheels": "ONLY=3.11",
    "wheels": "ONLY=3.11",
}
#: What must have run before, in the same root.
BEFORE = {"test-wheels": ["wheels ONLY=3.11"], "readme": ["bench-quick"], "test-deb": ["deb"]}
ENDED = re.compile(r"^clean_root: make (.*) ended with (\d+) after (\d+) s, (\d+) packages more$")
SUITES = ("bookworm", "trixie")
#: The line below which the rows stand.
HEAD = "| --- | --- | --- | --- |\n"


def targets() -> list[str]:
    """Give the names that `make help ALL=1` shows."""
    shown = subprocess.run(
        ["make", "-s", "-C", str(ROOT), "help", "ALL=1"], capture_output=True, text=True, check=True
    )
    return re.findall(r"^  (\S+) ", shown.stdout, re.MULTILINE)


def command(target: str) -> str:
    """Give a target with the arguments of its short form."""
    return f"{target} {SHORT[target]}" if target in SHORT else target


def rows() -> dict[str, list[str]]:
    """Read the page: the three cells of each target."""
    text = PAGE.read_text(encoding="utf-8")
    found = re.findall(r"^\| `(\S+)[^`]*` \| (.*) \|$", text, re.MULTILINE)
    return {target: cells.split(" | ") for target, cells in found}


def write(table: dict[str, list[str]]) -> None:
    """Write the page, in the order of `make help`."""
    usual = table.get("setup", [""])[-1]
    lines = []
    for target in targets():
        cells = table.get(target, [""] * 3)
        if cells[-1] == usual and target != "setup":
            cells = [*cells[:-1], "says: what `setup` says"]
        lines.append(f"| `{command(target)}` | {' | '.join(cells)} |\n")
    head = PAGE.read_text(encoding="utf-8").partition(HEAD)[0]
    PAGE.write_text(head + HEAD + "".join(lines), encoding="utf-8")


def begins_with_setup(target: str, table: dict[str, list[str]]) -> bool:
    """Whether it told a user without rights what `setup` tells, which then comes first in it."""
    return table.get(target, [""])[-1] == "says: what `setup` says"


def tried(
    suite: str, commands: list[str], *, user: bool = False, after: str = ""
) -> dict[str, tuple[int, int, int, str]]:
    """Run commands in one root; give status, seconds, packages and the log of each."""
    words = ["bash", "tests/house/clean_root.sh", *(["--user"] if user else []), *commands]
    where = f"build/clean-root/{suite}-{'user' if user else 'root'}"
    env = {"SUITE": suite, "WHERE": where, "AFTER": after, "HOME": "/root"}
    env["PATH"] = "/usr/sbin:/usr/bin:/sbin:/bin"
    keep = {k: v for k, v in os.environ.items() if re.match(r"(?i).*_proxy$|PIP_|DEBIAN_", k)}
    subprocess.run(words, cwd=ROOT, env={**env, **keep}, stdout=subprocess.DEVNULL, check=False)
    path = ROOT / where / "log.txt"
    log = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    seen: dict[str, tuple[int, int, int, str]] = {}
    said: list[str] = []
    for line in log.splitlines():
        ended = ENDED.match(line)
        if ended:
            status, seconds, packages = (int(n) for n in ended.groups()[1:])
            seen[ended[1]] = (status, seconds, packages, "\n".join(said))
            said = []
        else:
            said.append(line)
    return seen


def cell_of_root(status: int, seconds: int, packages: int, log: str) -> tuple[str, bool]:
    """Give the cell of a target that root ran, and whether all was well."""
    if status:
        last = [x for x in log.splitlines() if x and not x.startswith("make")]
        return f"**status {status}**: {(last or ['no word'])[-1][:100]}", False
    how_long = f"{seconds} s" if seconds < 100 else f"{round(seconds / 60)} min"
    return f"{how_long}, {packages} packages", True


def cell_of_user(status: int, log: str) -> tuple[str, bool]:
    """Give the cell of a target that a user without rights ran, and whether all was well."""
    if not status:
        return "works", True
    lines = [x for x in log.splitlines() if not x.startswith("make")]
    advice = [x for x in lines if x.startswith("As root: ") or re.search(r"\broot\b", x)]
    lost = [x for x in lines if re.search(r"not found|No such file|Traceback|denied", x)]
    if status != 2 or not advice or lost:
        return f"**status {status}**: {(lost or lines or ['no word'])[-1][:100]}", False
    names = advice[-1].rpartition("recommends ")[2].split()
    return (f"says: {', '.join(names)}" if advice[-1].startswith("As root") else advice[-1]), True


def main() -> int:
    """Run what is asked for, write the page after each root, and say what went wrong."""
    p = argparse.ArgumentParser(prog="targets", description=__doc__)
    p.add_argument("--suite", choices=SUITES, default="bookworm")
    p.add_argument("--user", action="store_true", help="as a user who may install nothing")
    p.add_argument("targets", nargs="*", metavar="TARGET")
    a = p.parse_args()
    column = len(SUITES) if a.user else SUITES.index(a.suite)
    table = rows()
    empty = [t for t in targets() if not table.get(t, [""] * 3)[column]]
    wanted = a.targets or empty
    right = True
    for group in [wanted] if a.user else [[t] for t in wanted]:
        before = [] if a.user else BEFORE.get(group[0], [])
        after = "setup" if not a.user and begins_with_setup(group[0], table) else ""
        seen = tried(a.suite, [*before, *map(command, group)], user=a.user, after=after)
        for target in group:
            status, seconds, packages, log = seen.get(command(target), (-1, 0, 0, ""))
            cell, good = cell_of_user(status, log)
            if not a.user:
                cell, good = cell_of_root(status, seconds, packages, log)
            print(f"{target}: {cell}", flush=True)
            right &= good
            table = rows()  # another suite's run may have written the page meanwhile
            table.setdefault(target, [""] * 3)[column] = cell
            write(table)
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
