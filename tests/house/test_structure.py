# SPDX-License-Identifier: MIT
"""test_structure - the rules of the house that no compiler checks, enforced by reading the text.

Each rule is a function from a tree to a list of violations, so that each is also shown to find one
that is planted: a rule that cannot fail proves nothing.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Callable

import pytest

from tests.support.process import make, run

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]

#: The rooms of csrc in their order: each includes only what stands above it.
ROOMS = tuple(re.findall(r"^(\w+)", (ROOT / "csrc/rooms.txt").read_text(), re.MULTILINE))
#: Rooms that must compile without libffi's and Python's headers, however indirectly.
INNOCENT = {"base", "arch", "tramp", "kernel"}
KERNEL_HEADERS = ("kernel", "include", "uapi", "linux")
#: The numbers of a processor: they include nothing but each other, so that every room may.
NUMBERS = {"arch.h", "sizes.h", "asm.h", "lp64.h"}
NOT_OURS = {"build", "dist", "__pycache__"}
CODE = {".c", ".h", ".S", ".cc", ".py", ".pyi", ".sh", ".mk", ".map"}

INCLUDE = re.compile(r'^\s*#\s*include\s*(?P<how>["<])(?P<what>[^">]+)[">]', re.MULTILINE)
PROT = r"(?:\w+\.)?PROT_(?:READ|WRITE|EXEC)"
RIGHTS = re.compile(rf"{PROT}(?:\s*\|\s*{PROT})+")
MACHINE = re.compile(
    r"(?<![\w.$}])(?<!\w[\"'])/(?:(?:work|tmp/(?:ref|brief|ground)|opt/wheels)(?![\w-])|root/\.|home/\w+)"
)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?P<to>[^)\s]+)\)")
#: A path below one of our folders, as text.
NAMED_PATH = re.compile(
    r"(?<![\w/.:<>{}-])(?:csrc|ffi_static|packaging|patches|tests|docs|bench|examples|requirements|\.ci)/"
    r"[\w./*<>{},…+-]*[\w*>}/…]"
)
#: Where rooms are listed for a tool: the line, and what stands around each name.
LISTS_OF_ROOMS = {
    "csrc/rooms.txt": r"^([a-z]+) ",
    "csrc/README.md": r"^\| \[?`([a-z]+/)`",
}
#: Where both rights are named together, and why; in other tests the lines above say refuse or kill.
PLACES = {
    "ffi_static/doctor/policies.py": "doctor's question to the system, in a child",
    "tests/support/seccomp.c": "the filter that kills who asks for both",
    "tests/support/seccomp.h": "the same",
    "tests/house/test_structure.py": "what is planted below",
}


def files(root: Path, *suffixes: str) -> Iterator[Path]:
    """Give our files, in order; what was built, and what is hidden, is not even walked into."""
    for folder, folders, names in os.walk(root):
        folders[:] = [f for f in folders if is_ours(f)]
        folders.sort()
        for name in sorted(filter(is_ours, names)):
            path = Path(folder, name)
            if path.is_file() and path.suffix in suffixes:
                yield path


def is_ours(name: str) -> bool:
    hidden = name.startswith(".") and name != ".ci"
    return not hidden and name not in NOT_OURS and not name.endswith(".egg-info")


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


# ---- rules


def room_of(csrc: Path, path: Path) -> str:
    parts = path.relative_to(csrc).parts
    # The kernel's user header is for everyone, as <linux/...> would be.
    anyones = parts[:4] == KERNEL_HEADERS or (parts[0] == "arch" and parts[-1] in NUMBERS)
    return "include" if anyones else parts[0]


def resolve(csrc: Path, path: Path, what: str) -> Path | None:
    """Give the file of ours that an #include in `path` means, or None for a system header."""
    isa = path.relative_to(csrc).parts[:-1][:2]  # (arch, <isa>) in there only
    inside = len(isa) == 2 and isa[0] == "arch"
    arch = [csrc / Path(*isa)] if inside else sorted((csrc / "arch").glob("*/"))
    for folder in (path.parent, csrc, csrc / "include", *arch):
        found = (folder / what).resolve()
        if found.is_file() and csrc in found.parents:
            return found
    return None


def names_an_architecture(csrc: Path, path: Path, target: Path, what: str) -> bool:
    """Tell whether an include reaches into one architecture's folder by its name, from outside."""
    parts = target.relative_to(csrc).parts
    inside = parts[0] == "arch" and len(parts) > 2
    return inside and "/" in what and path.relative_to(csrc).parts[:2] != parts[:2]


