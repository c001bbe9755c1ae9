/* SPDX-License-Identifier: MIT */
/* into_memory.h - s390x: call what returns a struct in memory, with that memory (r2) */
#ifndef INTO_MEMORY_H
#define INTO_MEMORY_H

/* The address is a hidden first argument; the others are whatever the registers hold. */
static inline void into_memory(void *code, void *room)
{
    ((void (*)(void *))code)(room);
}

/* All aggregates, and a long double. */
#define COMES_IN_MEMORY(of)                                                                        \
    ((of)->type == FFI_TYPE_STRUCT || (of)->type == FFI_TYPE_COMPLEX ||                            \
     (of)->type == FFI_TYPE_LONGDOUBLE)

#endif
