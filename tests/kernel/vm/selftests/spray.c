/* SPDX-License-Identifier: MIT */
/* spray.c - a program that wants code of its own choice, and has only the ioctl to write it with
 *
 * The program has denied itself memory that is writable and then executable (PR_SET_MDWE, where the
 * kernel has it), so only the kernel writes to its executable pages. The program chooses every
 * number of a table so that the numbers spell instructions, looks for these instructions in
 * executable pages, and jumps to every byte at which they could begin. It also tries to make the
 * constants executable.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include "table.h"

enum { RX = PROT_READ | PROT_EXEC, CHOSEN = 42, ARRIVED = 7, TRAMPS = 255 };

/* Irreversible: each test has a process of its own. */
static void deny_write_execute(void)
{
    if (prctl(65, 1, 0, 0, 0) != 0) /* PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN */
        printf("# this kernel has no PR_SET_MDWE (6.3 on): tried without\n");
}

/* What trampolines may lead to. */
__attribute__((noinline)) static long arrive(void)
{
    __asm__ volatile("");
    return ARRIVED;
}

/* Is this sequence in any executable mapping of a table in this process? */
static bool is_executable(const void *what, size_t size)
{
    char line[512];
    bool found = false;
    unsigned mappings = 0;
    FILE *maps = fopen("/proc/self/maps", "re");
    CHECK(maps);
    while (fgets(line, sizeof line, maps)) {
        unsigned long start, end;
        char rights[5];
        CHECK(sscanf(line, "%lx-%lx %4s", &start, &end, rights) == 3);
        if (!strstr(line, "[trampfd]") || rights[2] != 'x')
            continue;
        mappings++;
        found |= memmem((void *)start, end - start, what, size) != NULL;
    }
    fclose(maps);
    CHECK(mappings);
    return found;
}

static void not_executable(const void *what, size_t size)
{
    if (is_executable(what, size))
        FAIL("%zu bytes that the program chose, %#x and so on, are in a table's executable pages",
             size, *(const unsigned char *)what);
}

/* Maps it at `at`, which reserve() gave before the table was described. */
static struct table make_there(struct trampfd_create *arg, unsigned char *at)
{
    struct table table = {.arg = *arg, .size = map_size(arg), .at = at};
    table.fd = create(arg);
    if (table.fd < 0)
        FAIL("TRAMPFD_CREATE: %s", strerrorname(errno));
    CHECK(map_constants(table.fd, arg, at) != MAP_FAILED);
    CHECK(map_code(table.fd, arg, at) == at);
    return table;
}

static void jump(void *to)
{
    alarm(5); /* the code that runs there may loop */
    long answer = ((long (*)(void))to)();
    fflush(stdout);
    _exit(answer == CHOSEN ? CHOSEN : PASSED);
}

/* Jump to every byte in trampoline i except its first. None of these bytes begins the chosen
 * instructions. */
static void jump_into(const struct table *table, unsigned i)
{
    size_t from = tramp_offset(&table->arg, i), to = tramp_offset(&table->arg, i + 1);
    for (size_t at = from; at < to; at += STEP)
        if (in_child(jump, table->at + at) == CHOSEN)
            FAIL("a jump to byte %zu of trampoline %u runs what the program chose", at - from, i);
}

static const unsigned char pieces[][2] = PIECES_OF_TWO;
enum { PIECES = sizeof pieces / sizeof *pieces };

/* The number for trampoline `i`: the chosen bytes as an address, or as a distance from the code. */
static uint64_t chosen(const struct trampfd_create *arg, unsigned char *at, unsigned i, bool apart)
{
    const uint32_t low = CHOSEN_LOW;
    uint64_t here = (uintptr_t)at + tramp_offset(arg, i);
    return apart ? here + 11 + (uint64_t)(int32_t)low : low;
}

enum { FORMS = 6 };

static struct trampfd_create form_of(unsigned which)
{
    struct trampfd_create arg = which & 1 ? valid_compact(TRAMPS) : valid();
    arg.count = TRAMPS;
    arg.code = (uintptr_t)arrive;
    if (which == 4) {
        arg.flags |= TRAMPFD_CODE_REGISTER;
        arg.code_register = CODE_R;
    }
    return arg;
}

