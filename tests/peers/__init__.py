# SPDX-License-Identifier: MIT
"""peers - the own test suites of ctypes and cffi, stock and with the drop-in, compared by test.

Why it exists: the drop-in promises that ctypes and cffi work unmodified, and only their authors'
own tests can show where that is not so. `places` finds interpreters and makes environments,
`suites` names suites, `modes` runs one in one of four modes, `table` compares, and `programs` runs
packages of PyPI. unit_log, pytest_log and strict run in the processes under test.
"""
