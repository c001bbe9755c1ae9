/* SPDX-License-Identifier: MIT */
/* provider.c - the list of providers, their order and its override */
#include "tramp/provider.h"

#include "arch.h"
#include "base/error.h"
#include "base/lock.h"
#include "base/thread.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct fs_provider *const fs_providers[] = {
    &fs_provider_resident,
#if FS_DESCRIPTORS
    &fs_provider_descriptor,
#else
    &fs_provider_trampfd,
    &fs_provider_text,
    &fs_provider_file,
    &fs_provider_memfd,
#endif
    NULL,
};
_Static_assert(sizeof fs_providers / sizeof *fs_providers == FS_PROVIDERS + 1, "their number");
_Static_assert(FS_PROVIDERS <= FS_PROVIDERS_MAX, "room");

/* What lasts, by the provider's place in the list above. Under the lock. */
static struct refusal {
    int error; /* 0: none */
    struct fs_why why;
} lasting[FS_PROVIDERS_MAX];

static struct refusal *refusal_of(const struct fs_provider *p)
{
    unsigned i = 0;
    while (fs_providers[i] != p)
        i++;
    return &lasting[i];
}

int fs_provider_refused(const struct fs_provider *p, struct fs_why *why)
{
    if (!p->is_lasting)
        return 0;
    fs_lock();
    const struct refusal *r = refusal_of(p);
    int error = r->error;
    if (error)
        *why = r->why;
    fs_unlock();
    return error;
}

int fs_provider_map(const struct fs_provider *p, const struct fs_template *of, char *code,
                    struct fs_why *why)
{
    int error = p->map(of, code, why);
    if (!error || !p->is_lasting || !p->is_lasting(error))
        return error;
    fs_lock();
    struct refusal *r = refusal_of(p);
    if (!r->error) { /* else another thread's is there, of the same worth */
        r->why = *why;
        fs_step(); /* a forked child finds no error without its sentence */
        r->error = error;
    }
    fs_unlock();
    return error;
}

void fs_provider_ask_again(const struct fs_provider *p)
{
    if (!p->is_lasting)
        return;
    fs_lock();
    refusal_of(p)->error = 0;
    fs_unlock();
}

const struct fs_provider *fs_provider_by_name(const char *name, size_t length)
{
    for (unsigned i = 0; fs_providers[i]; i++)
        if (strlen(fs_providers[i]->name) == length &&
            memcmp(fs_providers[i]->name, name, length) == 0)
            return fs_providers[i];
    return NULL;
}

const char *fs_provider_names(char *buffer, size_t size)
{
    size_t n = 0;
    buffer[0] = '\0';
    for (unsigned i = 0; fs_providers[i] && n < size; i++)
        n += (size_t)snprintf(buffer + n, size - n, "%s%s", i ? ", " : "", fs_providers[i]->name);
    return buffer;
}

static int unknown_name(const char *name, size_t length, const char *whole)
{
    char names[128];
    return fs_fail(-EINVAL,
                   "FFI_STATIC_PROVIDER=\"%.80s\": there is no provider \"%.*s\"; the legal names "
                   "are %s, several separated by commas",
                   whole, (int)(length < 80 ? length : 80), name,
                   fs_provider_names(names, sizeof names));
}

/* Parse "name,name" into `order`. Doubled names are taken once. */
static int parse_order(const char *text, const struct fs_provider **order)
{
    unsigned n = 0;
    for (const char *at = text;;) {
        size_t length = strcspn(at, ",");
        const struct fs_provider *p = fs_provider_by_name(at, length);
        if (!p)
            return unknown_name(at, length, text);
        unsigned seen = 0;
        while (seen < n && order[seen] != p)
            seen++;
        if (seen == n)
            order[n++] = p;
        if (!at[length])
            break;
        at += length + 1;
    }
    order[n] = NULL;
    return 0;
}

int fs_provider_order(const struct fs_provider *const **order)
{
    static const struct fs_provider *chosen[FS_PROVIDERS_MAX + 1];
    static bool known; /* atomic: after this, `chosen` does not change */
    if (__atomic_load_n(&known, __ATOMIC_ACQUIRE)) {
        *order = chosen;
        return 0;
    }
    const struct fs_provider *parsed[FS_PROVIDERS_MAX + 1] = {NULL};
    const char *text = secure_getenv("FFI_STATIC_PROVIDER");
    int error = 0;
    if (text && *text)
        error = parse_order(text, parsed);
    else
        memcpy(parsed, fs_providers, sizeof fs_providers);
    if (error)
        return error; /* not remembered: the program may still set it right */
    fs_lock();
    if (!known) {
        memcpy(chosen, parsed, sizeof chosen);
        __atomic_store_n(&known, true, __ATOMIC_RELEASE);
    }
    fs_unlock();
    *order = chosen;
    return 0;
}

int fs_provider_ask(int (*ask)(const struct fs_provider *p, void *data, struct fs_why *why),
                    void *data, const char *what)
{
    const struct fs_provider *const *order;
    int error = fs_provider_order(&order);
    if (error)
        return error;
    char reasons[FS_REASONS_BYTES];
    _Static_assert(sizeof reasons + 80 <= FS_ERROR_BYTES,
                   "an error sentence has room, with `what`");
    size_t n = 0;
    for (; *order; order++) {
        struct fs_why why;
        why.text[0] = '\0';
        if (ask(*order, data, &why) == 0)
            return 0;
        if (n < sizeof reasons)
            n += (size_t)snprintf(reasons + n, sizeof reasons - n, "%s%s: %s", n ? "; " : "",
                                  (*order)->name, why.text);
    }
    return fs_fail(-ENOSYS, "%s: %s", what, reasons);
}