def rooms_respected(root: Path) -> list[str]:
    csrc = (root / "csrc").resolve()
    wrong = []
    for path in files(csrc, ".c", ".h", ".S"):
        room = room_of(csrc, path)
        if room == "kernel":
            continue  # compiled by Kbuild; its rule is INNOCENT
        if room not in ROOMS:
            wrong.append(f"{path.relative_to(root)} is in no room of the design")
            continue
        for match in INCLUDE.finditer(text_of(path)):
            target = resolve(csrc, path, match["what"])
            if match["how"] == '"' and target is None:
                wrong.append(
                    f"{path.relative_to(root)} includes {match['what']}, which is not here"
                )
            elif target is not None and names_an_architecture(csrc, path, target, match["what"]):
                wrong.append(f"{path.relative_to(root)} names an architecture: {match['what']}")
            elif target is not None and room_of(csrc, target) != room:
                above = ROOMS[: ROOMS.index(room)]
                if room_of(csrc, target) not in above:
                    wrong.append(f"{path.relative_to(root)} ({room}) includes {match['what']}")
    return wrong


def in_circles(uses: dict[str, set[str]]) -> list[list[str]]:
    """Give the groups of names that use each other, directly or not; each sorted."""
    reached: dict[str, set[str]] = {}
    for name in uses:
        open_ends = [name]
        reached[name] = set()
        while open_ends:
            new = uses.get(open_ends.pop(), set()) - reached[name]
            reached[name] |= new
            open_ends += new
    groups = {
        tuple(sorted(b for b in uses if b in reached[a] and a in reached[b]))
        for a in uses
        if a in reached[a]
    }
    return [list(group) for group in sorted(groups)]


def includes_form_no_circle(root: Path) -> list[str]:
    csrc = (root / "csrc").resolve()
    uses = {
        str(path.relative_to(csrc)): {
            str(target.relative_to(csrc))
            for match in INCLUDE.finditer(text_of(path))
            if (target := resolve(csrc, path, match["what"])) is not None
        }
        for path in files(csrc, ".c", ".h", ".S")
    }
    return ["csrc/" + " <-> csrc/".join(group) for group in in_circles(uses)]


def listed_rooms_are_there(root: Path) -> list[str]:
    wrong = []
    for name, line in LISTS_OF_ROOMS.items():
        path = root / name
        listed = re.findall(line, text_of(path), re.MULTILINE) if path.exists() else []
        rooms = {
            room.partition("/")[0] for words in listed for room in re.findall(r"[\w/${}()]+", words)
        }
        gone = sorted(room for room in rooms if not (root / "csrc" / room).is_dir())
        wrong += [f"{name} lists the room {room}, which is not there" for room in gone]
        if path.exists() and not listed:
            wrong.append(f"{name} has no list of rooms, or not as this rule reads it")
    return wrong


def headers_reached(csrc: Path, path: Path, seen: set[Path]) -> set[str]:
    reached = set()
    for match in INCLUDE.finditer(text_of(path)):
        target = resolve(csrc, path, match["what"])
        if target is None:
            reached.add(match["what"])
        elif target not in seen:
            seen.add(target)
            reached |= headers_reached(csrc, target, seen)
    return reached


def foreign_headers_stay_out(root: Path) -> list[str]:
    csrc = (root / "csrc").resolve()
    wrong = []
    for path in files(csrc, ".c", ".h", ".S"):
        room = path.relative_to(csrc).parts[0]
        reached = headers_reached(csrc, path, {path})
        refused = {"Python.h"} if room not in {"py", "dropin"} else set()
        refused |= {"ffi.h", "Python.h"} if room in INNOCENT else set()
        # abi.c translates ffi_type into registers: that file is the plan's eye in the arch room.
        if room == "arch" and path.name.startswith("abi"):
            refused -= {"ffi.h"}
        wrong += [
            f"{path.relative_to(root)} ({room}) reaches <{header}>"
            for header in sorted(reached & refused)
        ]
    return wrong


def versions_of_python_stand_once(root: Path) -> list[str]:
    """What Pythons differ in is one header, which gives the other files names for it."""
    return [
        f"{path.relative_to(root)} looks at PY_VERSION_HEX"
        for path in files(root / "csrc", ".c", ".h")
        if re.search(r"^\s*#.*\bPY_VERSION_HEX\b", text_of(path), re.MULTILINE)
        and path.relative_to(root) != Path("csrc/py/compat.h")
    ]


