# SPDX-License-Identifier: MIT
"""test_packaging - what of the packages can be checked without a root of a distribution

`make package-deb` and `make package-rpm` build them, and install, use and remove them.
"""

from __future__ import annotations

import fnmatch
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.process import MAKE, output, run

ROOT = Path(__file__).resolve().parents[2]
PACKAGING = ROOT / "packaging"
DEBIAN = PACKAGING / "debian"


@pytest.fixture(scope="module")
def recipes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The files that end in .in, with the version filled in."""
    build = tmp_path_factory.mktemp("recipes")
    run(["make", "-s", "-C", ROOT, "package-recipes", f"BUILD={build}"], without=MAKE)
    made = (build / "packaging").iterdir()
    return {path.name: path.read_text("utf-8") for path in made if path.suffix != ".sh"}


def test_recipes_have_the_version_of_the_header(recipes: dict[str, str]) -> None:
    header = (ROOT / "csrc/include/ffi_static.h").read_text("utf-8")
    version = ".".join(re.findall(r"^#define FFI_STATIC_VERSION_\w+ (\d+)$", header, re.MULTILINE))
    assert set(recipes) == {path.stem for path in PACKAGING.rglob("*.in")}
    for name, text in recipes.items():
        assert version in text, name
        assert "@" not in re.sub(r"\S+@packages\.example\.org|\"\$@\"", "", text), name


def test_version_stands_in_no_recipe() -> None:
    """A package's list of symbols names the version that each came with; nothing else has one."""
    for path in (p for p in PACKAGING.rglob("*") if p.is_file() and p.suffix != ".symbols"):
        text = path.read_text("utf-8")
        assert not re.search(
            r"(?<!Standards-V)(ersion|pkgver)\S*\s*[:=]\s*\"?\d+\.\d+\.\d", text
        ), path


def test_rpm_lists_what_is_compiled_after_its_list_is_made(
    recipes: dict[str, str], tmp_path: Path
) -> None:
    """Fedora compiles Python's files, for -O too, after %install; an unlisted file is an error."""
    (listing,) = re.findall(
        r"^\(cd %\{buildroot\}[^>]*>python\.files$", recipes["ffi_static.spec"], re.MULTILINE
    )
    packages = tmp_path / "usr/lib64/python3.14/site-packages"
    for name in ("alone.py", "ours/__init__.py", "ours/deeper/one.py", "__pycache__/alone.1.pyc"):
        (packages / name).parent.mkdir(parents=True, exist_ok=True)
        (packages / name).touch()
    line = listing.replace("%{buildroot}", str(tmp_path)).replace("%%", "%")
    run(["sh", "-euc", line], cwd=tmp_path)
    for name in (
        "__pycache__/alone.2.pyc",
        "ours/__pycache__/2.pyc",
        "ours/deeper/__pycache__/2.pyc",
    ):
        (packages / name).parent.mkdir(parents=True, exist_ok=True)
        (packages / name).touch()
    patterns = (tmp_path / "python.files").read_text("utf-8").split()
    assert not [
        each for each in patterns if each.startswith("%dir") or each.endswith("__pycache__")
    ]
    named = [path for each in patterns for path in tmp_path.glob(each.lstrip("/"))]
    assert {path for each in named for path in below(each)} == set(below(packages))


def test_rpm_builds_with_a_setuptools_that_knows_no_licence_expression(
    recipes: dict[str, str], tmp_path: Path
) -> None:
    (step,) = re.findall(
        r"^%\{python3\} -c 'import setuptools as s;.*\n.*pyproject\.toml$",
        recipes["ffi_static.spec"],
        re.MULTILINE,
    )
    for version, licence in (("76.1", 'license = { text = "MIT" }'), ("77.0", 'license = "MIT"')):
        modules = tmp_path / version  # one each: what was compiled of the last could be taken
        modules.mkdir()
        (modules / "setuptools.py").write_text(f"__version__ = '{version}'", "ascii")
        (tmp_path / "pyproject.toml").write_text(
            (ROOT / "pyproject.toml").read_text("utf-8"), "utf-8"
        )
        line = step.replace("%{python3}", sys.executable)
        run(["sh", "-euc", line], cwd=tmp_path, env={"PYTHONPATH": str(modules)})
        text = (tmp_path / "pyproject.toml").read_text("utf-8")
        assert licence in text.splitlines()
        assert ("license-files" in text) == (version == "77.0")


def test_debian_descriptions_have_no_line_that_lintian_finds_too_long() -> None:
    lines = (DEBIAN / "control").read_text("utf-8").splitlines()
    assert [line for line in lines if line.startswith(" ") and len(line) > 80] == []


