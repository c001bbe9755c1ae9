/* SPDX-License-Identifier: MIT */
/* users.h - which objects of this process make closures with libffi's functions */
#ifndef FS_USERS_H
#define FS_USERS_H

#include "py/compat.h"

/* Python's dropin_users(), dropin_object() and dropin_exec_dynamic(). */
extern FS_HIDDEN PyMethodDef fs_dropin_users_functions[];

#endif
