/* SPDX-License-Identifier: MIT */
/* device.c - provider trampfd before a /dev/trampfd of the test's own, which may fail and lie
 *
 * The program's stat(), open() and ioctl() stand before libc's. For the device they answer as the
 * kernel module is documented to (uapi/linux/trampfd.h), with a sealed memory file of constants and
 * of instructions that are encoded here once more; or they fail, or one byte is wrong. What the
 * real module does is seen in a virtual machine (tests/kernel/vm); what the library makes of any
 * answer is seen here.
 */
#include "fs_test.h"
#include <fcntl.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include "../../../csrc/kernel/include/uapi/linux/trampfd.h"

#ifndef __x86_64__
#error "the device writes x86-64 code"
#endif

enum { TRAMPOLINES = 4096, CODE = TRAMPOLINES * 16, DATA = TRAMPOLINES * 64 };

static struct {
    int opens, creates;
    mode_t mode;                  /* what stat() says, 0: the module's device */
    unsigned major;               /* the same */
    int open_error, create_error; /* fail so */
    long wrong;                   /* this byte of constants and code is, unless negative */
    bool unmappable;              /* the descriptor can be mapped for nothing */
    struct trampfd_create last;
} device = {.wrong = -1};

static void put32(unsigned char *at, int64_t value)
{
    int32_t v = (int32_t)value;
    CHECK_EQ(v, value);
    memcpy(at, &v, sizeof v);
}

static void put_stub(unsigned char *at)
{
    at[0] = 0xff; /* jmp *the first word of the block's constants */
    at[1] = 0x25;
    put32(at + 2, -4080 - CODE - 6);
}

static void put_trampoline(unsigned char *at, const struct trampfd_create *c, uint32_t i)
{
    static const unsigned char landing[4] = {0xf3, 0x0f, 0x1e, 0xfa};
    unsigned reg = c->data_register;
    memcpy(at, landing, sizeof landing);
    at[4] = (unsigned char)(0x48 | (reg >= 8 ? 4 : 0)); /* mov disp32(%rip), reg */
    at[5] = 0x8b;
    at[6] = (unsigned char)(5 | (reg & 7) << 3);
    put32(at + 7, 16 - CODE - 11);
    at[11] = 0xe9; /* jmp to the group's last */
    put32(at + 12, (int64_t)(255 - i % 256) * 16 - 16);
}

static void put_constants(unsigned char *at, const struct trampfd_create *c)
{
    memset(at, 0, CODE);
    for (uint32_t i = 0; i < c->count; i++) {
        uint64_t data = c->data + i * c->stride;
        if (i % 256 == 0)
            memcpy(at + 16 * i, &c->code, 8);
        if (i >= c->first && i % 256 != 255)
            memcpy(at + 16 * i + 16, &data, 8);
    }
}

static int create(const struct trampfd_create *c)
{
    static unsigned char both[2 * CODE], *const code = both + CODE;
    CHECK(c->size >= TRAMPFD_CREATE_SIZE_V0 && c->flags == TRAMPFD_COMPACT);
    CHECK(c->count == TRAMPOLINES && c->first < c->count && !c->code_register);
    CHECK(c->data_register < 16 && c->data_register != 4);
    put_constants(both, c);
    memset(code, 0xcc, CODE);
    for (uint32_t i = 0; i < c->count; i++)
        if (i % 256 == 255)
            put_stub(code + 16 * i);
        else if (i >= c->first)
            put_trampoline(code + 16 * i, c, i);
    if (device.wrong >= 0)
        both[device.wrong] ^= 0x40;
    int fd = memfd_create("table", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    CHECK(fd >= 0);
    CHECK_EQ(write(fd, both, sizeof both), (ssize_t)sizeof both);
    CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK), 0);
    return fd;
}

int stat(const char *path, struct stat *st)
{
    if (strcmp(path, "/dev/trampfd"))
        return fstatat(AT_FDCWD, path, st, 0);
    memset(st, 0, sizeof *st);
    st->st_mode = device.mode ? device.mode : S_IFCHR | 0666;
    st->st_rdev = makedev(device.major ? device.major : 10, 100);
    return 0;
}

