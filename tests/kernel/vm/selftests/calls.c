/* SPDX-License-Identifier: MIT */
/* calls.c - every register as R and as code register, in every form, really called
 *
 * Each table's bytes are compared with bytes.c's, and its trampolines are entered with every
 * register full: on arrival R has the data's address, the code register (or SCRATCH)
 * the code's, and nothing else has changed, flags and stack pointer included.
 */
#include <sys/mman.h>
#include "table.h"

static bool loads(unsigned r)
{
    return r < 32 && DATA_REGISTERS >> r & 1;
}

static bool jumps(unsigned r)
{
    return r < 32 && CODE_REGISTERS >> r & 1;
}

static void check(const struct trampfd_create *arg)
{
    struct table table = make(arg);
    check_bytes(&table);
    check_calls(&table);
    unmap(&table);
}

/* SCRATCH is spent on the jump unless a code register is named. */
TEST_FOR(data_register, REGISTERS)
{
    struct trampfd_create arg = valid();
    arg.data_register = which;
    arg.count = 3;
    if (!loads(which) || (int)which == SCRATCH)
        CHECK_ERRNO(create(&arg), EINVAL);
    else
        check(&arg);
}

TEST_FOR(data_register_compact, REGISTERS)
{
    struct trampfd_create arg = valid_compact(255);
    arg.data_register = which;
    if (!loads(which) || (int)which == SCRATCH)
        CHECK_ERRNO(create(&arg), EINVAL);
    else
        check(&arg);
}

TEST_FOR(code_register_with_every_data_register, REGISTERS)
{
    struct trampfd_create arg = valid();
    arg.flags = TRAMPFD_CODE_REGISTER;
    arg.code_register = which;
    arg.count = 2;
    for (unsigned r = 0; r < REGISTERS; r++) {
        arg.data_register = r;
        if (!jumps(which) || !loads(r) || r == which)
            CHECK_ERRNO(create(&arg), EINVAL);
        else
            check(&arg);
    }
}

TEST_FOR(code_register_with_a_code_array, REGISTERS)
{
    static uint64_t codes[140];
    struct trampfd_create arg = valid();
    for (unsigned i = 0; i < 140; i++)
        codes[i] = (uintptr_t)target(i);
    arg.flags = TRAMPFD_CODE_REGISTER | TRAMPFD_CODE_ARRAY;
    arg.code = (uintptr_t)codes;
    arg.code_register = which;
    arg.data_register = which == DATA_R ? CODE_R : DATA_R;
    arg.count = 140;
    if (!jumps(which))
        CHECK_ERRNO(create(&arg), EINVAL);
    else
        check(&arg);
}

TEST(info_tells_the_registers)
{
    ONE;
    struct trampfd_info now = info();
    CHECK_EQ(now.code_registers, CODE_REGISTERS);
    CHECK_EQ(now.data_registers, DATA_REGISTERS);
}

static const unsigned counts[] = {1,   2,   127,  128,  129,  254,  255, 256,
                                  257, 512, 1024, 1025, 4095, 4096, 4097};

TEST_FOR(count, sizeof counts / sizeof *counts)
{
    struct trampfd_create arg = valid();
    arg.count = counts[which];
    check(&arg);
}

TEST_FOR(count_compact, sizeof counts / sizeof *counts)
{
    struct trampfd_create arg = valid_compact(counts[which]);
    check(&arg);
}

TEST_FOR(first, 6)
{
    static const unsigned firsts[] = {1, 254, 255, 256, 300, 511};
    struct trampfd_create arg = valid_compact(512);
    arg.first = firsts[which];
    check(&arg);
}

TEST(first_leaves_the_data_below_it_unlooked_at)
{
    ONE;
    static uint64_t datas[512];
    struct trampfd_create arg = valid_compact(512);
    arg.flags |= TRAMPFD_DATA_ARRAY;
    arg.stride = 0;
    arg.data = (uintptr_t)datas;
    arg.first = 100;
    for (unsigned i = 0; i < 512; i++)
        datas[i] = i < 100 || i % 256 == 255 ? UINT64_MAX : (uintptr_t)data_at[i];
    check(&arg);
}

TEST(data_array)
{
    ONE;
    static uint64_t datas[300];
    for (unsigned i = 0; i < 300; i++)
        datas[i] = i * 0x9e3779b97f4a7c15ull; /* any number: no code reads this address */
    struct trampfd_create arg = valid();
    arg.flags = TRAMPFD_DATA_ARRAY;
    arg.stride = 0;
    arg.data = (uintptr_t)datas;
    arg.count = 300;
    check(&arg);
}

TEST(data_array_and_code_array)
{
    ONE;
    static uint64_t datas[300], codes[300];
    for (unsigned i = 0; i < 300; i++) {
        datas[i] = (uintptr_t)data_at[i * 7 % 300];
        codes[i] = (uintptr_t)target(i * 5);
    }
    struct trampfd_create arg = valid();
    arg.flags = TRAMPFD_DATA_ARRAY | TRAMPFD_CODE_ARRAY;
    arg.stride = 0;
    arg.data = (uintptr_t)datas;
    arg.code = (uintptr_t)codes;
    arg.count = 300;
    check(&arg);
}

