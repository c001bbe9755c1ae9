# SPDX-License-Identifier: MIT
"""image - makes the guest's file system, each program of which is signed.

Runs inside the root that root.sh makes, in this tree::

    python3 -B -m tests.verified.image OUT

OUT has root-guest, the Debian that the guest is; what it needs of the host's making is in
OUT/given. The image is OUT/image: ext4, with a signature of each program, library and module in
security.ima, and SELinux's label of each file in security.selinux. The key is made for this image.
What is planted to be refused is in /verified/planted, with the same label.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

from tests.support.machine import ROOT, CannotRunError, fresh_folder, run
from tests.verified.policy import LABEL

HERE = ROOT / "tests/verified"
LIB = "usr/lib/x86_64-linux-gnu"
PACKAGES = "usr/lib/python3/dist-packages"
WARN = ("-std=gnu11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror", "-pthread")
SUBJECT = "[req]\ndistinguished_name=n\nprompt=no\nx509_extensions=x\n[n]\nCN={}\n[x]\n\
basicConstraints=critical,CA:FALSE\nkeyUsage=digitalSignature\nsubjectKeyIdentifier=hash\n"
NOT_NEEDED = ("usr/share/doc", "usr/share/locale", "usr/share/man", "var/cache", "var/lib/apt",
              "shared", ".old")  # fmt: skip


def key(out: Path, name: str) -> Path:
    """Make a key and its certificate; the key's path."""
    config = out / f"{name}.conf"
    config.write_text(SUBJECT.format(name), encoding="ascii")
    made = ["-keyout", str(out / f"{name}.pem"), "-out", str(out / f"{name}.der")]
    request = ("req", "-new", "-nodes", "-utf8", "-sha256", "-days", "3650", "-batch", "-x509")
    run("openssl", "openssl", *request, "-outform", "DER", "-newkey", "rsa:2048", "-config",
        str(config), *made)  # fmt: skip
    return out / f"{name}.pem"


def sign(path: Path, by: Path) -> None:
    run("evmctl", "evmctl", "ima_sign", "-a", "sha256", "--key", str(by), str(path))


def is_program(path: Path) -> bool:
    """Is it executed or mapped as code: ELF, or a script with the right to be executed?"""
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        begin = file.read(4)
    return begin == b"\x7fELF" or (begin[:2] == b"#!" and bool(path.stat().st_mode & 0o111))


def wants_executable_stack(path: Path) -> bool:
    """Would the kernel give it a stack that is writable and executable? It asks no policy then."""
    said = (
        run("readelf", "readelf", "-lW", str(path)) if path.read_bytes()[:4] == b"\x7fELF" else ""
    )
    return bool(re.search(r"GNU_STACK .* RWE ", said))


def build(out: Path) -> Path:
    """Make the library, the package and the programs; where they are."""
    made = out / "made"
    made.mkdir(exist_ok=True)
    for stamp in (".compiler", ".system"):
        (made / stamp).touch()
    run("make lib", "make", "-s", "-j2", f"BUILD={made}", "lib", "nested")
    run("setup.py", "python3", "setup.py", "-q", "build", "--build-base", str(out / "python-build"),
        "--build-lib", str(fresh_folder(made / "python")))  # fmt: skip
    programs = fresh_folder(made / "programs")

    def cc(name: str, source: str, *words: str) -> None:
        run("gcc", "gcc", *WARN, *words[:1], str(HERE / source), "-o", str(programs / name),
            *words[1:])  # fmt: skip

    for name in ("witness", "attacks", "lock", "victim"):
        cc(name, f"{name}.c", "-static")
    lib = made / "lib"
    cc("closures-libffi", "closures.c", "-O2", "-lffi")
    cc("closures", "closures.c", "-DOURS", f"-I{ROOT}/csrc/include", f"{lib}/libffi_static.so.0",
       "-lffi")  # fmt: skip
    cc("nested-stack", "nested.c", "-O2")
    cc("nested-libgcc", "nested.c", "-ftrampoline-impl=heap")
    cc("nested", "nested.c", "-ftrampoline-impl=heap", f"{lib}/libffi_static-nested.so.0")
    return made


def plant(planted: Path, by: Path, foreign: Path) -> None:
    """Make what must be refused."""
    planted.mkdir()
    for name in ("signed", "unsigned", "changed", "foreign"):
        shutil.copy(planted.parent / "victim", planted / name)
        shutil.copy(planted.parents[1] / LIB / "libffi_static.so.0", planted / f"{name}.so")
    shutil.copy(planted.parent / "trampfd.ko", planted / "unsigned.ko")
    shutil.copy(planted.parent / "nested-stack", planted / "executable-stack")
    for name in ("signed", "changed", "changed.so", "executable-stack"):
        sign(planted / name, by)
    sign(planted / "foreign", foreign)
    for name in ("changed", "changed.so"):
        with (planted / name).open("r+b") as file:
            file.seek(-1, os.SEEK_END)
            last = file.read(1)[0]
            file.seek(-1, os.SEEK_END)
            file.write(bytes([last ^ 1]))


def tree(out: Path, made: Path) -> Path:
    """Copy everything to where it lies in the guest."""
    top = out / "tree"
    shutil.rmtree(top, ignore_errors=True)
    run("cp", "cp", "-a", str(out / "root-guest"), str(top))
    for name in NOT_NEEDED:
        shutil.rmtree(top / name, ignore_errors=True)
    verified = top / "verified"
    shutil.copytree(made / "programs", verified)
    shutil.copytree(out / "given", verified, dirs_exist_ok=True)
    shutil.move(verified / "init", top / "init")
    (top / "jobs").touch()
    shutil.copy(HERE / "callbacks.py", verified)
    shutil.copy(HERE / "ima.policy", verified)
    for name in ("enforce", "together"):
        shutil.copy(HERE / f"{name}.sh", verified / name)
        (verified / name).chmod(0o755)
    for name in ("libffi_static.so.0", "libffi_static-nested.so.0"):
        shutil.copy(made / "lib" / name, top / LIB)
    shutil.copytree(made / "python", top / PACKAGES, dirs_exist_ok=True)
    return top


def label(top: Path) -> None:
    """Give each file the label; a link has one of its own."""
    for path in (top, *top.rglob("*")):
        os.setxattr(path, "security.selinux", LABEL.encode() + b"\0", follow_symlinks=False)


def main() -> int:
    out = Path(sys.argv[1]).resolve()
    try:
        by, foreign = key(out, "verified"), key(out, "foreign")
        top = tree(out, build(out))
        for name in ("verified.der", "foreign.der"):
            shutil.copy(out / name, top / "verified")
        found = [path for path in top.rglob("*") if is_program(path)]
        signed = [path for path in found if not wants_executable_stack(path)]
        for path in signed:
            sign(path, by)
        plant(top / "verified/planted", by, foreign)
        label(top)
        image = out / "image"
        image.unlink(missing_ok=True)
        run("mkfs.ext4", "mkfs.ext4", "-q", "-L", "verified", "-d", str(top), str(image), "400M")
    except (CannotRunError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    others = ", ".join(f"/{path.relative_to(top)}" for path in sorted(set(found) - set(signed)))
    print(f"The image: {len(signed)} programs, libraries and modules are signed; not: {others}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
