/* SPDX-License-Identifier: MIT */
/* stamp.c - the public functions that open and close a stamp; the list of those that are open
 *
 * Fails when: the numbers are no template's, or what is there is none (look.c); or memory is short.
 */
#include "include/ffi_static.h"

#include "arch.h"
#include "base/base.h"
#include "base/lock.h"
#include "stamp/stamp.h"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#define OPEN "ffi_static_stamp_open"
#define CLOSE "ffi_static_stamp_close"

fs_stamp *fs_stamps;

static uint64_t serials; /* under the lock */

/* --- a template's numbers --------------------------------------------------------------------- */

static int check_arguments(const struct ffi_static_template *what, unsigned flags, void *out)
{
    if (!what || !out)
        return fs_fail(-EINVAL, OPEN ": %s is NULL",
                       what ? "the room for the stamp" : "the description");
    if (flags & ~FFI_STATIC_STAMP_LANDING)
        return fs_fail(-EINVAL, OPEN ": unknown flags %#x; pass 0 or FFI_STATIC_STAMP_LANDING",
                       flags);
    if (!what->code)
        return fs_fail(-EINVAL, OPEN ": the template's address is NULL");
    if (!what->code_size || !what->data_size)
        return fs_fail(-EINVAL, OPEN ": the size of the %s is 0",
                       what->code_size ? "data" : "code");
    return 0;
}

/* Is a part of a copy, `at` bytes from its code, within what a copy may take? Then sums of both do
 * not overflow. */
static bool is_near(ptrdiff_t at, size_t size)
{
    const ptrdiff_t most = FFI_STATIC_STAMP_MAX;
    return size <= (size_t)most && at >= -most && at <= most - (ptrdiff_t)size;
}

static int check_places(const struct ffi_static_template *what, size_t page)
{
    if ((uintptr_t)what->code % page || what->code_size % page || (size_t)what->data_at % page)
        return fs_fail(-EINVAL,
                       OPEN ": the template at %p, its %zu bytes or the distance %td of its data "
                            "is not a multiple of the page, %zu bytes; align all to "
                            "FFI_STATIC_STAMP_ALIGN",
                       what->code, what->code_size, what->data_at, page);
    if (!is_near(0, what->code_size) || !is_near(what->data_at, what->data_size))
        return fs_fail(-E2BIG,
                       OPEN ": %zu bytes of code and %zu of data at distance %td are too large; a "
                            "copy reaches %u bytes to either side",
                       what->code_size, what->data_size, what->data_at, FFI_STATIC_STAMP_MAX);
    size_t data = (what->data_size + page - 1) / page * page;
    if (what->data_at < (ptrdiff_t)what->code_size && what->data_at > -(ptrdiff_t)data)
        return fs_fail(-EINVAL,
                       OPEN ": %zu bytes of data at distance %td lie on the %zu bytes of code",
                       data, what->data_at, what->code_size);
    if ((uintptr_t)what->code + what->code_size < (uintptr_t)what->code)
        return fs_fail(-EINVAL, OPEN ": the template at %p goes past the end of memory",
                       what->code);
    return 0;
}

static size_t power_of_two(size_t size)
{
    size_t n = 4096;
    while (n < size)
        n *= 2;
    return n;
}

/* --- stamps ----------------------------------------------------------------------------------- */

/* A page of any size. */
#define STAMP_ROOM 0x10000

static int add_stamp(const struct fs_template *of, fs_stamp **out)
{
    char answer[96];
    fs_stamp *s =
        mmap(NULL, STAMP_ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (s == MAP_FAILED) {
        int error = -errno;
        return fs_fail(error, OPEN ": mmap of %d KiB of memory: %s", STAMP_ROOM / 1024,
                       fs_errno_text(error, answer, sizeof answer));
    }
    s->of = *of;
    fs_lock();
    s->serial = ++serials;
    s->next = fs_stamps;
    fs_step();
    fs_stamps = s;
    fs_unlock();
    *out = s;
    return 0;
}

fs_stamp **fs_stamp_link(const fs_stamp *s)
{
    fs_stamp **at = &fs_stamps;
    while (*at && *at != s)
        at = &(*at)->next;
    return *at ? at : NULL;
}

int fs_stamp_not_open(const char *doing, const void *stamp)
{
    return fs_fail(-EINVAL, "%s: %p is not an open stamp (closed already?)", doing, stamp);
}

int ffi_static_stamp_open(const struct ffi_static_template *what, unsigned flags,
                          ffi_static_stamp **stamp)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    int error = check_arguments(what, flags, stamp), cancel;
    if (!error)
        error = check_places(what, page);
    if (error)
        return error;
    struct fs_template of = {
        .code = what->code,
        .code_size = what->code_size,
        .data_at = what->data_at,
        .data_size = (what->data_size + page - 1) / page * page,
        .align = power_of_two(what->code_size),
        .prot = flags & FFI_STATIC_STAMP_LANDING ? FS_PROT_CODE : PROT_READ | PROT_EXEC,
        .whose = "template",
    };
    struct fs_why why;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
    error = fs_stamp_look(&of, &why);
    if (error)
        error = fs_fail(error, OPEN ": the %zu bytes at %p are no template: %s", of.code_size,
                        what->code, why.text);
    else
        error = add_stamp(&of, stamp);
    pthread_setcancelstate(cancel, NULL);
    return error;
}

/* How many live copies a stamp has. Under the lock. */
static size_t copies_of(const fs_stamp *s)
{
    size_t n = 0;
    for (struct fs_stamped *c = NULL; (c = fs_stamped_next(c));)
        n += c->stamp == s;
    return n;
}

int ffi_static_stamp_close(ffi_static_stamp *stamp)
{
    if (!stamp)
        return 0;
    fs_lock();
    fs_stamp **at = fs_stamp_link(stamp);
    size_t copies = at ? copies_of(stamp) : 0;
    if (at && !copies) {
        *at = stamp->next;
        fs_step();
        munmap(stamp, STAMP_ROOM);
        if (!fs_stamps)
            fs_stamped_forget();
    }
    fs_unlock();
    if (!at)
        return fs_stamp_not_open(CLOSE, stamp);
    if (copies)
        return fs_fail(-EBUSY, CLOSE ": the stamp has %zu live copies; free them first", copies);
    return 0;
}

void fs_stamp_count(uint64_t *stamps, uint64_t *copies)
{
    *stamps = *copies = 0;
    fs_lock();
    for (fs_stamp *s = fs_stamps; s; s = s->next)
        ++*stamps;
    for (struct fs_stamped *c = NULL; (c = fs_stamped_next(c));)
        ++*copies;
    fs_unlock();
}
