/* SPDX-License-Identifier: MIT */
/* stamps.c - templates that are none, and stamps and copies that are not there
 *
 * Every refusal is followed by a look at a copy that lives beside it: nothing has changed. What is
 * no template is made by mapping this program's own file once more, in a wrong way.
 */
#include "stamps.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/wait.h>

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

PAGE_OF(next_page, 0x10000);

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