/* 0, 1: the same data for all; 2, 3: from an array; 4: with a code register; 5: compact, the first
 * one's distance alone. Each once with addresses and once with distances. */
TEST_FOR(chosen_data_is_not_executable, 2 * FORMS)
{
    static uint64_t datas[TRAMPS];
    const uint32_t low = CHOSEN_LOW;
    bool apart = which >= FORMS;
    struct trampfd_create arg = form_of(which % FORMS);
    deny_write_execute();
    unsigned char *at = reserve(&arg);
    CHECK(at != MAP_FAILED);
    arg.data = chosen(&arg, at, 0, apart);
    arg.stride = apart ? tramp_offset(&arg, 1) : 0;
    if (which % FORMS == 2 || which % FORMS == 3) {
        for (unsigned i = 0; i < TRAMPS; i++)
            datas[i] = chosen(&arg, at, i, apart);
        arg.flags |= TRAMPFD_DATA_ARRAY;
        arg.data = (uintptr_t)datas;
        arg.stride = 0;
    }
    struct table table = make_there(&arg, at);
    not_executable(&low, sizeof low);
    jump_into(&table, 0);
    jump_into(&table, 1);
    jump_into(&table, TRAMPS - 1);
}

/* The compact form with an array: the program chooses two bytes of each distance, and a jump. */
TEST_FOR(pieces_of_two_bytes_are_not_executable, 2)
{
    static uint64_t datas[TRAMPS];
    struct trampfd_create arg = form_of(which);
    deny_write_execute();
    unsigned char *at = reserve(&arg);
    CHECK(at != MAP_FAILED);
    for (unsigned i = 0; i < TRAMPS; i++) {
        const unsigned char *piece = pieces[i % PIECES];
        uint32_t spelt = piece[0] | piece[1] << 8 | 0xeb << 16 | 0x0a << 24;
        datas[i] = which ? (uintptr_t)at + tramp_offset(&arg, i) + 11 + spelt : spelt;
    }
    arg.flags |= TRAMPFD_DATA_ARRAY;
    arg.data = (uintptr_t)datas;
    arg.stride = 0;
    make_there(&arg, at);
    for (unsigned i = 0; i < PIECES; i++)
        not_executable(pieces[i], sizeof pieces[i]);
}

#ifdef __x86_64__
/* inc %eax; jmp to the next one's: as long a program as there are trampolines. */
TEST(a_program_in_pieces_cannot_be_run)
{
    ONE;
    static uint64_t datas[TRAMPS];
    struct trampfd_create arg = form_of(0);
    deny_write_execute();
    unsigned char *at = reserve(&arg);
    for (unsigned i = 0; i < TRAMPS; i++)
        datas[i] = !i ? 0x1cebc031 /* xor %eax, %eax */ : i <= CHOSEN ? 0x1cebc0ff : 0xc3;
    arg.flags |= TRAMPFD_DATA_ARRAY;
    arg.data = (uintptr_t)datas;
    arg.stride = 0;
    struct table table = make_there(&arg, at);
    jump_into(&table, 0);
}
#endif

/* Code addresses: a program chooses their bytes by mapping a file at a chosen address. */
TEST_FOR(code_addresses_are_not_executable, 3)
{
    static uint64_t codes[TRAMPS];
    struct trampfd_create arg = form_of(which == 1);
    deny_write_execute();
    int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    unsigned char *wanted = (unsigned char *)(uintptr_t)0x2a6a58c30000;
    unsigned char *text = mmap(wanted, 2 * page(), RX, MAP_PRIVATE | MAP_FIXED_NOREPLACE, self, 0);
    CHECK(text == wanted);
    arg.code = (uintptr_t)text + 64;
    if (which == 2) {
        for (unsigned i = 0; i < TRAMPS; i++)
            codes[i] = (uintptr_t)text + 4 * i;
        arg.flags |= TRAMPFD_CODE_ARRAY;
        arg.code = (uintptr_t)codes;
    }
    struct table table = make(&arg);
    check_bytes(&table);
    not_executable("\xc3\x58\x6a\x2a", 4);
}

