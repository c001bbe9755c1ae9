/* SPDX-License-Identifier: MIT */
/* resident.c - provider: the 256 trampolines in the library's own text
 *
 * Nothing to map, so nothing that can be refused: the first closures of a process cost no system
 * call and work under any policy, any limit, and with no /proc. Fails only by being full.
 */
#include "tramp/provider.h"

const struct fs_provider fs_provider_resident = {
    .name = "resident",
    .about = "256 trampolines in the library's own text with slots in its .bss: no system call",
    .own_only = "these trampolines are part of the library, and copies of nothing",
    .map = NULL,
};
