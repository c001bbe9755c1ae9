/* SPDX-License-Identifier: MIT */
/* into_memory.h - AArch64: call what returns a struct in memory, with that memory (x8) */
#ifndef INTO_MEMORY_H
#define INTO_MEMORY_H

/* The arguments are whatever the registers and the stack hold. */
static inline void into_memory(void *code, void *room)
{
    register void *x8 __asm__("x8") = room;
    register void *x16 __asm__("x16") = code;
    __asm__ volatile("blr x16"
                     : "+r"(x8), "+r"(x16)
                     :
                     : "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x9", "x10", "x11", "x12",
                       "x13", "x14", "x15", "x17", "x18", "x30", "v0", "v1", "v2", "v3", "v4", "v5",
                       "v6", "v7", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24",
                       "v25", "v26", "v27", "v28", "v29", "v30", "v31", "cc", "memory");
}

#endif