TEST(arrays_changed_after_creation_change_nothing)
{
    ONE;
    static uint64_t datas[200], kept[200];
    for (unsigned i = 0; i < 200; i++)
        datas[i] = (uintptr_t)data_at[i];
    struct trampfd_create arg = valid();
    arg.flags = TRAMPFD_DATA_ARRAY;
    arg.stride = 0;
    arg.data = (uintptr_t)datas;
    arg.count = 200;
    struct table table = make(&arg);
    memcpy(kept, datas, sizeof kept);
    memset(datas, 0, sizeof datas);
    table.arg.data = (uintptr_t)kept;
    check_bytes(&table);
    check_calls(&table);
}

TEST(stride_of_0_gives_all_the_same_data)
{
    ONE;
    struct trampfd_create arg = valid();
    arg.stride = 0;
    arg.count = 130;
    check(&arg);
}

TEST(stride_of_a_page)
{
    ONE;
    struct trampfd_create arg = valid();
    arg.stride = page();
    arg.count = 130;
    check(&arg);
}

TEST(stride_of_1_and_unaligned_data)
{
    ONE;
    struct trampfd_create arg = valid();
    arg.data += 3;
    arg.stride = 1;
    arg.count = 300;
    check(&arg);
}

TEST(stride_of_1_compact)
{
    ONE;
    struct trampfd_create arg = valid_compact(300);
    arg.data += 3;
    arg.stride = 1;
    check(&arg);
}

/* R gets a number: addresses of the kernel, landing pads and tags are numbers like any other. */
static const uint64_t any_data[] = {
    0,          1,          1ull << 32,         1ull << 47,         1ull << 48,
    0xfa1e0ff3, 0x50f,      0xd4200000d4200000, 0x5a00000000000000, 0xffff888000000000,
    INT64_MAX,  UINT64_MAX,
};

TEST_FOR(data_of_any_number, sizeof any_data / sizeof *any_data)
{
    struct trampfd_create arg = valid(), compact = valid_compact(300);
    arg.data = compact.data = any_data[which];
    check(&arg);
    check(&compact);
}

TEST_FOR(stride_of_any_number, sizeof any_data / sizeof *any_data)
{
    struct trampfd_create arg = valid(), compact = valid_compact(300);
    arg.stride = compact.stride = any_data[which];
    arg.count = 300;
    check(&arg);
    check(&compact);
}

TEST(the_largest_table)
{
    ONE;
    struct trampfd_create arg = valid();
    arg.count = info().max_count;
    arg.stride = 1;
    check(&arg);
}

TEST(the_largest_compact_table)
{
    ONE;
    struct trampfd_create arg = valid_compact(info().max_count);
    arg.stride = 1;
    check(&arg);
}

TEST(ten_tables_side_by_side)
{
    ONE;
    struct table tables[10];
    for (unsigned i = 0; i < 10; i++) {
        struct trampfd_create arg = valid();
        arg.count = 100 * i + 1;
        arg.code = (uintptr_t)target(i);
        tables[i] = make(&arg);
    }
    for (unsigned i = 0; i < 10; i++) {
        check_bytes(&tables[i]);
        check_calls(&tables[i]);
    }
}

#ifdef __aarch64__
#include <signal.h>
#include <sys/auxv.h>

/* Branch target identification: in a guarded page an indirect call must arrive at a landing pad.
 * The pages of the caller need not be guarded. */
enum { GUARDED = 0x10, HAS_BTI = 1 << 17 };

static void nothing(void)
{
}

static void call(void *code)
{
    ((void (*)(void))code)();
}

static unsigned char *guarded(struct trampfd_create *arg)
{
    if (!(getauxval(AT_HWCAP2) & HAS_BTI))
        ktest_skip("this machine has no BTI");
    arg->code = (uintptr_t)nothing;
    int fd = create(arg);
    size_t size = map_size(arg);
    unsigned char *at = reserve(arg);
    CHECK(map_constants(fd, arg, at) != MAP_FAILED);
    CHECK(mmap(at, size, PROT_READ | PROT_EXEC | GUARDED, MAP_PRIVATE | MAP_FIXED, fd,
               (off_t)size) == at);
    CHECK(has_vm_flag(at, "bt"));
    return at;
}

TEST_FOR(a_guarded_table_is_entered_at_its_landing_pads_only, 2)
{
    struct trampfd_create arg = which ? valid_compact(300) : valid();
    arg.count = 300;
    unsigned char *at = guarded(&arg);
    for (unsigned i = 0; i < 300; i += 37) {
        unsigned char *code = at + tramp_offset(&arg, i);
        CHECK_EQ(in_child(call, code), PASSED);
        CHECK_EQ(in_child(call, code + 4), KILLED + SIGILL);
        CHECK_EQ(in_child(call, code + 8), KILLED + SIGILL);
    }
}

TEST(the_stub_of_a_guarded_compact_table_is_no_landing_pad)
{
    ONE;
    struct trampfd_create arg = valid_compact(300);
    unsigned char *at = guarded(&arg);
    CHECK_EQ(in_child(call, at + TRAMPFD_COMPACT_OFFSET(255)), KILLED + SIGILL);
}
#endif
