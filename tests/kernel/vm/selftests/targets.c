/* SPDX-License-Identifier: MIT */
/* targets.c - to which code a trampoline may jump, and which code the kernel refuses
 *
 * The code must be in a private, executable, never written mapping of a file, as a program's text
 * is. Through any other mapping a program could run code that it made itself, so the kernel
 * refuses.
 */
#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include "table.h"

static const char path[] = "/tmp/target";

static void refused(uintptr_t code, int error)
{
    struct trampfd_create arg = valid();
    arg.code = code;
    errno = 0;
    int fd = create(&arg);
    if (fd != -1 || errno != error)
        FAIL("code at %#lx: TRAMPFD_CREATE gives %d with %s, not %s", (long)code, fd,
             strerrorname(errno), strerrorname(error));
}

static int accepted(uintptr_t code)
{
    struct trampfd_create arg = valid();
    arg.code = code;
    return create(&arg);
}

/* A file of two pages of `ret`, as a library is: nobody has it open for writing. */
static int library(int flags)
{
    unlink(path);
    int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0755);
    CHECK(fd >= 0);
    CHECK(ftruncate(fd, (off_t)(2 * page())) == 0);
    close(fd);
    fd = open(path, flags | O_CLOEXEC);
    CHECK(fd >= 0);
    return fd;
}

static char *mapped(int rights, int how, int fd, size_t size)
{
    char *at = mmap(NULL, size, rights, how, fd, 0);
    CHECK(at != MAP_FAILED);
    return at;
}

TEST(a_library_mapped_privately_is_a_target)
{
    ONE;
    char *at = mapped(PROT_READ | PROT_EXEC, MAP_PRIVATE, library(O_RDONLY), 2 * page());
    CHECK(accepted((uintptr_t)at) >= 0);
    CHECK(accepted((uintptr_t)at + 2 * page() - 4) >= 0);
    CHECK(accepted((uintptr_t)at + page()) >= 0);
}

TEST(code_at_null)
{
    ONE;
    refused(0, EFAULT);
}

TEST(code_where_nothing_is_mapped)
{
    ONE;
    char *at = mapped(PROT_READ | PROT_EXEC, MAP_PRIVATE, library(O_RDONLY), 2 * page());
    CHECK(munmap(at + page(), page()) == 0);
    refused((uintptr_t)at + page(), EFAULT);
    CHECK(accepted((uintptr_t)at + page() - 4) >= 0);
    CHECK(munmap(at, page()) == 0);
    refused((uintptr_t)at, EFAULT);
}

TEST(code_right_behind_the_mapping_of_the_one_before)
{
    ONE;
    static uint64_t codes[2];
    char *at = mapped(PROT_READ | PROT_EXEC, MAP_PRIVATE, library(O_RDONLY), 2 * page());
    CHECK(munmap(at + page(), page()) == 0);
    codes[0] = (uintptr_t)at;
    codes[1] = (uintptr_t)at + page();
    struct trampfd_create arg = valid();
    arg.flags = TRAMPFD_CODE_ARRAY;
    arg.code = (uintptr_t)codes;
    arg.count = 2;
    CHECK_ERRNO(create(&arg), EFAULT);
}

TEST(code_in_the_gap_before_a_mapping)
{
    ONE;
    char *at = mapped(PROT_READ | PROT_EXEC, MAP_PRIVATE, library(O_RDONLY), 2 * page());
    CHECK(munmap(at, page()) == 0);
    refused((uintptr_t)at + page() - 4, EFAULT);
}

TEST(code_in_the_kernel)
{
    ONE;
    refused((uintptr_t)0xffffffff81000000, EFAULT);
    refused((uintptr_t)0xffff888000000000, EFAULT);
    refused((uintptr_t)-4L, EFAULT);
}

#ifdef __x86_64__
TEST(code_in_the_vsyscall_page)
{
    ONE;
    refused((uintptr_t)0xffffffffff600000, EFAULT);
}

TEST(code_at_an_address_that_is_not_canonical)
{
    ONE;
    refused((uintptr_t)1 << 62, EFAULT);
}
#endif

