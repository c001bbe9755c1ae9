# SPDX-License-Identifier: MIT
"""test_elsewhere - Python callbacks on another architecture, under qemu-user: the short form.

`make test` builds the extension by the cross compiler (tests/arch/callback.sh) where it can. The
whole of this folder runs in an emulated Debian: `make test-arch ISA=aarch64 KIND=python`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.arch.isas import ISAS
from tests.support.ctests import BUILD, ROOT, judge, run
from tests.support.emulated import ELSEWHERE, emulator


@pytest.mark.slow
@pytest.mark.parametrize("isa", ELSEWHERE)
def test_callbacks_elsewhere(isa: str) -> None:
    here = BUILD / isa / "python"
    root, module = here / "root", here / "ffi_static/_lib.so"
    if not module.exists():
        pytest.skip(f"tests/arch/callback.sh has not built {module}")
    words = emulator(isa)
    if words:  # Debian's whole root, not the C library's
        before = (words[0], "-L", str(root), *words[3:])
    else:  # this kernel runs its programs: the root's loader starts them
        libraries = next(root.glob("usr/lib/*-linux-gnu*"))
        loader = libraries / Path(ISAS[isa].loader).name
        before = (str(loader), "--library-path", str(libraries))
    path = f"{here}:{root}/usr/lib/python3/dist-packages"
    program = str(ROOT / "tests/arch/callback.py")
    done = run(root / "usr/bin/python3", program, env={"PYTHONPATH": path}, before=before)
    assert judge(done) == "done\n"
