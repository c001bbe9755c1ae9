/* SPDX-License-Identifier: MIT */
/* into_memory.h - RISC-V and LoongArch: call what returns a struct in memory, with that memory (a0,
 * and back in a0) */
#ifndef INTO_MEMORY_H
#define INTO_MEMORY_H

static inline void into_memory(void *code, void *room)
{
    void *back = ((void *(*)(void *, long, long, long, long, long, long, long))code)(room, 1, 1, 1,
                                                                                     1, 1, 1, 1);
    CHECK(back == room);
}

/* Of the results that are asked about, two long doubles; libffi may not have laid them out yet. */
#define COMES_IN_MEMORY(of)                                                                        \
    ((of)->elements && (of)->elements[0] == &ffi_type_longdouble && (of)->elements[1])

#endif
