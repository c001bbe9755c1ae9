# SPDX-License-Identifier: MIT
"""test_objects - what the built library and its objects say: names, sections, who calls whom

Rules over objects are functions from a folder of them to a list of violations, as those over
sources are (test_structure.py), and each finds what is planted.
"""

from __future__ import annotations

import re
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Callable

import pytest

from tests.house.test_structure import ROOMS, ROOT, files, in_circles, text_of
from tests.support.process import output, run


def defined(*command: str | Path) -> set[str]:
    lines = [line.split() for line in output([*command]).splitlines()]
    return {words[2] for words in lines if len(words) == 3 and words[1].isupper()}


def declared(root: Path) -> set[str]:
    header = text_of(root / "csrc/include/ffi_static.h")
    return set(re.findall(r"^FFI_STATIC_API [^;(]*?(\w+)\(", header, flags=re.MULTILINE))


def test_library_exports_exactly_what_header_and_map_name(library: Path) -> None:
    listed = set(re.findall(r"^\s+(\w+);", text_of(ROOT / "csrc/libffi_static.map"), re.MULTILINE))
    exported = defined("nm", "-D", "--defined-only", library / "libffi_static.so.0")
    names = {name.partition("@")[0] for name in exported} - {"FFI_STATIC_0.1"}
    assert names == listed
    assert {name for name in names if name.startswith("ffi_static_")} == declared(ROOT)


def test_library_defines_no_name_of_libffi(library: Path) -> None:
    allowed = re.compile(r"(fs_|ffi_static_|__gcc_nested_func_ptr_|_?_?FS_)")
    names = defined("nm", "-g", "--defined-only", library / "libffi_static.a")
    assert {name for name in names if not allowed.match(name)} == set()


def test_objects_ask_for_no_executable_stack(library: Path) -> None:
    objects = sorted((library.parent / "obj").rglob("*.o"))
    assert any(path.name.endswith(".S.o") for path in objects)
    for path in objects:
        notes = [
            line for line in output(["readelf", "-SW", path]).splitlines() if "GNU-stack" in line
        ]
        assert notes, f"{path.name} has no .note.GNU-stack"
        assert not re.search(r"\bW?A?X\b", notes[0].split("PROGBITS")[1]), path.name


def test_library_has_no_writable_and_executable_segment(library: Path) -> None:
    headers = output(["readelf", "-lW", library / "libffi_static.so.0"])
    flags = re.findall(r"^\s+(\w+)\s+0x.* ([R ][W ][E ]) +0x\w+$", headers, flags=re.MULTILINE)
    assert {"LOAD", "GNU_STACK", "GNU_RELRO"} <= {name for name, _ in flags}
    assert [name for name, rights in flags if "W" in rights and "E" in rights] == []
    assert "TEXTREL" not in output(["readelf", "-dW", library / "libffi_static.so.0"])


