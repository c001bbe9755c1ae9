/* SPDX-License-Identifier: MIT */
/* model.c - see model.h
 */
#include "model.h"

struct region regions[REGIONS];
unsigned region_count;

static int as_code(const char *rights, unsigned long inode, bool was_copied, const char *name)
{
    if (rights[2] != 'x' || rights[1] == 'w' || rights[3] != 'p' || !inode || was_copied)
        return EACCES;
    return strstr(name, "trampfd") || strstr(name, "memfd") ? EACCES : 0;
}

void model_read_maps(const uint64_t *copied, unsigned n)
{
    char line[512];
    FILE *maps = fopen("/proc/self/maps", "re");
    CHECK(maps);
    region_count = 0;
    while (fgets(line, sizeof line, maps)) {
        unsigned long start, end, inode;
        char rights[5];
        int at = 0;
        bool was_copied = false;
        CHECK(sscanf(line, "%lx-%lx %4s %*x %*x:%*x %lu %n", &start, &end, rights, &inode, &at) ==
              4);
        for (unsigned i = 0; i < n; i++)
            was_copied |= copied[i] == start;
        CHECK(region_count < REGIONS);
        const char *name = line + at;
        regions[region_count++] =
            (struct region){start, end, as_code(rights, inode, was_copied, name), rights[0] == 'r',
                            strstr(name, "[v") != NULL};
    }
    fclose(maps);
}

const struct region *region_of(uint64_t address)
{
    for (unsigned i = 0; i < region_count; i++)
        if (address >= regions[i].start && address < regions[i].end)
            return &regions[i];
    return NULL;
}

bool answers_have(const struct answers *answers, int error)
{
    for (unsigned i = 0; i < answers->n; i++)
        if (answers->errors[i] == error)
            return true;
    return false;
}

static void add(struct answers *answers, int error)
{
    if (answers_have(answers, error))
        return;
    CHECK(answers->n < 16);
    answers->errors[answers->n++] = error;
}

static struct answers only(int error)
{
    return (struct answers){.n = 1, .errors = {error}};
}

/* ---- the fields themselves */

static bool has_register(uint64_t set, uint32_t number)
{
    return number < 64 && (set >> number & 1);
}

static bool registers_are_right(const struct trampfd_create *a, const struct trampfd_info *info)
{
    bool named = a->flags & TRAMPFD_CODE_REGISTER;
    int taken = named ? (int)a->code_register : SCRATCH;
    if (named && !has_register(info->code_registers, a->code_register))
        return false;
    if (!named && a->code_register)
        return false;
    return has_register(info->data_registers, a->data_register) && (int)a->data_register != taken;
}

static bool fields_are_right(const struct trampfd_create *a, const struct trampfd_info *info)
{
    bool compact = a->flags & TRAMPFD_COMPACT, many_codes = a->flags & TRAMPFD_CODE_ARRAY;
    if (a->flags & ~info->flags)
        return false;
    if (compact && (many_codes || (a->flags & TRAMPFD_CODE_REGISTER)))
        return false;
    if (!a->count || (compact ? a->first >= a->count : a->first != 0))
        return false;
    if ((a->flags & TRAMPFD_DATA_ARRAY) && a->stride)
        return false;
    if (!many_codes && a->code % CODE_ALIGN)
        return false;
    return registers_are_right(a, info);
}

/* ---- the memory to which they point */

/* How many of the bytes at `address` can be read. */
static uint64_t readable(uint64_t address, uint64_t size)
{
    uint64_t got = 0;
    while (got < size) {
        const struct region *region = region_of(address + got);
        if (!region || !region->readable)
            break;
        got = region->end - address;
    }
    return got < size ? got : size;
}

static bool is_known(uint64_t array, uint64_t size)
{
    for (unsigned i = 0; i < region_count; i++)
        if (regions[i].odd && array < regions[i].end && array + size > regions[i].start)
            return false;
    return true;
}

bool model_knows(const struct trampfd_create *a)
{
    uint64_t size = 8ull * a->count;
    return (!(a->flags & TRAMPFD_DATA_ARRAY) || is_known(a->data, size)) &&
           (!(a->flags & TRAMPFD_CODE_ARRAY) || is_known(a->code, size));
}

static void judge_code(uint64_t code, struct answers *answers)
{
    const struct region *region = region_of(code);
    if (code % CODE_ALIGN)
        add(answers, EINVAL);
    else if (!region)
        add(answers, EFAULT);
    else if (region->as_code)
        add(answers, region->as_code);
}

static uint64_t element(uint64_t array, uint64_t i)
{
    uint64_t value;
    memcpy(&value, (const char *)(uintptr_t)array + 8 * i, 8);
    return value;
}

static void judge_each(const struct trampfd_create *a, struct answers *answers)
{
    bool datas = a->flags & TRAMPFD_DATA_ARRAY, codes = a->flags & TRAMPFD_CODE_ARRAY;
    uint64_t have_data = datas ? readable(a->data, 8ull * a->count) / 8 : a->count;
    uint64_t have_code = codes ? readable(a->code, 8ull * a->count) / 8 : a->count;
    if (have_data < a->count || have_code < a->count)
        add(answers, EFAULT);
    for (uint64_t i = 0; codes && i < have_code; i++)
        judge_code(element(a->code, i), answers);
}

struct answers model_create(const struct trampfd_create *a, const struct trampfd_info *info)
{
    struct answers answers = {.may_succeed = false};
    if (!fields_are_right(a, info))
        return only(EINVAL);
    if (a->count > info->max_count)
        return only(EOVERFLOW);
    judge_each(a, &answers);
    if (!(a->flags & TRAMPFD_CODE_ARRAY))
        judge_code(a->code, &answers);
    answers.may_succeed = !answers.n;
    return answers;
}
