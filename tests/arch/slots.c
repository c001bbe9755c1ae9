/* SPDX-License-Identifier: MIT */
/* slots.c - trampolines, tables and providers of one architecture, without libffi and without plans
 *
 * What a patched libffi uses of csrc/ on an architecture whose folder has no abi.c, called as it
 * is: base/, tramp/ and table.S. `slots` lists the cases, `slots case` runs one. Exit status: 0
 * passed, 77 skipped (the reason is on stdout), anything else failed.
 */
#include "probe.h"
#include "pages.h"

#include "arch.h"
#include "base/error.h"
#include "tramp/find.h"
#include "tramp/provider.h"
#include "tramp/table.h"
#include "tramp/tramp.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef PR_SET_MDWE /* Linux 6.3 */
#define PR_SET_MDWE 65
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif

#define CHECK(cond)                                                                                \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            fprintf(stderr, "%s:%d: does not hold: %s (%s)\n", __FILE__, __LINE__, #cond,          \
                    fs_error_text());                                                              \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

/* Three tables and a bit, or what the resident one has. */
#define MANY (3 * FS_TABLE_SLOTS + 77)

struct pair {
    char *slot, *code;
};

static bool only(const char *provider)
{
    const char *text = getenv("FFI_STATIC_PROVIDER");
    return text && strcmp(text, provider) == 0;
}

static void bind(void *slot, void (*entry)(void))
{
    *(void **)slot = (void *)entry;
}

static struct pair get(unsigned slots, void (*entry)(void))
{
    struct pair p;
    void *code;
    p.slot = fs_slot_alloc(slots, &code);
    if (!p.slot && only("text") && strstr(fs_error_text(), "emulator")) {
        puts(fs_error_text());
        exit(77);
    }
    CHECK(p.slot != NULL);
    p.code = code;
    bind(p.slot, entry);
    return p;
}

static void give(struct pair p)
{
    struct fs_ref ref;
    CHECK(fs_slot_find(p.slot, &ref) == 0);
    fs_slot_free(ref);
}

static void *self(const void *code)
{
    return ((void *(*)(void))(uintptr_t)code)();
}

static void shuffle(struct pair *p, unsigned n)
{
    uint64_t x = 88172645463325252u;
    for (unsigned i = n; i > 1; i--) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        struct pair t = p[i - 1];
        p[i - 1] = p[x % i];
        p[x % i] = t;
    }
}

static void every_slot_is_reached_by_its_own_address(void)
{
    static struct pair p[MANY];
    unsigned n = only("resident") ? FS_RESIDENT_SLOTS : MANY, served = 0;
    const char *last = "";
    for (unsigned i = 0; i < n; i++) {
        p[i] = get(1, probe_self);
        struct fs_ref ref;
        CHECK(fs_code_find(p[i].code, &ref) == 0 && fs_ref_slot(ref) == p[i].slot);
        CHECK(fs_slot_find(p[i].slot, &ref) == 0 && fs_ref_code(ref) == p[i].code);
        if (strcmp(last, fs_ref_provider(ref)) != 0)
            printf("%s%s", served++ ? ", " : "", last = fs_ref_provider(ref));
    }
    for (unsigned i = 0; i < n; i++)
        CHECK(self(p[i].code) == p[i].slot);
    CHECK(fs_tramp_check() == 0);
    shuffle(p, n);
    for (unsigned i = 0; i < n; i++) {
        CHECK(self(p[i].code) == p[i].slot);
        give(p[i]);
    }
    CHECK(fs_tramp_check() == 0);
    struct fs_tramp_stats stats;
    fs_tramp_stats(&stats);
    CHECK(stats.live == 0);
    printf(": %u slots, %lu mappings looked at\n", n, pages_checked);
}

static void a_trampoline_changes_no_register_but_its_own(void)
{
    uintptr_t in[32];
    for (unsigned i = 0; i < 32; i++)
        in[i] = (uintptr_t)(0x5a00a5000f00f000u * (i + 1) + (i << 24) + i);
    for (unsigned i = 0; i < FS_RESIDENT_SLOTS + 300; i++) {
        struct pair p = get(1, probe_entry);
        memset(probe_regs, 0, sizeof probe_regs);
        uintptr_t sp = probe_call(p.code, in);
        CHECK(probe_regs[probe_r] == (uintptr_t)p.slot);
        CHECK(probe_regs[probe_sp] == sp);
        for (unsigned r = 0; r < 32; r++)
            CHECK(!(probe_kept >> r & 1) || probe_regs[r] == in[r]);
        if (only("resident") && i == FS_RESIDENT_SLOTS - 1)
            break;
    }
}

static void a_run_has_one_address(void)
{
    const unsigned longest = only("resident") ? FS_RESIDENT_SLOTS / 2 : FS_RUN_MAX;
    for (unsigned n = 1; n <= longest; n += n < 8 ? 1 : 13) {
        struct pair p = get(n, probe_self);
        memset(p.slot + FS_SLOT_SIZE, 0xff, (n - 1) * FS_SLOT_SIZE);
        CHECK(self(p.code) == p.slot);
        struct fs_ref ref;
        CHECK(n == 1 || fs_slot_find(p.slot + FS_SLOT_SIZE, &ref) == -EINVAL);
        give(p);
    }
    CHECK(fs_tramp_check() == 0);
}

