#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""suite - `make test-libffi`: upstream's own testsuite, on stock and on patched, and the report.

What counts is the comparison: the patched tree must run the same tests as the stock tree of the
same base, built by the same compiler, and none may fail that stock passes. The closure tests then
run again under the policies of a hardened system (``deny.c``) and, for one base, in other builds;
what stock does under the same policies is shown beside, as information. ::

    python tests/libffi/suite.py [--libffi build/libffi] [--full] [--suites bookworm,el9]

A run is not repeated while its library, the testsuite, the compiler and what it was asked for are
the same (``--again`` repeats all), so stock's runs outlive every change of csrc; ``--stock`` makes
only those, ahead of time. The bases run side by side (``--jobs``). Exit status: 0 nothing new
fails, 1 something does, 2 a run could not be made.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from bench.reporting.page import replace_between  # noqa: E402
from tests.support import process  # noqa: E402
from tests.support.process import MAKE  # noqa: E402

RESULT = re.compile(r"^(PASS|FAIL|XFAIL|XPASS|KFAIL|UNRESOLVED|UNSUPPORTED|UNTESTED|ERROR): (.*)$")
BAD = {"FAIL", "XPASS", "UNRESOLVED", "ERROR"}
OPTIMIZATION = "-O2"  # without --full: one level of those that upstream tests with


@dataclass(frozen=True)
class Job:
    """One run of the testsuite: which build, which tests, under which policies."""

    suite: str
    variant: str
    tests: str = ""  # "": all; else what runtest is given
    policies: tuple[str, ...] = ()
    options: str = ""  # compiler options for the test programs

    @property
    def title(self) -> str:
        """What the run is called in the report."""
        what = "closure tests" if self.tests else "whole testsuite"
        under = f" under {' + '.join(self.policies)}" if self.policies else ""
        return what + under

    @property
    def folder(self) -> str:
        """The name of the folder of its results."""
        words = [self.variant, self.tests.partition(".")[0] or "all", *self.policies]
        return "-".join(words)


@dataclass
class Outcome:
    """What a run gave: every test with its result, or why there was no run."""

    job: Job
    results: dict[str, list[str]] = field(default_factory=dict)
    skipped: str = ""
    seconds: float = 0
    library: str = ""

    @property
    def counts(self) -> Counter[str]:
        """How often each result came."""
        return Counter(result for results in self.results.values() for result in results)

    @property
    def tests(self) -> int:
        """How many tests were run."""
        return sum(self.counts.values())

    @property
    def bad(self) -> Counter[str]:
        """The tests that did not do what upstream expects, and how often."""
        found: Counter[str] = Counter()
        for name, results in self.results.items():
            found[name] += sum(result in BAD for result in results)
        return +found


class RunError(RuntimeError):
    """A run could not be made; the text says why and where to look."""


def parse(text: str) -> dict[str, list[str]]:
    """Read dejagnu's libffi.sum: test -> its results. ValueError when it is not complete."""
    if "=== libffi Summary ===" not in text:
        raise ValueError("no summary: the run was interrupted")
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        match = RESULT.match(line)
        if match:
            # Paths of temporary or build files may stand in a name; the file name is enough.
            name = re.sub(r"(?<=\s)/\S*/", "", " " + match[2]).strip()
            found.setdefault(name, []).append(match[1])
    if not found:
        raise ValueError("no test in it")
    return found


def compare(stock: Outcome, patched: Outcome) -> list[str]:
    """List what speaks against `patched`: tests that are missing or new, new failures."""
    wrong = []
    for name in sorted(stock.results.keys() | patched.results.keys()):
        before, after = stock.results.get(name, []), patched.results.get(name, [])
        if len(before) != len(after):
            wrong.append(f"{name}: run {len(before)} times on stock, {len(after)} on patched")
        elif patched.bad[name] > stock.bad[name]:
            wrong.append(f"{name}: {', '.join(after)} (stock: {', '.join(before)})")
    return wrong


def digest(path: Path) -> str:
    """Hash a file, or every file below a folder with its name."""
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    found = hashlib.sha256()
    for file in files:
        found.update(str(file.relative_to(path)).encode() + b"\0" + file.read_bytes())
    return found.hexdigest()


def loaded_part(library: Path) -> str:
    """Hash a library without its debugging information, which changes with every comment."""
    with tempfile.TemporaryDirectory() as scratch:
        bare = Path(scratch, "library")
        command = ["objcopy", "--strip-debug", "--remove-section=.note.gnu.build-id"]
        process.run([*command, library, bare])
        return digest(bare)


