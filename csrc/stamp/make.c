/* SPDX-License-Identifier: MIT */
/* make.c - the public functions that make, find and free copies of a stamp's template
 *
 * Copies are made without the lock, because a provider may wait for a file system. A copy is added
 * only if its stamp is still the one that was asked for.
 *
 * Fails when: every provider does; the stamp was closed meanwhile; or memory is short.
 */
#include "include/ffi_static.h"

#include "base/base.h"
#include "base/lock.h"
#include "stamp/stamp.h"
#include "tramp/copy.h"

#include <pthread.h>
#include <sys/mman.h>

#define COPY "ffi_static_stamp_copy"
#define FREE "ffi_static_stamp_free"
#define QUERY "ffi_static_stamp_query"

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
    fs_stamp **at = fs_stamp_link(stamp);
    bool is_same = at && (*at)->serial == w->serial;
    int error = is_same ? fs_stamped_add(w->made) : -EINVAL;
    fs_unlock();
    if (!error)
        return 0;
    (void)fs_copy_release(w->made.provider, &w->of, (char *)w->made.code);
    if (!is_same)
        return fs_stamp_not_open(COPY, stamp);
    return fs_fail(error, COPY ": no memory for the table of copies (is RLIMIT_AS, RLIMIT_DATA or "
                               "vm.max_map_count reached?)");
}

static int make_copy(fs_stamp *stamp, struct wish *w)
{
    fs_lock();
    fs_stamp **at = fs_stamp_link(stamp);
    if (at) {
        w->of = stamp->of;
        w->serial = stamp->serial;
        w->made.stamp = stamp;
    }
    fs_unlock();
    if (!at)
        return fs_stamp_not_open(COPY, stamp);
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
