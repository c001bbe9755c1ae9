/* SPDX-License-Identifier: MIT */
/* query.c - the public functions that only look: errors, providers, counters, checks */
#include "include/ffi_static.h"

#include "base/base.h"
#include "base/error.h"
#include "stamp/stamp.h"
#include "tramp/provider.h"
#include "tramp/table.h"
#include "tramp/tramp.h"

#include <stdio.h>
#include <string.h>

#define TEXT(x) TEXT_OF(x)
#define TEXT_OF(x) #x

const char *ffi_static_version(void)
{
    return TEXT(FFI_STATIC_VERSION_MAJOR) "." TEXT(FFI_STATIC_VERSION_MINOR) "." TEXT(
        FFI_STATIC_VERSION_PATCH);
}

const char *ffi_static_error(void)
{
    return fs_error_text();
}

unsigned ffi_static_provider_count(void)
{
    unsigned n = 0;
    while (fs_providers[n])
        n++;
    return n;
}

const char *ffi_static_provider_name(unsigned index)
{
    return index < ffi_static_provider_count() ? fs_providers[index]->name : NULL;
}

static const struct fs_provider *by_name(const char *name)
{
    return name ? fs_provider_by_name(name, strlen(name)) : NULL;
}

const char *ffi_static_provider_about(const char *name)
{
    const struct fs_provider *p = by_name(name);
    return p ? p->about : NULL;
}

int ffi_static_provider_probe(const char *name, char *why, size_t size)
{
    const struct fs_provider *p = by_name(name);
    if (p)
        return fs_table_try(p, why, size);
    char names[128];
    int error = fs_fail(-EINVAL, "there is no provider \"%.80s\"; the legal names are %s",
                        name ? name : "(NULL)", fs_provider_names(names, sizeof names));
    if (why && size)
        snprintf(why, size, "%s", fs_error_text());
    return error;
}

int ffi_static_get_stats(struct ffi_static_stats *stats, size_t size)
{
    if (!stats || size < sizeof stats->size)
        return fs_fail(-EINVAL,
                       "ffi_static_get_stats: NULL, or %zu bytes, too few for the first "
                       "field",
                       size);
    struct fs_tramp_stats now;
    uint64_t stamps, copies;
    fs_tramp_stats(&now);
    fs_stamp_count(&stamps, &copies);
    struct ffi_static_stats all = {
        .size = size < sizeof all ? size : sizeof all,
        .live = now.live,
        .cached = now.cached,
        .slots = now.slots,
        .tables = now.tables,
        .empty_tables = now.empty_tables,
        .maps = now.maps,
        .unmaps = now.unmaps,
        .stamps = stamps,
        .copies = copies,
        .sealed = now.sealed,
    };
    memcpy(stats, &all, all.size);
    return 0;
}

int ffi_static_check(void)
{
    int error = fs_tramp_check();
    return error ? error : fs_stamp_check();
}
