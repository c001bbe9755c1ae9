# SPDX-License-Identifier: MIT
"""policy - SELinux's policy of the guest: nothing is executed but files of the verified image.

tests/kernel/selinux.py makes the policy that allows everything. Taken away is what makes memory
executable, and the right to execute any file but those of two types: verified_t, which the files
of the image have as labels and nobody can give or write to, and trampfd_t, the module's tables.
"""

from __future__ import annotations

from tests.kernel import selinux

LABEL = "user_u:object_r:verified_t"
#: Rights that are taken away, of each kind of object.
REFUSED = {
    "process": "execmem execstack execheap ptrace",
    "file": "execute execute_no_trans entrypoint execmod",
    "chr_file": "execute execmod",
    "blk_file": "execute execmod",
    "fifo_file": "execute execmod",
    "security": "load_policy setenforce setbool setsecparam",
}
#: Rights to the image and to tables. No right to write, to relabel, or to make such a file.
ALLOWED = """
allow base_t verified_t:file { read getattr open map ioctl lock };
allow base_t verified_t:file { execute execute_no_trans entrypoint };
allow base_t verified_t:dir { read getattr open search mounton };
allow base_t verified_t:lnk_file { read getattr };
allow base_t verified_t:system module_load;
allow base_t trampfd_t:file { read getattr map execute };
"""
#: Where labels come from: of the image from itself, of memory files from who makes them.
FILE_SYSTEMS = """
fs_use_xattr ext4 user_u:object_r:base_t;
fs_use_trans tmpfs user_u:object_r:base_t;
"""


def text() -> str:
    """Give the policy as checkpolicy reads it."""
    policy = selinux.base_policy()
    for kind, rights in REFUSED.items():
        policy = selinux.refuse(policy, kind, rights)
    policy = policy.replace("\ntype base_t", "\ntype verified_t;\ntype trampfd_t;\ntype base_t", 1)
    rule = "allow base_t base_t:file"
    policy = policy.replace(rule, f"{ALLOWED.lstrip()}{rule}", 1)
    at = policy.index("genfscon ")
    policy = policy[:at] + FILE_SYSTEMS + policy[at:]
    return f"{policy}genfscon trampfd / user_u:object_r:trampfd_t\n"
