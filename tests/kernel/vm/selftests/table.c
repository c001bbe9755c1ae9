/* SPDX-License-Identifier: MIT */
/* table.c - making, mapping, checking and calling a table
 *
 * See table.h.
 */
#include "table.h"
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>

char data_at[1 << 16][16];
uint64_t probe_in[32], probe_out[32], probe_flags_in, probe_flags_out, probe_which;

size_t page(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

unsigned in_pages(unsigned n)
{
    return n * (unsigned)(page() / TRAMPFD_TRAMP_SIZE);
}

uint64_t pages_of(const struct trampfd_create *arg)
{
    unsigned each = (unsigned)(page() / tramp_offset(arg, 1)), full = 0, partial = 0;
    for (unsigned from = 0; from < arg->count; from += each)
        if (from >= arg->first && from + each <= arg->count)
            full++;
        else
            partial++;
    return full + partial + partial + (full ? 1 : 0);
}

int device(void)
{
    int fd = open("/dev/trampfd", O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    return fd;
}

const void *target(unsigned i)
{
    static const char *const targets[TARGETS] = {probe_target0, probe_target1, probe_target2,
                                                 probe_target3};
    return targets[i % TARGETS];
}

struct trampfd_create valid(void)
{
    return (struct trampfd_create){
        .size = sizeof(struct trampfd_create),
        .count = 1,
        .data_register = DATA_R,
        .code = (uintptr_t)target(0),
        .data = (uintptr_t)data_at[0],
        .stride = sizeof data_at[0],
    };
}

struct trampfd_create valid_compact(unsigned count)
{
    struct trampfd_create arg = valid();
    arg.flags = TRAMPFD_COMPACT;
    arg.count = count;
    return arg;
}

int create(const void *arg)
{
    int dev = device();
    int fd = ioctl(dev, TRAMPFD_CREATE, arg), error = errno;
    close(dev);
    errno = error;
    return fd;
}

size_t map_size(const struct trampfd_create *arg)
{
    return arg->flags & TRAMPFD_COMPACT ? TRAMPFD_COMPACT_CODE_SIZE(arg->count, page())
                                        : TRAMPFD_CODE_SIZE(arg->count, page());
}

size_t tramp_offset(const struct trampfd_create *arg, unsigned i)
{
    return arg->flags & TRAMPFD_COMPACT ? TRAMPFD_COMPACT_OFFSET(i) : TRAMPFD_OFFSET(i);
}

bool is_tramp(const struct trampfd_create *arg, unsigned i)
{
    if (!(arg->flags & TRAMPFD_COMPACT))
        return i < arg->count;
    return i < arg->count && i >= arg->first && i % TRAMPFD_COMPACT_GROUP != 255;
}

unsigned char *reserve(const struct trampfd_create *arg)
{
    size_t size = map_size(arg);
    char *at = mmap(NULL, 2 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return at == MAP_FAILED ? MAP_FAILED : (void *)(at + size);
}

void *map_constants(int fd, const struct trampfd_create *arg, unsigned char *code)
{
    size_t size = map_size(arg);
    return mmap(code - size, size, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0);
}

void *map_code(int fd, const struct trampfd_create *arg, unsigned char *code)
{
    size_t size = map_size(arg);
    return mmap(code, size, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, fd, (off_t)size);
}

void *map(int fd, const struct trampfd_create *arg)
{
    unsigned char *code = reserve(arg);
    if (code == MAP_FAILED)
        return MAP_FAILED;
    if (map_constants(fd, arg, code) != MAP_FAILED && map_code(fd, arg, code) != MAP_FAILED)
        return code;
    int error = errno;
    munmap(code - map_size(arg), 2 * map_size(arg));
    errno = error;
    return MAP_FAILED;
}

struct table make(const struct trampfd_create *arg)
{
    struct table table = {.arg = *arg, .size = map_size(arg)};
    table.fd = create(arg);
    if (table.fd < 0)
        FAIL("TRAMPFD_CREATE: %s", strerrorname(errno));
    table.at = map(table.fd, arg);
    if (table.at == MAP_FAILED)
        FAIL("mmap of a table: %s", strerrorname(errno));
    return table;
}

struct table make_valid(unsigned count)
{
    struct trampfd_create arg = valid();
    arg.count = count;
    return make(&arg);
}

void unmap(struct table *table)
{
    CHECK(munmap(table->at - table->size, 2 * table->size) == 0);
    if (table->fd >= 0)
        CHECK(close(table->fd) == 0);
    table->fd = -1;
}

/* What trampoline i must load and where it must go, as the arguments say. */
static uint64_t data_of(const struct trampfd_create *arg, unsigned i)
{
    return arg->flags & TRAMPFD_DATA_ARRAY ? ((const uint64_t *)(uintptr_t)arg->data)[i]
                                           : arg->data + i * arg->stride;
}

static uint64_t code_of(const struct trampfd_create *arg, unsigned i)
{
    return arg->flags & TRAMPFD_CODE_ARRAY ? ((const uint64_t *)(uintptr_t)arg->code)[i]
                                           : arg->code;
}

void expected_bytes(const struct table *table, const uint64_t *datas, const uint64_t *codes,
                    unsigned char *constants, unsigned char *code);

void check_bytes(const struct table *table)
{
    const struct trampfd_create *arg = &table->arg;
    const unsigned char *both = table->at - table->size;
    unsigned char *wanted = malloc(2 * table->size);
    uint64_t *datas = malloc(arg->count * 8), *codes = malloc(arg->count * 8);
    CHECK(wanted && datas && codes);
    for (unsigned i = 0; i < arg->count; i++) {
        datas[i] = data_of(arg, i);
        codes[i] = code_of(arg, i);
    }
    expected_bytes(table, datas, codes, wanted, wanted + table->size);
    for (size_t i = 0; i < 2 * table->size; i++)
        if (both[i] != wanted[i])
            FAIL("byte %#zx of the %s is %02x, not %02x", i % table->size,
                 i < table->size ? "constants" : "code", both[i], wanted[i]);
    free(wanted);
    free(datas);
    free(codes);
}

/* Call trampoline i with every register full, and check what arrived. */
static void check_call(const struct table *table, unsigned i)
{
    const struct trampfd_create *arg = &table->arg;
    const void *code = table->at + tramp_offset(arg, i);
    uint64_t expected[32];
    unsigned arrived = 0;
    while (arrived < TARGETS && (uintptr_t)target(arrived) != code_of(arg, i))
        arrived++;
    CHECK(arrived < TARGETS);
    for (unsigned r = 0; r < 32; r++)
        probe_in[r] = 0x1111111111111111u * (r % 15 + 1) + (uint64_t)i * 256 + r;
    probe_flags_in = FLAGS_IN;
    probe_call(code);
    CHECK_EQ(probe_which, arrived);
    memcpy(expected, probe_in, sizeof expected);
    if (arg->flags & TRAMPFD_CODE_REGISTER)
        expected[arg->code_register] = code_of(arg, i);
    else if (SCRATCH >= 0)
        expected[SCRATCH] =
            arg->flags & TRAMPFD_COMPACT ? COMPACT_SCRATCH(code, code_of(arg, i)) : code_of(arg, i);
    expected[arg->data_register] = data_of(arg, i);
    for (unsigned r = 0; r < REGISTERS; r++)
        if ((uintptr_t)probe_out[r] != (uintptr_t)expected[r])
            FAIL("trampoline %u: register %u arrives with %#llx, not %#llx", i, r,
                 (unsigned long long)probe_out[r], (unsigned long long)expected[r]);
    CHECK_EQ((uintptr_t)probe_out[STACK_POINTER], (uintptr_t)probe_in[STACK_POINTER]);
    CHECK_EQ(probe_flags_out & FLAGS_KEPT, FLAGS_IN & FLAGS_KEPT);
}

void check_calls(const struct table *table)
{
    unsigned count = table->arg.count, step = count > 600 ? count / 300 : 1;
    for (unsigned i = 0; i < count; i += step)
        if (is_tramp(&table->arg, i))
            check_call(table, i);
    if (is_tramp(&table->arg, count - 1))
        check_call(table, count - 1);
}

struct trampfd_info info(void)
{
    struct trampfd_info info = {.size = sizeof info};
    int dev = device();
    CHECK(ioctl(dev, TRAMPFD_INFO, &info) == 0);
    close(dev);
    return info;
}

uint64_t user_pages(void)
{
    return info().user_pages;
}

int open_fds(void)
{
    enum { FREE = 8 };
    int n = 0, sum = 0, free_ones[FREE];
    DIR *dir = opendir("/proc/self/fd");
    CHECK(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    for (unsigned i = 0; i < FREE; i++)
        sum += free_ones[i] = dup(0);
    for (unsigned i = 0; i < FREE; i++)
        close(free_ones[i]);
    return n * 4096 + sum;
}

bool has_vm_flag(const void *at, const char *flag)
{
    char line[512], wanted[32];
    bool here = false, has = false;
    FILE *smaps = fopen("/proc/self/smaps", "re");
    CHECK(smaps);
    snprintf(wanted, sizeof wanted, "%08lx-", (unsigned long)at);
    while (fgets(line, sizeof line, smaps)) {
        if (strncmp(line, "VmFlags:", 8) != 0) {
            here |= strncmp(line, wanted, strlen(wanted)) == 0;
        } else if (here) {
            char word[8];
            snprintf(word, sizeof word, " %s ", flag);
            line[strcspn(line, "\n")] = ' ';
            has = strstr(line, word) != NULL;
            break;
        }
    }
    fclose(smaps);
    CHECK(here);
    return has;
}

void become_nobody(void)
{
    CHECK(setgroups(0, NULL) == 0);
    CHECK(setresgid(65534, 65534, 65534) == 0);
    CHECK(setresuid(65534, 65534, 65534) == 0);
}

uint64_t user_top(void)
{
    static const unsigned bits[] = {56, 52, 48, 47, 46};
    for (unsigned i = 0; i < sizeof bits / sizeof *bits; i++) {
        uint64_t last = (1ull << bits[i]) - 2 * page();
        void *got = mmap((void *)(uintptr_t)last, page(), PROT_NONE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
        if (got == MAP_FAILED && errno != EEXIST)
            continue;
        if (got != MAP_FAILED)
            munmap(got, page());
        return USER_TOP(1ull << bits[i]);
    }
    FAIL("the end of this machine's addresses is nowhere expected");
}
