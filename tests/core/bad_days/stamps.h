/* SPDX-License-Identifier: MIT */
/* stamps.h - a stamp with a live copy beside every refusal, and files to map text from
 *
 * Of stamps.c and stamps_later.c: what is no template, and what goes wrong when one was found good.
 */
#ifndef STAMPS_H
#define STAMPS_H

#include "pages.h"
#include <sys/mman.h>

PAGE_OF(page, 0x10000);

static const struct ffi_static_template good = {page, PAGE_SIZE_, 0x10000, PAGE_SIZE_};
static ffi_static_stamp *stamp;
static void *bystander;

static inline void begin(void)
{
    CHECK_EQ(ffi_static_stamp_open(&good, 0, &stamp), 0);
    CHECK_EQ(ffi_static_stamp_copy(stamp, &bystander), 0);
    page_fill(bystander, 0x10000, 4000);
}

static inline void unchanged(void)
{
    CHECK_EQ(page_call(bystander, 12), 4012);
    CHECK_EQ(test_stats().stamps, 1);
    CHECK_EQ(test_stats().copies, 1);
    CHECK_EQ(api.check(), 0);
}

static inline struct ffi_static_template at(const void *code)
{
    struct ffi_static_template what = good;
    what.code = code;
    return what;
}

/* A file with the template's bytes, and then zeros; `path` is gone when the file is. */
static char path[64] = "/tmp/ffi_static_stamp_XXXXXX";

static inline int file_of_page(void)
{
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    CHECK_EQ(write(fd, page, PAGE_SIZE_), PAGE_SIZE_);
    CHECK_EQ(ftruncate(fd, 4 * PAGE_SIZE_), 0);
    return fd;
}

static inline char *map_of(int fd, int rights, int flags, off_t offset)
{
    char *p = mmap(NULL, PAGE_SIZE_, rights, flags, fd, offset);
    if (p == MAP_FAILED && errno == EPERM)
        test_skip("/tmp is mounted noexec");
    CHECK(p != MAP_FAILED);
    return p;
}

#define TEXT (PROT_READ | PROT_EXEC)

#endif