/* A child's status; what it wrote to standard error in `said`. */
static int in_child(void (*act)(void *), void *with, char *said, size_t size)
{
    int pipe_fd[2];
    CHECK(pipe(pipe_fd) == 0);
    fflush(stdout);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        dup2(pipe_fd[1], STDERR_FILENO);
        act(with);
        _exit(0);
    }
    close(pipe_fd[1]);
    size_t n = 0;
    for (ssize_t got; n + 1 < size && (got = read(pipe_fd[0], said + n, size - 1 - n)) > 0;)
        n += (size_t)got;
    said[n] = '\0';
    close(pipe_fd[0]);
    int status;
    CHECK(waitpid(pid, &status, 0) == pid);
    return status;
}

static void call_it(void *code)
{
    self(code);
}

static void reports(struct pair p, const char *word)
{
    char said[1024], address[32];
    int status = in_child(call_it, p.code, said, sizeof said);
    snprintf(address, sizeof address, "0x%zx", (size_t)(uintptr_t)p.code);
    if (!strstr(said, address) || !strstr(said, word))
        fprintf(stderr, "said: %s\n", said);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    CHECK(strstr(said, address) && strstr(said, word));
}

static void a_freed_slot_reports_its_address(void)
{
    struct pair p = get(1, probe_self);
    give(p);
    reports(p, "was called after it was freed");
}

static void an_unprepared_slot_reports_its_address(void)
{
    struct pair p = get(1, probe_self);
    bind(p.slot, fs_unprepared);
    reports(p, "was called before it was prepared");
}

static void free_and_fill(void *with)
{
    give(*(struct pair *)with);
    for (unsigned i = 0; i < 100; i++)
        CHECK(self(get(1, probe_self).code) != NULL);
}

static void a_forked_child_has_its_own_slots(void)
{
    struct pair p = get(1, probe_self);
    char said[256];
    CHECK(in_child(free_and_fill, &p, said, sizeof said) == 0);
    CHECK(self(p.code) == p.slot);
    give(p);
    CHECK(fs_tramp_check() == 0);
}

/* Bytes of this process that are writable and executable. */
static size_t writable_code(void)
{
    size_t bytes = 0;
    FILE *maps = fopen("/proc/self/maps", "re");
    CHECK(maps != NULL);
    char line[512], perms[5];
    const uintptr_t ours = (uintptr_t)fs_resident_code;
    unsigned seen = 0;
    while (fgets(line, sizeof line, maps)) {
        size_t from, to;
        CHECK(sscanf(line, "%zx-%zx %4s", &from, &to, perms) == 3);
        if (strchr(perms, 'w') && strchr(perms, 'x'))
            bytes += to - from;
        seen += from <= ours && ours < to && strchr(perms, FS_DESCRIPTORS ? 'r' : 'x');
    }
    fclose(maps);
    CHECK(seen == 1);
    return bytes;
}

/* What this machine's programs have of that before main() (ARCH_FLAGS_<isa>, isas.py). */
static size_t systems;

static void no_page_is_writable_and_executable(void)
{
    for (unsigned i = 0; i < FS_RESIDENT_SLOTS; i++)
        CHECK(self(get(1, probe_self).code) != NULL);
    CHECK(writable_code() == systems);
}

static void a_table_is_whole_pages_of_64_KiB(void)
{
    if (FS_TEXT_ALIGN < 0x10000) {
        puts("this architecture has no pages as large as 64 KiB");
        exit(77);
    }
    CHECK(FS_DESCRIPTORS || (uintptr_t)fs_table_code % 4096 == 0);
    CHECK(FS_TEXT_ALIGN == 0x10000 && FS_TABLE_SPAN % 0x10000 == 0);
    setenv("FS_TEST_PAGE", "65536", 1);
    CHECK(FS_DESCRIPTORS || (uintptr_t)fs_table_code % 0x10000 == 0);
    every_slot_is_reached_by_its_own_address();
    CHECK(only("resident") || pages_checked > 8);
}

static void tables_are_made_under_PR_SET_MDWE(void)
{
    if (prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0)) {
        puts("this kernel, or the emulator, has no PR_SET_MDWE");
        exit(77);
    }
    every_slot_is_reached_by_its_own_address();
    no_page_is_writable_and_executable();
}

/* Bytes of memory that are this process's, and how many mappings it has. */
struct footprint {
    long bytes, mappings;
};

static struct footprint footprint(void)
{
    struct footprint f = {0, 0};
    char line[512];
    FILE *file = fopen("/proc/self/smaps_rollup", "re");
    CHECK(file != NULL);
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "Pss: %ld kB", &f.bytes) == 1)
            f.bytes *= 1024;
    fclose(file);
    file = fopen("/proc/self/maps", "re");
    while (fgets(line, sizeof line, file))
        f.mappings += strchr(line, '\n') != NULL;
    fclose(file);
    return f;
}

