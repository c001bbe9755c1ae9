/* SPDX-License-Identifier: MIT */
/* error.c - the last failure's sentence, kept in the thread's record */
#include "base/error.h"
#include "base/thread.h"

#include <stdarg.h>
#include <stdio.h>

/* The text where a thread has no record to store one in. */
static const char no_memory[] = "ffi_static: out of memory (or of pthread keys), so the reason of "
                                "this thread's last failure could "
                                "not be stored";

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

int fs_refuse(struct fs_why *why, int error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why->text, sizeof why->text, format, args);
    va_end(args);
    return error;
}

const char *fs_error_text(void)
{
    const struct fs_thread *t = fs_thread_for_error(false);
    if (t)
        return t->error;
    return fs_thread_out_of_memory() ? no_memory : "";
}

/* What the system answers where trampolines are made. Not strerror_r() or %m: both translate, so
 * they may open files, allocate and lock, which is not allowed under fs_lock(). */
static const struct {
    int error;
    const char *text;
} answers[] = {
    {EPERM, "Operation not permitted"},
    {ENOENT, "No such file or directory"},
    {EINTR, "Interrupted system call"},
    {EIO, "Input/output error"},
    {ENXIO, "No such device or address"},
    {EBADF, "Bad file descriptor"},
    {EAGAIN, "Resource temporarily unavailable"},
    {ENOMEM, "Cannot allocate memory"},
    {EACCES, "Permission denied"},
    {EFAULT, "Bad address"},
    {EBUSY, "Device or resource busy"},
    {EEXIST, "File exists"},
    {ENODEV, "No such device"},
    {ENOTDIR, "Not a directory"},
    {EISDIR, "Is a directory"},
    {EINVAL, "Invalid argument"},
    {ENFILE, "Too many open files in system"},
    {EMFILE, "Too many open files"},
    {ENOTTY, "Inappropriate ioctl for device"},
    {ETXTBSY, "Text file busy"},
    {EFBIG, "File too large"},
    {ENOSPC, "No space left on device"},
    {EROFS, "Read-only file system"},
    {ENAMETOOLONG, "File name too long"},
    {ENOSYS, "Function not implemented"},
    {ELOOP, "Too many levels of symbolic links"},
    {EOVERFLOW, "Value too large for defined data type"},
    {EILSEQ, "Invalid or incomplete multibyte or wide character"},
    {EOPNOTSUPP, "Operation not supported"},
    {ENOBUFS, "No buffer space available"},
    {ETIMEDOUT, "Connection timed out"},
    {ESTALE, "Stale file handle"},
    {EDQUOT, "Disk quota exceeded"},
};

const char *fs_errno_text(int error, char *buffer, size_t size)
{
    int e = error < 0 ? -error : error;
    const char *text = "Error";
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++)
        if (answers[i].error == e)
            text = answers[i].text;
    snprintf(buffer, size, "%s (errno %d)", text, e);
    return buffer;
}
