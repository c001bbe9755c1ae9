/* SPDX-License-Identifier: MIT */
/* main.c - loads the libffi, sets the policy, runs one case, looks at the memory, tells
 *
 * Environment: DAYS_STRICT=1 kills the process when anything asks for memory that is writable and
 * executable (the patched library always runs so); DAYS_MDWE=1 sets PR_SET_MDWE before the case.
 */
#include "days.h"
#include "seccomp.h"
#include <dlfcn.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

struct libffi lib;
const char *lib_path;
struct live crowd[CROWD];
int test_argc;
char **test_argv;

static struct {
    const char *name;
    void (*run)(void);
} cases[64];
static size_t case_count;
static char told[400];
static bool auditing;

void day_register(const char *name, void (*run)(void))
{
    if (case_count == sizeof cases / sizeof *cases)
        abort();
    cases[case_count].name = name;
    cases[case_count++].run = run;
}

/* ---- what fs_test.h promises, in this program's terms */

/* What was seen, on stderr. The status tells a wrong answer (2) from a failed audit (3). */
static _Noreturn void fail(const char *condition, const char *format, va_list list)
{
    if (condition)
        fprintf(stderr, "does not hold: %s", condition);
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
    _exit(auditing ? 3 : 2);
}

void test_fail(const char *file, int line, const char *format, ...)
{
    va_list list;
    (void)file;
    (void)line;
    va_start(list, format);
    fail(NULL, format, list);
}

void test_unheld(const char *file, int line, const char *condition, const char *format, ...)
{
    va_list list;
    (void)file;
    (void)line;
    va_start(list, format);
    fail(condition, format, list);
}

void test_skip(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vfprintf(stderr, format, list);
    va_end(list);
    _exit(4);
}

bool test_under_valgrind(void)
{
    return false;
}

/* ---- through which descriptors code could be written: audited besides what the maps show */

static struct stat *open_for_writing;

static void same_file(const struct test_map *map, void *data)
{
    const struct stat *file = data;
    if (map->perms[2] == 'x' && map->inode == file->st_ino && map->inode)
        open_for_writing = data;
}

