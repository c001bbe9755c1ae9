/* SPDX-License-Identifier: MIT */
/* life.c - what happens to a closure between alloc and free: prepare again, free from inside, runs
 */
#include "fs_test.h"
#include <malloc.h>
#include <signal.h>
#include <sys/wait.h>

typedef struct {
    char bytes[64];
} big;
typedef long (*long20)(long, long, long, long, long, long, long, long, long, long, long, long, long,
                       long, long, long, long, long, long, long);
#define TWENTY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20

static ffi_static_closure *self; /* freed by a handler while it runs */
static int free_result;

static void maybe_free_self(void)
{
    if (self)
        free_result = ffi_static_free(self);
}

static void sum_longs(ffi_cif *cif, void *ret, void **args, void *user)
{
    long sum = *(int *)user;
    maybe_free_self();
    for (unsigned i = 0; i < cif->nargs; i++)
        sum += *(long *)args[i];
    *(ffi_sarg *)ret = sum;
}

static void half(ffi_cif *cif, void *ret, void **args, void *user)
{
    (void)cif, (void)user;
    maybe_free_self();
    *(double *)ret = *(double *)args[0] / 2;
}

static void echo_big(ffi_cif *cif, void *ret, void **args, void *user)
{
    (void)cif, (void)user;
    maybe_free_self();
    memcpy(ret, args[0], sizeof(big));
}

static ffi_cif long_cif(unsigned n)
{
    static ffi_type *types[64];
    ffi_cif cif;
    for (unsigned i = 0; i < 64; i++)
        types[i] = &ffi_type_slong;
    CHECK(ffi_prep_cif(&cif, FFI_DEFAULT_ABI, n, &ffi_type_slong, types) == FFI_OK);
    return cif;
}

static ffi_cif double_cif(void)
{
    static ffi_type *types[] = {&ffi_type_double};
    ffi_cif cif;
    CHECK(ffi_prep_cif(&cif, FFI_DEFAULT_ABI, 1, &ffi_type_double, types) == FFI_OK);
    return cif;
}

static ffi_cif big_cif(void)
{
    static ffi_type *members[65], type, *types[1];
    ffi_cif cif;
    for (int i = 0; i < 64; i++)
        members[i] = &ffi_type_schar;
    type = (ffi_type){0, 0, FFI_TYPE_STRUCT, members};
    types[0] = &type;
    CHECK(ffi_prep_cif(&cif, FFI_DEFAULT_ABI, 1, &type, types) == FFI_OK);
    return cif;
}

CASE(prepare_again)
{
    static int ten = 10, zero = 0;
    ffi_cif l20 = long_cif(20), l2 = long_cif(2), d = double_cif(), b = big_cif();
    void *code;
    ffi_static_closure *c = test_alloc(sizeof *c, &code);
    for (int i = 0; i < 50; i++) {
        CHECK(ffi_static_prep(c, &l2, sum_longs, &ten, 0) == 0);
        CHECK(((long (*)(long, long))code)(i, 2) == i + 12);
        CHECK(ffi_static_prep(c, &l20, sum_longs, &zero, 0) == 0);
        CHECK(((long20)code)(TWENTY) == 210);
        CHECK(ffi_static_prep(c, &d, half, NULL, 0) == 0);
        CHECK(((double (*)(double))code)(i) == i / 2.0);
        CHECK(ffi_static_prep(c, &b, echo_big, NULL, 0) == 0);
        big in, out;
        memset(&in, i, sizeof in);
        out = ((big(*)(big))code)(in);
        CHECK(!memcmp(&in, &out, sizeof in));
        CHECK(ffi_static_address(c) == code, "preparing again moved the closure");
    }
    CHECK(ffi_static_free(c) == 0);
}

CASE(prepare_again_keeps_no_memory)
{
    static int zero = 0;
    ffi_cif l20 = long_cif(20), l2 = long_cif(2);
    size_t before = 0;
    ffi_static_closure *c = test_alloc(sizeof *c, NULL);
    for (int i = 0; i < 2000; i++) {
        CHECK(ffi_static_prep(c, i % 2 ? &l20 : &l2, sum_longs, &zero, 0) == 0);
        if (i == 999)
            before = mallinfo2().uordblks;
    }
    CHECK(mallinfo2().uordblks <= before, "grew from %zu to %zu", before, mallinfo2().uordblks);
    CHECK(ffi_static_free(c) == 0);
    for (int i = 0; i < 2000; i++) {
        c = test_alloc(sizeof *c, NULL);
        CHECK(ffi_static_prep(c, &l20, sum_longs, &zero, 0) == 0);
        CHECK(ffi_static_free(c) == 0);
        if (i == 999)
            before = mallinfo2().uordblks;
    }
    CHECK(mallinfo2().uordblks <= before, "grew from %zu to %zu", before, mallinfo2().uordblks);
}

static ffi_cif *next_cif;
static void *next_code;

static void prepare_inside(ffi_cif *cif, void *ret, void **args, void *user)
{
    (void)cif;
    ffi_static_closure *c = ffi_static_from_address(next_code);
    CHECK(ffi_static_prep(c, next_cif, sum_longs, user, 0) == 0);
    *(ffi_sarg *)ret = *(long *)args[0];
}

