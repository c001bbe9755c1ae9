# SPDX-License-Identifier: MIT
"""test_libffi_rivals - the targets of the patched libffi are judged, and a missed one is said.

Results here are invented: what measures is `make bench` and `make bench-libffi`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from bench import libffi
from bench.reporting import patched, tables
from bench.reporting.results import Results
from bench.run import EXCUSE, Run
from tests.support.process import output

ROOT = Path(__file__).resolve().parents[2]


def cells(**times_as_fast: float) -> dict[str, Any]:
    """Give a row's rivals; stock is the baseline, as in `make bench-libffi`."""
    return {
        name.replace("_", " "): {"ns": 100 / ratio, "times_as_fast": ratio}
        for name, ratio in times_as_fast.items()
    }


def invented(worse: float = 1.0) -> dict[str, Any]:
    """Give results at the limits; `worse` times beyond all of them."""
    live = [
        ("replace", "in order", 10, cells(patched=1 / worse, stock=1)),
        ("replace", "random", 100_000, cells(patched=1 / worse, stock=1, upstream=0.05)),
        ("calls", "random", 100_000, cells(patched=0.5, stock=1)),  # not making, not freeing
    ]
    return {
        "rivals": [
            {"name": name, "kind": "ffi_static" if name == "ours" else "libffi"}
            for name in ("system", "ours", *patched.RIVALS)
        ],
        "calls": [
            {
                "id": "int_int",
                "row": "int(int)",
                "rivals": cells(patched=4 / worse, stock=1, ours=4.4),
            },
            {
                "id": "void_void",
                "row": "void(void)",
                "rivals": cells(patched=4 / worse, stock=1, ours=4.4),
            },
        ],
        "live": [{"what": w, "order": o, "live": n, "rivals": r} for w, o, n, r in live],
        "memory": [{"live": 100_000, "rivals": {"patched": {"pss_bytes": 66 * worse}}}],
        "first": {"patched": {"called_ns": 15_000 * worse}},
    }


def test_targets_are_met_at_their_limits() -> None:
    verdicts = patched.judge(patched.Run(invented()))
    assert len(verdicts) == len(patched.TARGETS)
    assert [v.target for v in verdicts if v.met is not True] == []


def test_targets_are_missed_beyond_their_limits() -> None:
    verdicts = patched.judge(patched.Run(invented(worse=1.01)))
    assert [v.target for v in verdicts if v.met is not False] == []
    assert {v.word for v in verdicts} == {"NOT MET"}


def test_what_was_not_measured_is_neither_met_nor_missed() -> None:
    assert {v.word for v in patched.judge(patched.Run({}))} == {"not measured"}


def test_upstream_that_was_too_slow_to_measure_is_said_and_not_counted() -> None:
    c = invented()
    c["live"][1]["rivals"]["upstream"] = {"ns": None, "note": "left out: one round took 30 s"}
    verdict = patched.judge(patched.Run(c))[3]
    assert verdict.met is None
    assert "one round took 30 s" in verdict.measured


def test_stock_loaded_twice_counts_with_the_mean_of_both() -> None:
    c = invented(worse=1.2)
    for row in c["live"]:
        row["rivals"].update(cells(stock_again=0.5))
    assert patched.judge(patched.Run(c, "stock"))[2].met is False
    assert patched.judge(patched.Run(c, "stock", "stock again"))[2].met is True


def test_the_report_judges_the_patched_libffi_only_where_it_was_measured(tmp_path: Path) -> None:
    c = invented()
    common = {"compiler": "12", "baseline": "system", "rounds": 1, "slice_ns": 1, "cpu": 0}
    for row in (*c["calls"], *c["live"]):
        row["rivals"]["system"] = row["rivals"]["stock"]
    for rivals, expected in ((c["rivals"], True), (c["rivals"][:2], False)):
        (tmp_path / "c.json").write_text(json.dumps({**c, **common, "rivals": rivals}))
        said = output([sys.executable, ROOT / "bench/report.py", "--out", tmp_path])
        assert ("patched libffi: calls against stock" in said) is expected


def test_ctypes_has_its_lines_and_its_table() -> None:
    one = dict(zip(patched.CTYPES, (100.0, 200.0, 300.0)))
    found = {"patched": one, "stock": {k: 2 * v for k, v in one.items()}, "upstream": one}
    results = Results(ctypes={"base": "3.4.4", "ctypes": found})
    assert "patched 2.00x, upstream 2.00x" in tables.one_table(results).text(width=200)
    assert "| callback | 100 | 200 | 100 | 2.00x |" in tables.ctypes(results).markdown()


def test_without_the_libraries_make_bench_says_what_was_not_measured(tmp_path: Path) -> None:
    (tmp_path / "bench").mkdir()
    run = Run(tmp_path, [], "bookworm", sys.executable, quick=True)
    assert run.libraries == {}
    assert len(run.excuses) == 1
    assert run.excuses[0].startswith(f"{EXCUSE}: libffi/bookworm/lib/libffi.so.8 is not built")
    assert "make libffi SUITE=bookworm" in run.excuses[0]


def test_a_rival_of_the_command_line_replaces_the_one_that_was_built(tmp_path: Path) -> None:
    made = ["libffi/trixie/lib", "libffi/trixie/stock/lib", "libffi/newest/upstream/lib"]
    for folder in made:
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "libffi.so.8").touch()
    (tmp_path / "bench").mkdir()
    run = Run(tmp_path, ["stock=/other.so", "more=/x.so"], "trixie", sys.executable, quick=True)
    libs = [word for word in run.arguments if "=" in word]
    assert [lib.partition("=")[0] for lib in libs] == ["patched", "upstream", "stock", "more"]
    assert "stock=/other.so" in libs


def test_a_python_with_a_libffi_of_its_own_is_not_measured(tmp_path: Path) -> None:
    """The library that ctypes really loaded is read from its memory map."""
    libs = {name: tmp_path / name / "libffi.so.8" for name in patched.RIVALS}
    with pytest.raises(libffi.BenchError, match=r"its _ctypes is not linked|ctypes on patched"):
        libffi.measure_ctypes(sys.executable, libs, 1)
