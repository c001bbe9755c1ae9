/* SPDX-License-Identifier: MIT */
/* provider.h - the contract of those who supply R-X trampolines
 *
 * A provider puts a copy of a template's code at a given address, or says why it cannot. The
 * template is that of our tables, or a program's own (the stamp room). It must never make memory
 * that is writable and executable, nor a second, writable mapping of pages that are executable, nor
 * leave a file descriptor open. There is no fallback behind the last one.
 *
 * After a provider has answered and before the first use, the caller compares what is mapped with
 * the template, byte for byte (copy.h). A provider need not compare. Where it can, it leaves
 * bytes that nobody else can change: a private mapping of the very file that we run from, a sealed
 * memfd. A provider whose code is not the template to the last byte has `is_intact`, and serves our
 * tables only.
 *
 * Called *without* fs_lock(), because a path may lead to a file system that does not answer; with
 * cancellation disabled, because open() and its like are cancellation points. Several threads may
 * be in one provider at once, at different addresses. A provider that changes what others read
 * (text moves the template) does only that under the lock. No provider calls the allocator or
 * malloc. None opens a FIFO, a terminal or a device other than its own: it looks before it opens.
 */
#ifndef FS_PROVIDER_H
#define FS_PROVIDER_H

#include "arch.h"
#include "base/base.h"
#include "base/error.h"

/* What is copied, and where a copy's data lies. */
struct fs_template {
    const char *code;  /* in text, in one mapping; whole pages, as are all sizes here */
    size_t code_size;  /* in bytes */
    ptrdiff_t data_at; /* from a copy's code to its data, which lies before or behind the code */
    size_t data_size;  /* in bytes */
    size_t align;      /* a copy's code lies at a multiple of it: a power of two, a page at least */
    int prot;          /* R-X, with FS_PROT_LANDING or not: what code is mapped with anew */
    const char *whose; /* text it is, in sentences: "library" */
};

struct fs_provider {
    const char *name;
    const char *about;
    /* How many bytes it maps right before the code as well: data that is never executable and never
     * writable. Part of the reservation; a multiple of FS_TEXT_ALIGN. */
    size_t before;
    /* Why it cannot copy a program's template: the end of a sentence. NULL: it can. */
    const char *own_only;
    /* Replace the of->code_size bytes of PROT_NONE reservation at `code` by the template's, R-X,
     * and the `before` bytes in front of it by what belongs there, R--.
     * 0, or -errno with *why filled; on failure `code` may be left in any state of protection
     * but never mapped writable or from elsewhere: the caller unmaps the whole reservation.
     * NULL for the resident provider, whose table is part of the library. */
    int (*map)(const struct fs_template *of, char *code, struct fs_why *why);
    /* Are the FS_TABLE_CODE bytes at `code`, and the `before` bytes in front of it, those that
     * `map` puts there, every one of them? NULL: they are the template's. Must answer false where
     * there is any doubt. */
    bool (*is_intact)(const char *code);
    /* Will `map` answer this -errno again, whatever the process does? Then it is not called again
     * (fs_provider_map()). NULL: every refusal may change. */
    bool (*is_lasting)(int error);
};

extern FS_HIDDEN const struct fs_provider fs_provider_resident, fs_provider_trampfd,
    fs_provider_text, fs_provider_file, fs_provider_memfd, fs_provider_descriptor;

/* What a provider maps code with: R-X, and where the architecture has marked pages, marked. */
#define FS_PROT_CODE (PROT_READ | PROT_EXEC | FS_PROT_LANDING)

#define FS_PROVIDERS_MAX 8

/* How many there are, and the room for the reasons of all: of each its name, a colon, a struct
 * fs_why, and a semicolon. */
#if FS_DESCRIPTORS
#define FS_PROVIDERS 2
#else
#define FS_PROVIDERS 5
#endif
#define FS_REASONS_BYTES (FS_PROVIDERS * (sizeof(struct fs_why) + 16))

/* The providers in default order, NULL at the end. */
extern FS_HIDDEN const struct fs_provider *const fs_providers[];

/* Has `p` refused for a reason that lasts? Then that -errno, and *why; else 0. Asked before
 * anything is reserved. Not under fs_lock(), as the two below. */
FS_HIDDEN int fs_provider_refused(const struct fs_provider *p, struct fs_why *why);

/* p->map(), and a refusal that lasts is remembered, also by children that are forked. */
FS_HIDDEN int fs_provider_map(const struct fs_provider *p, const struct fs_template *of, char *code,
                              struct fs_why *why);

/* Read a byte of each page of a template's code: a thread that then reads it under the lock does
 * not wait there for a disk. */
static inline void fs_template_touch(const struct fs_template *of)
{
    for (size_t at = 0; at < of->code_size; at += 4096)
        (void)*(const volatile char *)(of->code + at);
}

/* Forget the refusal: the next table asks `p` again. */
FS_HIDDEN void fs_provider_ask_again(const struct fs_provider *p);

/* By name, NULL when there is none. */
FS_HIDDEN const struct fs_provider *fs_provider_by_name(const char *name, size_t length);

/* The order in force: FS_PROVIDERS_MAX + 1 entries, NULL at the end. Reads FFI_STATIC_PROVIDER on
 * the first call. Not under fs_lock(). -EINVAL, with the sentence set, when it names what does not
 * exist. */
FS_HIDDEN int fs_provider_order(const struct fs_provider *const **order);

/* Call `ask` for each provider in that order until one gives 0. -ENOSYS when all refused, with
 * every reason in the sentence, which begins with `what`; else as fs_provider_order(). Not under
 * fs_lock(). */
FS_HIDDEN int fs_provider_ask(int (*ask)(const struct fs_provider *p, void *data,
                                         struct fs_why *why),
                              void *data, const char *what);

/* All names in `buffer`, in default order, with ", " between them. */
FS_HIDDEN const char *fs_provider_names(char *buffer, size_t size);

#endif
