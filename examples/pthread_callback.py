#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""pthread_callback - threads made by pthread_create(3) start in a Python function.

Python has never heard of these threads: the callback takes the GIL, gets a thread state that is
kept until the thread ends, and gives both back. Each thread counts the lines of one real file;
its argument is a Python object that travels through C as a handle. Run it as::

    python examples/pthread_callback.py [file...]
"""

from __future__ import annotations

import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cffi

import ffi_static

FOLDER = Path("/usr/share/common-licenses")

ffi: Any = cffi.FFI()
ffi.cdef("""
    typedef unsigned long pthread_t;
    int pthread_create(pthread_t *thread, void *attr, void *(*start)(void *), void *argument);
    int pthread_join(pthread_t thread, void **result);
""")
libc = ffi.dlopen(None)


@dataclass
class Job:
    """One thread's work: the file to read, and who read it."""

    path: Path
    thread_id: int = 0
    failure: OSError | None = None


@ffi_static.callback("void *(void *)")
def count_lines(argument: Any) -> Any:
    """Run in a thread of C's: read the job's file, give the number of lines."""
    job: Job = ffi.from_handle(argument)
    job.thread_id = threading.get_native_id()
    try:
        with job.path.open("rb") as file:
            return ffi.cast("void *", sum(1 for _ in file))
    except OSError as error:  # C cannot pass an exception on: leave it for run() to raise
        job.failure = error
        return ffi.NULL


def run(jobs: list[Job]) -> list[int]:
    """Start a pthread for each job, wait for all, and give the lines each counted."""
    handles = [ffi.new_handle(job) for job in jobs]  # they live as long as C knows them
    threads = ffi.new("pthread_t[]", len(jobs))
    started = 0
    try:
        for handle in handles:
            number = libc.pthread_create(threads + started, ffi.NULL, count_lines.cdata, handle)
            if number != 0:
                raise OSError(number, "pthread_create")
            started += 1
    finally:
        results = ffi.new("void *[]", max(started, 1))
        for i in range(started):
            libc.pthread_join(threads[i], results + i)  # cffi lets other threads run meanwhile
    for job in jobs:
        if job.failure:
            raise job.failure
    return [int(ffi.cast("intptr_t", result)) for result in results]


def lines_in(path: Path) -> int:
    """Count the lines of a file in this thread."""
    with path.open("rb") as file:
        return len(file.readlines())


def main() -> int:
    """Count in threads, check by counting again here, and show who did what."""
    given = [Path(argument) for argument in sys.argv[1:]]
    paths = given or sorted({path.resolve() for path in FOLDER.iterdir()})
    jobs = [Job(path) for path in paths]
    try:
        lines = run(jobs) if jobs else []
        expected = [lines_in(path) for path in paths]
    except OSError as error:
        print(f"pthread_callback: {error}", file=sys.stderr)
        return 1
    for job, count in zip(jobs, lines):
        print(f"thread {job.thread_id}: {count:6,} lines in {job.path.name}")
    foreign = {job.thread_id for job in jobs} - {threading.get_native_id()}
    if lines != expected or (jobs and not foreign):
        print("pthread_callback: the threads and the main program do not agree", file=sys.stderr)
        return 1
    print(f"{sum(lines):,} lines in {len(jobs)} files, each counted by a pthread made in C")
    return 0


if __name__ == "__main__":
    sys.exit(main())
