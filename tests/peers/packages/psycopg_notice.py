# SPDX-License-Identifier: MIT
"""psycopg_notice - psycopg 3, pure Python over ctypes: a connection to a real PostgreSQL server.

Each connection hands libpq a ctypes callback for the server's notices, so no connection can be
opened where callbacks cannot be made. The server runs in a temporary folder, over a Unix socket.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import psycopg


def programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        print("skip: PostgreSQL's server is not installed (Debian: postgresql)")
        sys.exit(77)
    return found[-1].parent


def as_user(*command: object) -> None:
    """Run as an ordinary user: PostgreSQL does not start as root."""
    user = "postgres" if os.geteuid() == 0 else None
    subprocess.run(
        [*map(str, command)],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        user=user,
        group=user,
        cwd="/",
    )


def talk(socket: Path) -> None:
    notices: list[str] = []
    with psycopg.connect(f"host={socket} dbname=postgres user=postgres") as connection:
        connection.add_notice_handler(lambda notice: notices.append(notice.message_primary))
        connection.execute("do $$ begin raise notice 'seen by Python'; end $$")
        answer = connection.execute("select sum(n) from generate_series(1, 100) n").fetchone()
    assert notices == ["seen by Python"], notices
    print(f"psycopg {psycopg.__version__} ({psycopg.pq.__impl__}): {answer}, {notices}")


def main() -> None:
    if psycopg.pq.__impl__ != "python":
        sys.exit("psycopg's compiled form is installed; this is about the pure Python one")
    tools = programs()
    place = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))
    if os.geteuid() == 0:
        os.chown(place, pwd.getpwnam("postgres").pw_uid, -1)
    try:
        as_user(tools / "initdb", "-D", place / "db", "-U", "postgres", "-A", "trust", "-N")
        start = ("-D", place / "db", "-l", place / "log", "-w")
        as_user(tools / "pg_ctl", *start, "-o", f"-k {place} -h ''", "start")
        try:
            talk(place)
        finally:
            as_user(tools / "pg_ctl", *start, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main()