TEST(code_in_the_vdso)
{
    ONE;
    uintptr_t vdso = getauxval(AT_SYSINFO_EHDR);
    CHECK(vdso);
    refused(vdso, EACCES);
    refused(vdso + 0x400, EACCES);
}

TEST(code_in_anonymous_memory)
{
    ONE;
    refused((uintptr_t)mapped(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, page()),
            EACCES);
    refused((uintptr_t)mapped(PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, page()),
            EACCES);
}

TEST(code_on_the_stack_or_in_data)
{
    ONE;
    uint64_t here = 0;
    refused((uintptr_t)&here & -16L, EACCES);
    refused((uintptr_t)data_at, EACCES);
    refused((uintptr_t)malloc(64) & -16L, EACCES);
}

TEST(code_in_shared_anonymous_memory)
{
    ONE;
    refused((uintptr_t)mapped(PROT_READ | PROT_EXEC, MAP_SHARED | MAP_ANONYMOUS, -1, page()),
            EACCES);
}

TEST(code_in_a_readable_mapping_that_is_not_executable)
{
    ONE;
    refused((uintptr_t)mapped(PROT_READ, MAP_PRIVATE, library(O_RDONLY), page()), EACCES);
    refused((uintptr_t)mapped(PROT_NONE, MAP_PRIVATE, library(O_RDONLY), page()), EACCES);
}

TEST(code_in_a_shared_mapping)
{
    ONE;
    char *at = mapped(PROT_READ | PROT_EXEC, MAP_SHARED, library(O_RDONLY), page());
    refused((uintptr_t)at, EACCES);
}

TEST(code_in_a_shared_mapping_that_could_be_made_writable)
{
    ONE;
    int fd = library(O_RDWR);
    char *at = mapped(PROT_READ | PROT_EXEC, MAP_SHARED, fd, page());
    close(fd);
    refused((uintptr_t)at, EACCES);
}

TEST(code_in_a_writable_mapping)
{
    ONE;
    char *at = mapped(PROT_READ | PROT_WRITE, MAP_PRIVATE, library(O_RDONLY), page());
    refused((uintptr_t)at, EACCES);
}

/* Only this program asks for both rights at once, and the kernel must refuse such a target. */
TEST(code_in_a_mapping_that_is_writable_and_executable)
{
    ONE;
    char *at = mapped(PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE, library(O_RDONLY), page());
    refused((uintptr_t)at, EACCES);
}

/* Written while writable, and executable afterwards: W^X alone allows this. */
TEST(code_that_was_written_to_and_then_made_executable)
{
    ONE;
    char *at = mapped(PROT_READ | PROT_WRITE, MAP_PRIVATE, library(O_RDONLY), 2 * page());
    at[0] = (char)0xc3;
    CHECK(mprotect(at, 2 * page(), PROT_READ | PROT_EXEC) == 0);
    refused((uintptr_t)at, EACCES);
}

/* The neighbouring page was written to: the kernel checks whole mappings, and refuses. */
TEST(code_in_a_mapping_with_one_copied_page)
{
    ONE;
    char *at = mapped(PROT_READ | PROT_WRITE, MAP_PRIVATE, library(O_RDONLY), 2 * page());
    at[page()] = 1;
    CHECK(mprotect(at, 2 * page(), PROT_READ | PROT_EXEC) == 0);
    refused((uintptr_t)at, EACCES);
}

TEST(code_copied_by_a_debuggers_write)
{
    ONE;
    char *at = mapped(PROT_READ | PROT_EXEC, MAP_PRIVATE, library(O_RDONLY), page());
    CHECK(accepted((uintptr_t)at) >= 0);
    int mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
    if (pwrite(mem, "\xcc", 1, (off_t)(uintptr_t)at) != 1)
        ktest_skip("this kernel does not let /proc/self/mem write to read-only pages");
    refused((uintptr_t)at, EACCES);
}