def nothing_writable_and_executable(root: Path) -> list[str]:
    """Both rights in one expression only where it is asked for in order to be refused."""
    wrong = []
    for path in files(root, *CODE):
        text, name = text_of(path), str(path.relative_to(root))
        for match in RIGHTS.finditer(text):
            if "PROT_WRITE" in match[0] and "PROT_EXEC" in match[0]:
                above = "\n".join(text[: match.start()].splitlines()[-8:])
                shown_refused = name.startswith("tests/") and re.search("refuse|kill", above)
                if name not in PLACES and not shown_refused:
                    wrong.append(f"{name}:{text.count(chr(10), 0, match.start()) + 1}: {match[0]}")
        if path.suffix == ".S" and re.search(r'\.section\s+[^\n]*"[^"\n]*w[^"\n]*x', text):
            wrong.append(f"{name}: a section that is writable and executable")
        if path.suffix in {".c", ".h"} and re.search(
            r"\bm(?:map|protect)\s*\([^;]*,\s*7\s*[,)]", text
        ):
            wrong.append(f"{name}: mmap or mprotect with the number 7")
    return wrong


def files_introduce_themselves(root: Path) -> list[str]:
    wrong = []
    for path in [*files(root, *CODE), root / "Makefile", root / ".ci" / "run"]:
        if not path.exists():
            continue
        head = text_of(path).splitlines()[:4]
        names = {
            path.name,
            path.stem,
            path.parent.name if path.stem.startswith("__") else path.name,
        }
        if not any(re.search(r"SPDX-License-Identifier: .*\bMIT\b", line) for line in head[:2]):
            wrong.append(f"{path.relative_to(root)}: no SPDX line")
        elif not any(re.search(rf"\b{re.escape(n)} - \S", line) for n in names for line in head):
            wrong.append(f"{path.relative_to(root)}: no line `{path.name} - what it is`")
    return wrong


def no_machine_paths(root: Path) -> list[str]:
    return [
        f"{path.relative_to(root)}: {match[0]}"
        for path in files(root, *CODE, ".md", ".toml", ".txt", ".in", ".yaml", ".json")
        if path.resolve() != Path(__file__).resolve()
        for match in MACHINE.finditer(text_of(path))
    ]


def links_resolve(root: Path) -> list[str]:
    wrong = []
    for page in files(root, ".md"):
        for match in LINK.finditer(re.sub(r"```.*?```", "", text_of(page), flags=re.DOTALL)):
            target, _, anchor = match["to"].partition("#")
            if re.match(r"[a-z]+:", target):
                continue
            there = page if not target else page.parent / target
            if not there.exists():
                wrong.append(f"{page.relative_to(root)} -> {match['to']}")
            elif anchor and anchor not in anchors(there):
                wrong.append(f"{page.relative_to(root)} -> {match['to']} (no such heading)")
    return wrong


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", text_of(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", t.lower()).strip().replace(" ", "-") for t in titles}


def paths_are_there(root: Path) -> list[str]:
    """What pages name below our folders exists; `*`, `<isa>` and `{a,b}` stand for any name."""
    return [
        f"{page.relative_to(root)} names {match[0]}"
        for page in files(root, ".md")
        if page.name != "CHANGELOG.md"  # which tells of what was there
        for match in NAMED_PATH.finditer(re.sub(r"\]\([^)]*\)", "]", text_of(page)))
        if not is_there(root, match[0].rstrip(".,:;"))
    ]


def is_there(root: Path, named: str) -> bool:
    pattern = re.sub(r"<\w+>|\{[^}]*\}|…", "*", named).rstrip("/")
    return (root / named).exists() or next(root.glob(pattern), None) is not None


