/* SPDX-License-Identifier: MIT */
/* look.c - is this memory a template: the file's own text, which nobody has written to?
 *
 * What is copied becomes executable at other addresses. So it must be executable where it is, and
 * the bytes must be those of the file: memory that the program has written, through whatever
 * mapping and at whatever time, is no template. The kernel is asked for both, in /proc/self/maps
 * and in /proc/self/pagemap (Linux, Documentation/admin-guide/mm/pagemap.rst), where a page that
 * was written to is not the file's any more.
 *
 * Fails when: the memory is something else; or /proc is not mounted, because then nobody knows.
 */
#include "stamp/stamp.h"

#include "base/maps.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Bits of a page's word in pagemap. */
#define PRESENT (UINT64_C(1) << 63)
#define SWAPPED (UINT64_C(1) << 62)
#define OF_A_FILE (UINT64_C(1) << 61)

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* The rights and the kind of the mapping that holds the template's first byte. */
static int judge_mapping(const struct fs_template *of, const struct fs_map *m, struct fs_why *why)
{
    if (m->perms[1] == 'w')
        return fs_refuse(why, -EACCES,
                         "it is writable (%s); a template is part of the text, in a section \"ax\"",
                         m->perms);
    if (m->perms[2] != 'x')
        return fs_refuse(why, -EACCES,
                         "it is not executable (%s); a template is part of the text, in a section "
                         "\"ax\"",
                         m->perms);
    if (m->perms[0] != 'r')
        return fs_refuse(why, -EACCES,
                         "it cannot be read (%s), and copies are compared with it; link without "
                         "execute-only text",
                         m->perms);
    if (m->perms[3] != 'p')
        return fs_refuse(why, -EACCES,
                         "its mapping is shared (%s), so others can write to it; map it privately",
                         m->perms);
    if (m->inode == 0 || m->path[0] != '/' || begins(m->path, "/memfd:"))
        return fs_refuse(why, -EACCES,
                         "it is not mapped from a file (%.60s); a template is part of a program "
                         "or a library on a file system",
                         m->path[0] ? m->path : "anonymous memory");
    if ((uintptr_t)of->code + of->code_size > m->end)
        return fs_refuse(why, -EFAULT,
                         "its mapping ends after %zu of its %zu bytes; a template lies in one "
                         "mapping",
                         (size_t)(m->end - (uintptr_t)of->code), of->code_size);
    return 0;
}

struct part_of_file {
    dev_t dev;
    uint64_t inode, begin, end;
};

/* Can this process write to these bytes of the file through this mapping? */
static bool is_alias(const struct fs_map *m, const void *data)
{
    const struct part_of_file *f = data;
    return m->perms[1] == 'w' && m->perms[3] == 's' && m->dev == f->dev && m->inode == f->inode &&
           m->offset < f->end && f->begin < m->offset + (m->end - m->start);
}

static int no_maps(int error, struct fs_why *why)
{
    char answer[96];
    return fs_refuse(why, error, "reading /proc/self/maps: %s; mount /proc",
                     fs_errno_text(error, answer, sizeof answer));
}

/* A path that is too long for `m` says nothing against the text. */
static int look_at_maps(const struct fs_template *of, struct fs_map *m, struct fs_why *why)
{
    int error = fs_maps_find(of->code, m);
    if (error == -EFAULT)
        return fs_refuse(why, error, "nothing is mapped there");
    if (error && error != -ENAMETOOLONG)
        return no_maps(error, why);
    error = judge_mapping(of, m, why);
    if (error)
        return error;
    struct part_of_file part = {m->dev, m->inode, m->offset + ((uintptr_t)of->code - m->start), 0};
    part.end = part.begin + of->code_size;
    error = fs_maps_search(is_alias, &part, m);
    if (error == -EFAULT)
        return 0;
    if (error && error != -ENAMETOOLONG)
        return no_maps(error, why);
    return fs_refuse(why, -ETXTBSY, "its file is mapped writable at %#zx as well; unmap that",
                     (size_t)m->start);
}

/* The words of pages from `page` on. 0 or -errno. */
static int read_words(int fd, size_t page, uint64_t *words, size_t n)
{
    char *to = (char *)words;
    size_t size = n * sizeof *words, done = 0;
    while (done < size) {
        ssize_t got = pread(fd, to + done, size - done, (off_t)(page * sizeof *words + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? -errno : -EIO;
        done += (size_t)got;
    }
    return 0;
}

/* Was a page written to? One that is neither present nor swapped was not: it is in the file. */
static int look_at_pages(const struct fs_template *of, int fd, size_t page_size, struct fs_why *why)
{
    char answer[96];
    uint64_t words[64];
    const size_t pages = of->code_size / page_size, first = (uintptr_t)of->code / page_size;
    for (size_t done = 0, n; done < pages; done += n) {
        n = pages - done < 64 ? pages - done : 64;
        int error = read_words(fd, first + done, words, n);
        if (error)
            return fs_refuse(why, error, "reading /proc/self/pagemap: %s",
                             fs_errno_text(error, answer, sizeof answer));
        for (size_t i = 0; i < n; i++)
            if (words[i] & SWAPPED || (words[i] & PRESENT && !(words[i] & OF_A_FILE)))
                return fs_refuse(why, -EACCES,
                                 "its page %zu was written to (by a relocation in the text, a "
                                 "breakpoint or this program); link with -Wl,-z,text",
                                 done + i);
    }
    return 0;
}

static int look_at_pagemap(const struct fs_template *of, struct fs_why *why)
{
    char answer[96];
    fs_template_touch(of);
    int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return fs_refuse(why, -errno,
                         "opening /proc/self/pagemap, which tells whether it was written to: %s",
                         fs_errno_text(errno, answer, sizeof answer));
    int error = look_at_pages(of, fd, (size_t)sysconf(_SC_PAGESIZE), why);
    close(fd);
    return error;
}

static int look_at_bytes(const struct fs_template *of, struct fs_why *why)
{
    for (size_t i = 0; i < of->code_size; i++)
        if (of->code[i])
            return 0;
    return fs_refuse(why, -EINVAL, "it holds nothing but zeros");
}

/* Whole pages, whatever their size is. */
#define ROOM ((sizeof(struct fs_map) + 0xffff) / 0x10000 * 0x10000)

int fs_stamp_look(const struct fs_template *of, struct fs_why *why)
{
    char answer[96];
    struct fs_map *m; /* a path is too much for a small stack */
    m = mmap(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (m == MAP_FAILED)
        return fs_refuse(why, -errno, "mmap of %zu bytes to read /proc/self/maps with: %s", ROOM,
                         fs_errno_text(errno, answer, sizeof answer));
    int error = look_at_maps(of, m, why);
    munmap(m, ROOM);
    if (!error)
        error = look_at_pagemap(of, why);
    return error ? error : look_at_bytes(of, why);
}
