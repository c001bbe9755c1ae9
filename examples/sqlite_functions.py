#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""sqlite_functions - a SQLite database calls Python: a function, an order, and a brake.

libsqlite3 is used through its C API, declared here for cffi. In a database of the files of
/usr/share/doc, SQL gets a function ``suffix(path)``, a collation ``by_number`` that sorts gcc-9
before gcc-12, and a progress handler that stops a query which would run for ever. Errors travel
both ways: a Python exception becomes an SQL error, an SQL error a Python exception. Run it as::

    python examples/sqlite_functions.py [folder]
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections import Counter
from contextlib import suppress
from pathlib import Path
from stat import S_ISREG
from typing import Any, Callable

import cffi

import ffi_static

FOLDER = Path("/usr/share/doc")

ffi: Any = cffi.FFI()
ffi.cdef("""
    typedef struct sqlite3 sqlite3;
    typedef struct sqlite3_stmt sqlite3_stmt;
    typedef struct sqlite3_context sqlite3_context;
    typedef struct sqlite3_value sqlite3_value;

    int sqlite3_open(const char *file, sqlite3 **db);
    int sqlite3_close(sqlite3 *db);
    const char *sqlite3_errmsg(sqlite3 *db);
    const char *sqlite3_libversion(void);

    int sqlite3_prepare_v2(sqlite3 *, const char *sql, int size, sqlite3_stmt **, const char **);
    int sqlite3_bind_text(sqlite3_stmt *, int, const char *, int size, void (*destroy)(void *));
    int sqlite3_bind_int64(sqlite3_stmt *, int, int64_t);
    int sqlite3_step(sqlite3_stmt *);
    int sqlite3_reset(sqlite3_stmt *);
    int sqlite3_finalize(sqlite3_stmt *);
    int sqlite3_column_count(sqlite3_stmt *);
    sqlite3_value *sqlite3_column_value(sqlite3_stmt *, int);

    int sqlite3_create_function(sqlite3 *, const char *name, int count, int encoding, void *data,
        void (*function)(sqlite3_context *, int, sqlite3_value **), void *step, void *final);
    int sqlite3_create_collation(sqlite3 *, const char *name, int encoding, void *data,
        int (*compare)(void *, int, const void *, int, const void *));
    void sqlite3_progress_handler(sqlite3 *, int steps, int (*handler)(void *), void *data);

    int sqlite3_value_type(sqlite3_value *);
    int64_t sqlite3_value_int64(sqlite3_value *);
    int sqlite3_value_bytes(sqlite3_value *);
    const char *sqlite3_value_text(sqlite3_value *);
    void sqlite3_result_null(sqlite3_context *);
    void sqlite3_result_text(sqlite3_context *, const char *, int size, void (*destroy)(void *));
    void sqlite3_result_error(sqlite3_context *, const char *message, int size);
""")
SQLITE_UTF8, SQLITE_INTEGER, SQLITE_NULL = 1, 1, 5
SQLITE_OK, SQLITE_ROW, SQLITE_DONE = 0, 100, 101
COPY = ffi.cast("void (*)(void *)", -1)  # SQLITE_TRANSIENT: SQLite shall copy the text at once


class DatabaseError(Exception):
    """SQLite refused; the text is its own."""