def test_debian_names_each_licence_of_the_sources() -> None:
    """Deb822 stanzas: the last one of which a pattern fits a file is the file's."""
    named = {"MIT": "Expat", "GPL-2.0 OR MIT": "GPL-2 or Expat"}
    named["(GPL-2.0 WITH Linux-syscall-note) OR MIT"] = "GPL-2-Linux-syscall-note or Expat"
    text = (DEBIAN / "copyright").read_text("utf-8")
    stanzas = re.findall(r"^Files: (.*)\n(?:.*\n)*?License: (.*)$", text, re.MULTILINE)
    for path in (p for p in (ROOT / "csrc").rglob("*") if p.is_file()):
        spdx = re.search(
            r"SPDX-License-Identifier: (.*?)(?: \*/| -->)?$", path.read_text("utf-8"), re.MULTILINE
        )
        name = str(path.relative_to(ROOT))
        fitting = [is_ for words, is_ in stanzas for p in words.split() if fnmatch.fnmatch(name, p)]
        assert not spdx or named[spdx[1]] == fitting[-1], path
    for licence in {word for _, is_ in stanzas for word in is_.split(" or ")}:
        assert re.search(rf"^License: {re.escape(licence)}\n ", text, re.MULTILINE), licence


def test_new_version_is_a_change_of_the_header_alone(recipes: dict[str, str]) -> None:
    """What has happened to a version has its number: lists of symbols, results, the CHANGELOG."""
    version = re.escape(
        re.findall(r"^Version: +(\S+)$", recipes["ffi_static.spec"], re.MULTILINE)[0]
    )
    minor = version.rpartition(r"\.")[0]
    naming = re.compile(rf"(?<![\d.])({version}|(ffi_static|version)\S* \W*{minor})(?![\d.]*\d)")
    assert naming.search(f"find_package(ffi_static {minor})".replace("\\", ""))
    folders = [ROOT / name for name in ("csrc", "docs", "examples", "ffi_static", "packaging")]
    passed = (".so", ".pyc", ".svg", ".symbols")
    for path in (p for folder in folders for p in folder.rglob("*") if p.is_file()):
        if path.suffix in passed or "results" in path.parts:
            continue
        found = naming.search(path.read_text("utf-8"))
        assert found is None, f"{path}: {found}"