/* Of slots only: what a signature has besides is once for all of its closures. */
static void a_slot_takes_its_size_and_few_mappings(void)
{
    enum { SLOTS = 100000 };
    if (getenv("FFI_STATIC_PROVIDER")) { /* memfd has a copy of the code for each table */
        puts("this is promised of the default order");
        exit(77);
    }
    for (int i = 0; i < FS_RESIDENT_SLOTS + 1; i++) /* the library's own pages, and libc's */
        get(1, probe_self);
    footprint();
    const struct footprint before = footprint();
    for (int i = 0; i < SLOTS; i++)
        get(1, probe_self);
    const struct footprint after = footprint();
    double bytes = (double)(after.bytes - before.bytes) / SLOTS;
    double mappings = (double)(after.mappings - before.mappings) / SLOTS;
    printf("%.1f bytes and %.5f mappings a slot of %d bytes\n", bytes, mappings, FS_SLOT_SIZE);
    CHECK(bytes > FS_SLOT_SIZE - 1 && bytes <= FS_SLOT_SIZE + 2);
    CHECK(mappings <= 0.0006);
}

struct bases {
    void *text, *data, *function;
};
const void *_Unwind_Find_FDE(const void *pc, struct bases *bases);

static void an_unwinder_is_told_of_mapped_trampolines(void)
{
    setenv("FFI_STATIC_UNWIND", "1", 1);
    struct bases bases;
    struct pair p = {0};
    for (unsigned i = 0; i < FS_RESIDENT_SLOTS + 1; i++) {
        if (only("resident") && i == FS_RESIDENT_SLOTS)
            break;
        p = get(1, probe_self);
        CHECK(_Unwind_Find_FDE(p.code + 4, &bases) != NULL);
    }
    CHECK((char *)bases.function == p.code - (uintptr_t)p.code % FS_TABLE_SPAN ||
          bases.function == fs_resident_code);
}

static void every_step_of_a_trampoline_is_unwound(void)
{
    if (!probe_steps) {
        puts("the stack does not move in this architecture's trampolines");
        exit(77);
    }
    setenv("FFI_STATIC_UNWIND", "1", 1);
    for (unsigned i = 0; i < FS_RESIDENT_SLOTS + 300; i++) {
        if (only("resident") && i == FS_RESIDENT_SLOTS)
            break;
        CHECK(probe_steps(get(1, probe_self).code) > 10);
    }
}

static void call_behind_its_landing_pad(void *code)
{
    self((char *)code + 4);
}

static void a_mapped_trampoline_is_entered_at_its_landing_pad_only(void)
{
#ifdef HWCAP2_BTI
    if (getauxval(AT_HWCAP2) & HWCAP2_BTI && FS_PROT_LANDING && (only("file") || only("memfd"))) {
        struct pair p = get(1, probe_self);
        char said[256];
        CHECK(self(p.code) == p.slot);
        int status = in_child(call_behind_its_landing_pad, p.code, said, sizeof said);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGILL);
        return;
    }
#endif
    (void)call_behind_its_landing_pad;
    puts("no guarded pages here, or not by this provider");
    exit(77);
}

/* Not a case: shows that what the others check can fail. */
static void a_wrong_slot_is_noticed(void)
{
    struct pair p = get(2, probe_self);
    CHECK(self(p.code) == p.slot + FS_SLOT_SIZE);
}

/* clang-format off */
#define CASE(name) {#name, name}
/* clang-format on */
static const struct {
    const char *name;
    void (*run)(void);
} cases[] = {
    CASE(every_slot_is_reached_by_its_own_address),
    CASE(a_trampoline_changes_no_register_but_its_own),
    CASE(a_run_has_one_address),
    CASE(a_freed_slot_reports_its_address),
    CASE(an_unprepared_slot_reports_its_address),
    CASE(a_forked_child_has_its_own_slots),
    CASE(no_page_is_writable_and_executable),
    CASE(a_table_is_whole_pages_of_64_KiB),
    CASE(a_slot_takes_its_size_and_few_mappings),
    CASE(tables_are_made_under_PR_SET_MDWE),
    CASE(an_unwinder_is_told_of_mapped_trampolines),
    CASE(every_step_of_a_trampoline_is_unwound),
    CASE(a_mapped_trampoline_is_entered_at_its_landing_pad_only),
};

int main(int argc, char **argv)
{
#ifdef FS_TEST_SYSTEM_WX
    systems = writable_code();
#endif
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (argc < 2)
            puts(cases[i].name);
        else if (strcmp(argv[1], cases[i].name) == 0)
            return cases[i].run(), 0;
    }
    if (argc > 1 && strcmp(argv[1], "a_wrong_slot_is_noticed") == 0)
        return a_wrong_slot_is_noticed(), 0;
    return argc < 2 ? 0 : 2;
}
