/* SPDX-License-Identifier: MIT */
/* fuzz.c - random structs for TRAMPFD_CREATE, each answer compared with the model's
 *
 *     fuzz SEED SECONDS        (seed 0: of the time)
 *
 * Some structs are random numbers. Most are correct ones in which a field or two were changed to a
 * number that is interesting in that field. A table that was made is mapped, compared byte for
 * byte, called, abused with system calls on mappings, and unmapped. The result is TAP and names the
 * seed, so a failure can be repeated. The struct that failed is printed.
 */
#include "model.h"
#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>

enum { ARRAY = 5000 };

static uint64_t state;
static uint64_t iterations, made, by_errno[200];
static uint64_t palette[64];
static unsigned palette_size;
static uint64_t *array; /* ARRAY elements; behind them nothing is mapped */
static struct trampfd_info now;
static int device_fd;
static char *edge; /* the end of a page, behind which nothing is */

/* splitmix64: the same numbers on every machine. */
static uint64_t rnd(void)
{
    uint64_t z = (state += 0x9e3779b97f4a7c15u);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static uint64_t below(uint64_t n)
{
    return rnd() % n;
}

static char *region(size_t size, int rights, int how, int fd)
{
    char *at = mmap(NULL, size, rights, how, fd, 0);
    CHECK(at != MAP_FAILED);
    return at;
}

static void offer(uint64_t address)
{
    CHECK(palette_size < 64);
    palette[palette_size++] = address;
}

/* Addresses of every kind, and what the model must know of them. */
static void make_palette(void)
{
    uint64_t copied[1];
    int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    CHECK(self >= 0);
    for (unsigned i = 0; i < TARGETS; i++)
        offer((uintptr_t)target(i));
    char *text = region(4 * page(), PROT_READ | PROT_EXEC, MAP_PRIVATE, self);
    offer((uintptr_t)text);
    offer((uintptr_t)text + 4 * page() - 4);
    offer((uintptr_t)region(page(), PROT_READ | PROT_EXEC, MAP_SHARED, self));
    offer((uintptr_t)region(page(), PROT_READ, MAP_PRIVATE, self));
    offer((uintptr_t)region(page(), PROT_NONE, MAP_PRIVATE, self));
    char *was = region(page(), PROT_READ | PROT_WRITE, MAP_PRIVATE, self);
    was[8] = 1;
    CHECK(mprotect(was, page(), PROT_READ | PROT_EXEC) == 0);
    copied[0] = (uintptr_t)was;
    offer((uintptr_t)was);
    offer((uintptr_t)region(page(), PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1));
    offer((uintptr_t)region(page(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1));
    offer(getauxval(AT_SYSINFO_EHDR));
    edge = region(2 * page(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    CHECK(munmap(edge + page(), page()) == 0);
    edge += page();
    size_t size = (ARRAY * 8 + page() - 1) & -page();
    char *room = region(size + page(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    CHECK(munmap(room + size, page()) == 0);
    array = (uint64_t *)(room + size - ARRAY * 8);
    offer((uintptr_t)array);
    offer((uintptr_t)&array[ARRAY - 3]);
    offer((uintptr_t)&array[ARRAY]);
    offer((uintptr_t)data_at);
    offer((uintptr_t)&copied & -16ull);
    offer(0);
    offer(page());
    offer(user_top() - 1);
    offer(user_top());
    offer(1ull << 47);
    offer(1ull << 62);
    offer(0xffff888000000000);
    offer(0xffffffffff600000);
    offer(UINT64_MAX);
    offer(0xfa1e0ff3);
    offer(0xfa1e0ff3ull << 8);
    model_read_maps(copied, 1);
}

static uint64_t address(void)
{
    switch (below(6)) {
    case 0:
        return rnd() >> below(64);
    case 1:
        return palette[below(palette_size)] + below(64) * 4;
    case 2:
        return palette[below(palette_size)] - below(64);
    default:
        return palette[below(palette_size)];
    }
}

static uint32_t number(void)
{
    static const uint32_t some[] = {0,   1,   2,    3,    16,   31,    126,        127,       128,
                                    254, 255, 256,  257,  511,  512,   513,        4095,      4096,
                                    300, 400, 1000, 1016, 8191, 65535, 0x7fffffff, UINT32_MAX};
    switch (below(4)) {
    case 0:
        return (uint32_t)(rnd() >> below(64));
    case 1:
        return now.max_count + (uint32_t)below(3) - 1;
    default:
        return some[below(sizeof some / sizeof *some)];
    }
}

static void change(struct trampfd_create *a)
{
    switch (below(9)) {
    case 0:
        a->flags ^= 1u << below(below(4) ? 4 : 32);
        break;
    case 1:
        a->count = number();
        break;
    case 2:
        a->first = number();
        break;
    case 3:
        a->data_register = below(4) ? (uint32_t)below(34) : number();
        break;
    case 4:
        a->code_register = below(4) ? (uint32_t)below(34) : number();
        break;
    case 5:
        a->code = address();
        break;
    case 6:
        a->data = address();
        break;
    case 7:
        a->stride = below(2) ? number() : rnd() >> below(64);
        break;
    default:
        ((unsigned char *)a)[below(sizeof *a)] ^= (unsigned char)(1u << below(8));
    }
}

/* A correct struct, in any form. */
static struct trampfd_create right(void)
{
    struct trampfd_create a = valid();
    a.count = 1 + (uint32_t)below(below(8) ? 300 : ARRAY);
    a.data_register = below(2) ? DATA_R : (uint32_t)below(REGISTERS);
    a.stride = below(64);
    if (below(3) == 0) {
        a.flags |= TRAMPFD_COMPACT;
        a.first = (uint32_t)below(a.count);
    } else if (below(3) == 0) {
        a.flags |= TRAMPFD_CODE_REGISTER;
        a.code_register = (uint32_t)below(REGISTERS);
    }
    if (!(a.flags & TRAMPFD_COMPACT) && below(4) == 0) {
        a.flags |= TRAMPFD_CODE_ARRAY;
        a.code = (uintptr_t)&array[below(ARRAY)];
    }
    if (below(4) == 0) {
        a.flags |= TRAMPFD_DATA_ARRAY;
        a.stride = 0;
        a.data = (uintptr_t)&array[below(ARRAY)];
    }
    return a;
}

/* Mostly correct elements, so that some arrays are correct. Both kinds of array read this one. */
static void fill_array(void)
{
    bool as_data = below(2);
    for (unsigned i = 0; i < ARRAY; i++)
        array[i] = as_data ? (1ull << 40) + below(1 << 28) : (uintptr_t)target((unsigned)below(4));
    for (unsigned bad = below(4) ? 0 : 1 + (unsigned)below(3); bad; bad--)
        array[below(ARRAY)] = address();
}

static void show(const struct trampfd_create *a)
{
    printf("# size %u flags %#x count %u first %u data_register %u code_register %u code %#llx "
           "data %#llx stride %#llx\n",
           a->size, a->flags, a->count, a->first, a->data_register, a->code_register,
           (unsigned long long)a->code, (unsigned long long)a->data, (unsigned long long)a->stride);
}

static bool calls_are_ours(const struct trampfd_create *a)
{
    for (unsigned i = 0; i < a->count; i++) {
        uint64_t code =
            a->flags & TRAMPFD_CODE_ARRAY ? ((uint64_t *)(uintptr_t)a->code)[i] : a->code;
        bool ours = false;
        for (unsigned t = 0; t < TARGETS; t++)
            ours |= code == (uintptr_t)target(t);
        if (!ours)
            return false;
    }
    return true;
}

/* System calls on parts and wholes of one of the two mappings. Afterwards the mapping is unchanged,
 * or gone. */
static void abuse(struct table *table)
{
    for (unsigned i = (unsigned)below(8); i; i--) {
        size_t pages = table->size / page(), from = below(pages), n = 1 + below(pages - from);
        bool whole = n == pages, is_code = below(2);
        unsigned char *at = table->at + from * page() - (is_code ? 0 : table->size);
        int rights = (int)below(8), all = is_code ? PROT_READ | PROT_EXEC : PROT_READ;
        switch (below(5)) {
        case 0:
            /* Rights that the mapping has already are granted for a part, too: nothing changes. */
            CHECK((mprotect(at, n * page(), rights) == 0) ==
                  (rights == all || (whole && !(rights & ~all))));
            if (whole)
                CHECK(mprotect(at, n * page(), all) == 0);
            break;
        case 1:
            if (!whole)
                CHECK(munmap(at, n * page()) == -1);
            break;
        case 2:
            (void)madvise(at, n * page(), (int)below(26));
            break;
        case 3:
            CHECK(mremap(at, n * page(), (n + 1 + below(3)) * page(), MREMAP_MAYMOVE) ==
                  MAP_FAILED);
            break;
        default:
            CHECK(map(table->fd, &table->arg) == MAP_FAILED);
        }
    }
}

/* One mmap() with random arguments, into a reservation: only the constants can be mapped alone. */
static bool map_wrongly(int fd, const struct trampfd_create *a)
{
    int rights = (int)below(8), how = below(2) ? MAP_PRIVATE : MAP_SHARED;
    size_t part = map_size(a), size = below(2) ? part : (1 + below(20)) * page();
    off_t offset = (off_t)(below(2) ? below(2) * part : below(4) * page());
    bool good = rights == PROT_READ && how == MAP_PRIVATE && size == part && !offset;
    void *room = region(size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    void *at = mmap(room, size, rights, how | (below(4) ? MAP_FIXED : 0), fd, offset);
    int error = errno;
    CHECK(munmap(room, size) == 0);
    if (at == room && good)
        return true;
    CHECK(at == MAP_FAILED);
    CHECK(error == EINVAL || error == EACCES || error == EADDRNOTAVAIL);
    return false;
}

/* An array outside of `array` may lie in this program's stack or in the clock's page, where nobody
 * can tell afterwards what the kernel has read. */
static bool is_steady(uint64_t at, const struct trampfd_create *a)
{
    return at >= (uintptr_t)array && at + a->count * UINT64_C(8) <= (uintptr_t)&array[ARRAY];
}

static bool arrays_are_steady(const struct trampfd_create *a)
{
    return (!(a->flags & TRAMPFD_CODE_ARRAY) || is_steady(a->code, a)) &&
           (!(a->flags & TRAMPFD_DATA_ARRAY) || is_steady(a->data, a));
}

static void use(const struct trampfd_create *a, int fd)
{
    struct table table = {.arg = *a, .fd = fd, .size = map_size(a)};
    if (below(3) == 0 && map_wrongly(fd, a)) {
        CHECK(map(fd, a) == MAP_FAILED && errno == EBUSY);
        close(fd);
        return;
    }
    table.at = map(fd, a);
    CHECK(table.at != MAP_FAILED);
    check_bytes(&table);
    abuse(&table);
    check_bytes(&table);
    if (calls_are_ours(a))
        check_calls(&table);
    unmap(&table);
}

static void compare(const struct trampfd_create *a, const struct answers *allowed, int fd)
{
    int error = errno;
    iterations++;
    if (fd < 0 && error < 200)
        by_errno[error]++;
    if (fd >= 0 ? allowed->may_succeed : answers_have(allowed, error))
        return;
    show(a);
    for (unsigned i = 0; i < allowed->n; i++)
        printf("# allowed: %s\n", strerrorname(allowed->errors[i]));
    FAIL("struct %llu: the answer is %d %s%s", (unsigned long long)iterations, fd,
         fd < 0 ? strerrorname(error) : "", allowed->may_succeed ? ", success is allowed" : "");
}

static void one(void)
{
    struct trampfd_create a = right();
    if (below(50) == 0)
        fill_array();
    if (below(8) == 0)
        for (size_t i = 0; i < sizeof a / 4; i++)
            if (i && below(2)) /* all but the size */
                ((uint32_t *)&a)[i] = number();
    if (below(8))
        for (unsigned n = 1 + (unsigned)below(2); n; n--)
            change(&a);
    if (!model_knows(&a))
        return;
    struct answers allowed = model_create(&a, &now);
    if (a.size < sizeof a)
        allowed = (struct answers){.n = 1, .errors = {EINVAL}};
    else if (a.size > page())
        allowed = (struct answers){.n = 1, .errors = {E2BIG}};
    else if (a.size > sizeof a) /* the struct is at the edge: the rest cannot be read */
        allowed = (struct answers){.n = 1, .errors = {EFAULT}};
    struct trampfd_create *at = (void *)(edge - sizeof a);
    memcpy(at, &a, sizeof a);
    errno = 0;
    int fd = ioctl(device_fd, TRAMPFD_CREATE, at);
    compare(&a, &allowed, fd);
    CHECK(memcmp(at, &a, sizeof a) == 0);
    if (fd < 0)
        return;
    made++;
    if (below(4) && arrays_are_steady(&a))
        use(&a, fd);
    else
        close(fd);
}

static void other_requests(void)
{
    /* Requests of the module's magic number only: the kernel itself answers others. */
    unsigned request = ((unsigned)rnd() & (below(2) ? ~0xff00u : 0xff)) | TRAMPFD_IOC_MAGIC << 8;
    struct trampfd_info *at = (void *)(edge - sizeof *at);
    at->size = below(2) ? sizeof *at : number();
    if (request == TRAMPFD_CREATE || request == TRAMPFD_INFO)
        return;
    CHECK_ERRNO(ioctl(device_fd, request, rnd()), ENOTTY);
    uint32_t size = at->size;
    int answer = ioctl(device_fd, TRAMPFD_INFO, at);
    if (size == sizeof *at)
        CHECK(answer == 0 && at->version == TRAMPFD_VERSION);
    else
        CHECK(answer == -1 && errno == (size < sizeof *at ? EINVAL
                                        : size > page()   ? E2BIG
                                                          : EFAULT));
}

static void fuzz(unsigned seconds)
{
    struct timespec start, at;
    make_palette();
    now = info();
    device_fd = device();
    fill_array();
    int fds = open_fds();
    clock_gettime(CLOCK_MONOTONIC, &start);
    do {
        for (unsigned i = 0; i < 64; i++) {
            one();
            if (i % 16 == 0)
                other_requests();
        }
        CHECK_EQ(user_pages(), 0);
        CHECK_EQ(open_fds(), fds);
        clock_gettime(CLOCK_MONOTONIC, &at);
    } while (at.tv_sec - start.tv_sec < (long)seconds);
    struct table table = make_valid(4096);
    check_bytes(&table);
    check_calls(&table);
    unmap(&table);
    printf("# note: fuzzed %llu structs, %llu made\n", (unsigned long long)iterations,
           (unsigned long long)made);
    for (unsigned i = 0; i < 200; i++)
        if (by_errno[i])
            printf("# %s: %llu\n", strerrorname((int)i), (unsigned long long)by_errno[i]);
    CHECK(made > iterations / 50 && made < iterations);
}

int as_child(const char *name, const char *argument)
{
    (void)name;
    (void)argument;
    return 1;
}

int main(int argc, char **argv)
{
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 0;
    unsigned seconds = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 0) : 10;
    state = seed ? seed : (uint64_t)time(NULL);
    printf("TAP version 13\n1..1\n# seed %llu\n", (unsigned long long)state);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        fuzz(seconds);
        fflush(stdout);
        _exit(0);
    }
    int status = status_of(pid);
    bool good = status == 0 && user_pages() == 0;
    if (status)
        printf("# status %d\n", status);
    printf("%s 1 every_answer_is_one_that_the_header_allows\n", good ? "ok" : "not ok");
    return good ? 0 : 1;
}
