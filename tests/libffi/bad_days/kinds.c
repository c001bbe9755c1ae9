/* SPDX-License-Identifier: MIT */
/* kinds.c - libffi's other closures: Windows ABIs, Go, raw and Java raw
 *
 * Each is made 3,000 times, so that it meets closures from every kind of table, and each answer is
 * checked.
 */
#include "days.h"
#include "libffi.h"
#include <pthread.h>

enum { SOME = 3000 };
#define EXPECTED(key) (1 + 2 * 2 + 3 * 3 + 4 * 4 + 5 * 5 + 6 * 6 + (key))

/* long(long, double, long, double, long, double): two of them on the stack in both Windows ABIs */
static ffi_type **six(void)
{
    static ffi_type *types[6];
    for (int i = 0; i < 6; i++)
        types[i] = i % 2 ? tested.dbl : tested.slong;
    return types;
}

static long weigh(void *const *args)
{
    long sum = 0;
    for (int i = 0; i < 6; i++)
        sum += (i + 1) * (i % 2 ? (long)*(double *)args[i] : *(long *)args[i]);
    return sum;
}

static void six_called(ffi_cif *cif, void *ret, void **args, void *data)
{
    CHECK_EQ(cif->nargs, 6);
    *(ffi_sarg *)ret = weigh(args) + (long)(intptr_t)data;
}

static void windows(ffi_abi abi)
{
    typedef long __attribute__((ms_abi)) called(long, double, long, double, long, double);
    ffi_cif cif;
    CHECK_EQ(tested.prep_cif(&cif, abi, 6, tested.slong, six()), FFI_OK);
    for (long key = 0; key < SOME; key++) {
        struct made *l = &many[key];
        CHECK((l->closure = lib.closure_alloc(sizeof(ffi_closure), &l->code)) != NULL);
        CHECK_EQ(lib.prep_closure_loc(l->closure, &cif, six_called, (void *)key, l->code), FFI_OK);
    }
    for (long key = 0; key < SOME; key++)
        CHECK_EQ(((called *)many[key].code)(1, 2, 3, 4, 5, 6), EXPECTED(key));
    for (long key = 0; key < SOME; key++)
        lib.closure_free(many[key].closure);
    outcome("goes on");
}

CASE(win64)
{
    windows(FFI_WIN64);
}
CASE(gnuw64)
{
    windows(FFI_GNUW64);
}
CASE(efi64)
{
    windows(FFI_EFI64);
}

/* The same closure is prepared for the one ABI and then for the other. */
CASE(windows_then_system_v)
{
    typedef long __attribute__((ms_abi)) windows_called(long, double, long, double, long, double);
    typedef long called(long, double, long, double, long, double);
    ffi_cif win, unix64;
    void *code;
    ffi_closure *closure = lib.closure_alloc(sizeof *closure, &code);
    CHECK(closure != NULL);
    CHECK_EQ(tested.prep_cif(&win, FFI_WIN64, 6, tested.slong, six()), FFI_OK);
    CHECK_EQ(tested.prep_cif(&unix64, FFI_DEFAULT_ABI, 6, tested.slong, six()), FFI_OK);
    for (long key = 0; key < SOME; key++) {
        CHECK_EQ(lib.prep_closure_loc(closure, &win, six_called, (void *)key, code), FFI_OK);
        CHECK_EQ(((windows_called *)code)(1, 2, 3, 4, 5, 6), EXPECTED(key));
        CHECK_EQ(lib.prep_closure_loc(closure, &unix64, six_called, (void *)key, code), FFI_OK);
        CHECK_EQ(((called *)code)(1, 2, 3, 4, 5, 6), EXPECTED(key));
    }
    outcome("goes on");
}

/* All at once: four threads, each with closures of any size and of every kind above, prepared
 * again for another kind, freed in any order by data or by code. */
struct part {
    struct made *live;
    unsigned random;
    bool windows[1000];
};
static ffi_cif windows_cif;

static unsigned next(struct part *p, unsigned below)
{
    return (unsigned)rand_r(&p->random) % below;
}

static void prepare(struct part *p, struct made *l)
{
    bool windows_too = p->windows[l - p->live] = next(p, 4) == 0;
    l->key = next(p, 100000);
    CHECK_EQ(lib.prep_closure_loc(l->closure, windows_too ? &windows_cif : key_cif(l->key),
                                  windows_too ? six_called : key_handler(l->key),
                                  (void *)(intptr_t)l->key, l->code),
             FFI_OK);
}

static void right(struct part *p, struct made *l)
{
    typedef long __attribute__((ms_abi)) called(long, double, long, double, long, double);
    if (p->windows[l - p->live])
        CHECK_EQ(((called *)l->code)(1, 2, 3, 4, 5, 6), EXPECTED(l->key));
    else
        CHECK(test_right(l));
}