#ifdef __x86_64__
/* A program still chooses registers and the size of a table. Neither makes an instruction that no
 * page should have: a system call, rights of protection keys, a return, a landing pad elsewhere. */
static void scan(const struct table *table)
{
    static const char *const bad[] = {"\x0f\x05", "\x0f\x34", "\xcd\x80",         "\x0f\x01",
                                      "\xf3\xc3", "\xcc\xc3", "\xf3\x0f\x1e\xfb", NULL};
    size_t step = tramp_offset(&table->arg, 1);
    for (unsigned i = 0; bad[i]; i++)
        not_executable(bad[i], strlen(bad[i]));
    for (size_t at = 0; at + 4 <= table->size; at++)
        if (!memcmp(table->at + at, "\xf3\x0f\x1e\xfa", 4))
            CHECK_EQ(at % step, 0);
}

TEST_FOR(sizes_of_tables_spell_nothing, 2)
{
    unsigned most = info().max_count;
    struct trampfd_create arg = form_of(which);
    unsigned each = (unsigned)(page() / tramp_offset(&arg, 1));
    deny_write_execute();
    for (arg.count = each; arg.count <= most; arg.count += 5 * each) {
        struct table table = make(&arg);
        scan(&table);
        unmap(&table);
    }
}

TEST_FOR(registers_spell_nothing, REGISTERS)
{
    struct trampfd_create arg = form_of(4), compact = form_of(1);
    if (which == STACK_POINTER)
        return;
    compact.data_register = arg.data_register = which;
    for (arg.code_register = 0; arg.code_register < REGISTERS; arg.code_register++) {
        if (arg.code_register == STACK_POINTER || arg.code_register == which)
            continue;
        struct table table = make(&arg);
        scan(&table);
        unmap(&table);
    }
    struct table table = make(&compact);
    scan(&table);
}
#endif

/* ---- the constants, which contain the chosen numbers */

static struct table spelling(void)
{
    struct trampfd_create arg = valid();
    arg.count = in_pages(1);
    arg.code = (uintptr_t)arrive;
    arg.data = CHOSEN_LONG;
    arg.stride = 0;
    return make(&arg);
}

static void constants_stay(const struct table *table)
{
    unsigned char *constants = table->at - table->size;
    CHECK(!has_vm_flag(constants, "ex") && !has_vm_flag(constants, "me"));
    check_bytes(table);
    CHECK_EQ(in_child(jump, constants + TRAMPFD_DATA_AT), KILLED + SIGSEGV);
}

TEST(constants_can_be_read)
{
    ONE;
    uint64_t there[4] = {0};
    struct table table = spelling();
    struct iovec here = {there, 32}, from = {table.at - table.size, 32};
    const uint64_t *constants = (const void *)(table.at - table.size);
    deny_write_execute();
    CHECK_EQ(constants[2], table.arg.data);
    CHECK_EQ(constants[3], table.arg.code);
    CHECK(process_vm_readv(getpid(), &here, 1, &from, 1, 0) == 32);
    CHECK_EQ(there[2], table.arg.data);
    constants_stay(&table);
}

/* With every right that has execution in it, of the whole and of a part: with and without the
 * policy. */
TEST_FOR(constants_cannot_be_made_executable, 2)
{
    struct table table = make_valid(in_pages(2));
    unsigned char *constants = table.at - table.size;
    if (which)
        deny_write_execute();
    for (int rights = PROT_EXEC; rights < 2 * PROT_EXEC; rights++) {
        CHECK_ERRNO(mprotect(constants, table.size, rights), EACCES);
        CHECK_ERRNO(mprotect(constants, page(), rights), EACCES);
        CHECK_ERRNO(mprotect(constants + page(), page(), rights), EACCES);
        CHECK(mprotect(constants, 2 * table.size, rights) == -1); /* with the code behind */
        CHECK(syscall(SYS_pkey_mprotect, constants, table.size, rights, -1) == -1);
        CHECK(errno == EACCES || errno == ENOSYS); /* arm64 of 6.1 has no keys */
    }
    CHECK_ERRNO(mprotect(constants, table.size, PROT_READ | PROT_WRITE), EACCES);
    CHECK(mprotect(constants, table.size, PROT_NONE) == 0);
    CHECK_ERRNO(mprotect(constants, table.size, RX), EACCES);
    CHECK(mprotect(constants, table.size, PROT_READ) == 0);
    CHECK_ERRNO(mprotect(constants, table.size, RX), EACCES);
    CHECK(!has_vm_flag(constants, "ex"));
    check_bytes(&table);
    check_calls(&table);
}

