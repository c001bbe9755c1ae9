/* SPDX-License-Identifier: MIT */
/* closures.c - a program linked with stock libffi: thousands of closures, and no page writable
 * and executable
 *
 * Compiled against the stock headers and library, run on the patched one: what every existing
 * program does. It makes closures, also at the head of larger structs, calls them, prepares
 * them again, frees them in another order, forks, and reads its own maps when they can be read.
 * Exit status 0 and a line of counts, or 1 and what was wrong.
 */
#include <ffi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "closures.c:%d: %s\n", __LINE__, #condition);                          \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

enum { COUNT = 5000 };
struct wrapper { /* as gobject-introspection and others have it */
    ffi_closure closure;
    void *more[20];
};
static struct wrapper *made[COUNT];
static int (*code[COUNT])(int, double);
static ffi_cif cif;

static void add(ffi_cif *c, void *ret, void **args, void *data)
{
    (void)c;
    *(ffi_sarg *)ret = *(int *)args[0] + (int)*(double *)args[1] + (int)(intptr_t)data;
}

static void negate(ffi_cif *c, void *ret, void **args, void *data)
{
    (void)c, (void)data;
    *(ffi_sarg *)ret = -*(int *)args[0];
}

static void make(int i)
{
    void *address;
    size_t size = i % 3 ? sizeof(ffi_closure) : sizeof(struct wrapper);
    made[i] = ffi_closure_alloc(size, &address);
    CHECK(made[i]);
    if (size > sizeof(ffi_closure))
        memset(made[i]->more, 0xaa, sizeof made[i]->more);
    CHECK(ffi_prep_closure_loc(&made[i]->closure, &cif, add, (void *)(intptr_t)i, address) ==
          FFI_OK);
    memcpy(&code[i], &address, sizeof address);
}

static void call_all(void)
{
    for (int i = 0; i < COUNT; i++)
        CHECK(code[i](7, 2.5) == 9 + i);
}

/* Bytes that are writable and executable; how many mappings there are, in `lines`. Without /proc it
 * cannot be seen: -1. */
static size_t writable_code(int *lines)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512];
    size_t from, to, bytes = 0;
    *lines = maps ? 0 : -1;
    while (maps && fgets(line, sizeof line, maps)) {
        char *rights = strchr(line, ' ');
        CHECK(rights && sscanf(line, "%zx-%zx", &from, &to) == 2);
        if (rights[2] == 'w' && rights[3] == 'x') {
            fprintf(stderr, "writable and executable: %s", line);
            bytes += to - from;
        }
        ++*lines;
    }
    if (maps)
        fclose(maps);
    return bytes;
}

/* What this machine's programs have of that before main() (ARCH_FLAGS_<isa> of tests/arch). */
static size_t systems;

static int audit(void)
{
    int lines;
    CHECK(writable_code(&lines) == systems);
    return lines;
}

int main(void)
{
#ifdef FS_TEST_SYSTEM_WX
    int unused;
    systems = writable_code(&unused);
#endif
    static ffi_type *types[] = {&ffi_type_sint, &ffi_type_double};
    CHECK(ffi_prep_cif(&cif, FFI_DEFAULT_ABI, 2, &ffi_type_sint, types) == FFI_OK);
    for (int i = 0; i < COUNT; i++)
        make(i);
    call_all();
    int lines = audit();

    pid_t child = fork(); /* what the child frees and makes again is the child's */
    if (child == 0) {
        for (int i = 0; i < COUNT; i++)
            ffi_closure_free(made[i]);
        for (int i = 0; i < COUNT; i++)
            make((i * 7 + 3) % COUNT);
        call_all();
        audit();
        _exit(0);
    }
    int status;
    CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
    call_all();

    void *address;
    memcpy(&address, &code[5], sizeof address);
    CHECK(ffi_prep_closure_loc(&made[5]->closure, &cif, negate, NULL, address) == FFI_OK);
    CHECK(code[5](7, 1.0) == -7 && code[6](7, 2.5) == 15);
    for (int i = 0; i < COUNT; i++)
        ffi_closure_free(made[(i * 7 + 3) % COUNT]);
    printf("%d closures, %d mappings\n", COUNT, lines);
    return 0;
}
