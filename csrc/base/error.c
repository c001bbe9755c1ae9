/* SPDX-License-Identifier: MIT */
/* error.c - the last failure's sentence, kept in the thread's record */
#include "base/error.h"
#include "base/thread.h"

#include <stdarg.h>
#include <stdio.h>

/* When not even a thread record can be had: the one failure whose text is known beforehand. */
static const char no_memory[] =
    "ffi_static: this thread has no record to keep the reason in, for want of memory or of a free "
    "pthread key; what was asked for was refused, or done more slowly";

static void remember(struct fs_thread *t, const char *format, va_list args)
{
    if (t)
        vsnprintf(t->error, sizeof t->error, format, args);
}

int fs_fail(int error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    remember(fs_thread_for_error(true), format, args);
    va_end(args);
    return error;
}

int fs_fail_locked(int error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    remember(fs_thread_for_error(false), format, args);
    va_end(args);
    return error;
}

const char *fs_error_text(void)
{
    const struct fs_thread *t = fs_thread_for_error(false);
    if (t)
        return t->error;
    return fs_thread_short() ? no_memory : "";
}

const char *fs_errno_text(int error, char *buffer, size_t size)
{
    int e = error < 0 ? -error : error;
    /* Not strerror_r(): glibc's and musl's differ under _GNU_SOURCE. Both know %m, which reads
     * errno; the caller's is left as it was. */
    int kept = errno;
    errno = e;
    snprintf(buffer, size, "%m (errno %d)", e);
    errno = kept;
    return buffer;
}
