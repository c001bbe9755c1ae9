/* SPDX-License-Identifier: MIT */
/* model.h - what the kernel may answer to a struct trampfd_create, from the header's text alone
 *
 * The header orders the errors of the fields themselves, so exactly one errno is right for them.
 * Errors in the memory to which fields point (arrays, code) may be found in any order: the errno of
 * each such error is a right answer. If there is no error, only success is right.
 */
#ifndef MODEL_H
#define MODEL_H

#include "selftests/table.h"

/* One kind of memory in this process, as a target of a trampoline. */
struct region {
    uint64_t start, end;
    int as_code; /* 0: may be a target; else the errno */
    bool readable;
    bool odd; /* the kernel's own pages: how far they can be read is not known */
};
#define REGIONS 256
extern struct region regions[REGIONS];
extern unsigned region_count;

/* Read /proc/self/maps. Private executable mappings of files are targets, except those that start
 * at one of the `n` addresses of `copied`. */
void model_read_maps(const uint64_t *copied, unsigned n);
const struct region *region_of(uint64_t address);

/* A set of errnos. */
struct answers {
    bool may_succeed;
    unsigned n;
    int errors[16];
};
bool answers_have(const struct answers *answers, int error);

/* Whether arrays, if there are any, are in memory that the model understands. */
bool model_knows(const struct trampfd_create *arg);

/* For a struct whose bytes are all in `arg`. Its size field and tail have been judged before. */
struct answers model_create(const struct trampfd_create *arg, const struct trampfd_info *info);

#endif /* MODEL_H */
