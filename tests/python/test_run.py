# SPDX-License-Identifier: MIT
"""test_run - a program under `python -m ffi_static run` cannot tell, nor can its caller.

Each program is run twice, by Python and by `run`, and everything that comes out must be the same:
what it printed on both streams, and how it ended.
"""

from __future__ import annotations

import re
import signal
import sys
import textwrap
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.support.process import ROOT, output
from tests.support.process import run as start

SCRIPTS = Path(__file__).resolve().parent / "scripts"
RUN = ("-m", "ffi_static", "run")
EVERYTHING = ("--mdwe", "--no-memfd")


def python(*words: str, run: bool, options: tuple[str, ...] = (), **given: Any) -> Any:
    """Run an interpreter on `words`, directly or through `run`."""
    flags = given.pop("flags", ())
    command = [sys.executable, *flags, *(RUN if run else ()), *(options if run else ()), *words]
    return start(command, status=None, without=("FFI_STATIC_",), **given)


def alike(*words: str, options: tuple[str, ...] = (), **given: Any) -> Any:
    """Run both ways; both must end alike. Gives what came out."""
    without, with_us = (python(*words, run=run, options=options, **given) for run in (False, True))
    assert with_us.returncode == without.returncode
    assert with_us.stdout == without.stdout
    assert with_us.stderr == without.stderr
    return with_us


@pytest.fixture
def program(tmp_path: Path) -> Any:
    """Write a program, given as text or as a script of scripts/; give its path."""

    def write(code: str | Path, name: str = "program.py") -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = code if isinstance(code, str) else code.read_text(encoding="utf-8")
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return str(path)

    return write


WHO_AM_I = SCRIPTS / "who_am_i.py"
ARGUMENTS = ("one", "--mdwe", "--", "-m", "", "two words", "\u00e4\udcff")


def test_program_sees_itself(program: Any) -> None:
    assert "'__main__'" in alike(program(WHO_AM_I), *ARGUMENTS).stdout


def test_module_sees_itself(program: Any, tmp_path: Path) -> None:
    program(WHO_AM_I, "module.py")
    alike("-m", "module", *ARGUMENTS, cwd=tmp_path)
    alike("-mmodule", *ARGUMENTS, cwd=tmp_path)


def test_package_sees_itself(program: Any, tmp_path: Path) -> None:
    program("print('init', __name__)", "package/__init__.py")
    program(WHO_AM_I, "package/__main__.py")
    assert "package" in alike("-m", "package", "x", cwd=tmp_path).stdout


def test_folder_and_zip_file_see_themselves(program: Any, tmp_path: Path) -> None:
    main = program(WHO_AM_I, "folder/__main__.py")
    alike(str(tmp_path / "folder"), "x")
    with zipfile.ZipFile(tmp_path / "program.zip", "w") as archive:
        archive.write(main, "__main__.py")
    alike(str(tmp_path / "program.zip"), "x")


def test_command_sees_itself() -> None:
    alike("-c", WHO_AM_I.read_text(), *ARGUMENTS)
    alike("-c" + WHO_AM_I.read_text(), *ARGUMENTS)


def test_program_from_stdin_sees_itself() -> None:
    alike("-", "x", input=WHO_AM_I.read_text())


@pytest.mark.parametrize(
    "flags",
    [
        ("-X", "dev", "-W", "error::UserWarning"),
        ("-O", "-u", "-B"),
        ("-I",),
        ("-Es", "-b", "-X", "utf8=0"),
        ("-q", "-Xfaulthandler"),
    ],
    ids=" ".join,
)
def test_interpreter_options_are_kept(program: Any, flags: tuple[str, ...]) -> None:
    alike(program(WHO_AM_I), "x", flags=flags)


def test_options_joined_to_m_are_kept(program: Any) -> None:
    path = program("import sys; print(sys.flags)")
    wanted = python("-Ou", path, run=False).stdout
    assert output([sys.executable, "-Oum", "ffi_static", "run", path]) == wanted
    assert output([sys.executable, "-Oumffi_static", "run", path]) == wanted


