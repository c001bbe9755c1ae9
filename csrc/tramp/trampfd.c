/* SPDX-License-Identifier: MIT */
/* trampfd.c - provider: trampolines that the kernel writes, from /dev/trampfd (csrc/kernel)
 *
 * The kernel is told where the slots are and where fs_enter_slot is, and gives a descriptor whose
 * pages it has written: constants, which are mapped right before the table, and code, which is
 * mapped where the table lies; then both descriptors are closed.
 *
 *      constants                     code                          slots (data)
 *      | addresses, R--            | 4096 trampolines R-X        | 4096 slots RW, MAP_PRIVATE |
 *      ^ code - FS_TABLE_CODE        ^ multiple of FS_TABLE_SPAN
 *
 * A trampoline is the template's but for one instruction: it loads its slot's address from the
 * constants, where the template computes it. The stub of each group jumps through a pointer there
 * as well, and not through one in the table's header, which is data. Nobody can write to either
 * part: neither this process nor its debugger.
 *
 * Fails when: there is no such device, which is so nearly everywhere; a sandbox hides it; no
 * descriptor is free; the user has as many pages as a user may have; our text is not a file's, or
 * a debugger has written breakpoints into it; the code that it would point at is not ours.
 *
 * A device that is not there, or that refuses for a reason that lasts, is asked once: neither this
 * process nor a child that it forks asks again, until ffi_static_provider_probe("trampfd") finds
 * that it works. A module that is loaded later is found by programs that start later.
 */
#include "tramp/provider.h"

#include "arch.h"
#include "base/error.h"
#include "tramp/table.h"

#if defined FS_TRAMPFD_STUB &&                                                                     \
    __has_include(<linux/ioctl.h>) /* musl's gcc has no kernel headers */
#include "kernel/include/uapi/linux/trampfd.h"

#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define DEVICE "/dev/trampfd"

_Static_assert(FS_TRAMP_SIZE == TRAMPFD_COMPACT_SIZE, "the kernel's trampolines are as large");
_Static_assert(FS_GROUP_SLOTS == TRAMPFD_COMPACT_GROUP, "its groups are");
_Static_assert(FS_TABLE_CODE == TRAMPFD_COMPACT_CODE_SIZE(FS_TABLE_SLOTS, 4096) &&
                   FS_TABLE_CODE == TRAMPFD_COMPACT_CODE_SIZE(FS_TABLE_SLOTS, 0x10000),
               "its tables are, whatever the page size is");
#define CONSTANTS FS_TABLE_CODE /* as large as the code */
_Static_assert(FS_TABLE_CODE + FS_TABLE_DATA + CONSTANTS <= FS_TABLE_SPAN,
               "they lie between this table and the one before");

#define NOT_LOADED "; the kernel module trampfd is not loaded (or a sandbox has no " DEVICE ")"
#define NO_DESCRIPTOR "; all descriptors are taken"
#define OTHER_VERSION "; a module of another version?"

/* What the system answers: whether it will answer the same for as long as the process runs, and
 * what helps, where it is opened and where a table is created. */
static const struct answer {
    int error;
    bool lasts;
    const char *open_helps, *create_helps;
} answers[] = {
    {ENOENT, true, NOT_LOADED, ""},
    {ENXIO, true, NOT_LOADED, ""},
    {ENODEV, true, NOT_LOADED, ""},
    {EINVAL, true, "", OTHER_VERSION},
    {ENOTTY, true, "", OTHER_VERSION},
    {EACCES, true, "",
     "; the library's text is not mapped as from its file (moved to huge pages, or with a "
     "debugger's breakpoints?)"},
    {EDQUOT, false, "", "; this user has as many trampolines as the module's limit allows"},
    {ETXTBSY, false, "", "; the library's file is open for writing"},
    {EMFILE, false, NO_DESCRIPTOR, NO_DESCRIPTOR},
    {ENFILE, false, NO_DESCRIPTOR, NO_DESCRIPTOR},
    {ENOMEM, false, "", ""},
    {EINTR, false, "", ""},
    {EAGAIN, false, "", ""},
};

static const struct answer *answer_of(int error)
{
    static const struct answer other = {0, true, "", ""};
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++)
        if (answers[i].error == -error)
            return &answers[i];
    return &other;
}

static bool is_lasting(int error)
{
    return answer_of(error)->lasts;
}

#define MISC_MAJOR 10 /* Linux, Documentation/admin-guide/devices.txt */

/* Only a device of the module's kind is opened: opening a FIFO waits for a writer, opening a
 * terminal for a carrier, and another device may act on being opened. */
static int open_device(struct fs_why *why)
{
    char answer[96];
    struct stat st;
    int fd = stat(DEVICE, &st);
    if (!fd && (!S_ISCHR(st.st_mode) || major(st.st_rdev) != MISC_MAJOR))
        return fs_refuse(why, -ENODEV, DEVICE " is not the device of the kernel module trampfd");
    if (!fd)
        fd = open(DEVICE, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd >= 0)
        return fd;
    int error = -errno;
    return fs_refuse(why, error, "open " DEVICE ": %s%s",
                     fs_errno_text(error, answer, sizeof answer), answer_of(error)->open_helps);
}