def test_small_variables_lie_together(library: Path) -> None:
    """So the first closure touches few pages: large ones in between cost it four faults more."""
    listed = output(["nm", "-S", library / "libffi_static.so.0"]).splitlines()
    sized = [line.split() for line in listed if len(line.split()) == 4]
    small = [int(at, 16) for at, size, kind, _ in sized if kind == "b" and int(size, 16) < 4096]
    assert len(small) > 20
    # Two pages, and the one of seal.c, which only sealed closures touch.
    assert len({at // 4096 for at in small}) <= 3


# ---- what the objects say: who calls whom, which no #include tells

#: What assembly calls in rooms above it: it is reached by trampolines, not from below.
UPCALLS = {"fs_report_freed", "fs_report_unprepared", "fs_plan_run"}
#: Of the hook room, one of two files is built; the other stands in for it on other architectures.
OTHERS_HALF = "unplanned.c"


def compiled(source: Path, to: Path) -> None:
    """Compile one file without optimisation: what it uses is then all there to be seen."""
    to.parent.mkdir(parents=True, exist_ok=True)
    command: list[str | Path] = [
        "gcc",
        "-std=gnu11",
        "-O0",
        "-w",
        "-DFS_DEBUG",
        "-fPIC",
        "-c",
        source,
        "-o",
        to,
    ]
    csrc, isa = ROOT / "csrc", output(["sh", ROOT / "csrc/arch/isa.sh", "gcc"]).strip()
    folders = (csrc, csrc / "include", csrc / "arch" / isa, sysconfig.get_path("include"))
    run([*command, *(f"-I{folder}" for folder in folders)])


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with an object of every file of every room."""
    folder = tmp_path_factory.mktemp("objects")
    isa = output(["sh", ROOT / "csrc/arch/isa.sh", "gcc"]).strip()
    rooms = [Path("arch", isa) if room == "arch" else Path(room) for room in ROOMS]
    sources = [
        path
        for room in rooms
        for path in files(ROOT / "csrc" / room, ".c", ".S")
        if path.name != OTHERS_HALF
    ]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda p: compiled(p, folder / f"{p.relative_to(ROOT / 'csrc')}.o"), sources))
    return folder


def uses_of(objects: Path) -> dict[tuple[str, str], set[str]]:
    """Give what is used across files: (file that uses, file that defines) -> names."""
    defines: dict[str, str] = {}
    wants: list[tuple[str, str]] = []
    for path in sorted(objects.rglob("*.o")):
        name = str(path.relative_to(objects).with_suffix(""))
        for line in output(["nm", path]).splitlines():
            kind, symbol = line.split()[-2:]
            if kind == "U":
                wants.append((name, symbol))
            elif kind.isupper():
                defines[symbol] = name
    uses: dict[tuple[str, str], set[str]] = {}
    for name, symbol in wants:
        if symbol in defines and not (name.endswith(".S") and symbol in UPCALLS):
            uses.setdefault((name, defines[symbol]), set()).add(symbol)
    return uses


def symbols_respect_rooms(objects: Path) -> list[str]:
    def place(name: str) -> int:
        return ROOMS.index(name.partition("/")[0])

    return [
        f"{user} uses {', '.join(sorted(names))} of {definer}, a room that stands below it"
        for (user, definer), names in uses_of(objects).items()
        if place(definer) > place(user)
    ]


def files_form_no_circle(objects: Path) -> list[str]:
    uses: dict[str, set[str]] = {}
    for user, definer in uses_of(objects):
        uses.setdefault(user, set()).add(definer)
    return [" <-> ".join(group) for group in in_circles(uses)]


@pytest.mark.parametrize("rule", [symbols_respect_rooms, files_form_no_circle])
def test_rule_of_symbols_holds(rule: Callable[[Path], list[str]], objects: Path) -> None:
    assert (objects / "base/lock.c.o").exists()
    assert (objects / "hook/planned.c.o").exists()
    assert rule(objects) == []


@pytest.mark.parametrize(
    ("rule", "planted", "found"),
    [
        (
            symbols_respect_rooms,
            {
                "base/x.c": "void fs_y(void); void fs_x(void) { fs_y(); }",
                "tramp/y.c": "void fs_y(void) {}",
            },
            "base/x.c uses fs_y of tramp/y.c, a room that stands below it",
        ),
        (
            symbols_respect_rooms,
            {
                "tramp/x.c": "void fs_plan_run(void); void fs_x(void) { fs_plan_run(); }",
                "plan/y.c": "void fs_plan_run(void) {}",
            },
            "tramp/x.c uses fs_plan_run of plan/y.c, a room that stands below it",
        ),
        (
            files_form_no_circle,
            {
                "base/x.c": "void fs_y(void); void fs_x(void) { fs_y(); }",
                "base/y.c": "extern int fs_z; void fs_y(void) { fs_z = 1; }",
                "base/z.c": "void fs_x(void); int fs_z; void fs_w(void) { fs_x(); }",
            },
            "base/x.c <-> base/y.c <-> base/z.c",
        ),
    ],
    ids=lambda value: None,
)
def test_rule_of_symbols_finds_what_is_planted(
    rule: Callable[[Path], list[str]], planted: dict[str, str], found: str, tmp_path: Path
) -> None:
    for name, text in planted.items():
        source = tmp_path / "source" / name
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_text(text + "\n", encoding="utf-8")
        compiled(source, tmp_path / "objects" / f"{name}.o")
    assert rule(tmp_path / "objects") == [found]
