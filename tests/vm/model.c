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
    if (compact ? !a->map_addr || a->map_addr % page() : a->map_addr != 0)
        return false;
    if ((a->flags & TRAMPFD_DATA_ARRAY) && a->stride)
        return false;
    if (SCRATCH >= 0 && !many_codes && a->code % 4)
        return false;
    return registers_are_right(a, info);
}

/* ---- what they point at */

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
    if (SCRATCH >= 0 && code % 4)
        add(answers, EINVAL);
    else if (!region)
        add(answers, EFAULT);
    else if (region->as_code)
        add(answers, region->as_code);
}

static bool has_landing_pad(const unsigned char *at, size_t size)
{
    if (SCRATCH >= 0)
        return false; /* words of code are never data's there: addresses have 48 bits */
    for (size_t i = 1; i + 4 <= size; i++)
        if (!memcmp(at + i, "\xf3\x0f\x1e\xfa", 4))
            return true;
    return false;
}

/* A trampoline of the form that only matters for what its immediates spell. */
static bool spells_landing_pad(const struct trampfd_create *a, unsigned i, uint64_t datum,
                               uint64_t code)
{
    unsigned char at[48] = {0};
    if (a->flags & TRAMPFD_COMPACT) {
        uint32_t distance = (uint32_t)(datum - (a->map_addr + 16ull * i + 11));
        memcpy(at + 7, &distance, 4);
        memcpy(at + 24, &code, 8); /* the stub */
    } else {
        memcpy(at + 6, &datum, 8);
        memcpy(at + 24, &code, 8);
    }
    return has_landing_pad(at, sizeof at);
}

static bool in_reach(const struct trampfd_create *a, unsigned i, uint64_t datum)
{
    uint64_t at = a->map_addr + 16ull * i;
    if (SCRATCH < 0) {
        int64_t distance = (int64_t)(datum - (at + 11));
        return distance == (int32_t)distance;
    }
    int64_t near = (int64_t)(datum - (at + 4));
    int64_t pages = (int64_t)(datum >> 12) - (int64_t)((at + 4) >> 12);
    return (near >= -(1 << 20) && near < 1 << 20) || (pages >= -(1 << 20) && pages < 1 << 20);
}

static void judge_datum(const struct trampfd_create *a, unsigned i, uint64_t datum, uint64_t code,
                        uint64_t top, struct answers *answers)
{
    if (datum >= top || (SCRATCH >= 0 && datum >> 48))
        add(answers, ERANGE);
    else if ((a->flags & TRAMPFD_COMPACT) && !in_reach(a, i, datum))
        add(answers, ERANGE);
    else if (spells_landing_pad(a, i, datum, code))
        add(answers, EILSEQ);
}

static uint64_t element(uint64_t array, uint64_t i)
{
    uint64_t value;
    memcpy(&value, (const char *)(uintptr_t)array + 8 * i, 8);
    return value;
}

static void judge_each(const struct trampfd_create *a, uint64_t top, struct answers *answers)
{
    bool datas = a->flags & TRAMPFD_DATA_ARRAY, codes = a->flags & TRAMPFD_CODE_ARRAY;
    uint64_t have_data = datas ? readable(a->data, 8ull * a->count) / 8 : a->count;
    uint64_t have_code = codes ? readable(a->code, 8ull * a->count) / 8 : a->count;
    if (have_data < a->count || have_code < a->count)
        add(answers, EFAULT);
    for (uint64_t i = 0; codes && i < have_code; i++)
        judge_code(element(a->code, i), answers);
    for (unsigned i = 0; i < have_data; i++) {
        uint64_t datum = datas ? element(a->data, i) : a->data + i * a->stride;
        uint64_t code = !codes ? a->code : i < have_code ? element(a->code, i) : 0;
        if (is_tramp(a, i))
            judge_datum(a, i, datum, code, top, answers);
    }
}

struct answers model_create(const struct trampfd_create *a, const struct trampfd_info *info)
{
    static uint64_t top;
    struct answers answers = {.may_succeed = false};
    uint64_t size, last, end;
    if (!top)
        top = user_top();
    if (!fields_are_right(a, info))
        return only(EINVAL);
    if (a->count > info->max_count)
        return only(EOVERFLOW);
    if (a->flags & TRAMPFD_COMPACT) {
        size = map_size(a);
        if (__builtin_add_overflow(a->map_addr, size, &end) || end > top)
            add(&answers, ERANGE);
    }
    judge_each(a, top, &answers);
    if (!(a->flags & TRAMPFD_CODE_ARRAY))
        judge_code(a->code, &answers);
    answers.may_succeed = !answers.n;
    /* The last datum is a hole's, or its product comes round: the header lets both be refused. */
    if (!(a->flags & TRAMPFD_DATA_ARRAY) &&
        (__builtin_mul_overflow(a->stride, a->count - 1ull, &last) ||
         __builtin_add_overflow(a->data, last, &end)))
        add(&answers, ERANGE);
    return answers;
}
