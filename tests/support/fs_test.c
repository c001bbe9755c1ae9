/* SPDX-License-Identifier: MIT */
/* fs_test.c - this project's library as the library under test: linked, or loaded by dlopen() */
#include "fs_test.h"
#include <dlfcn.h>
#include "seccomp.h"

#ifdef TEST_BY_DLOPEN
struct test_api api;
#else
struct test_api api = {ffi_static_alloc,        ffi_static_prep,      ffi_static_address,
                       ffi_static_from_address, ffi_static_free,      ffi_static_error,
                       ffi_static_provider_of,  ffi_static_get_stats, ffi_static_check};
#endif

ffi_static_closure *test_alloc(size_t size, void **code)
{
    ffi_static_closure *closure = api.alloc(size, 0, code);
    CHECK(closure, "%zu bytes", size);
    return closure;
}

/* A refusal must be a proper one: NULL, an errno, a text, *code unchanged. */
static void *alloc(void **code)
{
    void *untouched = (void *)&api;
    *code = untouched;
    errno = 0;
    ffi_static_closure *closure = api.alloc(sizeof *closure, 0, code);
    if (closure) {
        CHECK(*code != untouched && *code != NULL);
        return closure;
    }
    CHECK(errno == ENOSYS || errno == ENOMEM);
    CHECK(*code == untouched);
    CHECK(strlen(api.error()) > 20);
    return NULL;
}

static void prep(void *closure, void *code, ffi_cif *cif, test_function handler, void *data)
{
    (void)code;
    CHECK_EQ(api.prep(closure, cif, handler, data, 0), 0);
}

static void release(void *closure)
{
    CHECK_EQ(api.release(closure), 0);
}

static void begin(void)
{
    if (!test_under_valgrind() && !test_emulated())
        seccomp_kill_writable_executable();
}

static void whole(void)
{
    if (api.check)
        CHECK_EQ(api.check(), 0);
}

static const char *error(void)
{
    return api.error ? api.error() : "not loaded";
}

static size_t live(void)
{
    return test_stats().live;
}

struct test_library tested = {.alloc = alloc,
                              .prep = prep,
                              .release = release,
                              .prep_cif = ffi_prep_cif,
                              .sint = &ffi_type_sint,
                              .slong = &ffi_type_slong,
                              .dbl = &ffi_type_double,
                              .begin = begin,
                              .whole = whole,
                              .error = error,
                              .live = live,
                              .patience = 120};

struct ffi_static_stats test_stats(void)
{
    struct ffi_static_stats stats;
    CHECK_EQ(api.get_stats(&stats, sizeof stats), 0);
    return stats;
}

static void *loaded(void *handle)
{
    if (!handle) {
        fprintf(stderr, "dlopen: %s\n", dlerror());
        _exit(1);
    }
    *(void **)&api.alloc = dlsym(handle, "ffi_static_alloc");
    *(void **)&api.prep = dlsym(handle, "ffi_static_prep");
    *(void **)&api.address = dlsym(handle, "ffi_static_address");
    *(void **)&api.from_address = dlsym(handle, "ffi_static_from_address");
    *(void **)&api.release = dlsym(handle, "ffi_static_free");
    *(void **)&api.error = dlsym(handle, "ffi_static_error");
    *(void **)&api.provider_of = dlsym(handle, "ffi_static_provider_of");
    *(void **)&api.get_stats = dlsym(handle, "ffi_static_get_stats");
    *(void **)&api.check = dlsym(handle, "ffi_static_check");
    return handle;
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