TEST(code_in_a_file_that_is_open_for_writing)
{
    ONE;
    int writer;
    char *at = mapped(PROT_READ | PROT_EXEC, MAP_PRIVATE, library(O_RDONLY), page());
    CHECK((writer = open(path, O_RDWR | O_CLOEXEC)) >= 0);
    refused((uintptr_t)at, ETXTBSY);
    close(writer);
    CHECK(accepted((uintptr_t)at) >= 0);
}

TEST(code_in_a_memfd_that_is_still_writable)
{
    ONE;
    int fd = memfd_create("code", MFD_CLOEXEC);
    CHECK(fd >= 0 && ftruncate(fd, (off_t)page()) == 0);
    char *at = mapped(PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, page());
    struct trampfd_create arg = valid();
    arg.code = (uintptr_t)at;
    CHECK(create(&arg) == -1 && (errno == ETXTBSY || errno == EACCES));
}

/* After the check of a target, and after the table is gone, the file can be opened for writing. */
TEST(the_file_of_the_code_can_be_opened_again_after_a_refusal)
{
    ONE;
    char *at = mapped(PROT_READ | PROT_EXEC, MAP_PRIVATE, library(O_RDONLY), page());
    struct trampfd_create arg = valid();
    static uint64_t codes[2];
    codes[0] = (uintptr_t)at;
    codes[1] = (uintptr_t)data_at;
    arg.flags = TRAMPFD_CODE_ARRAY;
    arg.code = (uintptr_t)codes;
    arg.count = 2;
    CHECK_ERRNO(create(&arg), EACCES);
    int writer = open(path, O_RDWR | O_CLOEXEC);
    CHECK(writer >= 0);
}

TEST(the_file_of_the_code_can_be_opened_again_when_the_table_is_gone)
{
    ONE;
    char *at = mapped(PROT_READ | PROT_EXEC, MAP_PRIVATE, library(O_RDONLY), page());
    int fd = accepted((uintptr_t)at);
    CHECK(fd >= 0);
    close(fd);
    int writer = open(path, O_RDWR | O_CLOEXEC);
    CHECK(writer >= 0);
}

TEST(code_in_another_table)
{
    ONE;
    struct table table = make_valid(1);
    refused((uintptr_t)table.at, EACCES);
    refused((uintptr_t)table.at - page() + TRAMPFD_DATA_AT, EACCES);
}

/* Text whose rights were changed, but to which nobody wrote, still has the file's bytes. */
TEST(text_that_was_writable_but_never_written_to)
{
    ONE;
    char *at = mapped(PROT_READ | PROT_WRITE, MAP_PRIVATE, library(O_RDONLY), page());
    CHECK(mprotect(at, page(), PROT_READ | PROT_EXEC) == 0);
    CHECK(accepted((uintptr_t)at) >= 0);
}

/* The kernel checks the code once. The program may unmap it later, and then jumps to nothing. */
TEST(code_unmapped_after_creation_leaves_the_table_as_it_is)
{
    ONE;
    struct trampfd_create arg = valid();
    char *at = mapped(PROT_READ | PROT_EXEC, MAP_PRIVATE, library(O_RDONLY), page());
    arg.code = (uintptr_t)at;
    struct table table = make(&arg);
    CHECK(munmap(at, page()) == 0);
    check_bytes(&table);
}

TEST(code_in_a_deleted_file)
{
    ONE;
    char *at = mapped(PROT_READ | PROT_EXEC, MAP_PRIVATE, library(O_RDONLY), page());
    CHECK(unlink(path) == 0);
    CHECK(accepted((uintptr_t)at) >= 0);
}

TEST(a_code_array_over_two_files)
{
    ONE;
    static uint64_t codes[300];
    char *at = mapped(PROT_READ | PROT_EXEC, MAP_PRIVATE, library(O_RDONLY), page());
    for (unsigned i = 0; i < 300; i++)
        codes[i] = i % 3 ? (uintptr_t)at + 4 * (i % 7) : (uintptr_t)target(i);
    struct trampfd_create arg = valid();
    arg.flags = TRAMPFD_CODE_ARRAY;
    arg.code = (uintptr_t)codes;
    arg.count = 300;
    struct table table = make(&arg);
    check_bytes(&table);
}
