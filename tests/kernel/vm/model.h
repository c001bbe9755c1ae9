/* SPDX-License-Identifier: MIT */
/* model.h - what the kernel may answer to a struct trampfd_create, from the header's words alone
 *
 * The header has an order for what is wrong with the fields themselves, so of these one errno is
 * right. What is wrong with what they point at (arrays, code) may be found in any order:
 * each cause that is there is a right answer, and when there is none, only success is.
 */
#ifndef MODEL_H
#define MODEL_H

#include "selftests/table.h"

/* One kind of memory in this process, as a target of a trampoline. */
struct region {
    uint64_t start, end;
    int as_code; /* 0: may be a target; else the errno */
    bool readable;
    bool odd; /* the kernel's own pages: who can read them, and how far, is not for us to say */
};
#define REGIONS 256
extern struct region regions[REGIONS];
extern unsigned region_count;

/* Read /proc/self/maps. Private executable mappings of files are targets, but for those that
 * start at one of the `n` addresses of `copied`. */
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

/* For a struct of which all bytes are in `arg`; its size field and tail have been judged before. */
struct answers model_create(const struct trampfd_create *arg, const struct trampfd_info *info);

#endif /* MODEL_H */
