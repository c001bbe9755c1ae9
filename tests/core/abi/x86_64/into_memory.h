/* SPDX-License-Identifier: MIT */
/* into_memory.h - x86-64: call what returns a struct in memory, with that memory (rdi, back in rax)
 */
#ifndef INTO_MEMORY_H
#define INTO_MEMORY_H

static inline void into_memory(void *code, void *room)
{
    void *back =
        ((void *(*)(void *, long, long, long, long, long, long))code)(room, 1, 1, 1, 1, 1, 1);
    CHECK(back == room);
}

#endif
