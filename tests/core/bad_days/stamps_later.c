/* SPDX-License-Identifier: MIT */
/* stamps_later.c - a stamp is open, and then its template changes or goes, or the system is poor */
#include "stamps.h"
#include "seccomp.h"
#include <fcntl.h>
#include <sys/resource.h>

/* --- a template that changes or goes ---------------------------------------------------------- */

/* As a library's that is unloaded too early. Its copies stay what they are. */
CASE(a_template_that_was_unmapped_is_refused)
{
    int fd = file_of_page();
    CHECK_EQ(unlink(path), 0);
    char *text = map_of(fd, TEXT, MAP_PRIVATE, 0);
    struct ffi_static_template what = at(text);
    void *code, *none = &code;
    close(fd);
    CHECK_EQ(ffi_static_stamp_open(&what, 0, &stamp), 0);
    int error = ffi_static_stamp_copy(stamp, &code);
    CHECK_EQ(munmap(text, PAGE_SIZE_), 0);
    REFUSED(ffi_static_stamp_copy(stamp, &none), ESTALE);
    CHECK_HAS(api.error(), "must stay loaded");
    CHECK(none == &code);
    if (error) /* provider file: the file has no name any more */
        return;
    page_fill(code, 0x10000, 20);
    page_right(code, 20);
    CHECK_EQ(ffi_static_stamp_free(code), 0);
    CHECK_EQ(ffi_static_stamp_close(stamp), 0);
}

/* As by a debugger that sets a breakpoint. `text` and `file` make no copy of what was written. */
CASE(a_template_that_is_written_to_later_is_not_copied)
{
    char *second = (char *)(uintptr_t)page + 0x8000;
    void *code = &second;
    setenv("FFI_STATIC_PROVIDER", "text,file", 1);
    begin();
    char kept = *second;
    CHECK_EQ(mprotect(second, 4096, PROT_READ | PROT_WRITE), 0);
    *(volatile char *)second = (char)(kept ^ 1);
    CHECK_EQ(mprotect(second, 4096, TEXT), 0);
    REFUSED(ffi_static_stamp_copy(stamp, &code), ENOSYS);
    CHECK(code == &second);
    CHECK_EQ(api.check(), -EUCLEAN); /* the template is not what the bystander is a copy of */
    CHECK_HAS(api.error(), "not the template's");
    CHECK_EQ(*second, (char)(kept ^ 1));
    CHECK_EQ(mprotect(second, 4096, PROT_READ | PROT_WRITE), 0);
    *(volatile char *)second = kept;
    CHECK_EQ(mprotect(second, 4096, TEXT), 0);
    CHECK_EQ(page_call(bystander, 12), 4012);
}

/* --- what the system has not got, or does not give -------------------------------------------- */

/* Which provider the copies of a file's text come from that `harm` was done to. */
static const char *provider_after(void (*harm)(void))
{
    static struct ffi_static_copy seen;
    int fd = file_of_page();
    struct ffi_static_template what = at(map_of(fd, TEXT, MAP_PRIVATE, 0));
    void *code;
    CHECK_EQ(ffi_static_stamp_open(&what, 0, &stamp), 0);
    harm();
    close(fd);
    int error = ffi_static_stamp_copy(stamp, &code);
    unlink(path);
    if (error)
        return NULL;
    page_fill(code, 0x10000, 20);
    page_right(code, 20);
    CHECK_EQ(ffi_static_stamp_query(code, &seen), 0);
    return seen.provider;
}

static void deleted(void)
{
    CHECK_EQ(unlink(path), 0);
}

static void replaced(void)
{
    char name[80]; /* that /proc shows for the file from now on */
    CHECK_EQ(unlink(path), 0);
    snprintf(name, sizeof name, "%s (deleted)", path);
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    CHECK_EQ(write(fd, page, PAGE_SIZE_), PAGE_SIZE_);
    snprintf(path, sizeof path, "%.63s", name); /* to be deleted in the end */
    close(fd);
}

/* Provider `file` says this; the others go on. */
static void deleted_or_replaced(void (*harm)(void), const char *says)
{
    const char *given = getenv("FFI_STATIC_PROVIDER"), *provider = provider_after(harm);
    if (given && strcmp(given, "file") == 0) {
        CHECK(provider == NULL);
        CHECK_HAS(api.error(), says);
        return;
    }
    CHECK(provider != NULL, "%s", api.error());
    CHECK(!given || strcmp(provider, given) == 0);
}

CASE(the_file_was_deleted)
{
    deleted_or_replaced(deleted, "No such file");
}

CASE(the_file_was_replaced)
{
    deleted_or_replaced(replaced, "not the file that this template was loaded from");
}

CASE(without_proc_no_stamp_is_opened_but_copies_are_made)
{
    static const int calls[] = {
        SYS_openat,
#ifdef SYS_open /* musl's open() */
        SYS_open,
#endif
    };
    ffi_static_stamp *other = NULL;
    void *code;
    begin();
    seccomp_refuse(calls, sizeof calls / sizeof *calls, ENOENT);
    REFUSED(ffi_static_stamp_open(&good, 0, &other), ENOENT);
    CHECK_HAS(api.error(), "/proc/self/maps");
    CHECK(other == NULL);
    const char *given = getenv("FFI_STATIC_PROVIDER");
    if (given && strcmp(given, "file") == 0) {
        REFUSED(ffi_static_stamp_copy(stamp, &code), ENOSYS);
        CHECK_HAS(api.error(), "finding the template's file");
        return;
    }
    CHECK_EQ(ffi_static_stamp_copy(stamp, &code), 0);
    page_fill(code, 0x10000, 20);
    page_right(code, 20);
}