@pytest.mark.parametrize("name", ["APKBUILD", "PKGBUILD"])
def test_recipes_that_are_shell_parse(recipes: dict[str, str], name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(recipes[name], encoding="utf-8")
    run(["bash", "-n", tmp_path / name])


def test_alpines_dev_package_takes_what_others_have_left(recipes: dict[str, str]) -> None:
    """abuild moves each *.h and *.c below usr into it, and *.a unless that has gone before."""
    (listed,) = re.findall(r'^subpackages="(.*)"$', recipes["APKBUILD"], re.MULTILINE)
    names = [name.partition(":")[0] for name in listed.split()]
    assert names.index("$pkgname-dev") > max(map(names.index, ("$pkgname-static", "trampfd-src")))


def test_arch_keeps_the_archives_that_cmake_is_told_of(recipes: dict[str, str]) -> None:
    assert re.search(r"^options=\(.*\bstaticlibs\b", recipes["PKGBUILD"], re.MULTILINE)


def test_conda_build_finds_the_scripts_of_its_outputs(tmp_path: Path) -> None:
    """It takes the word for a file's name, and looks beside meta.yaml."""
    run(["make", "-s", "-C", ROOT, "package-recipes", f"BUILD={tmp_path}"], without=MAKE)
    made = tmp_path / "packaging"
    scripts = re.findall(
        r"^    script: (.*)$", (made / "meta.yaml").read_text("utf-8"), re.MULTILINE
    )
    assert len(scripts) == 2
    for name in scripts:
        run(["bash", "-n", made / name])


def test_same_files_give_the_same_tarball(tmp_path: Path) -> None:
    made = [tmp_path / folder / "ffi_static-1.tar.gz" for folder in ("a", "b")]
    for path in made:
        run(["bash", PACKAGING / "source.sh", path], env={"SOURCE_DATE_EPOCH": "1700000000"})
    assert made[0].read_bytes() == made[1].read_bytes()
    assert made[1].stat().st_mtime == 1700000000, "deb.sh dates its changelog by that"
    names = output(["tar", "-tzf", made[0]]).splitlines()
    assert {"ffi_static-1/Makefile", "ffi_static-1/packaging/debian/control"} <= set(names)
    assert not [name for name in names if "/build/" in name or name.endswith((".so", ".o"))]


def test_packages_hold_every_installed_file(library: Path, tmp_path: Path) -> None:
    places = ("PREFIX=/usr", "LIBDIR=/usr/lib/triplet", f"DESTDIR={tmp_path}")
    run(["make", "-s", "-C", ROOT, "install", "install-dkms", *places], without=MAKE)
    listed = [p for f in DEBIAN.glob("*.install") for p in f.read_text("utf-8").split()]
    held = {path for pattern in listed for each in tmp_path.glob(pattern) for path in below(each)}
    assert held == set(below(tmp_path))


def test_wheels_find_libffi_where_a_release_has_it(tmp_path: Path) -> None:
    """The release makes wheels in clones, with the libffi of the checkout that they come from."""
    for libffi, found in ((tmp_path, tmp_path), (Path("there"), ROOT / "there")):
        command = ["make", "-n", "-C", str(ROOT), "wheels", f"LIBFFI={libffi}", "READY="]
        assert f'--libffi "{found}/newest/source"' in output(command, without=MAKE)


def test_release_has_the_first_revision_and_each_name_once(tmp_path: Path) -> None:
    """A clone also has the packages' source, of the sdist's name, and roots of Debian."""
    made = {
        "dist": {"ffi_static-1.2.3.tar.gz": "sdist", "ffi_static-1.2.3-cp39-cp39-any.whl": ""},
        "build/packaging": {"ffi_static-1.2.3.tar.gz": "the packages' source"},
        "build/packaging/build-root-sid/usr/share": {"a.tar.gz": "", "b_1.2.3-1_all.deb": ""},
        "build/packaging/deb-sid": dict.fromkeys(
            (
                "libffi-static0_1.2.3-1_amd64.deb",
                "libffi-static0_1.2.3-2_amd64.deb",
                "ffi-static_1.2.3.orig.tar.gz",
                "ffi-static_1.2.3-1.debian.tar.xz",
                "ffi-static_1.2.3-1.dsc",
                "ffi-static_1.2.3-1_amd64.changes",
            ),
            "",
        ),
    }
    for folder, files in made.items():
        (tmp_path / "clone" / folder).mkdir(parents=True)
        for name, text in files.items():
            (tmp_path / "clone" / folder / name).write_text(text, encoding="utf-8")
    out = tmp_path / "out"
    command: list[str | Path] = ["sh", PACKAGING / "artefacts.sh", tmp_path / "clone", out]
    run([*command, "1.2.3"])
    assert sorted(path.name for path in out.iterdir()) == [
        "ffi-static_1.2.3-1.debian.tar.xz",
        "ffi-static_1.2.3-1.dsc",
        "ffi-static_1.2.3.orig.tar.gz",
        "ffi_static-1.2.3-cp39-cp39-any.whl",
        "ffi_static-1.2.3.tar.gz",
        "libffi-static0_1.2.3-1_amd64.deb",
    ]
    assert (out / "ffi_static-1.2.3.tar.gz").read_text("utf-8") == "sdist"
    assert "two of the name" in run([*command, "1.2.3"], status=1).stderr
    assert "none of version" in run([*command[:3], tmp_path / "empty", "9.9.9"], status=1).stderr


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ("## [Unreleased]\n\n- New.\n\n## [1.2.2] - 2030-01-01\n", "has no part [1.2.3]"),
        ("## [Unreleased]\n\n- New.\n\n## [1.2.3] - 2030-01-01\n\n- Old.\n", "that are Unreleased"),
        ("## [Unreleased]\n\n## [1.2.3] - 2030-01-01\n\n- Old.\n", "part: parts are sdist, wheels"),
    ],
)
def test_release_has_what_the_changelog_says(tmp_path: Path, changes: str, says: str) -> None:
    (tmp_path / "packaging").mkdir()
    (tmp_path / "packaging/release.sh").write_text((PACKAGING / "release.sh").read_text("utf-8"))
    (tmp_path / "csrc/include").mkdir(parents=True)
    numbers = zip(("MAJOR", "MINOR", "PATCH"), (1, 2, 3))
    lines = [f"#define FFI_STATIC_VERSION_{name} {number}\n" for name, number in numbers]
    (tmp_path / "csrc/include/ffi_static.h").write_text("".join(lines), "ascii")
    (tmp_path / "CHANGELOG.md").write_text(changes, "ascii")
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "all"]):
        run([*git, *words], cwd=tmp_path)
    done = run(["bash", tmp_path / "packaging/release.sh", tmp_path / "out", "no-part"], status=1)
    assert says in done.stderr


def below(path: Path) -> list[Path]:
    return [path] if not path.is_dir() else [p for p in path.rglob("*") if not p.is_dir()]


def test_packages_own_tests_pass_here(tool: Any, library: Path) -> None:
    tool("gcc")
    for name, link in (("program", "-lffi_static -lffi"), ("nested", "-lffi_static-nested")):
        options = ["-Icsrc/include", f"-L{library}", *link.split(), f"-Wl,-rpath,{library}"]
        said = output(["sh", DEBIAN / "tests" / name, *options], cwd=ROOT)
        assert said.endswith(": right\n")
    listed = re.findall(r"debian/tests/(\S+)", (DEBIAN / "tests/control").read_text("utf-8"))
    assert sorted(listed) == ["dropin.py", "nested", "program"]


def test_packages_test_of_the_drop_in_passes_here_and_can_fail(mdwe_works: bool) -> None:
    script = DEBIAN / "tests/dropin.py"
    said = output([sys.executable, script], without=("FFI_STATIC_",))
    assert "right: True; writable or shared code: []" in said
    assert ("PR_SET_MDWE: set" in said) == mdwe_works
    stock = run([sys.executable, "-S", script], status=None, env={"FFI_STATIC_INSTALL": "require"})
    assert stock.returncode == 1
