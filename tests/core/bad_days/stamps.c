/* SPDX-License-Identifier: MIT */
/* stamps.c - templates that are none, stamps and copies that are not there, and a poor system
 *
 * Every refusal is followed by a look at a copy that lives beside it: nothing has changed. What is
 * no template is made by mapping this program's own file once more, in a wrong way.
 */
#include "pages.h"
#include "seccomp.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

PAGE_OF(page, 0x10000);
PAGE_OF(next_page, 0x10000);

static const struct ffi_static_template good = {page, PAGE_SIZE_, 0x10000, PAGE_SIZE_};
static ffi_static_stamp *stamp;
static void *bystander;

static void begin(void)
{
    CHECK_EQ(ffi_static_stamp_open(&good, 0, &stamp), 0);
    CHECK_EQ(ffi_static_stamp_copy(stamp, &bystander), 0);
    page_fill(bystander, 0x10000, 4000);
}

static void unchanged(void)
{
    CHECK_EQ(page_call(bystander, 12), 4012);
    CHECK_EQ(test_stats().stamps, 1);
    CHECK_EQ(test_stats().copies, 1);
    CHECK_EQ(api.check(), 0);
}

/* `what` is no template: this errno, these words, and *stamp as it was. */
static void no_template(struct ffi_static_template what, int error, const char *part)
{
    ffi_static_stamp *untouched = (void *)&stamp, *other = untouched;
    REFUSED(ffi_static_stamp_open(&what, 0, &other), error);
    CHECK_HAS(api.error(), part);
    CHECK_HAS(api.error(), "ffi_static_stamp_open");
    CHECK(other == untouched);
    unchanged();
}

static struct ffi_static_template at(const void *code)
{
    struct ffi_static_template what = good;
    what.code = code;
    return what;
}

/* --- numbers ---------------------------------------------------------------------------------- */

CASE(null_is_refused)
{
    void *code = &stamp;
    begin();
    ffi_static_stamp *other = stamp;
    REFUSED(ffi_static_stamp_open(NULL, 0, &other), EINVAL);
    REFUSED(ffi_static_stamp_open(&good, 0, NULL), EINVAL);
    REFUSED(ffi_static_stamp_copy(NULL, &code), EINVAL);
    REFUSED(ffi_static_stamp_copy(stamp, NULL), EINVAL);
    REFUSED(ffi_static_stamp_query(bystander, NULL), EINVAL);
    CHECK(other == stamp && code == &stamp);
    no_template(at(NULL), EINVAL, "NULL");
    CHECK_EQ(ffi_static_stamp_free(NULL), 0);
    CHECK_EQ(ffi_static_stamp_close(NULL), 0);
    unchanged();
}

CASE(unknown_flags_are_refused)
{
    begin();
    for (unsigned bit = 1; bit < 32; bit++) {
        ffi_static_stamp *other = NULL;
        REFUSED(ffi_static_stamp_open(&good, 1u << bit, &other), EINVAL);
        CHECK_HAS(api.error(), "flags");
        CHECK(other == NULL);
    }
    unchanged();
}

CASE(what_is_not_whole_pages_is_refused)
{
    static const size_t odd[] = {1, 8, 64, 2048, 4095};
    begin();
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        struct ffi_static_template what = at(page + odd[i]);
        no_template(what, EINVAL, "multiple of the page");
        what = good;
        what.code_size -= odd[i];
        no_template(what, EINVAL, "multiple of the page");
        what = good;
        what.data_at += (ptrdiff_t)odd[i];
        no_template(what, EINVAL, "multiple of the page");
        what.data_at = -0x20000 - (ptrdiff_t)odd[i];
        no_template(what, EINVAL, "multiple of the page");
    }
}

CASE(a_size_of_zero_is_refused)
{
    begin();
    no_template((struct ffi_static_template){page, 0, 0x10000, 4096}, EINVAL, "code is 0");
    no_template((struct ffi_static_template){page, 0x10000, 0x10000, 0}, EINVAL, "data is 0");
}

CASE(what_is_too_large_is_refused)
{
    const size_t max = FFI_STATIC_STAMP_MAX, most = SIZE_MAX & ~(size_t)0xffff;
    begin();
    no_template((struct ffi_static_template){page, max + 0x10000, 2 * (ptrdiff_t)max, 4096}, E2BIG,
                "too large");
    no_template((struct ffi_static_template){page, 0x10000, 0x10000, max}, E2BIG, "too large");
    no_template((struct ffi_static_template){page, 0x10000, (ptrdiff_t)max, 4096}, E2BIG, "too");
    no_template((struct ffi_static_template){page, 0x10000, -(ptrdiff_t)max - 65536, 4096}, E2BIG,
                "too large");
    no_template((struct ffi_static_template){page, most, 0x10000, 4096}, E2BIG, "too large");
    no_template((struct ffi_static_template){page, 0x10000, 0x10000, SIZE_MAX}, E2BIG, "too");
    no_template((struct ffi_static_template){page, 0x10000, PTRDIFF_MIN, 4096}, E2BIG, "too");
    no_template((struct ffi_static_template){page, 0x10000, PTRDIFF_MAX & ~0xffff, 4096}, E2BIG,
                "too large");
}

