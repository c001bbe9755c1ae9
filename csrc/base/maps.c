/* SPDX-License-Identifier: MIT */
/* maps.c - look an address up in /proc/self/maps
 *
 * A line may hold any path, with spaces too: the path is everything behind the inode. The kernel
 * writes a newline in a path as \012 and leaves other characters alone.
 */
#include "base/maps.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* One character, -1 at the end, -errno - 1 below that on failure. */
static int next_char(struct fs_maps_reader *r)
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

/* Read a line into r->line; sets *cut when it was longer. 1: a line, 0: the end, or -errno. */
static int next_line(struct fs_maps_reader *r, bool *cut)
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
        if (n + 1 < sizeof r->line)
            r->line[n++] = (char)c;
        else
            *cut = true;
    }
    r->line[n] = '\0';
    return 1;
}

/* The value of a hexadecimal digit as the kernel writes it; anything else is more than any base. */
static unsigned digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : UINT_MAX;
}

/* Read the number at *at and step over the character behind it, which must be `after`. Not
 * sscanf() or strtoul(): compiled against glibc 2.38, both need that version at run time. */
static bool number(const char **at, unsigned base, char after, uint64_t *out)
{
    const char *p = *at;
    uint64_t value = 0;
    for (;; p++) {
        unsigned digit = digit_of(*p);
        if (digit >= base)
            break;
        value = value * base + digit;
    }
    if (p == *at || (*p != after && *p != '\0'))
        return false;
    *at = p + (*p == after);
    *out = value;
    return true;
}

/* start-end perms offset major:minor inode path, numbers in hexadecimal but for the inode. */
static bool parse(const char *line, struct fs_map *m)
{
    const size_t rights = sizeof m->perms - 1;
    uint64_t start, end, offset, major_no, minor_no, inode;
    if (!number(&line, 16, '-', &start) || !number(&line, 16, ' ', &end))
        return false;
    if (strcspn(line, " ") != rights)
        return false;
    memcpy(m->perms, line, rights);
    m->perms[rights] = '\0';
    line += rights + 1;
    if (!number(&line, 16, ' ', &offset) || !number(&line, 16, ':', &major_no) ||
        !number(&line, 16, ' ', &minor_no) || !number(&line, 10, ' ', &inode))
        return false;
    m->start = (uintptr_t)start;
    m->end = (uintptr_t)end;
    m->offset = offset;
    m->dev = makedev((unsigned)major_no, (unsigned)minor_no);
    m->inode = inode;
    line += strspn(line, " ");
    snprintf(m->path, sizeof m->path, "%s", line);
    return true;
}

int fs_maps_search(bool (*is_it)(const struct fs_map *m, const void *data), const void *data,
                   struct fs_map *out)
{
    struct fs_maps_reader *r = &out->reader;
    /* Not blocking: where /proc is not the kernel's, this file may be a FIFO. */
    r->fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (r->fd < 0)
        return -errno;
    r->have = r->at = 0;
    bool cut;
    bool found = false;
    int result;
    while (!found && (result = next_line(r, &cut)) == 1)
        found = parse(r->line, out) && is_it(out, data);
    close(r->fd);
    if (!found)
        return result < 0 ? result : -EFAULT;
    return cut ? -ENAMETOOLONG : 0;
}

static bool holds(const struct fs_map *m, const void *address)
{
    return (uintptr_t)address >= m->start && (uintptr_t)address < m->end;
}

int fs_maps_find(const void *address, struct fs_map *out)
{
    return fs_maps_search(holds, address, out);
}
