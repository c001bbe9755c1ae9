/* SPDX-License-Identifier: MIT */
/* into_memory.h - i386: call what returns a struct in memory, with that memory, which is popped */
#ifndef INTO_MEMORY_H
#define INTO_MEMORY_H

static inline bool comes_in_memory(const ffi_type *t)
{
    return t->type == FFI_TYPE_STRUCT ||
           (t->type == FFI_TYPE_COMPLEX && t->elements[0]->type != FFI_TYPE_FLOAT);
}
#define COMES_IN_MEMORY comes_in_memory

typedef struct {
    long a, b, c;
} into_memory_struct;

/* A compiled caller, which knows of the pop, and copies from memory of its own. */
static inline void into_memory(void *code, void *room)
{
    struct filled {
        into_memory_struct before;
    };
    __asm__ volatile("movl %%esp, %%esi\n"
                     "andl $-16, %%esp\n"
                     "subl $4, %%esp\n"
                     "pushl $1\npushl $1\npushl $1\npushl $1\npushl $1\npushl $1\n"
                     "pushl %1\n"
                     "call *%0\n"
                     "movl %%esi, %%esp\n"
                     :
                     : "b"(code), "D"(room)
                     : "eax", "ecx", "edx", "esi", "cc", "memory");
}

#endif