int open(const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    int mode = flags & O_CREAT ? va_arg(rest, int) : 0;
    va_end(rest);
    if (strcmp(path, "/dev/trampfd"))
        return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    device.opens++;
    CHECK(flags & O_CLOEXEC && flags & O_NONBLOCK && flags & O_NOCTTY);
    if ((errno = device.open_error))
        return -1;
    return (int)syscall(SYS_openat, AT_FDCWD, "/dev/null", flags, 0);
}

int ioctl(int fd, unsigned long request, ...)
{
    va_list rest;
    va_start(rest, request);
    const struct trampfd_create *c = va_arg(rest, const struct trampfd_create *);
    va_end(rest);
    CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC);
    CHECK_EQ(request, TRAMPFD_CREATE);
    device.creates++;
    device.last = *c;
    if ((errno = device.create_error))
        return -1;
    return device.unmappable ? (int)syscall(SYS_openat, AT_FDCWD, "/dev", O_RDONLY) : create(c);
}

static const char *provider_of_last(size_t have)
{
    return api.provider_of(many[have - 1].code);
}

static int probe(char *why, size_t size)
{
    return ffi_static_provider_probe("trampfd", why, size);
}

CASE(it_comes_right_after_the_resident_table)
{
    size_t fds = test_open_fds();
    CHECK_EQ(test_make_many(many, MANY), MANY);
    CHECK_EQ(strcmp(api.provider_of(many[0].code), "resident"), 0);
    for (size_t i = 300; i < MANY; i++)
        CHECK_EQ(strcmp(api.provider_of(many[i].code), "trampfd"), 0);
    CHECK_EQ(api.check(), 0);
    CHECK_EQ(test_open_fds(), fds);
    CHECK_EQ(device.creates, test_stats().tables);
    const char *table = (char *)((uintptr_t)many[300].code & -(uintptr_t)0x80000);
    CHECK_EQ(strcmp(test_map_of(table).perms, "r-xp"), 0);
    CHECK_EQ(strcmp(test_map_of(table - 1).perms, "r--p"), 0);
    CHECK_EQ(strcmp(test_map_of(table - CODE).perms, "r--p"), 0);
    test_free_many(many, MANY);
    CHECK_EQ(test_stats().live, 0);
}

/* open() of a FIFO waits for a writer, and open() of a watchdog or a tape starts something. */
CASE(what_is_not_the_device_is_not_opened)
{
    static const struct {
        mode_t mode;
        unsigned major;
    } others[] = {{S_IFIFO | 0666, 0}, {S_IFREG | 0666, 0},  {S_IFDIR | 0755, 0},
                  {S_IFBLK | 0666, 0}, {S_IFSOCK | 0666, 0}, {S_IFCHR | 0666, 5}};
    char why[256];
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        device.mode = others[i].mode;
        device.major = others[i].major;
        CHECK_EQ(probe(why, sizeof why), -ENODEV);
        CHECK_HAS(why, "not the device");
    }
    CHECK_EQ(device.opens, 0);
    CHECK_EQ(test_make_many(many, 1000), 1000); /* by another provider */
    CHECK_EQ(device.opens, 0);
    device.mode = device.major = 0;
    CHECK_EQ(probe(why, sizeof why), 0);
    test_free_many(many, 1000);
}

CASE(what_it_is_asked_for)
{
    CHECK_EQ(probe(NULL, 0), 0);
    CHECK_EQ(device.last.size, sizeof device.last);
    CHECK_EQ(device.last.first, 1);
    CHECK_EQ(device.last.data_register, TRAMPFD_X86_R(10));
    CHECK_EQ(device.last.stride, 64);
    CHECK_EQ(device.last.data % 0x80000, CODE);
    CHECK(strncmp(test_map_of((void *)device.last.code).perms, "r-x", 3) == 0);
    CHECK_EQ(test_stats().tables, 0);
}

/* Each byte by itself (every thirteenth, which is each place in a trampoline many times over):
 * wrong, it is seen, and nothing of the table is kept. */