/* Before they are mapped correctly, and after. */
TEST(constants_cannot_be_mapped_executable)
{
    ONE;
    struct table table = spelling();
    struct trampfd_create arg = table.arg;
    int fd = create(&arg);
    unsigned char *at = reserve(&arg) - table.size;
    const int how = MAP_PRIVATE | MAP_FIXED;
    deny_write_execute();
    CHECK_ERRNO(mmap(at, table.size, RX, how, fd, 0), EACCES);
    CHECK_ERRNO(mmap(at, table.size, PROT_EXEC, how, fd, 0), EACCES);
    CHECK_ERRNO(mmap(at, table.size, RX, MAP_SHARED | MAP_FIXED, fd, 0), EACCES);
    CHECK_ERRNO(mmap(at, 2 * table.size, RX, how, fd, 0), EINVAL);
    CHECK_ERRNO(mmap(NULL, table.size, RX, MAP_PRIVATE, fd, 0), EADDRNOTAVAIL);
    CHECK_ERRNO(mmap(at, table.size, RX, how, table.fd, 0), EBUSY);
    CHECK_ERRNO(mmap(at, table.size, PROT_EXEC, how, table.fd, 0), EBUSY);
    CHECK_ERRNO(mmap(at, table.size, RX, MAP_SHARED | MAP_FIXED, table.fd, 0), EBUSY);
    CHECK_ERRNO(mmap(at, table.size, PROT_READ, how, table.fd, 0), EBUSY);
    constants_stay(&table);
}

TEST(constants_cannot_be_moved_to_where_code_is)
{
    ONE;
    struct table table = spelling();
    unsigned char *constants = table.at - table.size, *at = reserve(&table.arg);
    const int how = MREMAP_MAYMOVE | MREMAP_FIXED;
    deny_write_execute();
    CHECK_ERRNO(mremap(constants, table.size, table.size, how, table.at), EINVAL);
    CHECK_ERRNO(mremap(constants, table.size, table.size, how, at), EINVAL);
    CHECK(mremap(constants, 0, table.size, MREMAP_MAYMOVE) == MAP_FAILED);
    CHECK_ERRNO(mremap(constants, table.size, 2 * table.size, MREMAP_MAYMOVE), EFAULT);
    struct table other = spelling();
    (void)syscall(SYS_remap_file_pages, other.at, page(), 0, 0, 0);
    constants_stay(&other);
}

/* Where reading implies executing, the kernel adds that right by itself. */
TEST(constants_are_not_executable_where_reading_implies_it)
{
    ONE;
    struct table table = spelling();
    struct trampfd_create arg = valid();
    int fd = create(&arg);
    unsigned char *at = reserve(&arg), *constants = table.at - table.size;
    CHECK(personality(READ_IMPLIES_EXEC) != -1);
    CHECK_ERRNO(map_constants(fd, &arg, at), EACCES);
    CHECK(mprotect(constants, table.size, PROT_NONE) == 0);
    CHECK(mprotect(constants, table.size, PROT_READ) == 0);
    CHECK(personality(0) != -1);
    constants_stay(&table);
    CHECK(map_constants(fd, &arg, at) != MAP_FAILED);
    CHECK(!has_vm_flag(at - page(), "ex") && !has_vm_flag(at - page(), "me"));
    CHECK(map_code(fd, &arg, at) == at);
}

static void in_a_child(void *data_)
{
    struct table *table = data_;
    CHECK_ERRNO(mprotect(table->at - table->size, table->size, RX), EACCES);
    CHECK_ERRNO(
        mmap(table->at - table->size, table->size, RX, MAP_PRIVATE | MAP_FIXED, table->fd, 0),
        EPERM);
}

TEST(a_forked_childs_constants_cannot_be_made_executable)
{
    ONE;
    struct table table = spelling();
    CHECK_EQ(in_child(in_a_child, &table), PASSED);
    constants_stay(&table);
}
