# SPDX-License-Identifier: MIT
"""test_bench - the benchmark measures what it says, refuses wrong answers, and reports plainly.

Runs here are tiny (`--quick`): nothing is asserted about a time, only that there is one.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from bench import processes  # noqa: E402
from bench.report import read  # noqa: E402
from bench.reporting import chart, tables, targets  # noqa: E402
from bench.reporting.results import Results  # noqa: E402
from tests.support import process  # noqa: E402
from tests.support.ctests import build  # noqa: E402

BUILD = ROOT / os.environ.get("BUILD", "build")
Done = subprocess.CompletedProcess[str]


def run(*command: object, **options: Any) -> Done:
    return process.run([str(word) for word in command], status=None, cwd=ROOT, **options)


@pytest.fixture(scope="module")
def callbench(library: Path) -> list[object]:
    """Give the command that runs callbench with our library."""
    build("bench-c")
    return [BUILD / "bench/callbench", "--ours", library / "libffi_static.so.0"]


@pytest.fixture(scope="module")
def rows(callbench: list[object]) -> list[str]:
    listed = run(*callbench, "--list").stdout
    return re.findall(r"^row (\S+)", listed, re.MULTILINE)


@pytest.fixture(scope="module")
def system_libffi(callbench: list[object]) -> Path:
    found = re.search(r"^rival system\s+(\S+?),?( version|$)", _list(callbench), re.MULTILINE)
    assert found
    return Path(found.group(1))


def _list(callbench: list[object]) -> str:
    return run(*callbench, "--list").stdout


@pytest.fixture(scope="module")
def results(callbench: list[object], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with the results of one tiny run, a second libffi among the rivals."""
    folder = tmp_path_factory.mktemp("results")
    other = folder / "other libffi.so"
    found = re.search(r"^rival system\s+(\S+?),?( version|$)", _list(callbench), re.MULTILINE)
    assert found
    shutil.copy(found.group(1), other)
    command = [*callbench, "--quick", "--lib", f"other={other}", "--json", folder / "c.json"]
    done = run(*command)
    assert done.returncode == 0, done.stderr
    return folder


def _c(results: Path) -> Any:
    return json.loads((results / "c.json").read_text())


# ---- callbench


def test_every_signature_of_the_plan_is_a_row(rows: list[str]) -> None:
    wanted = "void_void int_int ptr_ptr_ptr double_double int6 mixed5 mixed10 double8 struct_dd "
    wanted += "struct_if struct_ld struct_64 longdouble int8 uint16 complex longs20 qsort"
    assert rows == wanted.split()


def test_every_row_measures_every_rival(results: Path, rows: list[str]) -> None:
    measured = _c(results)["calls"]
    assert [row["id"] for row in measured] == rows
    for row in measured:
        assert list(row["rivals"]) == ["system", "ours", "other", "hand", "direct"]
        assert all(cell["ns"] > 0 and cell["times_as_fast"] > 0 for cell in row["rivals"].values())


def test_the_baseline_is_as_fast_as_itself(results: Path) -> None:
    measured = _c(results)
    assert all(row["rivals"]["system"]["times_as_fast"] == 1 for row in measured["calls"])
    assert measured["geometric_mean"]["system"] == 1


