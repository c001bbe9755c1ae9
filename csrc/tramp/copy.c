/* SPDX-License-Identifier: MIT */
/* copy.c - making a copy of a template: reserve, ask the provider, compare, add the data
 *
 * The address is reserved first, PROT_NONE, so that a provider that fails half-way leaves
 * nothing behind, and so that code and data are always at their fixed distance.
 *
 * Fails when: the provider does; what it mapped is not the template; or memory is short.
 */
#include "tramp/copy.h"

#include "base/error.h"
#include "base/lock.h"

#include <string.h>
#include <sys/mman.h>

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

/* How many bytes of a copy lie before its code, and how many from there on. */
struct extent {
    size_t before, behind;
};

static struct extent extent_of(const struct fs_provider *p, const struct fs_template *of)
{
    struct extent e = {.before = p->before, .behind = of->code_size};
    if (of->data_at < 0 && (size_t)-of->data_at > e.before)
        e.before = (size_t)-of->data_at;
    if (of->data_at > 0)
        e.behind = (size_t)of->data_at + of->data_size;
    return e;
}

/* A PROT_NONE reservation around code at a multiple of `align`: at `want`, unless that is NULL, if
 * it is free, else wherever there is room to align it. */
static char *reserve(char *want, struct extent e, size_t align)
{
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    const size_t needed = e.before + e.behind;
    if (want) {
        want -= e.before;
        char *got = mmap(want, needed, PROT_NONE, flags | MAP_FIXED_NOREPLACE, -1, 0);
        if (got == want)
            return got + e.before;
        if (got != MAP_FAILED) /* a kernel before 4.17 took the address as a hint */
            munmap(got, needed);
    }
    const size_t size = needed + align;
    char *p = mmap(NULL, size, PROT_NONE, flags, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    /* As high as it can be: the kernel's choice is right below what was mapped last. */
    uintptr_t last = (uintptr_t)p + size - e.behind;
    char *code = (char *)(last & ~((uintptr_t)align - 1));
    munmap(p, (size_t)(code - e.before - p));
    if (p + size > code + e.behind)
        munmap(code + e.behind, (size_t)(p + size - (code + e.behind)));
    return code;
}

static int map_data(const struct fs_template *of, char *code, struct fs_why *why)
{
    /* The reservation becomes the data: same mapping, only the protection changes. */
    if (mprotect(code + of->data_at, of->data_size, PROT_READ | PROT_WRITE) == 0)
        return 0;
    char answer[96];
    return fs_refuse(why, -errno, "mapping %zu KiB of data beside the code: %s",
                     of->data_size / 1024, fs_errno_text(errno, answer, sizeof answer));
}

bool fs_copy_is_intact(const struct fs_provider *p, const struct fs_template *of, const char *code)
{
    return p->is_intact ? p->is_intact(code) : memcmp(code, of->code, of->code_size) == 0;
}

/* Is the template there to compare with? A child has blank pages in its place if it was forked
 * while another thread moved the code out of anonymous memory (text.c). */
static bool template_is_there(const struct fs_template *of)
{
    const char *code = of->code;
    __asm__("" : "+r"(code)); /* or the compiler reads once what is const, and it is not */
    for (size_t i = 0; i < of->code_size; i++)
        if (code[i])
            return true;
    return false;
}

/* Does the provider's mapping hold what it should? Provider `text`, in another thread, may have
 * moved the template away for a moment, if no file can refill it (text.c). So a difference is
 * looked at again under the lock, where the template is back. */
static int compare(const struct fs_provider *p, const struct fs_template *of, const char *code,
                   struct fs_why *why)
{
    if (template_is_there(of) && fs_copy_is_intact(p, of, code))
        return 0;
    fs_lock();
    bool there = template_is_there(of), intact = there && fs_copy_is_intact(p, of, code);
    fs_unlock();
    if (intact)
        return 0;
    if (!there)
        return fs_refuse(why, -ESTALE, "the %s's own code is gone (forked while it was moved?)",
                         of->whose);
    return fs_refuse(why, -ESTALE,
                     "what was mapped is not the %s's own code (the file was changed in place?)",
                     of->whose);
}

int fs_copy_make(const struct fs_provider *p, const struct fs_template *of, char *want, char **code,
                 struct fs_why *why)
{
    char answer[96];
    int error = fs_provider_refused(p, why);
    if (error)
        return error;
    struct extent e = extent_of(p, of);
    char *base = reserve(want, e, of->align);
    if (!base)
        return fs_refuse(why, -errno, "reserving %zu KiB of addresses: %s",
                         (e.before + e.behind) / 1024, fs_errno_text(errno, answer, sizeof answer));
    error = fs_provider_map(p, of, base, why);
    if (!error)
        error = compare(p, of, base, why);
    if (!error)
        error = map_data(of, base, why);
    if (error) {
        (void)fs_copy_release(p, of, base);
        return error;
    }
    *code = base;
    return 0;
}

int fs_copy_release(const struct fs_provider *p, const struct fs_template *of, char *code)
{
    struct extent e = extent_of(p, of);
    return munmap(code - e.before, e.before + e.behind) == 0 ? 0 : -errno;
}
