# SPDX-License-Identifier: MIT
"""maps - read /proc/self/maps, and find memory that can be written and executed

Why it exists: this package promises that making callbacks leaves no page through which written
bytes can become instructions. Three things would break the promise, and a process can see each:

- a mapping with both rights;
- a second mapping, shared and writable, of a file whose pages are mapped executable;
- a writable descriptor of a memfd that is mapped executable and not sealed.

Writing through /proc/self/mem or ptrace is out of scope, because it ignores all rights.
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
    """One line of the maps file: addresses [start, end), which map `path` from `offset` on."""

    start: int
    end: int
    perms: str
    offset: int
    device: str
    inode: int
    path: str

    @property
    def writable(self) -> bool:
        """Tell whether the page may be written through this mapping."""
        return "w" in self.perms

    @property
    def executable(self) -> bool:
        """Tell whether the page may be executed through this mapping."""
        return "x" in self.perms

    @property
    def shared(self) -> bool:
        """Tell whether others see what is written."""
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
        """Show what tells mappings apart."""
        return f"{self.start:x}-{self.end:x} {self.perms} {self.path or 'anonymous'}"


@dataclass(frozen=True)
class Finding:
    """A way to turn written bytes into instructions.

    `kind` is "writable-executable", "writable-alias" or "writable-descriptor". `where` names the
    executable mapping, `through` names what can be written.
    """

    kind: str
    where: str
    through: str

    def __str__(self) -> str:
        """Say what is wrong."""
        if self.kind == "writable-executable":
            return f"writable and executable: {self.where}"
        return f"executable {self.where} can be written through {self.through}"


def read_maps(text: str | None = None) -> list[Mapping]:
    """Parse `text`, or this process's /proc/self/maps.

    Raises OSError when /proc is not there. Raises ValueError for a line that no maps file has: an
    audit that skips lines would be worth nothing.
    """
    if text is None:
        text = Path("/proc/self/maps").read_text(encoding="utf-8", errors="surrogateescape")
    mappings = []
    for line in text.splitlines():
        match = _LINE.match(line)
        if match is None:
            raise ValueError(f"not a line of a maps file: {line!r}")
        start, end, perms, offset, device, inode, path = match.groups()
        place = (int(offset, 16), device, int(inode), path or "")
        mappings.append(Mapping(int(start, 16), int(end, 16), perms, *place))
    return mappings


def mapping_at(address: int, mappings: list[Mapping]) -> Mapping | None:
    """Give the mapping that holds `address`, or None."""
    return next((m for m in mappings if m.start <= address < m.end), None)


def audit_maps(text: str | None = None) -> list[Finding]:
    """List every way to write to an executable page of this process; [] is what you want.

    Given `text`, the contents of a maps file, the audit judges that file. It leaves descriptors out
    then, because a maps file does not tell them. Raises OSError when /proc is not mounted, and
    ValueError when `text` is not a maps file.
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
        except OSError:  # closed meanwhile, by another thread or by iterdir()
            continue
        if open_for != os.O_RDONLY and not seals & fcntl.F_SEAL_WRITE:
            findings.append(Finding("writable-descriptor", str(code), f"descriptor {fd}"))
    return findings