@pytest.fixture(scope="module")
def liar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a libffi that answers wrongly."""
    path = tmp_path_factory.mktemp("liar") / "liar.so"
    source = ROOT / "tests/bench/liar.c"
    libffi = ["-Wl,--no-as-needed", "-lffi", "-ldl"]
    made = run("gcc", "-shared", "-fPIC", "-Wall", "-Werror", source, "-o", path, *libffi)
    assert made.returncode == 0, made.stderr
    return path


def test_every_row_refuses_a_wrong_answer(
    callbench: list[object], rows: list[str], liar: Path
) -> None:
    for row in rows:
        options = ["--row", row, "--calls", "1"]
        done = run(*callbench, "--lib", f"liar={liar}", "--only", "liar", *options)
        assert done.returncode == 1, (row, done.stdout, done.stderr)
        assert f"row {row}: 'liar' gives a WRONG ANSWER" in done.stderr


def test_a_wrong_answer_ends_the_measurement_without_a_result(
    callbench: list[object], liar: Path, tmp_path: Path
) -> None:
    out = tmp_path / "c.json"
    done = run(*callbench, "--quick", "--lib", f"liar={liar}", "--json", out)
    assert (done.returncode, out.exists()) == (1, False)


def test_every_row_accepts_right_answers(callbench: list[object], rows: list[str]) -> None:
    done = run(*callbench, "--calls", "3")
    assert done.returncode == 0, done.stderr
    assert len(re.findall(r"^calls ", done.stdout, re.MULTILINE)) == len(rows) * 4


def test_making_and_calling_many_is_measured(results: Path) -> None:
    found = {(r["what"], r["order"], r["live"]) for r in _c(results)["live"]}
    for live in (10, 1000):
        for what in ("replace", "drain"):
            assert {(what, "in order", live), (what, "random", live)} <= found
    assert ("calls", "random", 1000) in found


def test_who_is_too_slow_is_left_out_and_the_report_says_so(
    callbench: list[object], tmp_path: Path
) -> None:
    options = ["--section", "live", "--max-live", "10000", "--patience", "0"]
    done = run(*callbench, *options, "--json", tmp_path / "c.json")
    assert done.returncode == 0, done.stderr
    last = json.loads((tmp_path / "c.json").read_text())["live"][-1]["rivals"]["ours"]
    assert last["ns"] is None
    assert re.fullmatch(r"left out: made only \d+ in 0 s", last["note"])
    assert "not measured: ours with 10,000 closures live: left out" in _report(tmp_path).stdout


def test_memory_is_of_as_many_closures_as_asked_for(results: Path) -> None:
    (row,) = _c(results)["memory"]
    assert row["live"] == 1000
    assert list(row["rivals"]) == ["system", "ours", "other"]
    assert all(c["made"] == 1000 and c["pss_bytes"] > 0 for c in row["rivals"].values())


def test_system_calls_of_the_first_closure_are_counted_or_excused(results: Path) -> None:
    for cell in _c(results)["first"].values():
        assert cell["called_ns"] > 0
        if "syscalls_note" in cell:
            assert "ptrace" in cell["syscalls_note"]
        else:
            assert len(cell["syscall_names"].split()) >= cell["syscalls"] >= 0
    system = _c(results)["first"]["system"]
    assert "syscalls_note" in system or system["syscalls"] > 0


BAD = {
    "a missing library": (["--lib", "x=/no/such.so"], "cannot load rival 'x' from '/no/such.so'"),
    "ours missing": (["--ours", "/no/ours.so"], "make lib"),
    "a library that is no libffi": (["--lib", "x=libm.so.6"], "not libffi-compatible"),
    "a name twice": (["--lib", "ours=libm.so.6"], "two rivals are called 'ours'"),
    "a reserved name": (["--lib", "hand=libm.so.6"], "two rivals are called 'hand'"),
    "no name": (["--lib", "/some/lib.so"], "wants name=path"),
    "an unknown row": (["--row", "int_itn"], "no row 'int_itn'"),
    "an unknown rival": (["--only", "nobody"], "no rival 'nobody'"),
    "an unknown section": (["--section", "cals"], "no section 'cals'"),
    "not a number": (["--max-live", "many"], "wants a number, not 'many'"),
    "a stray word": (["calls"], "what is 'calls'"),
}


@pytest.mark.parametrize("case", BAD)
def test_wrong_usage_is_explained(callbench: list[object], case: str) -> None:
    arguments, said = BAD[case]
    done = run(*callbench, *arguments)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr


def test_mapped_tables_are_a_rival_in_the_calls(
    callbench: list[object], rows: list[str], tmp_path: Path
) -> None:
    copy = shutil.copy(str(callbench[2]), tmp_path / "copy.so")
    command = [*callbench, "--quick", "--text", copy, "--json", tmp_path / "c.json"]
    done = run(*command)
    assert done.returncode == 0, done.stderr
    measured = json.loads((tmp_path / "c.json").read_text())
    assert measured["text_note"] is None, "this system refuses the provider text"
    assert [row["id"] for row in measured["calls"]] == rows
    for row in measured["calls"]:
        assert row["rivals"]["ours"]["provider"] == "resident"
        assert row["rivals"]["ours (text)"]["provider"] == "text"
    assert measured["geometric_mean"]["ours (text)"] > 0
    for section in ("live", "memory"):
        assert all("ours (text)" not in row["rivals"] for row in measured[section])
    assert list(measured["first"]) == ["system", "ours"]
    text = _report(tmp_path).stdout
    assert re.search(r"x on mapped tables \(text\)", text)
    assert "ffi_static (text) ns" in (tmp_path / "report.md").read_text()


def test_mapped_tables_want_a_file_of_their_own(callbench: list[object]) -> None:
    done = run(*callbench, "--text", callbench[2])
    assert done.returncode == 2
    assert "a file of its own" in done.stderr


# ---- instructions per call


def _counts(callbench: list[object], out: Path) -> Any:
    command = [sys.executable, "bench/instructions.py", "--callbench", *callbench]
    done = run(*command, "--row", "mixed5", "--json", out)
    assert done.returncode == 0, done.stderr
    return json.loads(out.read_text())["mixed5"]


def test_instructions_repeat_exactly(callbench: list[object], tmp_path: Path) -> None:
    if shutil.which("valgrind") is None:
        pytest.skip("valgrind is not installed (`sh .ci/packages` names the package)")
    first = _counts(callbench, tmp_path / "1.json")
    assert first == _counts(callbench, tmp_path / "2.json")
    assert set(first) == {"system", "ours", "hand", "direct"}
    assert all(abs(count - round(count)) < 0.01 < count for count in first.values())
    assert first["direct"] < first["hand"] < first["system"]


def test_without_valgrind_says_what_to_install(callbench: list[object], tmp_path: Path) -> None:
    done = run(sys.executable, "bench/instructions.py", env={"PATH": str(tmp_path)})
    assert done.returncode == 3
    assert "apt install valgrind" in done.stderr


# ---- the report


def _report(folder: Path, *more: object) -> Done:
    return run(sys.executable, "bench/report.py", "--out", folder, *more)


def test_report_names_rows_machine_and_targets(results: Path) -> None:
    done = _report(results)
    assert done.returncode == 0, done.stderr
    page = (results / "report.md").read_text()
    for row in _c(results)["calls"]:
        assert f"| {row['row']} |" in page
        assert row["row"] in done.stdout
    for text in (os.uname().release, "system libffi", "times as fast", "other"):
        assert text in page
        assert text in done.stdout
    assert re.search(r"\| ffi_static, calls per second \|(.*\n){3}.* \d+ million \|", page)
    for name, _, _ in targets.TARGETS:
        assert f"| {name} |" in page
    assert "not a measurement" in page


def test_report_says_what_was_not_measured(results: Path) -> None:
    done = _report(results, "--not-measured", "instructions per call: no tool")
    assert "not measured: instructions per call: no tool" in done.stdout
    assert "not measured: Python callbacks: no python.json" in done.stdout
    verdicts = json.loads((results / "report.json").read_text())["targets"]
    python = next(v for v in verdicts if v["target"].startswith("Python"))
    assert python["met"] is None


def test_report_page_has_no_path_of_this_machine(results: Path) -> None:
    assert _report(results).returncode == 0
    page = (results / "report.md").read_text() + (results / "chart.svg").read_text()
    assert str(ROOT) not in page
    assert str(results) not in page


def test_chart_is_an_svg_with_a_bar_per_row(results: Path) -> None:
    assert _report(results).returncode == 0
    svg = ET.fromstring((results / "chart.svg").read_text())
    bars = svg.findall("{http://www.w3.org/2000/svg}rect")
    measured = _c(results)
    calls = len(measured["calls"]) + 1  # the geometric mean
    memory = 2 * len(measured["memory"])  # the system's libffi, and ours
    assert len(bars) == 1 + calls + len(measured["live"]) + memory  # 1: the background


def test_report_takes_pytest_benchmarks_json(results: Path, tmp_path: Path) -> None:
    def entry(rival: str, median: float) -> dict[str, Any]:
        return {"group": "int(int)", "extra_info": {"rival": rival}, "stats": {"median": median}}

    python = {"benchmarks": [entry("hand-written C-API", 2e-7), entry("ffi_static", 3e-7)]}
    (tmp_path / "python.json").write_text(json.dumps(python))
    shutil.copy(results / "c.json", tmp_path)
    done = _report(tmp_path)
    assert done.returncode == 0, done.stderr
    assert "1.50x the time" in done.stdout
    merged = json.loads((tmp_path / "report.json").read_text())
    assert merged["python"]["times_the_reference"]["int(int)"]["ffi_static"] == pytest.approx(1.5)


def test_readme_keeps_what_is_outside_of_the_marks(results: Path, tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("above\n<!-- bench: begin -->\nold\n<!-- bench: end -->\nbelow\n")
    for _ in range(2):
        assert _report(results, "--readme", readme).returncode == 0
    text = readme.read_text()
    assert text.startswith("above\n<!-- bench: begin -->\n")
    assert text.endswith("\n<!-- bench: end -->\nbelow\n")
    assert "old" not in text
    assert text.count("| `int(int)` |") == 1
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) <= 2 + 5
    assert {row.count("|") for row in rows} == {6}


def test_results_page_gets_every_table(results: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- bench: begin -->\n<!-- bench: end -->\n")
    assert _report(results, "--results", page).returncode == 0
    titles = [line for line in page.read_text().splitlines() if line.startswith("## ")]
    assert titles[:2] == ["## Targets", "## Calls"]
    assert all((tmp_path / name).stat().st_size for name in ("chart.svg", "calls.svg"))


def test_stock_is_no_column_where_it_is_the_systems_libffi(results: Path) -> None:
    found = read(results, [])
    found.c["rivals"].append({**found.rival(found.baseline), "name": "stock"})
    assert any("stock" in cell for cell in tables.calls(found).header)
    found.ctypes["same_as_system"] = True
    assert not any("stock" in cell for cell in tables.calls(found).header)


def test_row_whose_control_is_off_is_marked(results: Path) -> None:
    found = read(results, [])
    first, second = found.c["calls"][:2]
    first["rivals"]["stock"] = {"times_as_fast": 1.2}
    second["rivals"]["stock"] = {"times_as_fast": 1.05}
    found.ctypes["same_as_system"] = True
    rows = tables.calls(found).rows
    assert any(cell.endswith("x?") for cell in rows[0])
    assert not any(cell.endswith("x?") for cell in rows[1])
    assert "not measurable" in tables.calls(found).remark
    drawn = chart.draw(found, "here")
    assert drawn.count("(not measurable)") == 1
    first["rivals"]["stock"] = {"times_as_fast": 1.0}
    assert "not measurable" not in tables.calls(found).remark + chart.draw(found, "here")


def test_terminals_table_is_as_wide_as_the_terminal(results: Path) -> None:
    table = tables.one_table(read(results, []))
    for width in (80, 120):
        assert max(map(len, table.text(width=width).splitlines())) <= width


def test_readme_without_marks_is_refused_and_kept(results: Path, tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("no marks\n")
    done = _report(results, "--readme", readme)
    assert done.returncode == 1
    assert "<!-- bench: begin -->" in done.stderr
    assert readme.read_text() == "no marks\n"


def test_report_of_nothing_is_an_error(tmp_path: Path) -> None:
    done = _report(tmp_path)
    assert done.returncode == 1
    assert "nothing was measured" in done.stderr


def test_broken_results_are_named(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text("{")
    done = _report(tmp_path)
    assert done.returncode == 1
    assert "c.json is not JSON" in done.stderr


# ---- the targets, held against invented results


def _row(row: str, ratio: float) -> dict[str, Any]:
    return {"id": row, "row": row, "rivals": {"ours": {"times_as_fast": ratio}}}


def _live(order: str, live: int, ours: float, records: float) -> dict[str, Any]:
    rivals = {"ours": {"ns": ours, "times_as_fast": 20 / ours}, "records": {"ns": records}}
    return {"what": "replace", "order": order, "live": live, "rivals": rivals}


def _invented(ratio: float, cost: float, extra: float) -> Results:
    ours = {"pss_bytes": 66 * cost, "vmas": 0.0006 * cost}
    first = {"called_ns": 10_000 * cost, "syscalls": int(cost > 1), "syscall_names": "mmap"}
    live = [_live(order, 10, 17 * cost, 5) for order in ("in order", "random")]
    live += [_live("in order", 1_000_000, 17, 5), _live("random", 1_000_000, 17 + extra, 25)]
    python = [
        {"group": "int(int)", "extra_info": {"rival": rival}, "stats": {"median": median}}
        for rival, median in (("hand-written C-API", 1.0), ("ffi_static", 1.15 * cost))
    ]
    return Results(
        c={
            "calls": [_row("int(int)", ratio), _row("void(void)", ratio)],
            "live": live,
            "memory": [{"live": 100_000, "rivals": {"ours": ours}}],
            "first": {"ours": first},
        },
        instructions={"int_int": {"ours": 40 * cost}},
        python={"benchmarks": python},
    )


def test_targets_are_met_at_their_limits() -> None:
    verdicts = targets.judge(_invented(ratio=4, cost=1, extra=200))
    assert [v.target for v in verdicts if v.met is not True] == []


def test_targets_are_missed_beyond_their_limits() -> None:
    verdicts = targets.judge(_invented(ratio=0.99, cost=1.1, extra=210))
    assert [v.target for v in verdicts if v.met is not False] == []
    assert {v.word for v in verdicts} == {"NOT MET"}


def test_a_target_without_a_result_is_not_measured() -> None:
    assert {v.word for v in targets.judge(Results())} == {"not measured"}


# ---- the whole of it


@pytest.mark.slow
def test_a_failing_step_leaves_a_report_that_says_so(
    callbench: list[object], tmp_path: Path
) -> None:
    (tmp_path / "bench").mkdir()
    (tmp_path / "lib").symlink_to(BUILD / "lib")
    shutil.copy(str(callbench[0]), tmp_path / "bench/callbench")
    command = [sys.executable, "bench/run.py", "--quick", "--build", tmp_path]
    done = run(*command, "--libs", "gone=/no/such.so")
    assert done.returncode == 1
    assert "cannot load rival 'gone' from '/no/such.so'" in done.stderr
    assert "[4/5]" in done.stderr  # the steps after it ran
    page = (tmp_path / "bench/report.md").read_text()
    assert "C calls, closures, memory: ended with status 2" in page


# ---- calls in several processes


def test_calls_of_several_processes_give_each_rows_median() -> None:
    def calls(*ratios: float) -> list[dict[str, Any]]:
        return [_row(f"row {i}", ratio) for i, ratio in enumerate(ratios)]

    merged = processes.merge([calls(2, 8), calls(3, 2), calls(9, 4)])
    assert [row["rivals"]["ours"]["times_as_fast"] for row in merged] == [3, 4]
    assert [row["row"] for row in merged] == ["row 0", "row 1"]
    assert processes.geometric_means(merged)["ours"] == pytest.approx(12**0.5)


def test_a_process_that_fails_leaves_the_first_result_as_it_was(
    results: Path, tmp_path: Path
) -> None:
    first = tmp_path / "c.json"
    shutil.copy(results / "c.json", first)
    before = first.read_bytes()
    with pytest.raises(processes.ProcessError, match="ended with status 1"):
        processes.measure_again(["false"], first)
    assert first.read_bytes() == before


def test_other_processes_results_are_put_into_the_first(
    callbench: list[object], results: Path, tmp_path: Path
) -> None:
    first = tmp_path / "c.json"
    shutil.copy(results / "c.json", first)
    other = f"other={results / 'other libffi.so'}"
    command = [str(word) for word in (*callbench, "--quick", "--lib", other)]
    processes.measure_again(command, first, count=3)
    found = json.loads(first.read_text())
    assert found["processes"] == 3
    assert [row["row"] for row in found["calls"]] == [row["row"] for row in _c(results)["calls"]]
    assert found["live"] == _c(results)["live"]
    assert [path.name for path in tmp_path.iterdir()] == ["c.json"]
