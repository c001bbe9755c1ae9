/* SPDX-License-Identifier: MIT */
/* call.c - the slow ways into Python for a call of a closure
 *
 * Fails when: Python has ended or is ending in another thread, there is no memory for a thread
 * state, or the thread is at its very end.
 */
#include "dropin/call.h"

bool fs_call_keeps_states;

enum fs_call_way fs_call_enter_slowly(struct fs_call *c, PyThreadState **known, bool keep_state)
{
    if (fs_py_may_be_exiting() && !fs_py_may_run())
        return FS_CALL_NO_PYTHON;
    if (*known ? *known == fs_py_dead : keep_state) {
        if (!fs_py_keep_state())
            return FS_CALL_NO_PYTHON;
        *known = PyGILState_GetThisThreadState();
        c->fresh = true;
    }
    if (*known)
        return FS_CALL_ATTACH;
    if (!fs_py_enter_for_one_call(&c->once))
        return FS_CALL_NO_PYTHON;
    c->foreign = true;
    return FS_CALL_ENTERED;
}