CASE(prepare_from_its_own_handler)
{
    static int zero = 0;
    ffi_cif l20 = long_cif(20), l2 = long_cif(2);
    ffi_static_closure *c = test_alloc(sizeof *c, &next_code);
    next_cif = &l20;
    CHECK(ffi_static_prep(c, &l2, prepare_inside, &zero, 0) == 0);
    CHECK(((long (*)(long, long))next_code)(5, 6) == 5);
    CHECK(((long20)next_code)(TWENTY) == 210);
    next_cif = &l2;
    CHECK(ffi_static_prep(c, &l20, prepare_inside, &zero, 0) == 0);
    CHECK(((long20)next_code)(TWENTY) == 1);
    CHECK(((long (*)(long, long))next_code)(5, 6) == 11);
    CHECK(ffi_static_free(c) == 0);
}

CASE(freed_by_its_own_handler)
{
    static int zero = 0;
    ffi_cif l20 = long_cif(20), l2 = long_cif(2), d = double_cif(), b = big_cif();
    for (int i = 0; i < 1000; i++) {
        void *code;
        size_t size = sizeof *self + (i % 3) * 100;
        self = test_alloc(size, &code), free_result = -1;
        CHECK(ffi_static_prep(self, &l2, sum_longs, &zero, 0) == 0);
        CHECK(((long (*)(long, long))code)(i, 2) == i + 2 && free_result == 0);
        self = test_alloc(size, &code), free_result = -1;
        CHECK(ffi_static_prep(self, &l20, sum_longs, &zero, 0) == 0);
        CHECK(((long20)code)(TWENTY) == 210 && free_result == 0);
        self = test_alloc(size, &code), free_result = -1;
        CHECK(ffi_static_prep(self, &d, half, NULL, 0) == 0);
        CHECK(((double (*)(double))code)(3) == 1.5 && free_result == 0);
        self = test_alloc(size, &code), free_result = -1;
        CHECK(ffi_static_prep(self, &b, echo_big, NULL, 0) == 0);
        big in, out;
        memset(&in, i, sizeof in);
        out = ((big(*)(big))code)(in);
        CHECK(!memcmp(&in, &out, sizeof in) && free_result == 0);
    }
    CHECK(ffi_static_check() == 0);
}

static int all_are(const unsigned char *p, size_t n, int value)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] != (unsigned char)value)
            return 0;
    return 1;
}

CASE(embedded_in_every_size)
{
    for (size_t size = sizeof(ffi_static_closure); size <= FFI_STATIC_MAX_SIZE;
         size += size < 600 ? 1 : 97) {
        void *code[3];
        ffi_static_closure *c[3];
        for (int k = 0; k < 3; k++) {
            c[k] = test_alloc(size, &code[k]);
            CHECK(all_are((void *)(c[k] + 1), size - CELL, 0), "size %zu is not zeroed", size);
            memset(c[k] + 1, 0xa0 + k, size - CELL);
            CHECK(ffi_static_prep(c[k], test_cif(OF_INT), test_handler(OF_INT), (void *)1, 0) == 0);
        }
        for (int k = 0; k < 3; k++) {
            CHECK(((int (*)(int))code[k])(k) == k + 1, "size %zu", size);
            CHECK(ffi_static_from_address(code[k]) == c[k]);
            CHECK(all_are((void *)(c[k] + 1), size - CELL, 0xa0 + k), "size %zu", size);
        }
        for (int k = 0; k < 3; k++)
            CHECK(ffi_static_free(c[(k + 1) % 3]) == 0);
    }
    CHECK(ffi_static_check() == 0);
}

/* Call `code` in a child; it must die by SIGABRT after one line with `word` and the address. */
static void dies_saying(void *code, const char *word)
{
    int pipes[2];
    char text[1024] = "", address[32];
    CHECK(pipe(pipes) == 0);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(pipes[1], 2);
        ((int (*)(int))code)(1);
        _exit(0);
    }
    close(pipes[1]);
    size_t n = 0;
    for (ssize_t got;
         n + 1 < sizeof text && (got = read(pipes[0], text + n, sizeof text - 1 - n)) > 0;)
        n += (size_t)got;
    int status;
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "status %#x, said: %s", status, text);
    snprintf(address, sizeof address, "%p", code);
    CHECK(strstr(text, address), "no %s in: %s", address, text);
    CHECK(strstr(text, word), "no '%s' in: %s", word, text);
    const char *newline = strchr(text, '\n');
    CHECK(newline && (!newline[1] || test_emulated()), "not one line: %s",
          text); /* QEMU's follows */
}

CASE(calling_the_freed_aborts)
{
    static int zero = 0;
    ffi_cif l20 = long_cif(20);
    for (size_t size = CELL; size <= 256; size += 192) {
        void *code;
        ffi_static_closure *c = test_alloc(size, &code);
        CHECK(ffi_static_prep(c, &l20, sum_longs, &zero, 0) == 0);
        CHECK(ffi_static_free(c) == 0);
        dies_saying(code, "freed");
    }
}

CASE(calling_the_unprepared_aborts)
{
    void *code;
    ffi_static_closure *c = test_alloc(CELL, &code);
    dies_saying(code, "prepared");
    CHECK(ffi_static_free(c) == 0);
}
