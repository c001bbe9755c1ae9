# SPDX-License-Identifier: MIT
"""fuzz - the command line: `python3 -m tests.fuzz --seed 1 --count 2000`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from . import build
from .isa import HERE, ISAS
from .signature import draw

#: How many signatures lie between two stores of the state.
PART = 1000


def in_parts(o: build.Options, count: int, state: Path) -> build.Outcome:
    """Run `count` signatures, and store after each part how far it went; go on from there.

    The file is of one seed, architecture and back end; another's begins anew. A part that fails is
    not stored as done, so that the next run meets its failures again.
    """
    which = [o.seed, o.isa.folder, o.backend, o.odd, o.rounds]
    try:
        done = json.loads(state.read_text(encoding="ascii"))
    except FileNotFoundError:
        done = {}
    if done.get("which") != which:
        done = {"which": which, "signatures": 0, "calls": 0, "args": 0}
    total = build.Outcome(done["signatures"], done["calls"], done["args"])
    if total.signatures:
        print(f"fuzz: {total.signatures} signatures were run before ({state})", flush=True)
    while total.signatures < count and not total.failures:
        first = total.signatures
        seen = build.fuzz(o, range(first, min(first + PART, count)))
        total.add(seen)
        if seen.failures or seen.signatures != min(PART, count - first):
            break
        done.update(signatures=total.signatures, calls=total.calls, args=total.args)
        unfinished = state.with_suffix(".new")
        unfinished.write_text(json.dumps(done), encoding="ascii")
        unfinished.replace(state)
        print(f"fuzz: {total.signatures} of {count}, {total.calls} calls", flush=True)
    return total


def main() -> int:
    """Run, print every failure with its reproducer, and return 1 if there was one."""
    defaults = build.Options()
    p = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    p.add_argument("--seed", type=int, default=defaults.seed)
    p.add_argument("--count", type=int, default=2000, help="how many signatures")
    p.add_argument("--first", type=int, default=0, help="index of the first one")
    p.add_argument("--only", type=int, help="run this index alone")
    p.add_argument("--rounds", type=int, default=defaults.rounds, help="calls of each kind")
    p.add_argument("--backend", default="ours", help="ours, system, or fault:NAME")
    p.add_argument("--cc", default="", help="one compiler with its -O, as 'gcc -O2'")
    p.add_argument("--jobs", type=int, default=defaults.jobs)
    p.add_argument("--lib", type=Path, help="where libffi_static.a is; default: where make puts it")
    p.add_argument(
        "--isa", choices=sorted(ISAS), default=HERE, help="whose closures; default: %(default)s"
    )
    p.add_argument("--limit", type=int, default=defaults.limit, help="stop after N failures")
    p.add_argument("--state", type=Path, help="go on where this file says, and keep it up to date")
    p.add_argument("--show", action="store_true", help="print the prototypes and do nothing")
    p.add_argument("--odd", action="store_true", help="draw unions and packed structs")
    a = p.parse_args()
    indices = [a.only] if a.only is not None else list(range(a.first, a.first + a.count))
    if a.show:
        for i in indices:
            print(draw(a.seed, i, a.odd).prototype)
        return 0
    o = build.Options(a.seed, a.backend, a.rounds, a.jobs, a.cc, a.lib, a.limit, a.odd)
    o.isa = ISAS[a.isa]
    # Compilers of a scratch root have wrappers there (tests/arch/tools.sh).
    wrappers = build.ROOT / "build" / o.isa.folder / "bin"
    os.environ["PATH"] = f"{wrappers}:{os.environ['PATH']}"
    print(
        f"fuzz: seed {a.seed}, {len(indices)} signatures{' with unions' if a.odd else ''},"
        f" closures of {a.backend}",
        flush=True,
    )
    try:
        seen = in_parts(o, a.count, a.state) if a.state else build.fuzz(o, indices, tell=True)
    except build.BuildError as e:
        print(f"fuzz: {e}", file=sys.stderr)
        return 2
    for index in sorted(seen.failures):
        print(f"\n{seen.failures[index]}")
    print(
        f"fuzz: {seen.signatures} signatures, {seen.calls} calls, {seen.args} arguments,"
        f" {len(seen.failures)} failed"
    )
    complete = seen.signatures == len(indices)
    return 1 if seen.failures or not complete else 0


if __name__ == "__main__":
    sys.exit(main())
