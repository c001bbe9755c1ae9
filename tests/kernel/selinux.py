# SPDX-License-Identifier: MIT
"""selinux - does a table need execmem under SELinux? (it must not)

``python -m tests.kernel.selinux [KERNEL]`` boots 6.1 (default), 6.12 or newest, x86-64, in an
emulated machine, where selinux.c asks. The policy is the one that the kernel's own
scripts/selinux/mdp makes, which allows everything, less execmem and with a type for the files of
the module's file system. tests/peers/selinux.py makes another of it.

Exit status: 0 when all was as it should be, 1 when something was refused that must not be, or the
reverse, 2 when a guest could not be made.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.support.machine import (
    MACHINES,
    ROOT,
    CannotRunError,
    Job,
    boot,
    debian_kernel,
    fresh_folder,
    need,
    pack,
    run,
    write_jobs,
)

KMOD = ROOT / "build" / "kmod"
ALLOWED = "allow base_t base_t:{} *;"
#: What is more for the kernel's command line.
APPEND = "no_timer_check security=selinux selinux=1"
CHECKPOLICY = "checkpolicy|checkpolicy|compiles the policies"


def base_policy() -> str:
    """Give the policy that allows everything, made by a program of Debian's kernel source."""
    mdp = KMOD / "mdp"
    if not (mdp / "mdp").exists():
        packages = ("sh", "csrc/kernel/packages.sh", "source", "6.1")
        folder = run("getting the kernel's source", *packages).split()[-2]
        (source,) = Path(folder, "usr/src").glob("linux-source-*.tar.xz")
        fresh_folder(mdp)
        wanted = ("scripts/selinux/mdp/mdp.c", "security/selinux/include/*", "include/uapi/*")
        patterns = [f"*/{path}" for path in (*wanted, "include/linux/*")]
        tar = ["tar", "-xf", str(source), "-C", str(mdp), "--strip-components=1", "--wildcards"]
        run("unpacking mdp", *tar, *patterns)
        (mdp / "include/generated").mkdir()
        (mdp / "include/generated/autoconf.h").touch()
        include = ("include/uapi", "include", "security/selinux/include")
        flags = [f"-I{mdp / path}" for path in include]
        gcc = ["gcc", "-w", *flags, str(mdp / "scripts/selinux/mdp/mdp.c"), "-o", str(mdp / "mdp")]
        run("compiling mdp", *gcc)
    run("mdp", str(mdp / "mdp"), "policy.conf", "file_contexts", cwd=mdp)
    return (mdp / "policy.conf").read_text(encoding="ascii")


def refuse(policy: str, kind: str, rights: str) -> str:
    """Take rights of base_t on a kind of object out of a policy."""
    rule = ALLOWED.format(kind)
    if rule not in policy:
        raise CannotRunError(f"the kernel's mdp makes no policy with the line {rule}")
    return policy.replace(rule, f"allow base_t base_t:{kind} ~{{ {rights} }};", 1)


def compile_policy(policy: str, packed: Path) -> None:
    """Compile a policy into a file of the guest."""
    text = packed.with_name(f"{packed.name}.conf")
    text.write_text(policy, encoding="ascii")
    run("checkpolicy", "checkpolicy", "-c", "33", "-o", str(packed), str(text))
    text.unlink()


def for_tables(policy: str, rights: str) -> str:
    """Give the policy without execmem, with rights to the files that tables are mappings of."""
    policy = refuse(policy, "process", "execmem")
    policy = policy.replace("\ntype base_t", "\ntype trampfd_t;\ntype base_t", 1)
    rule = ALLOWED.format("file")
    policy = policy.replace(rule, f"{rule}\nallow base_t trampfd_t:file {{ {rights} }};", 1)
    return f"{policy}genfscon trampfd / user_u:object_r:trampfd_t\n"


def guest(kernel: str, out: Path) -> bool:
    """Boot; True when all was as it should be."""
    run("make kmod", "make", "-s", "kmod", f"KERNEL={kernel}", "ARCH=x86_64")
    run("make vm-programs", "make", "-s", "vm-programs-x86_64")
    top = fresh_folder(out / "root")
    policy = base_policy()
    compile_policy(for_tables(policy, "read map getattr execute"), top / "execute.policy")
    compile_policy(for_tables(policy, "read map getattr"), top / "nothing.policy")
    gcc = ["gcc", "-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-O1", "-static"]
    gcc += [f"-I{ROOT / 'csrc/kernel/include/uapi'}", str(ROOT / "tests/kernel/selinux.c")]
    run("the compiler", *gcc, "-o", str(top / "selinux"))
    for path in (KMOD / f"{kernel}-x86_64/trampfd.ko", ROOT / "build/vm/bin/x86_64/init"):
        run("cp", "cp", str(path), str(top))
    jobs = [Job("insmod /trampfd.ko", 60), Job("/selinux", 180)]
    write_jobs(jobs, top)
    packed = pack(top, out / "initramfs.gz")
    image, _ = debian_kernel(kernel, "x86_64")
    machine, log = MACHINES["x86_64"], out / "log"
    outcome = boot(machine, image, packed, jobs, log=log, label="selinux", append=APPEND)
    good = outcome.done and not outcome.splats and all(job.status == 0 for job in jobs)
    if not good:
        print(*jobs[-1].output, *outcome.splats, sep="\n")
        print(f"selinux: not as it should be; the guest's log is {log}", file=sys.stderr)
    return good


def main() -> int:
    kernel = sys.argv[1] if len(sys.argv) > 1 else "6.1"
    try:
        need(MACHINES["x86_64"], CHECKPOLICY)
        if not guest(kernel, KMOD / f"selinux-{kernel}"):
            return 1
    except (CannotRunError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    print(f"Under SELinux without execmem ({kernel}): anonymous memory is refused, tables work")
    return 0


if __name__ == "__main__":
    sys.exit(main())
