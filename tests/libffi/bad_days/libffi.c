/* SPDX-License-Identifier: MIT */
/* libffi.c - a libffi.so.8, given by its path, as the library under test
 *
 * Environment: DAYS_LIBFFI the path; DAYS_STRICT=1 kills the process when anything asks for memory
 * that is writable and executable (the patched library always runs so); DAYS_MDWE=1 sets
 * PR_SET_MDWE before the case.
 */
#include "libffi.h"
#include "days.h"
#include "seccomp.h"
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>

struct libffi lib;

void *lib_symbol(const char *name)
{
    return dlsym(lib.handle, name);
}

static void *need(const char *name)
{
    void *symbol = lib_symbol(name);
    if (!symbol)
        test_fail(__FILE__, __LINE__, "%s does not export %s", lib.path, name);
    return symbol;
}

void lib_load(void)
{
    lib.handle = dlopen(lib.path, RTLD_NOW);
    if (!lib.handle)
        test_fail(__FILE__, __LINE__, "dlopen: %s", dlerror());
    *(void **)&lib.closure_alloc = need("ffi_closure_alloc");
    *(void **)&lib.closure_free = need("ffi_closure_free");
    *(void **)&lib.prep_closure = need("ffi_prep_closure");
    *(void **)&lib.prep_closure_loc = need("ffi_prep_closure_loc");
    *(void **)&tested.prep_cif = need("ffi_prep_cif");
    tested.sint = need("ffi_type_sint32");
    tested.slong = need("ffi_type_sint64");
    tested.dbl = need("ffi_type_double");
    lib.pointer = need("ffi_type_pointer");
}

static void *alloc(void **code)
{
    return lib.closure_alloc(sizeof(ffi_closure), code);
}

static void prep(void *closure, void *code, ffi_cif *cif, test_function handler, void *data)
{
    CHECK_EQ(lib.prep_closure_loc(closure, cif, handler, data, code), FFI_OK);
}

static void begin(void)
{
    lib.path = getenv("DAYS_LIBFFI");
    if (!lib.path)
        test_skip("DAYS_LIBFFI is not set: the path of a libffi.so.8");
    lib_load();
    tested.release = lib.closure_free;
    if (getenv("DAYS_STRICT"))
        seccomp_kill_writable_executable();
    if (getenv("DAYS_MDWE"))
        day_deny_write_execute();
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

struct test_library tested = {
    .alloc = alloc,
    .prep = prep,
    .begin = begin,
    .whole = audit_descriptors,
    .patience = 15,
    .tells = true,
};
