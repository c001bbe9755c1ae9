/* SPDX-License-Identifier: MIT */
/* disk.c - the library's file is not what it was when it was loaded
 *
 * The program runs with LD_LIBRARY_PATH on a copy of the library in a folder of its own, finds
 * that copy by dladdr(), harms it and goes on allocating. $FS_TEST_REFUSES says whether the
 * provider under test has to refuse then. Whatever it does serve must answer right.
 *
 *     disk harm_before_first|harm_in_between deleted|garbage|shifted|copied|directory
 */
#include "fs_test.h"
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>

static const char *library(void)
{
    Dl_info info;
    CHECK(dladdr((void *)(uintptr_t)ffi_static_alloc, &info) != 0);
    CHECK(strstr(info.dli_fname, "libffi_static.so") != NULL);
    return info.dli_fname;
}

/* Another file beside the library, made of its bytes by `mode`, and renamed over it. */
static void replace(const char *path, const char *mode)
{
    char other[4096];
    struct stat st;
    CHECK(snprintf(other, sizeof other, "%s.new", path) < (int)sizeof other);
    int from = open(path, O_RDONLY), to = open(other, O_RDWR | O_CREAT | O_TRUNC, 0755);
    CHECK(from >= 0 && to >= 0 && fstat(from, &st) == 0);
    char *bytes = malloc((size_t)st.st_size);
    CHECK(bytes && read(from, bytes, (size_t)st.st_size) == st.st_size);
    if (!strcmp(mode, "garbage"))
        memset(bytes, 0xcc, (size_t)st.st_size); /* int3: a call of it is a SIGTRAP */
    if (!strcmp(mode, "shifted"))                /* as another build's would be */
        memmove(bytes + 4096 + 16, bytes + 4096, (size_t)st.st_size - 4096 - 16);
    CHECK_EQ(write(to, bytes, (size_t)st.st_size), st.st_size);
    free(bytes);
    close(from);
    close(to);
    CHECK_EQ(rename(other, path), 0);
}

static void harm(void)
{
    CHECK_EQ(test_argc, 1);
    const char *path = library(), *mode = test_argv[0];
    if (!strcmp(mode, "deleted")) {
        CHECK_EQ(unlink(path), 0);
    } else if (!strcmp(mode, "directory")) {
        CHECK_EQ(unlink(path), 0);
        CHECK_EQ(mkdir(path, 0755), 0);
    } else {
        replace(path, mode);
    }
}

static void go_on(size_t have)
{
    size_t before = have;
    while (have < MANY && test_make(&many[have], (long)have))
        have++;
    for (size_t i = 0; i < have; i++)
        test_call(&many[i]);
    CHECK_EQ(api.check(), 0);
    if (getenv("FS_TEST_REFUSES")) {
        CHECK(have < MANY);
        CHECK_EQ(errno, ENOSYS);
        CHECK_HAS(api.error(), getenv("FFI_STATIC_PROVIDER"));
    } else {
        CHECK_EQ(have, MANY);
    }
    printf("%zu closures before, %zu in all\n", before, have);
    test_audit();
    test_free_many(many, have);
}

CASE(harm_before_first)
{
    harm();
    go_on(0);
}

CASE(harm_in_between)
{
    size_t have = test_make_many(many, 999);
    CHECK(have == 999 || !strcmp(getenv("FFI_STATIC_PROVIDER"), "resident"));
    harm();
    go_on(have);
}

/* Nothing is harmed; the path itself is the trouble (spaces, newlines, " (deleted)"). */
CASE(go_on_as_it_is)
{
    if (test_argc)
        CHECK_HAS(library(), test_argv[0]);
    go_on(0);
}