CASE(every_fd_taken)
{
    struct rlimit kept, none = {0};
    ffi_static_stamp *other = NULL;
    void *code;
    begin();
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &kept), 0);
    none.rlim_max = kept.rlim_max;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
    REFUSED(ffi_static_stamp_open(&good, 0, &other), EMFILE);
    CHECK_HAS(api.error(), "Too many open files");
    const char *given = getenv("FFI_STATIC_PROVIDER");
    int error = ffi_static_stamp_copy(stamp, &code);
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &kept), 0); /* the harness opens /proc/self/maps */
    if (test_emulated() || (given && strcmp(given, "text") != 0)) {
        CHECK_EQ(error, -ENOSYS);
        CHECK_HAS(api.error(), "Too many open files");
        return;
    }
    CHECK_EQ(error, 0);
    page_fill(code, 0x10000, 20);
    page_right(code, 20);
}

CASE(providers_with_code_of_their_own_refuse)
{
    void *code = NULL;
    setenv("FFI_STATIC_PROVIDER", "resident,trampfd", 1); /* read by the first copy */
    CHECK_EQ(ffi_static_stamp_open(&good, 0, &stamp), 0);
    REFUSED(ffi_static_stamp_copy(stamp, &code), ENOSYS);
    CHECK_HAS(api.error(), "resident: these trampolines are part of the library");
    CHECK_HAS(api.error(), "trampfd: the kernel writes trampolines of its own form");
    CHECK(code == NULL);
    CHECK_EQ(ffi_static_stamp_close(stamp), 0);
}

CASE(a_provider_that_does_not_exist_is_refused)
{
    void *code = NULL;
    setenv("FFI_STATIC_PROVIDER", "text,tape", 1);
    CHECK_EQ(ffi_static_stamp_open(&good, 0, &stamp), 0);
    REFUSED(ffi_static_stamp_copy(stamp, &code), EINVAL);
    CHECK_HAS(api.error(), "there is no provider");
    CHECK(code == NULL);
}

enum { ENOUGH = 50000 };

/* Copy until the system has no mapping left, and free all in the end: also there, where to unmap
 * may need one more. */
CASE(no_mapping_left)
{
    static void *code[ENOUGH];
    size_t n = 0, limit = 0;
    FILE *file = fopen("/proc/sys/vm/max_map_count", "re");
    CHECK(file && fscanf(file, "%zu", &limit) == 1);
    fclose(file);
    if (limit > 80000)
        test_skip("vm.max_map_count is %zu: too many to use up here", limit);
    if (test_emulated())
        test_skip("the emulator's mappings are not the kernel's");
    begin();
    while (n < ENOUGH && ffi_static_stamp_copy(stamp, &code[n]) == 0)
        n++;
    CHECK(n > 1000 && n < ENOUGH);
    CHECK_HAS(api.error(), "Cannot allocate memory");
    printf("%zu copies; then: %s\n", n, api.error());
    for (size_t i = 0; i < n; i += 100) {
        *(uintptr_t *)(void *)page_data(code[i], 0x10000, 9) = i;
        CHECK_EQ(page_call(code[i], 9), i);
    }
    for (size_t left = n; left;) {
        size_t before = left;
        for (size_t i = 0; i < left;) {
            int error = ffi_static_stamp_free(code[i]);
            CHECK(error == 0 || error == -ENOMEM);
            if (error)
                CHECK_EQ(page_call(code[i++], 8), 0);
            else
                code[i] = code[--left];
        }
        CHECK(left < before);
    }
    unchanged();
    CHECK_EQ(ffi_static_stamp_copy(stamp, &code[0]), 0);
}

static void limited(int what, size_t to)
{
    struct rlimit limit = {to, RLIM_INFINITY};
    CHECK_EQ(setrlimit(what, &limit), 0);
}

/* In bytes; a sanitizer has terabytes. */
static size_t address_space(void)
{
    size_t pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    CHECK(file && fscanf(file, "%zu", &pages) == 1);
    fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

CASE(no_memory_left)
{
    static void *code[ENOUGH];
    size_t n = 0;
    if (test_emulated())
        test_skip("the emulator takes no limit of the address space");
    begin();
    limited(RLIMIT_AS, address_space() + ((size_t)256 << 20));
    while (n < ENOUGH && ffi_static_stamp_copy(stamp, &code[n]) == 0)
        n++;
    CHECK(n < ENOUGH);
    CHECK_HAS(api.error(), "Cannot allocate memory");
    size_t maps = test_maps_count();
    for (int i = 0; i < 10; i++) {
        void *more = NULL;
        REFUSED(ffi_static_stamp_copy(stamp, &more), ENOSYS);
        CHECK(more == NULL);
    }
    CHECK_EQ(test_maps_count(), maps);
    for (size_t i = 0; i < n; i++)
        CHECK_EQ(ffi_static_stamp_free(code[i]), 0);
    CHECK_EQ(ffi_static_stamp_copy(stamp, &code[0]), 0);
}

CASE(files_may_not_be_as_large_as_a_copy)
{
    void *code;
    begin();
    limited(RLIMIT_FSIZE, PAGE_SIZE_ - 1);
    const char *given = getenv("FFI_STATIC_PROVIDER");
    int error = ffi_static_stamp_copy(stamp, &code);
    if (!given || strcmp(given, "memfd") != 0) {
        CHECK_EQ(error, 0);
        return;
    }
    CHECK_EQ(error, -ENOSYS);
    CHECK_HAS(api.error(), "RLIMIT_FSIZE is smaller than a copy");
}
