/* SPDX-License-Identifier: MIT */
/* module.c - unloading the module while a process uses it, and loading it again
 *
 * A process with the device, a table or a mapping holds the module, so no process runs code that
 * has been unloaded.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include "table.h"

static int unload(void)
{
    return (int)syscall(SYS_delete_module, "trampfd", O_NONBLOCK);
}

static void load(void)
{
    int fd = open("/trampfd.ko", O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    CHECK(syscall(SYS_finit_module, fd, "", 0) == 0);
    close(fd);
}

/* The kernel frees files with a delay: it may take a moment until no file holds the module. */
static bool unloads(void)
{
    for (int i = 0; i < 400; i++) {
        if (unload() == 0)
            return true;
        CHECK_EQ(errno, EAGAIN);
        usleep(5000);
    }
    return false;
}

TEST(the_module_is_held_by_an_open_device)
{
    ONE;
    int dev = device();
    CHECK_ERRNO(unload(), EAGAIN);
    close(dev);
}

TEST(the_module_is_held_by_an_unmapped_table)
{
    ONE;
    struct trampfd_create arg = valid();
    int fd = create(&arg);
    CHECK(fd >= 0);
    CHECK_ERRNO(unload(), EAGAIN);
    CHECK(map(fd, &arg) != MAP_FAILED);
}

TEST(the_module_is_held_by_a_mapping)
{
    ONE;
    struct table table = make_valid(300);
    close(table.fd);
    CHECK_ERRNO(unload(), EAGAIN);
    check_bytes(&table);
    check_calls(&table);
}

static void held(void *table)
{
    CHECK_ERRNO(unload(), EAGAIN);
    check_calls(table);
}

TEST(the_module_is_held_by_a_childs_mapping)
{
    ONE;
    struct table table = make_valid(300);
    pid_t pid = fork();
    if (pid == 0) {
        usleep(100000);
        held(&table);
        fflush(stdout);
        _exit(0);
    }
    unmap(&table);
    CHECK_ERRNO(unload(), EAGAIN);
    CHECK_EQ(status_of(pid), PASSED);
}

TEST(the_module_unloads_when_nobody_uses_it_and_loads_again)
{
    ONE;
    for (unsigned i = 0; i < 5; i++) {
        CHECK(unloads());
        CHECK_ERRNO(open("/dev/trampfd", O_RDONLY | O_CLOEXEC), ENOENT);
        load();
        struct table table = make_valid(300);
        check_bytes(&table);
        check_calls(&table);
        unmap(&table);
    }
}

TEST(loading_and_unloading_while_others_make_tables)
{
    ONE;
    unsigned unloaded = 0, made = 0;
    pid_t pid = fork();
    if (pid == 0) {
        for (unsigned i = 0; i < 400; i++) {
            struct trampfd_create arg = valid();
            int dev = open("/dev/trampfd", O_RDONLY | O_CLOEXEC);
            if (dev < 0) {
                CHECK(errno == ENOENT || errno == ENXIO || errno == ENODEV);
                usleep(500);
                continue;
            }
            close(dev);
            dev = open("/dev/trampfd", O_RDONLY | O_CLOEXEC);
            if (dev < 0)
                continue;
            int fd = (int)syscall(SYS_ioctl, dev, TRAMPFD_CREATE, &arg);
            CHECK(fd >= 0);
            CHECK(map(fd, &arg) != MAP_FAILED);
            close(fd);
            close(dev);
            made++;
            munmap(0, 0);
            if (i % 8 == 7)
                usleep(2000);
        }
        printf("# %u made\n", made);
        fflush(stdout);
        _exit(0);
    }
    for (unsigned i = 0; i < 200; i++) {
        if (unload() == 0) {
            unloaded++;
            load();
        }
        usleep(1000);
    }
    CHECK_EQ(status_of(pid), PASSED);
    printf("# %u times unloaded\n", unloaded);
    device();
}