static void audit_descriptors(void)
{
    struct stat file;
    for (int fd = 0; fd < 4096; fd++) {
        if (fstat(fd, &file) || !S_ISREG(file.st_mode) ||
            (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY)
            continue;
        int seals = fcntl(fd, F_GET_SEALS);
        test_maps(same_file, &file);
        if (open_for_writing && (seals < 0 || !(seals & F_SEAL_WRITE)))
            test_fail(__FILE__, __LINE__, "a descriptor is open to write to code");
        open_for_writing = NULL;
    }
}

void outcome(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(told, sizeof told, format, list);
    va_end(list);
}

const char *day_argument(int i)
{
    if (i >= test_argc)
        test_skip("argument %d is missing", i);
    return test_argv[i];
}

/* ---- the library */

void *lib_symbol(const char *name)
{
    return dlsym(lib.handle, name);
}

static void *need(const char *name)
{
    void *symbol = lib_symbol(name);
    if (!symbol)
        test_fail(__FILE__, __LINE__, "%s does not export %s", lib_path, name);
    return symbol;
}

void lib_load(const char *path)
{
    lib.handle = dlopen(path, RTLD_NOW);
    if (!lib.handle)
        test_fail(__FILE__, __LINE__, "dlopen: %s", dlerror());
    *(void **)&lib.closure_alloc = need("ffi_closure_alloc");
    *(void **)&lib.closure_free = need("ffi_closure_free");
    *(void **)&lib.prep_closure = need("ffi_prep_closure");
    *(void **)&lib.prep_closure_loc = need("ffi_prep_closure_loc");
    *(void **)&lib.prep_cif = need("ffi_prep_cif");
    lib.sint = need("ffi_type_sint32");
    lib.slong = need("ffi_type_sint64");
    lib.dbl = need("ffi_type_double");
    lib.pointer = need("ffi_type_pointer");
}

/* ---- closures */

static void add_int(ffi_cif *cif, void *ret, void **args, void *data)
{
    (void)cif;
    *(ffi_sarg *)ret = *(int *)args[0] + (int)(intptr_t)data;
}

static void add_double(ffi_cif *cif, void *ret, void **args, void *data)
{
    (void)cif;
    *(double *)ret = *(double *)args[0] + (double)(intptr_t)data;
}

/* Each argument counts with its own weight, so that a mix-up changes the answer. */
static void weigh_all(ffi_cif *cif, void *ret, void **args, void *data)
{
    long sum = (long)(intptr_t)data;
    for (unsigned i = 0; i < cif->nargs; i++)
        sum += (i + 1) * (i % 4 == 3 ? (long)*(double *)args[i] : *(long *)args[i]);
    *(ffi_sarg *)ret = sum;
}

days_handler *day_handler(long key)
{
    static days_handler *const handlers[] = {add_int, add_double, weigh_all};
    return handlers[key % 3];
}

ffi_cif *day_cif(long key)
{
    static ffi_cif cifs[3];
    static ffi_type *ints[1], *doubles[1], *mixed[12];
    if (!cifs[0].rtype) {
        ints[0] = lib.sint;
        doubles[0] = lib.dbl;
        for (int i = 0; i < 12; i++)
            mixed[i] = i % 4 == 3 ? lib.dbl : lib.slong;
        CHECK_EQ(lib.prep_cif(&cifs[1], FFI_DEFAULT_ABI, 1, lib.dbl, doubles), FFI_OK);
        CHECK_EQ(lib.prep_cif(&cifs[2], FFI_DEFAULT_ABI, 12, lib.slong, mixed), FFI_OK);
        CHECK_EQ(lib.prep_cif(&cifs[0], FFI_DEFAULT_ABI, 1, lib.sint, ints), FFI_OK);
    }
    return &cifs[key % 3];
}

bool live_make(struct live *l, long key)
{
    void *code = NULL, *closure = lib.closure_alloc(sizeof(ffi_closure), &code);
    if (!closure)
        return false;
    CHECK_EQ(
        lib.prep_closure_loc(closure, day_cif(key), day_handler(key), (void *)(intptr_t)key, code),
        FFI_OK);
    *l = (struct live){closure, code, key};
    return true;
}

bool live_right(const struct live *l)
{
    typedef long mixed(long, long, long, double, long, long, long, double, long, long, long,
                       double);
    switch (l->key % 3) {
    case 0:
        return ((int (*)(int))l->code)(1000) == 1000 + l->key;
    case 1:
        return fabs(((double (*)(double))l->code)(0.25) - 0.25 - (double)l->key) < 1e-9;
    default:
        return ((mixed *)l->code)(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12) == 650 + l->key;
    }
}

void live_free(struct live *l)
{
    lib.closure_free(l->closure);
    *l = (struct live){0};
}

size_t crowd_make(size_t from, size_t to)
{
    size_t n = from;
    for (; n < to && live_make(&crowd[n], (long)n); n++)
        if (!live_right(&crowd[n]))
            test_fail(__FILE__, __LINE__, "a new closure gives a wrong answer");
    return n;
}

void crowd_check(size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!live_right(&crowd[i]))
            test_fail(__FILE__, __LINE__, "a closure gives a wrong answer");
}

void crowd_go_on(size_t from)
{
    size_t n = crowd_make(from, CROWD);
    crowd_check(n);
    if (n == CROWD)
        outcome("goes on");
    else
        outcome("`NULL` %s", n == from ? "at once" : "after some, which go on");
}

/* ---- processes */

void day_mdwe(void)
{
    if (prctl(65 /* PR_SET_MDWE */, 1, 0, 0, 0))
        test_skip("prctl(PR_SET_MDWE): %s; it needs Linux 6.3", strerror(errno));
}

int day_wait(pid_t child, unsigned seconds)
{
    const struct timespec tick = {.tv_nsec = 2000000};
    int status;
    CHECK(child > 0);
    for (unsigned i = 0; i < seconds * 500; i++) {
        pid_t got = waitpid(child, &status, WNOHANG);
        CHECK(got >= 0);
        if (got == child && WIFSIGNALED(status))
            return WTERMSIG(status);
        if (got == child)
            return WEXITSTATUS(status) ? 256 + WEXITSTATUS(status) : 0;
        nanosleep(&tick, NULL);
    }
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    return -1;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        for (size_t i = 0; i < case_count; i++)
            puts(cases[i].name);
        return argc == 1 ? 0 : 2;
    }
    setvbuf(stdout, NULL, _IONBF, 0);
    test_maps_reopen();
    lib_path = argv[1];
    test_argc = argc - 3;
    test_argv = argv + 3;
    lib_load(lib_path);
    day_cif(0);
    if (getenv("DAYS_STRICT"))
        seccomp_kill_writable_executable();
    if (getenv("DAYS_MDWE"))
        day_mdwe();
    for (size_t i = 0; i < case_count; i++) {
        if (strcmp(cases[i].name, argv[2]))
            continue;
        cases[i].run();
        if (!told[0])
            test_fail(__FILE__, __LINE__, "the case told no outcome");
        puts(told);
        auditing = true;
        test_audit();
        audit_descriptors();
        return 0;
    }
    test_skip("there is no case %s", argv[2]);
}
