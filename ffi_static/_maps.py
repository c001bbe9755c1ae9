# SPDX-License-Identifier: MIT
"""_maps - read /proc/self/maps and find memory that can be written and executed.

Why it exists: the promise of this package is that making callbacks leaves no page through which
written bytes can become instructions. Three things break such a promise, and each is visible from
inside a process: a mapping with both rights; a second, writable and shared, mapping of a file whose
pages are mapped executable; an open writable descriptor of a memfd that is mapped executable and
not sealed. Writing through /proc/self/mem or ptrace is out of scope: it ignores all rights.
"""

from __future__ import annotations

import fcntl
import os
import re
from dataclasses import dataclass
from pathlib import Path

_LINE = re.compile(
    r"(?P<start>[0-9a-f]+)-(?P<end>[0-9a-f]+) (?P<perms>[r-][w-][x-][ps]) "
    r"(?P<offset>[0-9a-f]+) (?P<device>[0-9a-f]+:[0-9a-f]+) (?P<inode>\d+)(?: +(?P<path>.*))?$"
)


@dataclass(frozen=True)
class Mapping:
    """One line of the maps file: [start, end) in bytes, of `path` from `offset` on."""

    start: int
    end: int
    perms: str
    offset: int
    device: str
    inode: int
    path: str

    @property
    def writable(self) -> bool:
        return "w" in self.perms

    @property
    def executable(self) -> bool:
        return "x" in self.perms

    @property
    def shared(self) -> bool:
        return self.perms.endswith("s")

    def aliases(self, other: Mapping) -> bool:
        """Tell whether both map at least one common byte of the same file."""
        return (
            self.inode != 0
            and (self.device, self.inode) == (other.device, other.inode)
            and self.offset < other.offset + (other.end - other.start)
            and other.offset < self.offset + (self.end - self.start)
        )

    def __str__(self) -> str:
        return f"{self.start:x}-{self.end:x} {self.perms} {self.path or 'anonymous'}"


@dataclass(frozen=True)
class Finding:
    """A way to turn written bytes into instructions.

    `kind` is "writable-executable", "writable-alias" or "writable-descriptor"; `where` names the
    executable mapping, `through` what it can be written through.
    """

    kind: str
    where: str
    through: str

    def __str__(self) -> str:
        if self.kind == "writable-executable":
            return f"writable and executable: {self.where}"
        return f"executable {self.where} can be written through {self.through}"


def read_maps(text: str | None = None) -> list[Mapping]:
    """Parse `text`, or this process's /proc/self/maps.

    Raises OSError when /proc is not there and ValueError for a line that is not one of a maps file:
    an audit that skips what it does not understand would be worth nothing.
    """
    if text is None:
        text = Path("/proc/self/maps").read_text(encoding="utf-8", errors="surrogateescape")
    mappings = []
    for line in text.splitlines():
        match = _LINE.match(line)
        if match is None:
            raise ValueError(f"not a line of a maps file: {line!r}")
        mappings.append(
            Mapping(
                int(match["start"], 16),
                int(match["end"], 16),
                match["perms"],
                int(match["offset"], 16),
                match["device"],
                int(match["inode"]),
                match["path"] or "",
            )
        )
    return mappings


def mapping_at(address: int, mappings: list[Mapping]) -> Mapping | None:
    """Give the mapping that holds `address`, or None."""
    return next((m for m in mappings if m.start <= address < m.end), None)


def audit_maps(text: str | None = None) -> list[Finding]:
    """List every way to write to an executable page of this process; [] is what you want.

    With `text`, the contents of a maps file, that is judged instead, and descriptors (which a maps
    file does not tell) are left out. Raises OSError when /proc is not mounted, ValueError when
    `text` is not a maps file.
    """
    mappings = read_maps(text)
    executable = [m for m in mappings if m.executable]
    findings = [Finding("writable-executable", str(m), str(m)) for m in executable if m.writable]
    aliases = [m for m in mappings if m.writable and m.shared and m.inode]
    findings += [
        Finding("writable-alias", str(code), str(data))
        for code in executable
        for data in aliases
        if data is not code and data.aliases(code)
    ]
    return findings if text is not None else findings + _descriptors(executable)


def _descriptors(executable: list[Mapping]) -> list[Finding]:
    """Find memfds that are mapped executable, open for writing and not sealed against it."""
    memfds = {m.inode: m for m in executable if m.path.startswith("/memfd:")}
    findings = []
    for link in Path("/proc/self/fd").iterdir() if memfds else ():
        fd = int(link.name)
        try:
            code = memfds.get(os.fstat(fd).st_ino)
            if code is None or not str(link.readlink()).startswith("/memfd:"):
                continue
            open_for = fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE
            seals = fcntl.fcntl(fd, fcntl.F_GET_SEALS)
        except OSError:  # closed meanwhile: the listing's own descriptor, or by another thread
            continue
        if open_for != os.O_RDONLY and not seals & fcntl.F_SEAL_WRITE:
            findings.append(Finding("writable-descriptor", str(code), f"descriptor {fd}"))
    return findings
