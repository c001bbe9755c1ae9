# SPDX-License-Identifier: MIT
"""peers - the own test suites of ctypes and cffi, stock and with the drop-in, compared by test.

It exists because "unmodified ctypes and cffi" is a promise that their authors' tests can break and
ours cannot. `places` finds interpreters and makes environments, `suites` names suites, `modes` runs
one in one of four modes, `table` compares, `programs` runs packages of PyPI; unit_log, pytest_log
and strict run inside what is under test.
"""
