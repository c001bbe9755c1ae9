# SPDX-License-Identifier: MIT
"""test_finalization - calls from C while and after Python goes away"""

from __future__ import annotations

from typing import Any

import pytest


def test_exit_with_foreign_threads_calling(script: Any) -> None:
    code = """
cb = ffi_static.callback("int(int)", lambda x: x)
for _ in range(4):
    assert caller.spin(cb.address) == 0
time.sleep(0.05)
print("leaving", flush=True)
"""
    for _ in range(5):
        done = script(code)
        assert done.stdout == "leaving\n"
        assert done.stderr == ""


@pytest.mark.parametrize("keep", ["ffi_static.kept = cb", "pass"])
def test_call_after_finalization_gives_the_error_value(script: Any, keep: str) -> None:
    code = f"""
cb = ffi_static.callback("int(int)", lambda x: x, error=55)
{keep}
caller.call_at_exit(cb.address)
assert caller.call(cb.address, 3) == 3
"""
    assert script(code).stdout == "last call gave 55\n"


def test_call_from_the_finalizing_thread_still_works(script: Any) -> None:
    code = """
class Late:
    def __del__(self, call=caller.call, address=None, write=os.write):
        write(1, b"%d\\n" % call(self.address, 20))
late = Late()
late.cb = ffi_static.callback("int(int)", lambda x: x + 1)
late.address = late.cb.address
late.me = late  # a cycle: collected while the interpreter is finalized
"""
    assert script(code).stdout == "21\n"
