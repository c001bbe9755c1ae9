/* SPDX-License-Identifier: MIT */
/* run.c - the slow path of a call that is still planned: long signatures, in C
 *
 * Runs on the frame of fs_entry_long (arch.h draws it). Uses stack in proportion to the number
 * of arguments, as the caller did.
 */
#include "plan/plan.h"
#include "plan/long.h"

#include "arch.h"

#include <string.h>

int fs_plan_run(const struct fs_slot *slot, struct fs_frame *frame)
{
    const struct fs_long *p = slot->body.spill;
    ffi_static_handler handler = (ffi_static_handler)slot->handler;
    char *base = (char *)frame;
    int tail = p->tail; /* the handler may free the closure, and the plan with it */
    void *args[p->nargs ? p->nargs : 1];

    for (unsigned k = 0; k < p->gather; k++)
        memcpy(base + FS_FRAME_SCRATCH + 8 * k, base + 8 * (size_t)p->word[p->nargs + k], 8);
    for (unsigned i = 0; i < p->nargs; i++)
        args[i] = base + 8 * (size_t)p->word[i];
    void *result = base + FS_FRAME_RET;
    if (tail < 0) { /* the caller's memory, whose address the entry returns */
        memcpy(&result, base + FS_FRAME_GPR, sizeof result);
        memcpy(base + FS_FRAME_RET, &result, sizeof result);
    } else { /* a handler that writes nothing returns zero */
        memset(result, 0, FS_FRAME_RET_SIZE);
    }
    handler(slot->cif, result, args, slot->user_data);
    return tail;
}