CASE(the_largest_is_served)
{
    const ptrdiff_t max = FFI_STATIC_STAMP_MAX;
    struct ffi_static_template what = {page, PAGE_SIZE_, max - 0x10000, 0x10000};
    ffi_static_stamp *other;
    void *code;
    for (int i = 0; i < 2; i++, what.data_at = -max) {
        CHECK_EQ(ffi_static_stamp_open(&what, 0, &other), 0);
        CHECK_EQ(ffi_static_stamp_copy(other, &code), 0);
        memset((char *)code + what.data_at, 1, what.data_size);
        CHECK_EQ(ffi_static_stamp_free(code), 0);
        CHECK_EQ(ffi_static_stamp_close(other), 0);
    }
}

CASE(data_on_the_code_is_refused)
{
    static const ptrdiff_t on[] = {0, -0x10000, 0x10000};
    begin();
    for (size_t i = 0; i < sizeof on / sizeof *on; i++) {
        struct ffi_static_template what = {page, 0x20000, on[i], 0x10001};
        no_template(what, EINVAL, "lie on");
    }
}

CASE(the_end_of_memory_is_refused)
{
    begin();
    struct ffi_static_template what = at((void *)(UINTPTR_MAX & ~(uintptr_t)0xffff));
    what.code_size = 0x20000;
    what.data_at = 0x20000;
    no_template(what, EINVAL, "end of memory");
}

/* --- memory that is no template --------------------------------------------------------------- */

static char data_section[2 * PAGE_SIZE_] __attribute__((aligned(65536))) = {1};
static const char rodata_section[2 * PAGE_SIZE_] __attribute__((aligned(65536))) = {1};

