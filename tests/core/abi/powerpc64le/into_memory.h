/* SPDX-License-Identifier: MIT */
/* into_memory.h - ELFv2: call what returns a struct in memory, with that memory (r3, in and out) */
#ifndef INTO_MEMORY_H
#define INTO_MEMORY_H

/* The address is a hidden first argument; the others are on the stack as well. */
static inline void into_memory(void *code, void *room)
{
    void *back = ((void *(*)(void *, long, long, long, long, long, long, long, long))code)(
        room, 1, 1, 1, 1, 1, 1, 1, 1);
    CHECK(back == room);
}

#endif