def test_program_reads_stdin(program: Any) -> None:
    path = program("import sys; print(input(), sys.stdin.read().upper())")
    assert alike(path, input="first\nsecond\n").stdout == "first SECOND\n\n"


# Text, because each is a file of its own, and one is not even Python.
ENDINGS = {
    "returns": "print('end')",
    "exit_number": "import sys; sys.exit(3)",
    "exit_none": "import sys; sys.exit()",
    "exit_text": "import sys; sys.exit('a reason')",
    "exit_object": "raise SystemExit([1, 2])",
    "exit_large": "raise SystemExit(256 + 7)",
    "os_exit": "import os; os._exit(9)",
    "exception": """
        def outer():
            inner()
        def inner():
            try:
                1 / 0
            except ZeroDivisionError as error:
                raise ValueError('a value') from error
        outer()
    """,
    "syntax_error": "def f(:\n    pass",
    "import_error": "import there_is_no_such_module",
    "recursion": "def f(): f()\nf()",
    "excepthook": "import sys; sys.excepthook = lambda *a: print('hook', a[0])\n1 / 0",
    "interrupt": "import os, signal, time; os.kill(os.getpid(), signal.SIGINT); time.sleep(9)",
    "interrupt_caught": """
        import os, signal, time
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(9)
        except KeyboardInterrupt:
            print('caught')
            raise SystemExit(4)
    """,
    "terminated": "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
    "killed": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "aborted": "import os; os.abort()",
    "handled": """
        import os, signal, sys
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))
        os.kill(os.getpid(), signal.SIGTERM)
    """,
    "atexit": """
        import atexit, threading, time
        for n in range(3):
            atexit.register(print, 'atexit', n)
        said = threading.Event()
        threading.Thread(target=lambda: (said.wait(), time.sleep(0.1), print('thread'))).start()
        print('main')
        said.set()
    """,
    "finalizers": """
        class C:
            def __del__(self): print('gone', __name__)
        c = C()
        import weakref; weakref.finalize(c, print, 'finalized')
    """,
    "pickle": """
        import pickle
        class Mine:
            pass
        print(pickle.dumps(Mine()), type(pickle.loads(pickle.dumps(Mine()))))
    """,
    "warning": "import warnings; warnings.warn('new')\nwarnings.warn('old', DeprecationWarning)",
    "closed_stderr": "import os; os.close(2); print('still here')",
}


@pytest.mark.parametrize("name", ENDINGS)
def test_ends_as_without_us(program: Any, name: str) -> None:
    alike(program(ENDINGS[name]))


@pytest.mark.parametrize("name", ["exit_number", "exception", "interrupt", "killed", "atexit"])
def test_ends_as_without_us_under_the_policies(program: Any, name: str, mdwe_works: bool) -> None:
    if not mdwe_works:
        pytest.skip("this kernel has no PR_SET_MDWE (Linux 6.3)")
    alike(program(ENDINGS[name]), options=EVERYTHING)


@pytest.mark.parametrize(
    "words",
    [
        ("there/is/no/such.py",),
        ("-m", "there_is_no_such_module"),
        ("-m", "json"),  # a package without __main__
        ("-c", "1 +"),
        ("-m", "there.is.none"),
    ],
    ids=" ".join,
)
def test_what_python_cannot_run_fails_as_without_us(words: tuple[str, ...]) -> None:
    assert alike(*words).returncode in (1, 2)


def test_signals_that_were_ignored_or_blocked_stay_so() -> None:
    path = str(SCRIPTS / "signals.py")

    def before() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])

    said = alike(path, preexec_fn=before).stdout
    assert "SIGINT Handlers.SIG_IGN" in said or "SIGINT 1" in said
    assert "SIGUSR1" in said


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_children_of_multiprocessing_are_served(method: str) -> None:
    with_us = python(str(SCRIPTS / "pool.py"), method, run=True)
    main = "__main__" if method == "fork" else "__mp_main__"
    assert with_us.stdout == f"[({main!r}, 2, True), ({main!r}, 4, True)]\n"
    assert with_us.stderr == ""


