/* SPDX-License-Identifier: MIT */
/* harness.c - running one case, and the closures that the cases are made of
 *
 * The main() of every test program. See harness.h.
 */
#include "harness.h"
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>

static struct test_case {
    const char *name;
    void (*run)(void);
    bool audited;
} cases[64];
static size_t case_count;

int test_argc;
char **test_argv;
struct made many[MANY];

static char told[400];
static bool auditing;

void test_register(const char *name, void (*run)(void), bool audited)
{
    if (case_count == sizeof cases / sizeof *cases)
        abort();
    cases[case_count++] = (struct test_case){name, run, audited};
}

/* One line on stderr: where, what, and what the system and the library said last. */
static _Noreturn void fail(const char *file, int line, const char *condition, const char *format,
                           va_list args)
{
    int error = errno;
    fprintf(stderr, "%s:%d: ", file, line);
    if (condition)
        fprintf(stderr, "does not hold: %s", condition);
    vfprintf(stderr, format, args);
    fprintf(stderr, " (errno %d %s", error, strerror(error));
    if (tested.error)
        fprintf(stderr, "; the library's last error: %s", tested.error());
    fprintf(stderr, ")\n");
    _exit(auditing ? 3 : 1);
}

void test_fail(const char *file, int line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fail(file, line, NULL, format, args);
}

void test_unheld(const char *file, int line, const char *condition, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fail(file, line, condition, format, args);
}

void test_skip(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
    fflush(stdout);
    _exit(77);
}

void outcome(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(told, sizeof told, format, args);
    va_end(args);
}

size_t test_scaled(size_t n)
{
    const char *divide = getenv("FS_TEST_DIVIDE");
    size_t by = divide ? strtoul(divide, NULL, 10) : 1;
    return by > 1 ? n / by + 1 : n;
}

unsigned test_seconds(unsigned otherwise)
{
    const char *seconds = getenv("FS_TEST_SECONDS");
    return seconds ? (unsigned)strtoul(seconds, NULL, 10) : otherwise;
}

bool test_emulated(void)
{
    return getenv("FS_TEST_EMULATED") != NULL;
}

bool test_under_valgrind(void)
{
    return getenv("FS_TEST_VALGRIND") != NULL;
}

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

test_function test_handler(unsigned kind)
{
    static const test_function handlers[KINDS] = {add_int, add_double, weigh_all};
    return handlers[kind];
}

ffi_cif *test_cif(unsigned kind)
{
    static ffi_cif cifs[KINDS];
    static ffi_type *ints[1], *doubles[1], *mixed[12];
    if (!cifs[0].rtype) {
        ints[0] = tested.sint;
        doubles[0] = tested.dbl;
        for (int i = 0; i < 12; i++)
            mixed[i] = i % 4 == 3 ? tested.dbl : tested.slong;
        if (tested.prep_cif(&cifs[1], FFI_DEFAULT_ABI, 1, tested.dbl, doubles) != FFI_OK ||
            tested.prep_cif(&cifs[2], FFI_DEFAULT_ABI, 12, tested.slong, mixed) != FFI_OK ||
            tested.prep_cif(&cifs[0], FFI_DEFAULT_ABI, 1, tested.sint, ints) != FFI_OK)
            abort();
    }
    return &cifs[kind];
}

static bool make(struct made *made, long key, unsigned kind)
{
    void *code = NULL, *closure = tested.alloc(&code);
    if (!closure)
        return false;
    tested.prep(closure, code, test_cif(kind), test_handler(kind), (void *)(intptr_t)key);
    *made = (struct made){closure, code, key};
    return true;
}

bool test_make(struct made *made, long key)
{
    return make(made, key, (unsigned)(key % KINDS));
}

bool test_make_small(struct made *made, long key)
{
    return make(made, key, 0);
}

void test_call_small(const struct made *made)
{
    CHECK_EQ(((int (*)(int))made->code)(1000), 1000 + made->key);
}

/* What the closure of that key answers, and what is right; both are exact as doubles. */
static double answer(const struct made *made, double *right)
{
    typedef long mixed(long, long, long, double, long, long, long, double, long, long, long,
                       double);
    double key = (double)made->key;
    switch (made->key % KINDS) {
    case 0:
        *right = 1000 + key;
        return ((int (*)(int))made->code)(1000);
    case 1:
        *right = 0.25 + key;
        return ((double (*)(double))made->code)(0.25);
    default:
        *right = 650 + key;
        return (double)((mixed *)made->code)(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12);
    }
}

bool test_right(const struct made *made)
{
    double right, given = answer(made, &right);
    return fabs(given - right) < 1e-9;
}

void test_call(const struct made *made)
{
    double right, given = answer(made, &right);
    CHECK(fabs(given - right) < 1e-9, "(closure %ld gives %g, not %g)", made->key, given, right);
}

void test_free(struct made *made)
{
    tested.release(made->closure);
    *made = (struct made){0};
}

static size_t make_many(struct made *made, size_t n, bool (*one)(struct made *, long),
                        void (*call)(const struct made *))
{
    size_t have = 0;
    while (have < n && one(&made[have], (long)have)) {
        call(&made[have]);
        have++;
    }
    for (size_t i = 0; i < have; i++)
        call(&made[i]);
    return have;
}

size_t test_make_many(struct made *made, size_t n)
{
    return make_many(made, n, test_make, test_call);
}

size_t test_make_many_small(struct made *made, size_t n)
{
    return make_many(made, n, test_make_small, test_call_small);
}

void test_free_many(struct made *made, size_t n)
{
    for (size_t i = 0; i < n; i++)
        test_free(&made[i]);
}

void test_wait_for(pid_t child, const char *who)
{
    int status = -1;
    CHECK(child > 0);
    CHECK_EQ(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        test_fail(__FILE__, __LINE__, "%s hangs", who);
    if (WIFSIGNALED(status))
        test_fail(__FILE__, __LINE__, "%s dies: %s", who, strsignal(WTERMSIG(status)));
    if (WEXITSTATUS(status))
        test_fail(__FILE__, __LINE__, "%s: wrong answers in the child", who);
}

void test_wait(pid_t child)
{
    test_wait_for(child, "the child");
}

static void run_case(const struct test_case *the)
{
    the->run();
    if (tested.tells && !told[0])
        test_fail(__FILE__, __LINE__, "the case told no outcome");
    if (told[0])
        puts(told);
    fflush(stdout);
    auditing = true;
    if (the->audited) {
        test_audit();
        if (tested.whole)
            tested.whole();
    }
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        for (size_t i = 0; i < case_count; i++)
            puts(cases[i].name);
        return 0;
    }
    static char out[BUFSIZ]; /* stdio's own would be a mapping that comes at some point */
    setvbuf(stdout, out, _IOFBF, sizeof out);
    test_argc = argc - 2;
    test_argv = argv + 2;
    test_maps_reopen();
    tested.begin();
    test_cif(0);
    for (size_t i = 0; i < case_count; i++)
        if (!strcmp(cases[i].name, argv[1])) {
            run_case(&cases[i]);
            return 0;
        }
    fprintf(stderr, "%s: no case \"%s\"\n", argv[0], argv[1]);
    return 2;
}