CASE(no_byte_may_be_wrong)
{
    char why[512];
    size_t step = test_scaled(7) > 1 ? 13 : 211; /* 211: where each step costs more */
    size_t maps = test_maps_count();
    for (device.wrong = 0; device.wrong < 2 * CODE; device.wrong += (long)step) {
        CHECK_EQ(probe(why, sizeof why), -ESTALE);
        CHECK_HAS(why, "not the library's own code");
    }
    for (device.wrong = CODE - 16; device.wrong < CODE + 32; device.wrong++)
        CHECK_EQ(probe(why, sizeof why), -ESTALE);
    for (device.wrong = 2 * CODE - 16; device.wrong < 2 * CODE; device.wrong++)
        CHECK_EQ(probe(why, sizeof why), -ESTALE);
    CHECK(test_maps_count() < maps + 16); /* instrumented builds map some for themselves */
    device.wrong = -1;
    CHECK_EQ(probe(why, sizeof why), 0);
}

CASE(a_wrong_table_is_passed_over)
{
    device.wrong = 0x1234;
    CHECK_EQ(test_make_many(many, 3000), 3000);
    CHECK(strcmp(provider_of_last(3000), "trampfd") != 0);
    test_free_many(many, 3000);
}

struct failure {
    int error;
    bool lasts;
    const char *says;
};

/* What fails and will go on failing costs one try; what may pass is tried for each table. */
static void check_failure(int *error, const int *tries, const struct failure *f)
{
    char why[512];
    *error = f->error;
    CHECK_EQ(probe(why, sizeof why), -f->error);
    CHECK_HAS(why, f->says);
    CHECK_HAS(why, strerror(f->error));
    int before = *tries;
    CHECK_EQ(test_make_many(many, MANY), MANY);
    CHECK(strcmp(provider_of_last(MANY), "trampfd") != 0);
    CHECK(test_stats().maps >= 4);
    if (f->lasts)
        CHECK_EQ(*tries, before);
    else
        CHECK(*tries >= before + 4);
    test_free_many(many, MANY);
    *error = 0;
}

/* Each in a process of its own. */
static void check_failures(const struct failure *all, size_t n, int *error, const int *tries)
{
    size_t fds = test_open_fds();
    for (size_t i = 0; i < n; i++) {
        pid_t child = fork();
        if (child == 0) {
            test_maps_reopen();
            check_failure(error, tries, &all[i]);
            _exit(0);
        }
        test_wait(child);
    }
    CHECK_EQ(test_open_fds(), fds);
}

CASE(when_it_cannot_be_opened)
{
    static const struct failure all[] = {
        {ENOENT, true, "not loaded"},        {ENXIO, true, "not loaded"},
        {EACCES, true, "open /dev/trampfd"}, {ENOSYS, true, "open /dev/trampfd"},
        {EPERM, true, "open /dev/trampfd"},  {EMFILE, false, "descriptors"},
        {ENFILE, false, "descriptors"},      {ENOMEM, false, "open /dev/trampfd"}};
    check_failures(all, sizeof all / sizeof *all, &device.open_error, &device.opens);
}

CASE(when_it_makes_no_table)
{
    static const struct failure all[] = {
        {EINVAL, true, "version"},        {ENOTTY, true, "version"},
        {EACCES, true, "text"},           {EOPNOTSUPP, true, "TRAMPFD_CREATE"},
        {ENOSYS, true, "TRAMPFD_CREATE"}, {EDQUOT, false, "limit"},
        {EMFILE, false, "descriptors"},   {ENOMEM, false, "TRAMPFD_CREATE"},
        {ETXTBSY, false, "writing"}};
    check_failures(all, sizeof all / sizeof *all, &device.create_error, &device.creates);
}

CASE(when_its_table_cannot_be_mapped)
{
    char why[512];
    size_t fds = test_open_fds();
    device.unmappable = true;
    CHECK_EQ(probe(why, sizeof why), -ENODEV);
    CHECK_HAS(why, "mmap");
    CHECK_EQ(test_make_many(many, MANY), MANY);
    CHECK(strcmp(provider_of_last(MANY), "trampfd") != 0);
    CHECK_EQ(test_open_fds(), fds);
    CHECK_EQ(device.creates, 1);
    test_free_many(many, MANY);
}

