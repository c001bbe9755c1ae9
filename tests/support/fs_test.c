/* SPDX-License-Identifier: MIT */
/* fs_test.c - running one case, and the closures that the cases are made of
 *
 * The main() of every test program. See fs_test.h.
 */
#include "fs_test.h"
#include <dlfcn.h>
#include <math.h>
#include <stdarg.h>
#include <sys/wait.h>
#include "seccomp.h"

static struct test_case {
    const char *name;
    void (*run)(void);
    bool audited;
} cases[64];
static size_t case_count;

int test_argc;
char **test_argv;
struct made many[MANY];

#ifdef TEST_BY_DLOPEN
struct test_api api;
#else
struct test_api api = {ffi_static_alloc,        ffi_static_prep,      ffi_static_address,
                       ffi_static_from_address, ffi_static_free,      ffi_static_error,
                       ffi_static_provider_of,  ffi_static_get_stats, ffi_static_check};
#endif

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
    fprintf(stderr, " (errno %d %s; the library's last error: %s)\n", error, strerror(error),
            api.error ? api.error() : "not loaded");
    _exit(1);
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

ffi_static_handler test_handler(unsigned kind)
{
    static const ffi_static_handler handlers[KINDS] = {add_int, add_double, weigh_all};
    return handlers[kind];
}

static ffi_type *int_args[] = {&ffi_type_sint}, *double_args[] = {&ffi_type_double};
static ffi_type *mixed_args[] = {&ffi_type_slong,  &ffi_type_slong,  &ffi_type_slong,
                                 &ffi_type_double, &ffi_type_slong,  &ffi_type_slong,
                                 &ffi_type_slong,  &ffi_type_double, &ffi_type_slong,
                                 &ffi_type_slong,  &ffi_type_slong,  &ffi_type_double};
static ffi_cif cifs[KINDS];

__attribute__((constructor)) static void prepare_cifs(void)
{
    if (ffi_prep_cif(&cifs[0], FFI_DEFAULT_ABI, 1, &ffi_type_sint, int_args) != FFI_OK ||
        ffi_prep_cif(&cifs[1], FFI_DEFAULT_ABI, 1, &ffi_type_double, double_args) != FFI_OK ||
        ffi_prep_cif(&cifs[2], FFI_DEFAULT_ABI, 12, &ffi_type_slong, mixed_args) != FFI_OK)
        abort();
}

ffi_cif *test_cif(unsigned kind)
{
    return &cifs[kind];
}

ffi_static_closure *test_alloc(size_t size, void **code)
{
    ffi_static_closure *closure = api.alloc(size, 0, code);
    CHECK(closure, "%zu bytes", size);
    return closure;
}

static bool make(struct made *made, long key, unsigned kind)
{
    void *untouched = (void *)&cifs, *code = untouched;
    errno = 0;
    ffi_static_closure *closure = api.alloc(sizeof *closure, 0, &code);
    if (!closure) {
        CHECK(errno == ENOSYS || errno == ENOMEM);
        CHECK(code == untouched);
        CHECK(strlen(api.error()) > 20);
        return false;
    }
    CHECK(code != untouched && code != NULL);
    CHECK_EQ(api.prep(closure, &cifs[kind], test_handler(kind), (void *)(intptr_t)key, 0), 0);
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

void test_call(const struct made *made)
{
    typedef long mixed(long, long, long, double, long, long, long, double, long, long, long,
                       double);
    switch (made->key % KINDS) {
    case 0:
        test_call_small(made);
        return;
    case 1:
        CHECK(fabs(((double (*)(double))made->code)(0.25) - 0.25 - (double)made->key) < 1e-9);
        return;
    default:
        CHECK_EQ(((mixed *)made->code)(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12), 650 + made->key);
    }
}

void test_free(struct made *made)
{
    CHECK_EQ(api.release(made->closure), 0);
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

struct ffi_static_stats test_stats(void)
{
    struct ffi_static_stats stats;
    CHECK_EQ(api.get_stats(&stats, sizeof stats), 0);
    return stats;
}

void test_wait(pid_t child)
{
    int status = -1;
    CHECK(child > 0);
    CHECK_EQ(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status))
        test_fail(__FILE__, __LINE__, "the child died by signal %d", WTERMSIG(status));
    CHECK_EQ(WEXITSTATUS(status), 0);
}

static void *loaded(void *library)
{
    if (!library) {
        fprintf(stderr, "dlopen: %s\n", dlerror());
        _exit(1);
    }
    *(void **)&api.alloc = dlsym(library, "ffi_static_alloc");
    *(void **)&api.prep = dlsym(library, "ffi_static_prep");
    *(void **)&api.address = dlsym(library, "ffi_static_address");
    *(void **)&api.from_address = dlsym(library, "ffi_static_from_address");
    *(void **)&api.release = dlsym(library, "ffi_static_free");
    *(void **)&api.error = dlsym(library, "ffi_static_error");
    *(void **)&api.provider_of = dlsym(library, "ffi_static_provider_of");
    *(void **)&api.get_stats = dlsym(library, "ffi_static_get_stats");
    *(void **)&api.check = dlsym(library, "ffi_static_check");
    return library;
}

void *test_load(const char *path)
{
    return loaded(dlopen(path, RTLD_NOW | RTLD_LOCAL));
}

#ifdef LM_ID_NEWLM
void *test_load_elsewhere(const char *path)
{
    return loaded(dlmopen(LM_ID_NEWLM, path, RTLD_NOW | RTLD_LOCAL));
}
#endif

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
    if (!test_under_valgrind() && !test_emulated())
        seccomp_kill_writable_executable();
    for (size_t i = 0; i < case_count; i++) {
        if (strcmp(cases[i].name, argv[1]))
            continue;
        cases[i].run();
        if (cases[i].audited) {
            test_audit();
            if (api.check)
                CHECK_EQ(api.check(), 0);
        }
        return 0;
    }
    fprintf(stderr, "%s: no case \"%s\"\n", argv[0], argv[1]);
    return 2;
}