CASE(memory_that_is_not_text_is_refused)
{
    begin();
    data_section[0] = 2;
    no_template(at(data_section), EACCES, "is writable");
    if (test_map_of(rodata_section).perms[2] != 'x') /* some linkers put it beside the text */
        no_template(at(rodata_section), EACCES, "not executable");
    void *none = mmap(NULL, PAGE_SIZE_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(none != MAP_FAILED);
    no_template(at(none), EACCES, "not executable");
    no_template(at((void *)0x20000), EFAULT, "nothing is mapped");
}

CASE(anonymous_text_is_refused)
{
    begin();
    int rights = PROT_READ | PROT_EXEC;
    void *text = mmap(NULL, PAGE_SIZE_, rights, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(text != MAP_FAILED);
    no_template(at(text), EACCES, "not mapped from a file");
}

CASE(the_vdso_is_refused)
{
    const void *vdso = (void *)getauxval(AT_SYSINFO_EHDR);
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    if (!vdso || test_emulated())
        test_skip("there is no vDSO");
    begin();
    struct ffi_static_template what = {vdso, size, (ptrdiff_t)size, size};
    no_template(what, EACCES, "not mapped from a file");
}

/* A file with the template's bytes, and then zeros; `path` is gone when the file is. */
static char path[64] = "/tmp/ffi_static_stamp_XXXXXX";

static int file_of_page(void)
{
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    CHECK_EQ(write(fd, page, PAGE_SIZE_), PAGE_SIZE_);
    CHECK_EQ(ftruncate(fd, 4 * PAGE_SIZE_), 0);
    return fd;
}

static char *map_of(int fd, int rights, int flags, off_t offset)
{
    char *p = mmap(NULL, PAGE_SIZE_, rights, flags, fd, offset);
    if (p == MAP_FAILED && errno == EPERM)
        test_skip("/tmp is mounted noexec");
    CHECK(p != MAP_FAILED);
    return p;
}

#define TEXT (PROT_READ | PROT_EXEC)

CASE(shared_text_and_memory_files_are_refused)
{
    begin();
    int fd = file_of_page(), memory = memfd_create("page", MFD_CLOEXEC);
    CHECK_EQ(unlink(path), 0);
    CHECK(memory >= 0);
    CHECK_EQ(write(memory, page, PAGE_SIZE_), PAGE_SIZE_);
    no_template(at(map_of(fd, TEXT, MAP_SHARED, 0)), EACCES, "shared");
    no_template(at(map_of(memory, TEXT, MAP_PRIVATE, 0)), EACCES, "not mapped from a file");
}

CASE(text_of_zeros_is_refused)
{
    begin();
    int fd = file_of_page();
    CHECK_EQ(unlink(path), 0);
    no_template(at(map_of(fd, TEXT, MAP_PRIVATE, PAGE_SIZE_)), EINVAL, "zeros");
}

CASE(text_that_cannot_be_read_is_refused)
{
    begin();
    int fd = file_of_page();
    CHECK_EQ(unlink(path), 0);
    char *text = map_of(fd, PROT_EXEC, MAP_PRIVATE, 0);
    if (test_map_of(text).perms[0] == 'r')
        test_skip("what is executable is readable here");
    no_template(at(text), EACCES, "cannot be read");
}

CASE(text_that_ends_too_early_is_refused)
{
    begin();
    int fd = file_of_page();
    CHECK_EQ(unlink(path), 0);
    char *room = mmap(NULL, 2 * PAGE_SIZE_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(room != MAP_FAILED);
    char *text = mmap(room, PAGE_SIZE_, TEXT, MAP_PRIVATE | MAP_FIXED, fd, 0);
    CHECK(text == room);
    struct ffi_static_template what = {text, 2 * PAGE_SIZE_, 2 * PAGE_SIZE_, 4096};
    no_template(what, EFAULT, "ends after 65536 of its 131072 bytes");
}

/* The same byte again: it is the page that is not the file's any more. */
CASE(text_that_was_written_to_is_refused)
{
    char *second = (char *)(uintptr_t)next_page + 0x8000;
    if (test_emulated())
        test_skip("the emulator's pages are not the kernel's");
    begin();
    CHECK_EQ(mprotect(second, 4096, PROT_READ | PROT_WRITE), 0);
    *(volatile char *)second = *second;
    CHECK_EQ(mprotect(second, 4096, TEXT), 0);
    struct ffi_static_template what = at(second);
    what.code_size = 4096;
    no_template(what, EACCES, "page 0 was written to");
}

CASE(a_writable_mapping_of_the_same_bytes_is_refused)
{
    begin();
    int fd = file_of_page();
    CHECK_EQ(unlink(path), 0);
    char *text = map_of(fd, TEXT, MAP_PRIVATE, 0);
    char *elsewhere = map_of(fd, PROT_READ | PROT_WRITE, MAP_SHARED, PAGE_SIZE_);
    ffi_static_stamp *other;
    CHECK_EQ(
        ffi_static_stamp_open(&(struct ffi_static_template){text, PAGE_SIZE_, 65536, 1}, 0, &other),
        0);
    CHECK_EQ(ffi_static_stamp_close(other), 0);
    char *alias = map_of(fd, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
    no_template(at(text), ETXTBSY, "mapped writable");
    CHECK_EQ(munmap(alias, PAGE_SIZE_), 0);
    CHECK_EQ(munmap(elsewhere, PAGE_SIZE_), 0);
}

/* --- stamps and copies that are not there ----------------------------------------------------- */

CASE(a_double_free_and_a_foreign_address_are_refused)
{
    void *code;
    begin();
    CHECK_EQ(ffi_static_stamp_copy(stamp, &code), 0);
    CHECK_EQ(ffi_static_stamp_free(code), 0);
    void *none[] = {code,
                    (void *)(uintptr_t)page,
                    (char *)bystander + 0x10000,
                    (char *)bystander - 1,
                    &code,
                    (void *)1,
                    (void *)UINTPTR_MAX};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        REFUSED(ffi_static_stamp_free(none[i]), EINVAL);
        CHECK_HAS(api.error(), "not a live copy");
        unchanged();
    }
    for (size_t inside = 1; inside < PAGE_SIZE_; inside *= 2) {
        REFUSED(ffi_static_stamp_free((char *)bystander + inside), EINVAL);
        CHECK_HAS(api.error(), "is inside of the copy");
        unchanged();
    }
    struct made made; /* closures are freed by other functions */
    CHECK(test_make(&made, 3));
    REFUSED(ffi_static_stamp_free(made.code), EINVAL);
    REFUSED(ffi_static_free(bystander), EINVAL);
    REFUSED(ffi_static_trampoline_free(bystander), EINVAL);
    CHECK(api.from_address(bystander) == NULL);
    unchanged();
    test_call(&made);
}

CASE(a_stamp_that_is_not_open_is_refused)
{
    ffi_static_stamp *other;
    void *code = &other;
    begin();
    CHECK_EQ(ffi_static_stamp_open(&good, 0, &other), 0);
    CHECK_EQ(ffi_static_stamp_close(other), 0);
    void *none[] = {other, &other, bystander, (void *)1, (char *)stamp + 8};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        REFUSED(ffi_static_stamp_close(none[i]), EINVAL);
        CHECK_HAS(api.error(), "not an open stamp");
        REFUSED(ffi_static_stamp_copy(none[i], &code), EINVAL);
        CHECK(code == &other);
    }
    unchanged();
}

CASE(a_stamp_with_copies_is_not_closed)
{
    begin();
    REFUSED(ffi_static_stamp_close(stamp), EBUSY);
    CHECK_HAS(api.error(), "1 live copies");
    unchanged();
    CHECK_EQ(ffi_static_stamp_free(bystander), 0);
    CHECK_EQ(ffi_static_stamp_close(stamp), 0);
    REFUSED(ffi_static_stamp_close(stamp), EINVAL);
}

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
    static const int calls[] = {SYS_openat};
    ffi_static_stamp *other = NULL;
    void *code;
    begin();
    seccomp_refuse(calls, 1, ENOENT);
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

/* --- a call after the end --------------------------------------------------------------------- */

CASE(a_freed_copy_is_gone)
{
    begin();
    CHECK_EQ(ffi_static_stamp_free(bystander), 0);
    fflush(stdout);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL); /* a sanitizer has a handler */
        _exit((int)page_call(bystander, 0));
    }
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}