/* A module that is loaded while the program runs is found by a probe, not by itself. */
CASE(a_probe_asks_again)
{
    device.open_error = ENOENT;
    CHECK_EQ(test_make_many(many, 6000), 6000);
    CHECK_EQ(device.opens, 1);
    device.open_error = 0;
    CHECK_EQ(test_make_many(many + 6000, 6000), 6000);
    CHECK(strcmp(provider_of_last(12000), "trampfd") != 0);
    CHECK_EQ(device.opens, 1);
    CHECK_EQ(probe(NULL, 0), 0);
    CHECK_EQ(test_make_many(many + 12000, 6000), 6000);
    CHECK_EQ(strcmp(provider_of_last(18000), "trampfd"), 0);
    CHECK_EQ(api.check(), 0);
    test_free_many(many, 18000);
}

CASE(a_forked_child_remembers_a_refusal)
{
    device.open_error = ENOENT;
    CHECK_EQ(test_make_many(many, 3000), 3000);
    pid_t child = fork();
    if (child == 0) {
        test_maps_reopen();
        CHECK_EQ(test_make_many(many + 3000, 6000), 6000);
        CHECK_EQ(device.opens, 1);
        _exit(0);
    }
    test_wait(child);
    test_free_many(many, 3000);
}

CASE(a_forked_child_has_the_table_and_makes_its_own)
{
    CHECK_EQ(test_make_many(many, 3000), 3000);
    pid_t child = fork();
    if (child == 0) {
        test_maps_reopen();
        for (size_t i = 0; i < 3000; i++)
            test_call(&many[i]);
        test_free_many(many, 3000);
        CHECK_EQ(test_make_many(many, 9000), 9000);
        CHECK_EQ(strcmp(provider_of_last(9000), "trampfd"), 0);
        CHECK_EQ(api.check(), 0);
        test_audit();
        _exit(0);
    }
    test_wait(child);
    for (size_t i = 0; i < 3000; i++)
        test_call(&many[i]);
    test_free_many(many, 3000);
}

/* Put that file's table where the last one is. */
static void map_again(int fd)
{
    char *code = (char *)(uintptr_t)device.last.data - CODE;
    const int how = MAP_PRIVATE | MAP_FIXED;
    CHECK(mmap(code - CODE, CODE, PROT_READ, how, fd, 0) == code - CODE);
    CHECK(mmap(code, CODE, PROT_READ | PROT_EXEC, how, fd, CODE) == code);
    close(fd);
}

/* ffi_static_check() looks at the kernel's code and constants with the same eyes. */
CASE(a_table_that_changed_is_found)
{
    static const long places[] = {16 * 20, 4096 * 3 + 1, CODE + 16 * 20 + 8, CODE + 16 * 255 + 3};
    CHECK_EQ(test_make_many(many, 3000), 3000);
    CHECK_EQ(api.check(), 0);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        device.wrong = places[i];
        map_again(create(&device.last));
        CHECK_EQ(api.check(), -EUCLEAN);
        CHECK_HAS(api.error(), "trampfd");
        device.wrong = -1;
        map_again(create(&device.last));
        CHECK_EQ(api.check(), 0);
    }
    test_free_many(many, 3000);
}

/* The constants lie in front of what every other provider maps: they have to go as well. */
CASE(a_table_that_is_given_back_leaves_nothing)
{
    size_t maps = test_maps_count();
    for (int i = 0; i < 50; i++)
        CHECK_EQ(probe(NULL, 0), 0);
    CHECK(test_maps_count() < maps + 16); /* instrumented builds map some for themselves */
}

CASE(the_general_form_works_on_it)
{
    static void *address[5000];
    struct ffi_static_trampoline what = {(void *)labs, NULL, FFI_STATIC_RDI, FFI_STATIC_RAX};
    for (long i = 0; i < 5000; i++) {
        what.data = (void *)-i;
        CHECK_EQ(ffi_static_trampoline_alloc(&what, 0, &address[i]), 0);
    }
    CHECK_EQ(strcmp(ffi_static_provider_of(address[4999]), "trampfd"), 0);
    for (long i = 0; i < 5000; i++)
        CHECK_EQ(((long (*)(void))(uintptr_t)address[i])(), i);
    for (long i = 0; i < 5000; i++)
        CHECK_EQ(ffi_static_trampoline_free(address[i]), 0);
}