static int create(int device, char *code, struct fs_why *why)
{
    char answer[96];
    struct trampfd_create table = {
        .size = sizeof table,
        .flags = TRAMPFD_COMPACT,
        .count = FS_TABLE_SLOTS,
        .first = 1, /* slot 0 is the header */
        .data_register = FS_TRAMPFD_R,
        .code = (uintptr_t)fs_enter_slot,
        .data = (uintptr_t)code + FS_TABLE_CODE,
        .stride = FS_SLOT_SIZE,
    };
    int fd = ioctl(device, TRAMPFD_CREATE, &table);
    if (fd >= 0)
        return fd;
    int error = -errno;
    return fs_refuse(why, error, "TRAMPFD_CREATE of %d trampolines: %s%s", FS_TABLE_SLOTS,
                     fs_errno_text(error, answer, sizeof answer), answer_of(error)->create_helps);
}

/* Both parts, the constants first: the kernel maps the code behind them only. */
static int map_parts(int fd, char *code, struct fs_why *why)
{
    const int flags = MAP_PRIVATE | MAP_FIXED;
    char answer[96];
    if (mmap(code - CONSTANTS, CONSTANTS, PROT_READ, flags, fd, 0) == MAP_FAILED)
        return fs_refuse(why, -errno, "mmap of the kernel's constants, readable: %s",
                         fs_errno_text(errno, answer, sizeof answer));
    if (mmap(code, FS_TABLE_CODE, FS_PROT_CODE, flags, fd, CONSTANTS) == MAP_FAILED)
        return fs_refuse(why, -errno,
                         "mmap of the kernel's trampolines, readable and executable: %s",
                         fs_errno_text(errno, answer, sizeof answer));
    return 0;
}

static int map_trampfd(const struct fs_template *of, char *code, struct fs_why *why)
{
    (void)of; /* that of our tables, whose form the kernel knows */
    int device = open_device(why);
    if (device < 0)
        return device;
    int fd = create(device, code, why);
    close(device);
    if (fd < 0)
        return fd;
    int error = map_parts(fd, code, why);
    close(fd);
    return error;
}

/* The template's trampoline, with the load instead of the instruction that is there. The template's
 * padding has none. */
static bool is_trampoline(const char *at, const char *template, bool is_padding)
{
    static const unsigned char load[] = FS_TRAMPFD_LOAD;
    const size_t behind = FS_TRAMPFD_LOAD_AT + sizeof load;
    if (is_padding)
        return memcmp(at, template, FS_TRAMP_SIZE) == 0;
    return memcmp(at, template, FS_TRAMPFD_LOAD_AT) == 0 &&
           memcmp(at + FS_TRAMPFD_LOAD_AT, load, sizeof load) == 0 &&
           memcmp(at + behind, template + behind, FS_TRAMP_SIZE - behind) == 0;
}

/* The constants of the group whose code is at `code`; `slots` is its first slot's address, 0 where
 * that is the header. In front fs_enter_slot, then a unit for each trampoline; the rest is zero. */
static bool are_constants(const char *code, uintptr_t slots, bool has_header)
{
    const uintptr_t *word = (const uintptr_t *)(const void *)(code - CONSTANTS);
    const unsigned words = FS_TRAMP_SIZE / sizeof *word;
    _Static_assert(FS_TRAMP_SIZE == TRAMPFD_DATA_AT, "the data of one is in the next one's unit");
    bool good = word[0] == (uintptr_t)fs_enter_slot;
    for (unsigned i = 1; i < FS_GROUP_SLOTS; i++) {
        bool has_none = has_header && i == 1;
        good &= word[i * words] == (has_none ? 0 : slots + (i - 1) * FS_SLOT_SIZE);
    }
    for (unsigned i = 0; i < FS_GROUP_SLOTS; i++)
        good &= word[i * words + 1] == 0;
    return good;
}

/* Every byte, of the constants as well. */
static bool is_intact(const char *code)
{
    static const unsigned char stub[FS_TRAMP_SIZE] = FS_TRAMPFD_STUB;
    const unsigned hole = FS_GROUP_SLOTS - 1;
    const uintptr_t slots = (uintptr_t)code + FS_TABLE_CODE;
    for (unsigned i = 0; i < FS_TABLE_SLOTS; i++) {
        const size_t at = (size_t)i * FS_TRAMP_SIZE;
        if (i % FS_GROUP_SLOTS == 0 && !are_constants(code + at, slots + i * FS_SLOT_SIZE, i == 0))
            return false;
        if (i % FS_GROUP_SLOTS == hole ? memcmp(code + at, stub, sizeof stub) != 0
                                       : !is_trampoline(code + at, fs_table_code + at, i == 0))
            return false;
    }
    return true;
}
#else
#define CONSTANTS 0

static int map_trampfd(const struct fs_template *of, char *code, struct fs_why *why)
{
    (void)of;
    (void)code;
    return fs_refuse(
        why, -ENOTSUP,
        "the kernel module trampfd does not know this architecture, or this library was "
        "built without Linux's headers");
}

static bool is_lasting(int error)
{
    (void)error;
    return true;
}

static bool is_intact(const char *code)
{
    (void)code;
    return false;
}
#endif

const struct fs_provider fs_provider_trampfd = {
    .name = "trampfd",
    .about = "trampolines that the kernel writes and nobody else can, from /dev/trampfd: needs the "
             "kernel module",
    .before = CONSTANTS,
    .own_only = "the kernel writes trampolines of its own form, and takes no code from a program",
    .map = map_trampfd,
    .is_intact = is_intact,
    .is_lasting = is_lasting,
};
