/* SPDX-License-Identifier: MIT */
/* nested.h - pointers to nested functions by hand: the calls that GCC 14 emits, for any compiler
 *
 * A frame that passes a nested function out has a struct with what the nested function uses (GCC
 * calls it FRAME) and a place for each pointer in it. `created` comes first, `deleted` last. The
 * nested function is target (shim.S): it finds the struct's address in the register of the ABI, and
 * adds the struct's number to its argument.
 */
#ifndef NESTED_H
#define NESTED_H

#include "harness.h"

void __gcc_nested_func_ptr_created(void *chain, void *func, void *dst);
void __gcc_nested_func_ptr_deleted(void);
void *_FortranATrampolineInit(void *scratch, const void *callee, const void *chain);
void *_FortranATrampolineAdjust(void *handle);
void _FortranATrampolineFree(void *handle);

void nested_target(void);      /* by GCC's register */
void nested_target_nest(void); /* by LLVM's, for flang */

struct frame {
    long number;
    void *pointer;
};

#define CREATED(frame)                                                                             \
    __gcc_nested_func_ptr_created(&(frame), (void *)(uintptr_t)nested_target, &(frame).pointer)
#define DELETED() __gcc_nested_func_ptr_deleted()

static inline long nested_call(void *pointer, long x)
{
    return ((long (*)(long))pointer)(x);
}

#define CHECK_FRAME(frame) CHECK_EQ(nested_call((frame).pointer, 1000), 1000 + (frame).number)

#ifdef __clang__
#define NOINLINE __attribute__((noinline))
#else
#define NOINLINE __attribute__((noinline, noclone))
#endif

/* How many different addresses there were: what is made again and again must not need ever more. */
struct nested_seen {
    size_t count;
    void *address[1 << 15];
};
void nested_see(struct nested_seen *seen, void *address);

/* Bytes of private memory that this process has (RssAnon). */
size_t nested_resident(void);

/* Run it in a thread with so large a stack. */
void nested_on_stack(size_t size, void *(*run)(void *), void *argument);

/* A context of makecontext(3) with a stack of its own. */
struct nested_coroutine;
struct nested_coroutine *nested_start(void (*run)(void *), void *argument, char *stack,
                                      size_t size);
/* Go on with it, until it yields or ends: false when it has ended. */
bool nested_go_on(struct nested_coroutine *c);
void nested_yield(void);

#endif /* NESTED_H */
