/* SPDX-License-Identifier: MIT */
/* run.c - the slow path of a call that is still planned: long signatures, in C
 *
 * Runs on the frame of fs_entry_long (arch.h draws it). Uses stack in proportion to the number
 * of arguments, as the caller did.
 */
#include "plan/plan.h"
#include "plan/long.h"

#include "arch.h"
#include "arch/abi.h"

#include <string.h>

/* The usual sizes as constants, so that the compiler needs no call for them. */
static inline void copy_piece(char *to, const char *from, size_t size)
{
    if (size == 8)
        memcpy(to, from, 8);
    else if (size == 4)
        memcpy(to, from, 4);
    else
        memcpy(to, from, size);
}

static void gather(struct fs_long *p, const char *base, char *scratch)
{
    const struct fs_long_piece *piece = fs_long_pieces(p);
    for (uint32_t k = 0; k < p->pieces; k++)
        copy_piece(scratch + piece[k].to, base + piece[k].from, piece[k].size);
}

static void find_arguments(struct fs_long *p, char *base, char *scratch, void **args)
{
    for (uint32_t i = 0; i < p->nargs; i++) {
        uint32_t at = p->word[i];
        args[i] = at & FS_IN_SCRATCH ? scratch + (at - FS_IN_SCRATCH) : base + at;
    }
    const uint32_t *reference = fs_long_references(p);
    for (uint32_t k = 0; k < p->references; k++)
        memcpy(&args[reference[k]], args[reference[k]], sizeof *args);
}

int fs_plan_run(const struct fs_slot *slot, struct fs_frame *frame)
{
    struct fs_long *p = slot->body.spill;
    ffi_static_handler handler = (ffi_static_handler)slot->handler;
    char *base = (char *)frame;
    int tail = p->tail; /* the handler may free the closure, and the plan with it */
    void *args[p->nargs ? p->nargs : 1];
    char scratch[p->scratch ? p->scratch : 1] __attribute__((aligned(FS_GATHERED_ALIGN)));

    gather(p, base, scratch);
    find_arguments(p, base, scratch, args);
    void *result = base + FS_FRAME_RET;
    if (tail < 0) { /* the caller's memory, whose address the entry returns */
        memcpy(&result, base + FS_FRAME_SRET, sizeof result);
        memcpy(base + FS_FRAME_RET, &result, sizeof result);
    } else { /* a handler that writes nothing returns zero */
        memset(result, 0, FS_FRAME_RET_SIZE);
    }
    handler(slot->cif, result, args, slot->user_data);
    return tail;
}
