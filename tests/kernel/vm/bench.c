/* SPDX-License-Identifier: MIT */
/* bench.c - a call through provider trampfd's trampolines against provider text's, in one run
 *
 * Each provider maps a table of its own. Slots get an entry that returns at once, so only the
 * trampoline is timed. Both tables are called in turns of many short slices. The median of the
 * slices' ratios is printed, for one slot that is called again and again, and for all slots of a
 * table in turn. An emulator finds its translations by address, so the addresses of the two tables
 * change the ratio by up to a tenth. Therefore several pairs of tables are measured, each pair in a
 * process of its own, and the smallest and largest ratio of one slot are printed as well. The time
 * that TRAMPFD_CREATE and mmap take for 4,096 trampolines comes last. Lines "# note:" go into the
 * table of `make test-vm`. Nothing here fails because of a time.
 */
#include <fcntl.h>
#include <linux/trampfd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "tramp/provider.h"
#include "tramp/table.h"

enum { PAIRS = 7, SLICES = 41, CALLS = 20000 };

static void nothing(void)
{
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, unsigned n)
{
    qsort(values, n, sizeof *values, by_size);
    return values[n / 2];
}

/* Anywhere within 64 GiB, so that each process has its tables elsewhere. */
static char *reserve(void)
{
    uintptr_t hint = 0x100000000000 + (uintptr_t)rand() % 0x20000 * FS_TABLE_SPAN;
    char *at = mmap((void *)hint, 3 * FS_TABLE_SPAN, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        exit(2);
    /* With room in front, where a provider may have its constants. */
    return (char *)(((uintptr_t)at + 2 * FS_TABLE_SPAN - 1) & -(uintptr_t)FS_TABLE_SPAN);
}

static char *table_of(const struct fs_provider *provider)
{
    struct fs_why why = {""};
    char *code = reserve();
    if (provider->map(&fs_table_template, code, &why) != 0) {
        printf("# provider %s: %s\n", provider->name, why.text);
        exit(1);
    }
    char *slots = code + FS_TABLE_CODE;
    if (mprotect(slots, FS_TABLE_DATA, PROT_READ | PROT_WRITE) != 0)
        exit(2);
    void (*entry)(void) = nothing, (*first)(void) = fs_enter_slot;
    for (unsigned i = 0; i < FS_TABLE_SLOTS; i++)
        memcpy(slots + (size_t)i * FS_SLOT_SIZE, i ? &entry : &first, sizeof entry);
    return code;
}

/* Nanoseconds a call, `stride` slots apart. */
static double slice(char *code, unsigned stride)
{
    unsigned slot = 1;
    double start = now();
    for (unsigned i = 0; i < CALLS; i++) {
        ((void (*)(void))(uintptr_t)(code + slot * FS_TRAMP_SIZE))();
        slot = (slot + stride) % FS_TABLE_SLOTS;
        slot += slot % FS_GROUP_SLOTS == 0 || slot % FS_GROUP_SLOTS == 255 ? 2 : 0;
        slot = slot >= FS_TABLE_SLOTS ? 1 : slot;
    }
    return (now() - start) / CALLS;
}

enum { ONE, ALL, KINDS };
static const char *const kinds[KINDS] = {"call of one", "calls of all"};
static const unsigned strides[KINDS] = {0, 37};

struct result {
    double ratio, time; /* 0: not measured */
};

static struct result compare(char *mine, char *other, unsigned stride)
{
    static double ratios[SLICES], times[SLICES];
    for (unsigned i = 0; i < SLICES; i++) {
        double a, b;
        if (i % 2) {
            a = slice(mine, stride);
            b = slice(other, stride);
        } else {
            b = slice(other, stride);
            a = slice(mine, stride);
        }
        ratios[i] = a / b;
        times[i] = a;
    }
    return (struct result){median(ratios, SLICES), median(times, SLICES)};
}

/* One pair of tables, in this process. */
static void measure(unsigned seed, struct result *results)
{
    srand(seed);
    char *mine = table_of(&fs_provider_trampfd), *other = table_of(&fs_provider_text);
    for (unsigned k = 0; k < KINDS; k++)
        results[k] = compare(mine, other, strides[k]);
}

static int calls(void)
{
    static double ratios[PAIRS], times[PAIRS];
    const size_t size = sizeof(struct result[PAIRS][KINDS]);
    struct result(*all)[KINDS] =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED)
        return 2;
    for (unsigned p = 0; p < PAIRS; p++) {
        fflush(stdout);
        int status = 0;
        pid_t pid = fork();
        if (pid == 0) {
            measure(p + 1, all[p]);
            exit(0);
        }
        if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
            return 1;
    }
    for (unsigned k = 0; k < KINDS; k++) {
        for (unsigned p = 0; p < PAIRS; p++) {
            ratios[p] = all[p][k].ratio;
            times[p] = all[p][k].time;
        }
        double middle = median(ratios, PAIRS);
        printf("# note: %s: trampfd/text %.3f (%.3f to %.3f; %.1f ns)\n", kinds[k], middle,
               ratios[0], ratios[PAIRS - 1], median(times, PAIRS));
    }
    return 0;
}

static void creation(void)
{
    enum { COUNT = 4096, ROUNDS = 51 };
    static double times[ROUNDS], maps[ROUNDS];
    static char data[COUNT][16];
    const int how = MAP_PRIVATE | MAP_FIXED | MAP_POPULATE;
    int device = open("/dev/trampfd", O_RDONLY | O_CLOEXEC);
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct trampfd_create arg = {.size = sizeof arg,
                                     .count = COUNT,
                                     .data_register = FS_TRAMPFD_R,
                                     .code = (uintptr_t)fs_enter_slot,
                                     .data = (uintptr_t)data,
                                     .stride = 16};
        double start = now();
        int fd = ioctl(device, TRAMPFD_CREATE, &arg);
        double made = now();
        size_t size = TRAMPFD_CODE_SIZE(COUNT, (size_t)sysconf(_SC_PAGESIZE));
        char *at = mmap(NULL, 2 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (fd < 0 || at == MAP_FAILED || mmap(at, size, PROT_READ, how, fd, 0) != at ||
            mmap(at + size, size, PROT_READ | PROT_EXEC, how, fd, (off_t)size) != at + size)
            exit(1);
        times[i] = (now() - start) / COUNT;
        maps[i] = (now() - made) / COUNT;
        munmap(at, 2 * size);
        close(fd);
    }
    double map = median(maps, ROUNDS);
    printf("# note: creation of %d: %.3f us each (of that mmap %.3f)\n", COUNT,
           median(times, ROUNDS) / 1000, map / 1000);
}

/* A kernel without a good timer counts in ticks, and a slice is shorter than a tick. */
static bool clock_is_coarse(void)
{
    struct timespec step;
    clock_getres(CLOCK_MONOTONIC, &step);
    if (step.tv_sec == 0 && step.tv_nsec <= 1000)
        return false;
    printf("# note: no times: the clock counts in %.0f us\n",
           (double)step.tv_sec * 1e6 + (double)step.tv_nsec / 1e3);
    return true;
}

int main(void)
{
    if (clock_is_coarse())
        return 0;
    int status = calls();
    if (status)
        return status;
    creation();
    return 0;
}