def first_line(*command: str) -> str:
    """Give the first line that a command prints; "" when it cannot be run."""
    try:
        done = process.run(command, status=None, timeout=60)
    except OSError:
        return ""
    return str(done.stdout).partition("\n")[0]


class Runner:
    """Makes the runs, in their build trees, and keeps what came out."""

    def __init__(self, libffi: Path, deny: Path, *, full: bool, again: bool) -> None:
        """Take the folder of the builds, the launcher, and how thorough to be."""
        self.libffi, self.deny, self.full, self.again = libffi, deny, full, again

    def run(self, job: Job) -> Outcome:
        """Run `job`, or read what it gave when its library is still the same."""
        with (self.libffi / job.suite / "work" / f"{job.variant}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # build.sh waits for it, or takes the tree away
            return self._run(job)

    def _run(self, job: Job) -> Outcome:
        tree = self.libffi / job.suite / "work" / job.variant / "b"
        libraries = sorted((tree / ".libs").glob("libffi.so.8.*"))
        if not libraries:
            raise RunError(f"no library in {tree}: make libffi SUITE={job.suite}")
        library = loaded_part(libraries[0])
        key = self._key(job, tree, library)
        level = "full" if self.full else "O2"
        kept = self.libffi / job.suite / "results" / level / job.folder
        kept.mkdir(parents=True, exist_ok=True)
        launcher = [str(self.deny), *job.policies, "--"] if job.policies else []
        reason = self._refused(launcher)
        if reason:
            return Outcome(job, skipped=reason)
        if not self.again and (kept / "key").exists() and (kept / "key").read_text() == key:
            results = parse((kept / "libffi.sum").read_text(errors="replace"))
            return Outcome(job, results, seconds=0, library=library)
        (kept / "key").unlink(missing_ok=True)
        print(f"  {job.suite}, {job.variant}: {job.title} ...", flush=True)
        started = time.monotonic()
        results = self._check(tree, job, launcher, kept)
        (kept / "key").write_text(key)
        return Outcome(job, results, seconds=time.monotonic() - started, library=library)

    def _key(self, job: Job, tree: Path, library: str) -> str:
        """Name everything that a run's results come from."""
        compilers = ("clang", "clang++") if job.variant in OTHER_COMPILER else ("gcc", "g++")
        parts = [repr(job), str(self.full), library, digest(tree.parent / "testsuite")]
        parts += [first_line(program, "--version") for program in (*compilers, "runtest")]
        parts += [digest(self.deny)] if job.policies else []
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def _refused(self, launcher: list[str]) -> str:
        """Tell why the policies cannot be had here; "" when they can."""
        if not launcher:
            return ""
        done = process.run([*launcher, "true"], status=None, timeout=60)
        return done.stderr.strip() if done.returncode else ""

    def _check(self, tree: Path, job: Job, launcher: list[str], kept: Path) -> dict[str, list[str]]:
        """Run `make check` in the build tree and keep its summary and log."""
        made = [tree / "testsuite" / name for name in ("libffi.sum", "libffi.log")]
        for path in made:
            path.unlink(missing_ok=True)
        flags = [job.tests, f"TOOL_OPTIONS='{job.options}'" if job.options else ""]
        env = {"LC_ALL": "C"}
        env["ASAN_OPTIONS"] = "detect_leaks=0"  # upstream's tests do not free what they allocate
        if not self.full:
            env["LIBFFI_TEST_OPTIMIZATION"] = OPTIMIZATION
        command = [*launcher, "make", "check", f"RUNTESTFLAGS={' '.join(flags).strip()}"]
        with (kept / "output").open("w") as output:
            streams: dict[str, Any] = {"stdout": output, "stderr": subprocess.STDOUT}
            streams["stdin"] = subprocess.DEVNULL
            # make says no when a test fails; the summary says which
            process.run(
                command, status=None, cwd=tree, env=env, without=MAKE, timeout=None, **streams
            )
        for path in made:
            if path.exists():
                (kept / path.name).write_bytes(path.read_bytes())
        try:
            return parse((kept / "libffi.sum").read_text(errors="replace"))
        except (OSError, ValueError) as error:
            raise RunError(f"{job.suite}, {job.variant}: {error}; see {kept}/output") from error


#: closure.exp again: name -> (policies for patched, policies for stock). `wx` kills the
#: process that asks; stock asks first and then falls back, so its column is without `wx`.
POLICIES = {
    "mdwe": (("mdwe", "wx"), ("mdwe",)),
    "bare": (("mdwe", "wx", "memfd", "proc"), ("mdwe", "memfd", "proc")),
}
#: Other builds of the patched tree, for the first suite: variant -> options for the tests.
BUILDS = {
    "asan": "-fsanitize=address",
    # Upstream asks its compiler whether there are closures, and takes a warning for a no.
    "clang": "-Wno-unused-command-line-argument",
    "cet": "-fcf-protection=full",
}
OTHER_COMPILER = {"clang"}


@dataclass
class Verdict:
    """A line of the report."""

    outcome: Outcome
    word: str
    details: list[str] = field(default_factory=list)


def judge_pair(stock: Outcome, patched: Outcome) -> list[Verdict]:
    """Hold the whole testsuite of patched against stock."""
    wrong = compare(stock, patched)
    word = "no new failure" if not wrong else f"**{len(wrong)} differ**"
    return [Verdict(stock, "(baseline)"), Verdict(patched, word, wrong)]


def judge_alone(outcome: Outcome, baseline: Outcome) -> Verdict:
    """Hold closure tests under a policy or in another build against stock's own plain run."""
    if outcome.skipped:
        return Verdict(outcome, f"not run: {outcome.skipped}")
    wrong = [f"{name}: fails" for name in sorted((outcome.bad - baseline.bad).elements())]
    wrong += [f"{name}: passes on stock, did not run" for name in missing(outcome, baseline)]
    return Verdict(outcome, "no new failure" if not wrong else f"**{len(wrong)} differ**", wrong)


def missing(outcome: Outcome, baseline: Outcome) -> list[str]:
    """List the closure tests that pass in the plain run and gave no result in `outcome`.

    Another compiler is tested with other options, so its tests are compared by their source file.
    """
    same = outcome.job.variant not in OTHER_COMPILER

    def key(name: str) -> str:
        return name if same else name.split()[0]

    def passed(of: Outcome, words: set[str]) -> Counter[str]:
        names = (n for n in of.results if n.startswith("libffi.closures/"))
        return Counter(key(n) for n in names for word in of.results[n] if word in words)

    here, there = passed(outcome, {"PASS", *BAD}), passed(baseline, {"PASS"})
    if not same:
        return sorted(there.keys() - here.keys())
    return sorted((there - here).elements())


def run_suite(runner: Runner, suite: str, *, builds: bool) -> list[Verdict]:
    """Make all runs of one base."""
    stock, patched = (runner.run(Job(suite, variant)) for variant in ("stock", "patched"))
    verdicts = judge_pair(stock, patched)
    for hard, soft in POLICIES.values():
        outcome = runner.run(Job(suite, "patched", "closure.exp", hard))
        verdicts.append(judge_alone(outcome, stock))
        beside = runner.run(Job(suite, "stock", "closure.exp", soft))
        failed = sum(beside.bad.values())
        verdicts.append(Verdict(beside, beside.skipped or f"(information) {failed} fail"))
    for variant, options in BUILDS.items() if builds else ():
        outcome = runner.run(Job(suite, variant, "closure.exp", (), options))
        verdicts.append(judge_alone(outcome, stock))
    return verdicts


def run_stock(runner: Runner, suite: str) -> None:
    """Make the runs of one base that do not depend on our code."""
    runner.run(Job(suite, "stock"))
    for _, soft in POLICIES.values():
        runner.run(Job(suite, "stock", "closure.exp", soft))


def table(verdicts: list[Verdict], versions: dict[str, str]) -> str:
    """Lay the runs out as one Markdown table."""
    lines = ["| base | build | what | tests | pass | fail | other | verdict |"]
    lines.append("|---|---|---|--:|--:|--:|--:|---|")
    for verdict in verdicts:
        outcome, job = verdict.outcome, verdict.outcome.job
        failed = sum(outcome.counts[word] for word in BAD)
        passed = outcome.counts["PASS"]
        other = outcome.tests - failed - passed
        lines.append(
            f"| {versions[job.suite]} ({job.suite}) | {job.variant} | {job.title} | "
            f"{outcome.tests} | {passed} | {failed} | {other} | {verdict.word} |"
        )
    return "\n".join(lines) + "\n"


def summary(verdicts: list[Verdict], versions: dict[str, str]) -> str:
    """Lay out how many tests passed and how many did not: a row a run, a column a base."""
    suites = list(versions)
    lines = [
        f"| passed (not passed) | {' | '.join(f'{versions[s]} ({s})' for s in suites)} |",
        "|---|" + "--:|" * len(suites),
    ]
    cells: dict[str, dict[str, str]] = {}
    for verdict in verdicts:
        job, outcome = verdict.outcome.job, verdict.outcome
        passed = outcome.counts["PASS"]
        shown = "not run" if outcome.skipped else f"{passed} ({outcome.tests - passed})"
        under = f": {' + '.join(f'`{p}`' for p in job.policies)}" if job.policies else ""
        what = "closure tests" if job.tests else "whole testsuite"
        cells.setdefault(f"{what}, {job.variant}{under}", {})[job.suite] = shown
    ordered = sorted(cells, key=lambda name: "closure" in name)
    lines += [
        f"| {name} | {' | '.join(cells[name].get(s, '') for s in suites)} |" for name in ordered
    ]
    return "\n".join(lines)


def write(libffi: Path, verdicts: list[Verdict], *, full: bool) -> str:
    """Write report.md and report.json; give the report's text."""
    suites = list(dict.fromkeys(verdict.outcome.job.suite for verdict in verdicts))
    versions = {suite: (libffi / suite / "version").read_text().strip() for suite in suites}
    levels = (
        "at every optimisation level" if full else f"at {OPTIMIZATION} (FULL=1: at every level)"
    )
    text = f"# libffi's own testsuite, {levels}\n\n{table(verdicts, versions)}"
    for verdict in verdicts:
        if verdict.details:
            job = verdict.outcome.job
            text += f"\n{job.suite}, {job.variant}, {job.title}:\n\n"
            text += "".join(f"* {detail}\n" for detail in verdict.details[:40])
    rows = [
        {
            **asdict(verdict.outcome.job),
            "version": versions[verdict.outcome.job.suite],
            "title": verdict.outcome.job.title,
            "tests": verdict.outcome.tests,
            "results": dict(verdict.outcome.counts),
            "library_sha256": verdict.outcome.library,
            "verdict": verdict.word,
            "details": verdict.details,
        }
        for verdict in verdicts
    ]
    (libffi / "report.md").write_text(text)
    (libffi / "report.json").write_text(json.dumps({"full": full, "runs": rows}, indent=1) + "\n")
    return text


def main() -> int:
    """Run what is asked for and report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--libffi", type=Path, default=Path("build/libffi"), help="the builds")
    parser.add_argument("--suites", default="bookworm,trixie,newest,el9", help="which, with commas")
    parser.add_argument("--full", action="store_true", help="every level of optimisation")
    parser.add_argument("--again", action="store_true", help="repeat runs of an unchanged library")
    parser.add_argument("--stock", action="store_true", help="only stock's runs, and no report")
    parser.add_argument("--jobs", type=int, default=2, help="how many bases at a time")
    parser.add_argument("--docs", type=Path, help="a page with the marks of the table of results")
    options = parser.parse_args()
    libffi = options.libffi.resolve()
    runner = Runner(libffi, libffi / "deny", full=options.full, again=options.again)
    suites = options.suites.split(",")
    verdicts: list[Verdict] = []
    try:
        with ThreadPoolExecutor(options.jobs) as pool:
            if options.stock:
                list(pool.map(lambda suite: run_stock(runner, suite), suites))
                return 0
            runs = [
                pool.submit(run_suite, runner, suite, builds=number == 0)
                for number, suite in enumerate(suites)
            ]
            for run in runs:
                verdicts += run.result()
                write(libffi, verdicts, full=options.full)
    except RunError as error:
        print(f"make test-libffi: {error}", file=sys.stderr)
        return 2
    print(write(libffi, verdicts, full=options.full))
    if options.docs:
        versions = {s: (libffi / s / "version").read_text().strip() for s in suites}
        levels = "at every level of optimisation" if options.full else f"at {OPTIMIZATION}"
        replace_between(
            options.docs, "testsuite", f"{levels.capitalize()}:\n\n{summary(verdicts, versions)}"
        )
    print(f"written to {libffi}: report.md, report.json")
    return 1 if any(verdict.details for verdict in verdicts) else 0


if __name__ == "__main__":
    sys.exit(main())
