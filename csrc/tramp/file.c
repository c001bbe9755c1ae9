/* SPDX-License-Identifier: MIT */
/* file.c - provider: the file that the text is mapped from, opened again and verified
 *
 * The file behind a path may no longer be the one we run from: upgraded, deleted, another one
 * in a chroot. It is used only if it has the device and inode that the kernel shows for our own
 * text, and the caller compares the mapped bytes besides. It is looked at before it is opened: to
 * open a FIFO waits for a writer, to open a device may do anything. Between open and mmap nothing
 * goes by name. The descriptor is closed at once.
 *
 * Fails when: /proc is not mounted, the file was replaced or deleted, the text is anonymous, all
 * descriptors are taken, or the file system shows another device in stat than in /proc (some
 * layered ones). Where the file system does not answer (a dead server's), the thread waits for it;
 * other threads do not wait for the thread.
 */
#include "tramp/provider.h"
#include "base/error.h"
#include "base/maps.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* The kernel writes a newline in a path as the four characters \012. */
static bool decode_newlines(char *path)
{
    bool any = false;
    for (char *at = path; (at = strstr(at, "\\012")); at++) {
        *at = '\n';
        memmove(at + 1, at + 4, strlen(at + 4) + 1);
        any = true;
    }
    return any;
}

static bool is_same(const struct stat *st, const struct fs_map *m)
{
    return S_ISREG(st->st_mode) && st->st_dev == m->dev && st->st_ino == m->inode;
}

static int open_same(const struct fs_template *of, struct fs_map *m, struct fs_why *why)
{
    char answer[96];
    struct stat st;
    int error = stat(m->path, &st);
    if (error && errno == ENOENT && decode_newlines(m->path))
        error = stat(m->path, &st);
    /* It may be another one by the time that it is opened: then nothing here waits either. */
    int fd = -1;
    if (!error && is_same(&st, m)) {
        fd = open(m->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        error = fd < 0 || fstat(fd, &st) ? -1 : 0;
    }
    if (!error && fd >= 0 && is_same(&st, m))
        return fd;
    if (error)
        error = -errno;
    if (fd >= 0)
        close(fd);
    if (error)
        return fs_refuse(why, error, "open %.100s: %s", m->path,
                         fs_errno_text(error, answer, sizeof answer));
    return fs_refuse(why, -ESTALE,
                     "%.100s is not the file that this %s was loaded from (replaced, or another "
                     "root); restart the program to use the new one",
                     m->path, of->whose);
}

static int map_found(const struct fs_template *of, char *code, struct fs_map *m, struct fs_why *why)
{
    char answer[96];
    int error = fs_maps_find(of->code, m);
    if (error)
        return fs_refuse(why, error, "finding the %s's file in /proc/self/maps: %s", of->whose,
                         fs_errno_text(error, answer, sizeof answer));
    uintptr_t start = (uintptr_t)of->code;
    if (m->inode == 0 || m->path[0] != '/')
        return fs_refuse(why, -ENOENT, "the %s's text is not mapped from a file", of->whose);
    if (start + of->code_size > m->end)
        return fs_refuse(why, -ENOENT, "the %s's text is mapped in pieces", of->whose);
    int fd = open_same(of, m, why);
    if (fd < 0)
        return fd;
    char *p = mmap(code, of->code_size, of->prot, MAP_PRIVATE | MAP_FIXED, fd,
                   (off_t)(m->offset + (start - m->start)));
    error = p == MAP_FAILED ? -errno : 0;
    close(fd);
    if (error)
        return fs_refuse(why, error, "mmap of %.100s readable and executable: %s", m->path,
                         fs_errno_text(error, answer, sizeof answer));
    return 0;
}

/* Whole pages, whatever their size is. */
#define ROOM ((sizeof(struct fs_map) + 0xffff) / 0x10000 * 0x10000)

static int map_file(const struct fs_template *of, char *code, struct fs_why *why)
{
    char answer[96];
    struct fs_map *m; /* a path is too much for a small stack */
    m = mmap(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (m == MAP_FAILED)
        return fs_refuse(why, -errno, "mmap of %zu bytes to read /proc/self/maps with: %s", ROOM,
                         fs_errno_text(errno, answer, sizeof answer));
    int error = map_found(of, code, m, why);
    munmap(m, ROOM);
    return error;
}

const struct fs_provider fs_provider_file = {
    .name = "file",
    .about = "the library's file opened and mapped again, if it is still the same device, inode "
             "and bytes",
    .map = map_file,
};