def test_children_are_served_and_policies_are_theirs_too(mdwe_works: bool) -> None:
    if not mdwe_works:
        pytest.skip("this kernel has no PR_SET_MDWE (Linux 6.3)")
    scripts = str(SCRIPTS / "parent.py"), str(SCRIPTS / "refused.py")
    under = python(*scripts, run=True, options=EVERYTHING)
    assert under.stdout.split() == ["42", "13", "1", "1", "None", "None"], under.stderr
    assert (under.stderr, under.returncode) == ("", 0)


def test_both_libraries_work_under_the_policies(mdwe_works: bool) -> None:
    if not mdwe_works:
        pytest.skip("this kernel has no PR_SET_MDWE (Linux 6.3)")
    path = str(SCRIPTS / "both.py")
    assert python(path, run=True, options=EVERYTHING).stdout == "42 42\n"
    assert python(path, run=True).stdout == "42 42\n"


def test_pdb_works_on_the_program(program: Any) -> None:
    path = program("def f(n):\n    return n + 1\nx = f(41)\nprint('x is', x)\n")
    said = alike("-m", "pdb", path, input="b 2\nc\nbt\np n\nc\nq\n").stdout
    assert "x is 42" in said


def test_program_in_a_folder_with_names_of_the_standard_library(tmp_path: Path) -> None:
    """What `run` needs for itself must not be taken from, nor hidden from, the program."""
    for name in ("glob", "token", "copy", "inspect", "argparse", "typing", "dataclasses", "ast"):
        (tmp_path / f"{name}.py").write_text(f"print('my own {name}')\n", encoding="utf-8")
    main = tmp_path / "main.py"
    main.write_text("import argparse, ast, copy, dataclasses, glob, inspect, token, typing\n")
    assert alike(str(main), cwd="/").stdout.count("my own") >= 6


# ---- the command line itself


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "no program was given"),
        (("--mdwe",), "no program was given"),
        (("--",), "no program was given"),
        (("-m",), "argument expected for the -m option"),
        (("-c",), "argument expected for the -c option"),
        (("--nonsense", "x.py"), "unknown option --nonsense"),
        (("-u", "x.py"), "unknown option -u; python's own options go before -m ffi_static"),
    ],
)
def test_wrong_usage_is_explained_with_status_2(words: tuple[str, ...], sentence: str) -> None:
    said = python(*words, run=True)
    assert said.returncode == 2
    assert said.stdout == ""
    assert said.stderr.startswith("usage: python ")
    assert sentence in said.stderr.splitlines()[-1]


def test_help_is_on_stdout() -> None:
    said = python("--help", run=True)
    assert (said.returncode, said.stderr) == (0, "")
    options = set(re.findall(r"(?m)^ +(--[a-z-]+)", said.stdout))
    assert options == {"--mdwe", "--no-memfd", "--report", "--keep-thread-state", "--no-turbo"}
    page = (ROOT / "docs" / "use" / "command.md").read_text(encoding="utf-8")
    assert options == set(re.findall(r"(?m)^\* `(--[a-z-]+)`", page))


def test_after_two_dashes_comes_the_program(program: Any) -> None:
    assert python("--", program("print('ran')", "--mdwe"), run=True).stdout == "ran\n"


def test_policy_that_the_kernel_lacks_is_named_with_what_it_needs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from ffi_static import _strict, run

    class Old:
        def prctl(self, *_: int) -> int:
            raise OSError(22, "Invalid argument")

    monkeypatch.setattr(_strict, "libc", Old)
    with pytest.raises(SystemExit) as ended:
        run.switch_on({"--mdwe"})
    assert ended.value.code == 125
    assert "--mdwe: prctl(PR_SET_MDWE" in (said := capsys.readouterr().err)
    assert "it needs Linux 6.3" in said


def test_missing_startup_file_is_explained(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from ffi_static import run

    monkeypatch.setattr(run, "STARTUP_FILE", "no such file.pth")
    with pytest.raises(SystemExit) as ended:
        run.main(["x.py"])
    assert ended.value.code == 125
    assert "install the package with pip" in capsys.readouterr().err