static void *mix(void *data)
{
    struct part *p = data;
    for (int step = 0; step < 200000; step++) {
        struct made *l = &p->live[next(p, 1000)];
        if (!l->closure) {
            size_t size = next(p, 8) ? sizeof(ffi_closure) : sizeof(ffi_closure) + next(p, 4000);
            CHECK((l->closure = lib.closure_alloc(size, &l->code)) != NULL);
            prepare(p, l);
        }
        right(p, l);
        if (next(p, 3) == 0) {
            test_free(l);
        } else if (next(p, 3) == 0) {
            prepare(p, l);
            right(p, l);
        }
    }
    return NULL;
}

CASE(mixed_in_four_threads)
{
    static struct part parts[4];
    pthread_t threads[4];
    CHECK_EQ(tested.prep_cif(&windows_cif, FFI_WIN64, 6, tested.slong, six()), FFI_OK);
    for (unsigned i = 0; i < 4; i++) {
        parts[i] = (struct part){.live = many + 1000 * i, .random = i + 1};
        CHECK_EQ(pthread_create(&threads[i], NULL, mix, &parts[i]), 0);
    }
    for (int i = 0; i < 4; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    outcome("goes on");
}

#if defined FFI_GO_CLOSURES && FFI_GO_CLOSURES
struct go {
    ffi_go_closure closure;
    long key;
};

static void go_called(ffi_cif *cif, void *ret, void **args, void *closure)
{
    CHECK_EQ(cif->nargs, 6);
    *(ffi_sarg *)ret = weigh(args) + ((struct go *)closure)->key;
}

CASE(go_closure)
{
    static struct go go[SOME];
    ffi_status (*prep)(ffi_go_closure *, ffi_cif *, test_function);
    void (*call_go)(ffi_cif *, void (*)(void), void *, void **, void *);
    *(void **)&prep = lib_symbol("ffi_prep_go_closure");
    *(void **)&call_go = lib_symbol("ffi_call_go");
    if (!prep || !call_go) {
        outcome("not exported");
        return;
    }
    ffi_cif cif;
    CHECK_EQ(tested.prep_cif(&cif, FFI_DEFAULT_ABI, 6, tested.slong, six()), FFI_OK);
    long a = 1, c = 3, e = 5;
    double b = 2, d = 4, f = 6;
    void *args[] = {&a, &b, &c, &d, &e, &f};
    for (long key = 0; key < SOME; key++) {
        ffi_arg result = 0;
        go[key].key = key;
        CHECK_EQ(prep(&go[key].closure, &cif, go_called), FFI_OK);
        call_go(&cif, *(void (**)(void))(void *)&go[key].closure, &result, args, &go[key]);
        CHECK_EQ((long)result, EXPECTED(key));
    }
    outcome("goes on");
}
#endif

/* Words between two arguments: Java's long and double take two, whatever their size. */
static int stride;

static void raw_called(ffi_cif *cif, void *ret, ffi_raw *raw, void *data)
{
    CHECK_EQ(cif->nargs, 6);
    long sum = (long)(intptr_t)data;
    for (int i = 0; i < 6; i++) {
        double number;
        memcpy(&number, &raw[i * stride], sizeof number);
        sum += (i + 1) * (i % 2 ? (long)number : raw[i * stride].sint);
    }
    *(ffi_sarg *)ret = sum;
}

static void raw(const char *name)
{
    typedef long called(long, double, long, double, long, double);
    ffi_status (*prep)(void *, ffi_cif *, void (*)(ffi_cif *, void *, ffi_raw *, void *), void *,
                       void *);
    *(void **)&prep = lib_symbol(name);
    if (!prep) {
        outcome("not exported");
        return;
    }
    ffi_cif cif;
    CHECK_EQ(tested.prep_cif(&cif, FFI_DEFAULT_ABI, 6, tested.slong, six()), FFI_OK);
    for (long key = 0; key < SOME; key++) {
        struct made *l = &many[key];
        CHECK((l->closure = lib.closure_alloc(sizeof(ffi_raw_closure), &l->code)) != NULL);
        ffi_status status = prep(l->closure, &cif, raw_called, (void *)key, l->code);
        if (status != FFI_OK) {
            outcome("refused: status %d", (int)status);
            return;
        }
    }
    for (long key = 0; key < SOME; key++)
        CHECK_EQ(((called *)many[key].code)(1, 2, 3, 4, 5, 6), EXPECTED(key));
    for (long key = 0; key < SOME; key++)
        lib.closure_free(many[key].closure);
    outcome("goes on");
}

CASE(raw_closure)
{
    stride = 1;
    raw("ffi_prep_raw_closure_loc");
}
CASE(java_raw_closure)
{
    stride = 2;
    raw("ffi_prep_java_raw_closure_loc");
}
