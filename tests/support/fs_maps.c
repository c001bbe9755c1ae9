/* SPDX-License-Identifier: MIT */
/* fs_maps.c - the process' memory and descriptors, looked at from inside
 *
 * /proc/self/maps is opened once, at the start and on a high descriptor, because the cases take
 * away /proc, openat and every free descriptor. It is read into static memory, because they
 * take away malloc's memory too.
 */
#include "harness.h"
#include <inttypes.h>
#include <fcntl.h>
#include <sys/stat.h>

static int maps_fd = -1;
static char text[16 << 20]; /* 65530 mappings of up to 150 bytes each, and room */
static struct test_map executable[8192], shared_writable[1024];

void test_maps_reopen(void)
{
    if (maps_fd >= 0)
        close(maps_fd);
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    maps_fd = fcntl(fd, F_DUPFD_CLOEXEC, 60);
    CHECK(maps_fd >= 0);
    close(fd);
}

static bool parse(const char *line, struct test_map *map)
{
    int at = 0;
    *map = (struct test_map){0};
    if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s %" SCNxPTR " %x:%x %lu %n", &map->start,
               &map->end, map->perms, &map->offset, &map->major, &map->minor, &map->inode, &at) < 7)
        return false;
    strncpy(map->path, line + at, sizeof map->path - 1);
    return true;
}

static void read_maps(void)
{
    size_t have = 0;
    ssize_t got;
    if (test_emulated()) /* qemu-user writes down the mappings when the file is opened */
        test_maps_reopen();
    CHECK_EQ(lseek(maps_fd, 0, SEEK_SET), 0);
    while ((got = read(maps_fd, text + have, sizeof text - 1 - have)) > 0)
        have += (size_t)got;
    CHECK(got == 0 && have > 0 && have < sizeof text - 1);
    text[have] = 0;
}

void test_maps(void (*each)(const struct test_map *map, void *data), void *data)
{
    read_maps();
    for (char *line = text, *end; *line; line = end + 1) {
        struct test_map map;
        end = strchr(line, '\n');
        CHECK(end != NULL);
        *end = 0;
        if (parse(line, &map))
            each(&map, data);
        else
            test_fail(__FILE__, __LINE__, "/proc/self/maps has the line \"%s\"", line);
    }
}

/* The kernel makes neighbours that are alike one mapping. QEMU 10 lists such neighbours. */
struct counted {
    size_t n;
    struct test_map last;
};

static void count(const struct test_map *map, void *data)
{
    struct counted *c = data;
    bool goes_on = map->start == c->last.end && map->inode == c->last.inode &&
                   !strcmp(map->perms, c->last.perms);
    c->n += !(goes_on && test_emulated());
    c->last = *map;
}

size_t test_maps_count(void)
{
    struct counted c = {0};
    test_maps(count, &c);
    return c.n;
}

struct find {
    uintptr_t address;
    struct test_map found;
};

static void find(const struct test_map *map, void *data)
{
    struct find *f = data;
    if (map->start <= f->address && f->address < map->end)
        f->found = *map;
}

struct test_map test_map_of(const void *address)
{
    struct find f = {.address = (uintptr_t)address};
    test_maps(find, &f);
    CHECK(f.found.end != 0);
    return f.found;
}

static size_t executables, shareds;

static void judge(const struct test_map *map, void *data)
{
    (void)data;
    bool write = map->perms[1] == 'w', exec = map->perms[2] == 'x', shared = map->perms[3] == 's';
    if (write && exec)
        test_fail(__FILE__, __LINE__, "%#zx-%#zx %s %s is writable and executable",
                  (size_t)map->start, (size_t)map->end, map->perms, map->path);
    if (exec && map->inode) {
        CHECK(executables < sizeof executable / sizeof *executable);
        executable[executables++] = *map;
    }
    if (write && shared) {
        CHECK(shareds < sizeof shared_writable / sizeof *shared_writable);
        shared_writable[shareds++] = *map;
    }
}

static bool same_bytes(const struct test_map *a, const struct test_map *b)
{
    return a->inode == b->inode && a->major == b->major && a->minor == b->minor &&
           a->offset < b->offset + (b->end - b->start) &&
           b->offset < a->offset + (a->end - a->start);
}

void test_audit(void)
{
    if (test_under_valgrind())
        return;
    executables = shareds = 0;
    test_maps(judge, NULL);
    CHECK(executables > 0);
    for (size_t i = 0; i < executables; i++)
        for (size_t j = 0; j < shareds; j++)
            if (same_bytes(&executable[i], &shared_writable[j]))
                test_fail(__FILE__, __LINE__, "%#zx (%s) is a writable alias of %#zx (%s)",
                          (size_t)shared_writable[j].start, shared_writable[j].path,
                          (size_t)executable[i].start, executable[i].path);
}

size_t test_open_fds(void)
{
    struct stat ignored;
    size_t n = 0;
    for (int fd = 0; fd < 4096; fd++)
        n += fstat(fd, &ignored) == 0;
    return n;
}
