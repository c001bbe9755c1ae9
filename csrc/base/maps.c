/* SPDX-License-Identifier: MIT */
/* maps.c - look an address up in /proc/self/maps
 *
 * A line may hold any path, spaces included: the path is all that stands behind the inode. The
 * kernel writes a newline in a path as \012 and leaves other characters alone.
 */
#include "base/maps.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

struct reader {
    int fd;
    size_t have, at;
    char buffer[4096];
};

/* One character, -1 at the end, -errno - 1 below that on failure. */
static int next_char(struct reader *r)
{
    if (r->at == r->have) {
        ssize_t n;
        do
            n = read(r->fd, r->buffer, sizeof r->buffer);
        while (n < 0 && errno == EINTR);
        if (n < 0)
            return -errno - 1;
        if (n == 0)
            return -1;
        r->have = (size_t)n;
        r->at = 0;
    }
    return (unsigned char)r->buffer[r->at++];
}

/* Read a line into `line`; sets *cut when it was longer. 1: a line, 0: the end, or -errno. */
static int next_line(struct reader *r, char *line, size_t size, bool *cut)
{
    size_t n = 0;
    *cut = false;
    for (;;) {
        int c = next_char(r);
        if (c < -1)
            return c + 1;
        if (c == -1 && n == 0)
            return 0;
        if (c == -1 || c == '\n')
            break;
        if (n + 1 < size)
            line[n++] = (char)c;
        else
            *cut = true;
    }
    line[n] = '\0';
    return 1;
}

static bool parse(const char *line, struct fs_map *m)
{
    unsigned long start, end;
    unsigned long long offset, inode;
    unsigned major_no, minor_no;
    int path_at = 0;
    if (sscanf(line, "%lx-%lx %4s %llx %x:%x %llu%n", &start, &end, m->perms, &offset, &major_no,
               &minor_no, &inode, &path_at) != 7)
        return false;
    m->start = start;
    m->end = end;
    m->offset = offset;
    m->dev = makedev(major_no, minor_no);
    m->inode = inode;
    line += path_at;
    line += strspn(line, " ");
    snprintf(m->path, sizeof m->path, "%s", line);
    return true;
}

int fs_maps_find(const void *address, struct fs_map *out)
{
    struct reader r = {.fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC)};
    if (r.fd < 0)
        return -errno;
    uintptr_t want = (uintptr_t)address;
    char line[PATH_MAX + 128];
    struct fs_map m;
    bool cut;
    bool found = false;
    int result;
    while (!found && (result = next_line(&r, line, sizeof line, &cut)) == 1)
        found = parse(line, &m) && want >= m.start && want < m.end;
    close(r.fd);
    if (!found)
        return result < 0 ? result : -ENOENT;
    if (cut)
        return -ENAMETOOLONG;
    *out = m;
    return 0;
}
