# SPDX-License-Identifier: MIT
"""test_elsewhere - Python callbacks on another architecture, under qemu-user: the short form.

`make test` builds the extension by the cross compiler (tests/arch/callback.sh) where it can. The
whole of this folder runs in an emulated Debian: `make test-arch ISA=aarch64 KIND=python`.
"""

from __future__ import annotations

import pytest

from tests.support.ctests import BUILD, ROOT, judge, run
from tests.support.emulated import ELSEWHERE, emulator


@pytest.mark.slow
@pytest.mark.parametrize("isa", ELSEWHERE)
def test_callbacks_elsewhere(isa: str) -> None:
    here = BUILD / isa / "python"
    root, module = here / "root", here / "ffi_static/_lib.so"
    if not module.exists():
        pytest.skip(f"tests/arch/callback.sh has not built {module}")
    qemu, _, _, *cpu = emulator(isa)
    before = (qemu, "-L", str(root), *cpu)  # Debian's whole root, not the C library's
    path = f"{here}:{root}/usr/lib/python3/dist-packages"
    program = str(ROOT / "tests/arch/callback.py")
    done = run(root / "usr/bin/python3", program, env={"PYTHONPATH": path}, before=before)
    assert judge(done) == f"done on {isa}\n"