class Database:
    """A database file, its statements, and the Python functions that it may call."""

    def __init__(self, path: Path) -> None:
        """Open or create the file. OSError if there is no libsqlite3, DatabaseError if refused."""
        self._sqlite: Any = ffi.dlopen("libsqlite3.so.0")
        self._callbacks: list[Any] = []
        handle = ffi.new("sqlite3 **")
        status = self._sqlite.sqlite3_open(os.fsencode(path), handle)
        self._db = handle[0]
        self._check(status)

    def close(self) -> None:
        """Close the file; then nothing calls the callbacks any more, and they are closed too."""
        self._sqlite.sqlite3_close(self._db)
        for callback in self._callbacks:
            callback.close()

    def version(self) -> str:
        """Give the version of SQLite."""
        return str(ffi.string(self._sqlite.sqlite3_libversion()).decode())

    def execute(self, sql: str, *rows: tuple[str | int, ...]) -> list[tuple[Any, ...]]:
        """Run a statement, once for each of ``rows`` (once, if none); give what it answered."""
        statement = ffi.new("sqlite3_stmt **")
        text = sql.encode()
        self._check(self._sqlite.sqlite3_prepare_v2(self._db, text, len(text), statement, ffi.NULL))
        try:
            return [answer for row in rows or [()] for answer in self._run(statement[0], row)]
        finally:
            self._sqlite.sqlite3_finalize(statement[0])

    def add_function(self, name: str, count: int, function: Callable[..., str | None]) -> None:
        """Let SQL call ``function`` of ``count`` arguments by ``name``."""

        def call(context: Any, number: int, values: Any) -> None:
            try:
                answer = function(*(self._value(values[i]) for i in range(number)))
            except Exception as error:  # C cannot pass it on; SQLite can, as an SQL error
                message = f"{name}(): {error}".encode()
                self._sqlite.sqlite3_result_error(context, message, len(message))
                return
            if answer is None:
                self._sqlite.sqlite3_result_null(context)
            else:
                text = answer.encode()
                self._sqlite.sqlite3_result_text(context, text, len(text), COPY)

        pointer = self._callback("void(sqlite3_context *, int, sqlite3_value **)", call)
        self._check(
            self._sqlite.sqlite3_create_function(
                self._db, name.encode(), count, SQLITE_UTF8, ffi.NULL, pointer, ffi.NULL, ffi.NULL
            )
        )

    def add_collation(self, name: str, key: Callable[[str], Any]) -> None:
        """Let SQL order texts by ``key``: ``ORDER BY column COLLATE name``."""

        def compare(_data: Any, size: int, text: Any, other_size: int, other: Any) -> int:
            left = key(ffi.buffer(text, size)[:].decode())
            right = key(ffi.buffer(other, other_size)[:].decode())
            return int(left > right) - int(left < right)

        pointer = self._callback("int(void *, int, const void *, int, const void *)", compare)
        self._check(
            self._sqlite.sqlite3_create_collation(
                self._db, name.encode(), SQLITE_UTF8, ffi.NULL, pointer
            )
        )

    def on_progress(self, steps: int, stop: Callable[[], bool]) -> None:
        """Ask ``stop()`` every ``steps`` instructions of SQLite's; True ends the query."""
        pointer = self._callback("int(void *)", lambda _data: int(stop()))
        self._sqlite.sqlite3_progress_handler(self._db, steps, pointer, ffi.NULL)

    def _callback(self, signature: str, function: Callable[..., Any]) -> Any:
        """Make a C function of ``function`` that lives as long as the database is open."""
        callback = ffi_static.callback(signature, function, ffi=ffi)
        self._callbacks.append(callback)
        return callback.cdata

    def _run(self, statement: Any, row: tuple[str | int, ...]) -> list[tuple[Any, ...]]:
        for place, value in enumerate(row, start=1):
            if isinstance(value, int):
                status = self._sqlite.sqlite3_bind_int64(statement, place, value)
            else:
                text = value.encode()
                status = self._sqlite.sqlite3_bind_text(statement, place, text, len(text), COPY)
            self._check(status)
        answers = []
        columns = range(self._sqlite.sqlite3_column_count(statement))
        status = self._sqlite.sqlite3_step(statement)
        while status == SQLITE_ROW:
            values = (self._sqlite.sqlite3_column_value(statement, i) for i in columns)
            answers.append(tuple(map(self._value, values)))
            status = self._sqlite.sqlite3_step(statement)
        self._check(status)
        self._sqlite.sqlite3_reset(statement)
        return answers

    def _value(self, value: Any) -> str | int | None:
        kind = self._sqlite.sqlite3_value_type(value)
        if kind == SQLITE_NULL:
            return None
        if kind == SQLITE_INTEGER:
            return int(self._sqlite.sqlite3_value_int64(value))
        text = self._sqlite.sqlite3_value_text(value)
        return bytes(ffi.buffer(text, self._sqlite.sqlite3_value_bytes(value))).decode()

    def _check(self, status: int) -> None:
        if status not in (SQLITE_OK, SQLITE_DONE):
            raise DatabaseError(ffi.string(self._sqlite.sqlite3_errmsg(self._db)).decode())


