/* SPDX-License-Identifier: MIT */
/* into_memory.h - ARM: call what returns a struct in memory, with that memory (r0, back in r0) */
#ifndef INTO_MEMORY_H
#define INTO_MEMORY_H

/* What is larger than a word, as all are that are asked about. With VFP: what has a long in it, and
 * so is not homogeneous. */
static inline bool comes_in_memory(const ffi_type *t)
{
#ifdef __ARM_PCS_VFP
    bool memory = false;
#else
    bool memory = t->type == FFI_TYPE_STRUCT || t->type == FFI_TYPE_COMPLEX;
#endif
    for (ffi_type **e = t->elements; t->type == FFI_TYPE_STRUCT && *e; e++)
        memory |= (*e)->type != FFI_TYPE_DOUBLE;
    return memory;
}
#define COMES_IN_MEMORY comes_in_memory

static inline void into_memory(void *code, void *room)
{
    void *back =
        ((void *(*)(void *, long, long, long, long, long, long))code)(room, 1, 1, 1, 1, 1, 1);
    CHECK(back == room);
}

#endif
