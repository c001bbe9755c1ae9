/* SPDX-License-Identifier: MIT */
/* stamp.c - the public functions: open a stamp, make copies, find, free and close
 *
 * Copies are made without the lock, because a provider may wait for a file system. A copy is added
 * only if its stamp is still the one that was asked for.
 */
#include "include/ffi_static.h"

#include "arch.h"
#include "base/base.h"
#include "base/lock.h"
#include "stamp/stamp.h"
#include "tramp/copy.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define OPEN "ffi_static_stamp_open"
#define COPY "ffi_static_stamp_copy"
#define FREE "ffi_static_stamp_free"
#define QUERY "ffi_static_stamp_query"
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

/* The link that leads to a stamp, NULL when it is not open. Under the lock. */
static fs_stamp **link_to(const fs_stamp *s)
{
    fs_stamp **at = &fs_stamps;
    while (*at && *at != s)
        at = &(*at)->next;
    return *at ? at : NULL;
}

static int not_open(const char *doing, const void *stamp)
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
    fs_stamp **at = link_to(stamp);
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
        return not_open(CLOSE, stamp);
    if (copies)
        return fs_fail(-EBUSY, CLOSE ": the stamp has %zu live copies; free them first", copies);
    return 0;
}

/* --- copies ----------------------------------------------------------------------------------- */

struct wish {
    struct fs_template of;
    uint64_t serial;
    struct fs_stamped made;
};

static int copy_from(const struct fs_provider *p, void *data, struct fs_why *why)
{
    struct wish *w = data;
    char *code;
    if (p->own_only)
        return fs_refuse(why, -ENOTSUP, "%s", p->own_only);
    int error = fs_copy_make(p, &w->of, NULL, &code, why);
    if (error)
        return error;
    w->made.code = (uintptr_t)code;
    w->made.provider = p;
    return 0;
}

/* Is the template still there at all? A library that was unloaded took it along. */
static int check_presence(const struct fs_template *of)
{
    unsigned char vec[64];
    const size_t most = sizeof vec * 4096; /* bytes that `vec` is enough for */
    for (size_t at = 0; at < of->code_size; at += most) {
        size_t size = of->code_size - at < most ? of->code_size - at : most;
        if (mincore((void *)(uintptr_t)(of->code + at), size, vec) != 0 && errno == ENOMEM)
            return fs_fail(-ESTALE,
                           COPY ": nothing is mapped at the template's %p any more; its library "
                                "must stay loaded until the stamp is closed",
                           (const void *)of->code);
    }
    return 0;
}

/* Is the stamp still open, and the same? Then the copy is its. */
static int add_copy(const struct wish *w, const fs_stamp *stamp)
{
    fs_lock();
    fs_stamp **at = link_to(stamp);
    bool is_same = at && (*at)->serial == w->serial;
    int error = is_same ? fs_stamped_add(w->made) : -EINVAL;
    fs_unlock();
    if (!error)
        return 0;
    (void)fs_copy_release(w->made.provider, &w->of, (char *)w->made.code);
    if (!is_same)
        return not_open(COPY, stamp);
    return fs_fail(error, COPY ": no memory for the table of copies (is RLIMIT_AS, RLIMIT_DATA or "
                               "vm.max_map_count reached?)");
}

static int make_copy(fs_stamp *stamp, struct wish *w)
{
    fs_lock();
    fs_stamp **at = link_to(stamp);
    if (at) {
        w->of = stamp->of;
        w->serial = stamp->serial;
        w->made.stamp = stamp;
    }
    fs_unlock();
    if (!at)
        return not_open(COPY, stamp);
    int error = check_presence(&w->of);
    if (!error)
        error = fs_provider_ask(copy_from, w, COPY ": no provider can copy the template");
    return error ? error : add_copy(w, stamp);
}

int ffi_static_stamp_copy(ffi_static_stamp *stamp, void **code)
{
    struct wish w;
    int cancel;
    if (!stamp || !code)
        return fs_fail(-EINVAL, COPY ": %s is NULL",
                       stamp ? "the room for the address" : "the stamp");
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
    int error = make_copy(stamp, &w);
    pthread_setcancelstate(cancel, NULL);
    if (!error)
        *code = (void *)w.made.code;
    return error;
}

/* The copy in whose code `address` lies. Each stamp's copies lie at multiples of a power of two
 * that is not less than their size. Under the lock. */
static struct fs_stamped *holding(uintptr_t address)
{
    for (fs_stamp *s = fs_stamps; s; s = s->next) {
        uintptr_t code = address & ~((uintptr_t)s->of.align - 1);
        struct fs_stamped *c = fs_stamped_find(code);
        if (c && c->stamp == s && address - code < s->of.code_size)
            return c;
    }
    return NULL;
}

int ffi_static_stamp_query(const void *address, struct ffi_static_copy *copy)
{
    if (!copy)
        return fs_fail(-EINVAL, QUERY ": the room for the answer is NULL");
    fs_lock();
    const struct fs_stamped *c = holding((uintptr_t)address);
    struct ffi_static_copy found = {0};
    if (c)
        found = (struct ffi_static_copy){
            .stamp = c->stamp,
            .code = (void *)c->code,
            .data = (char *)c->code + c->stamp->of.data_at,
            .provider = c->provider->name,
        };
    fs_unlock();
    if (!found.code)
        return fs_fail(-EINVAL, QUERY ": %p is not in the code of a live copy", address);
    *copy = found;
    return 0;
}

/* Out of the table first: a child that is forked in between must not unmap what is not there. */
static int free_copy(struct fs_stamped *c)
{
    uintptr_t code = c->code;
    fs_stamped_remove(c);
    fs_step();
    int error = fs_copy_release(c->provider, &c->stamp->of, (char *)code);
    if (error)
        fs_stamped_put_back(c, code);
    return error;
}

int ffi_static_stamp_free(void *code)
{
    char answer[96];
    if (!code)
        return 0;
    fs_lock();
    struct fs_stamped *c = fs_stamped_find((uintptr_t)code);
    int error = c ? free_copy(c) : -EINVAL;
    const struct fs_stamped *around = c ? NULL : holding((uintptr_t)code);
    void *start = around ? (void *)around->code : NULL;
    fs_unlock();
    if (error && c)
        return fs_fail(error, FREE ": munmap of the copy at %p: %s; the copy stays", code,
                       fs_errno_text(error, answer, sizeof answer));
    if (start)
        return fs_fail(error, FREE ": %p is inside of the copy at %p; pass its first byte", code,
                       start);
    if (error)
        return fs_fail(error, FREE ": %p is not a live copy (freed already, or not from here?)",
                       code);
    return 0;
}

/* --- for query.c ------------------------------------------------------------------------------ */

int fs_stamp_check(void)
{
    const char *name = NULL;
    uintptr_t code = 0;
    fs_lock();
    for (struct fs_stamped *c = NULL; (c = fs_stamped_next(c)) && !name;)
        if (!fs_copy_is_intact(c->provider, &c->stamp->of, (const char *)c->code)) {
            name = c->provider->name;
            code = c->code;
        }
    fs_unlock();
    if (!name)
        return 0;
    return fs_fail(-EUCLEAN, "copy of provider %s at %p: the code is not the template's", name,
                   (void *)code);
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