def suffix(path: str | None) -> str | None:
    """Give the last suffix of a path in lower case; NULL for NULL."""
    if path is None:
        return None
    if not isinstance(path, str):
        raise TypeError(f"a path is a text, not {path!r}")
    return Path(path).suffix.lower()


def by_number(text: str) -> list[tuple[int, str]]:
    """Make a key that orders numbers inside a text by their value: gcc-9 before gcc-12."""
    parts = re.findall(r"\d+|\D+", text)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def files_below(folder: Path) -> list[tuple[str, str, int]]:
    """List package, path and size of the regular files in ``folder``."""
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is not a folder")
    found = []
    for where, _, names in os.walk(folder):
        for path in (Path(where, name) for name in names):
            with suppress(FileNotFoundError):  # gone since os.walk() saw it
                info = path.lstat()
                if S_ISREG(info.st_mode):
                    package = path.relative_to(folder).parts[0]
                    found.append((package, str(path), info.st_size))
    return found


def ask(database: Database, files: list[tuple[str, str, int]]) -> list[str]:
    """Fill the table, use what was added, and check each answer; the lines to show."""
    database.execute("CREATE TABLE file (package TEXT, path TEXT, size INTEGER)")
    database.execute("BEGIN")
    database.execute("INSERT INTO file VALUES (?, ?, ?)", *files)
    database.execute("COMMIT")

    database.add_function("suffix", 1, suffix)
    sql = "SELECT suffix(path), count(*) FROM file GROUP BY 1 ORDER BY 2 DESC, 1"
    suffixes = database.execute(sql)
    if dict(suffixes) != Counter(suffix(path) for _, path, _ in files):
        raise DatabaseError("SQL and Python count different suffixes")
    lines = [f"{count:8,}  {name or 'none'}" for name, count in suffixes[:5]]

    database.add_collation("by_number", by_number)
    sql = "SELECT DISTINCT package FROM file ORDER BY package COLLATE by_number, package"
    packages = [package for (package,) in database.execute(sql)]
    if packages != sorted({package for package, _, _ in files}, key=lambda p: (by_number(p), p)):
        raise DatabaseError("SQL and Python order the packages differently")
    compilers = [package for package in packages if re.match(r"gcc-\d", package)]
    lines.append(f"{len(packages):,} packages by number: ... {' '.join(compilers)} ...")

    try:
        database.execute("SELECT suffix(42)")
    except DatabaseError as error:
        lines.append(f"suffix(42) is an error: {error}")
    else:
        raise DatabaseError("suffix(42) was not an error")

    asked = 0

    def enough() -> bool:
        nonlocal asked
        asked += 1
        return asked == 100

    database.on_progress(1000, enough)
    try:
        database.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
        )
    except DatabaseError as error:
        lines.append(
            f"a query without an end, stopped when Python was asked {asked} times: {error}"
        )
    return lines


def main() -> int:
    """Make a database of real files, query it, and show the answers."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    try:
        files = files_below(folder)
        with tempfile.TemporaryDirectory() as place:
            database = Database(Path(place) / "files.db")
            try:
                lines = ask(database, files)
                print(f"SQLite {database.version()}: {len(files):,} files of {folder} by suffix")
            finally:
                database.close()
    except (OSError, DatabaseError) as error:
        print(f"sqlite_functions: {error}", file=sys.stderr)
        return 1
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
