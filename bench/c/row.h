/* SPDX-License-Identifier: MIT */
/* row.h - one row of the table of calls: a signature and everything needed to measure it
 *
 * A row has its signature text, the handler that every library runs, the hand-written callback
 * (what a C programmer would write: it builds args[] and calls the same handler through the same
 * kind of record), the direct function, the C caller's loop, and a check with known answers.
 * To add one: write its block in a rows_*.c, end it with ROW(), and name it in rows.c.
 *
 * The calls of a loop do not depend on each other's results. A chain of dependent calls would
 * measure the latency of additions besides the rivals.
 */
#ifndef BENCH_ROW_H
#define BENCH_ROW_H

#include "rival.h"

struct row {
    const char *id;        /* for --row and JSON */
    const char *name;      /* for people */
    const char *signature; /* for signature_prepare() */
    handler_fn *handler;
    void *hand;
    void *direct;
    long (*call)(void *code, long n); /* makes n calls or a few more; returns how many */
    bool (*check)(void *code);        /* true when the answers are right */
};

extern const struct row *const rows[]; /* ends with NULL */

/* What a closure is to a library: the handler, its cif and its data, behind a pointer. */
struct bound {
    handler_fn *handler;
    ffi_cif *cif;
    void *user;
};
extern ffi_cif hand_cif;

/* Call a row's handler from its hand-written callback. The empty asm hides where `b_` points,
 * so that the compiler cannot inline the handler: a library could not either. */
#define CALL_HANDLER(function, ret, args)                                                          \
    do {                                                                                           \
        static struct bound bound_ = {function, &hand_cif, NULL};                                  \
        struct bound *b_ = &bound_;                                                                \
        __asm__("" : "+r"(b_));                                                                    \
        b_->handler(b_->cif, (ret), (args), b_->user);                                             \
    } while (0)

/* A hand-written callback: `room` is what libffi's interface has for a result of `type`, and behind
 * the parameters are their addresses. */
#define HAND(id, type, room, parameters, ...)                                                      \
    static type id##_hand parameters                                                               \
    {                                                                                              \
        room ret;                                                                                  \
        void *args[] = {__VA_ARGS__};                                                              \
        CALL_HANDLER(id##_handler, &ret, args);                                                    \
        return ret;                                                                                \
    }

#define HANDLER(id)                                                                                \
    static void id##_handler(                                                                      \
        ffi_cif *cif __attribute__((unused)), void *ret __attribute__((unused)),                   \
        void **args __attribute__((unused)), void *user __attribute__((unused)))

/* The i-th argument, inside a handler. */
#define ARG(type, i) (*(type *)args[i])

/* The caller: `body` runs n times; it may use `fn`, the number `i` and the variable `sum`. */
#define CALLER(id, fntype, sumtype, body)                                                          \
    static long id##_call(void *code, long n)                                                      \
    {                                                                                              \
        fntype *fn = (fntype *)code;                                                               \
        sumtype sum = 0;                                                                           \
        for (long i = n; i > 0; i--) {                                                             \
            body;                                                                                  \
        }                                                                                          \
        sumtype result = sum; /* a copy, so that the sum itself stays in a register */             \
        __asm__ volatile("" : : "m"(result));                                                      \
        return n;                                                                                  \
    }

#define ROW(id, name, signature)                                                                   \
    const struct row row_##id = {                                                                  \
        #id,       name,      signature, id##_handler, (void *)id##_hand, (void *)id##_direct,     \
        id##_call, id##_check}

#endif