RULES = (
    rooms_respected,
    includes_form_no_circle,
    listed_rooms_are_there,
    foreign_headers_stay_out,
    versions_of_python_stand_once,
    nothing_writable_and_executable,
    files_introduce_themselves,
    no_machine_paths,
    links_resolve,
    paths_are_there,
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_rule_holds(rule: Callable[[Path], list[str]]) -> None:
    assert rule(ROOT) == []


PLANTED = [
    (rooms_respected, "csrc/tramp/x.c", '#include "closure/closure.h"\n'),
    (rooms_respected, "csrc/base/x.c", '#include "../tramp/tramp.h"\n'),
    (rooms_respected, "csrc/plan/x.c", '#include "gone.h"\n'),
    (rooms_respected, "csrc/tramp/x.c", '#include "kernel/trampfd.h"\n'),
    (rooms_respected, "csrc/plan/x.c", '#include "arch/x86_64/arch.h"\n'),
    (rooms_respected, "csrc/arch/other/x.c", '#include "../x86_64/arch.h"\n'),
    (rooms_respected, "csrc/attic/x.c", "int x;\n"),
    (rooms_respected, "csrc/arch/other/arch.h", '#include "arch/slot.h"\n'),
    (includes_form_no_circle, "csrc/base/base.h", '#include "base/error.h"\n'),
    (includes_form_no_circle, "csrc/py/x.h", '#include "py/x.h"\n'),
    (foreign_headers_stay_out, "csrc/arch/other/arch.h", "#include <ffi.h>\n"),
    (listed_rooms_are_there, "csrc/rooms.txt", "attic       lib\n"),
    (listed_rooms_are_there, "csrc/README.md", "| `attic/` | tramp | (planned) |\n"),
    (listed_rooms_are_there, "csrc/rooms.txt", "# base lib\n"),
    (foreign_headers_stay_out, "csrc/tramp/x.c", "#include <ffi.h>\n"),
    (foreign_headers_stay_out, "csrc/base/x.h", '#include "ffi_static.h"\n'),
    (foreign_headers_stay_out, "csrc/closure/x.c", "# include <Python.h>\n"),
    (foreign_headers_stay_out, "csrc/hook/x.c", "#include <Python.h>\n"),
    (versions_of_python_stand_once, "csrc/py/x.c", "#if PY_VERSION_HEX >= 0x030C0000\n#endif\n"),
    (
        nothing_writable_and_executable,
        "csrc/base/x.c",
        "mmap(0, n, PROT_READ|PROT_WRITE |\nPROT_EXEC",
    ),
    (nothing_writable_and_executable, "ffi_static/x.py", "mmap.PROT_EXEC | mmap.PROT_WRITE"),
    (nothing_writable_and_executable, "tests/x.c", "mmap(0, n, PROT_WRITE | PROT_EXEC"),
    (nothing_writable_and_executable, "csrc/arch/isa/x.S", '.section .t,"awx",@progbits\n'),
    (nothing_writable_and_executable, "csrc/base/x.c", "mprotect(page, size, 7);"),
    (files_introduce_themselves, "csrc/base/x.c", "/* x.c - a file without a licence */\n"),
    (files_introduce_themselves, "ffi_static/x.py", "# SPDX-License-Identifier: MIT\nimport os\n"),
    (no_machine_paths, "bench/x.py", "open('/home/someone/libffi.so')\n"),
    (links_resolve, "docs/x.md", "see [the design](desing.md)\n"),
    (links_resolve, "docs/x.md", "# Title\nsee [below](#titel)\n"),
    (paths_are_there, "docs/x.md", "`csrc/base/base.h` is there, csrc/base/bass.h is not\n"),
    (paths_are_there, "docs/x.md", "every `csrc/arch/<isa>/entry.s`\n"),
]


@pytest.mark.parametrize(("rule", "name", "text"), PLANTED, ids=lambda value: None)
def test_rule_finds_what_is_planted(
    rule: Callable[[Path], list[str]], name: str, text: str, tmp_path: Path
) -> None:
    shutil.copytree(ROOT / "csrc", tmp_path / "csrc")
    before = rule(tmp_path)
    planted = tmp_path / name
    planted.parent.mkdir(parents=True, exist_ok=True)
    planted.write_text(text, encoding="utf-8")
    found = [line for line in rule(tmp_path) if line not in before]
    assert any(name in line for line in found)


# ---- what the pages say


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text_of(page), flags=re.MULTILINE | re.DOTALL)


def test_readme_example_prints_what_the_readme_says() -> None:
    code, printed = blocks(ROOT / "README.md", "python")[0], blocks(ROOT / "README.md", "text")[0]
    ran = run([sys.executable, "-c", code])
    assert (ran.stdout, ran.stderr) == (printed, "")


def test_readme_names_only_make_targets_that_exist() -> None:
    named = set(re.findall(r"`make ([a-z][a-z-]*)", text_of(ROOT / "README.md")))
    assert named
    for target in sorted(named):
        ran = make("-n", target, status=None)
        assert "No rule to make target" not in ran.stderr, target


def test_changelog_has_an_entry_for_the_version_of_the_header() -> None:
    header = text_of(ROOT / "csrc/include/ffi_static.h")
    version = ".".join(re.findall(r"^#define FFI_STATIC_VERSION_\w+ (\d+)$", header, re.MULTILINE))
    changelog = text_of(ROOT / "CHANGELOG.md")
    assert "## [Unreleased]" in changelog or f"## [{version}]" in changelog
