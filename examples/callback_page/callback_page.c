/* SPDX-License-Identifier: MIT */
/* callback_page.c - a language runtime's callbacks: its own page of stubs, metadata beside it
 *
 * Runtimes such as Dart's and .NET's hand C function pointers that lead back into managed code.
 * Each pointer is a stub of a few instructions, and each stub has metadata: which function of which
 * isolate it stands for. The stubs are the same on every page, so the runtime writes one page of
 * them at build time, and maps it again when it needs more. ffi_static does the mapping.
 *
 *     callback_page [callbacks]      makes so many (100000), calls each, frees all
 *
 * Ends with 1 and a sentence when anything is not as it should be. x86-64 and AArch64.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ffi_static.h>

/* --- the page ---------------------------------------------------------------------------------
 *
 *      code, R-X, 64 KiB           metadata, RW, 256 KiB
 *      | 4096 stubs of 16 bytes  | 4096 structs of 64 bytes |
 *      ^ page                    ^ page + 0x10000
 *
 * Stub i puts the address of its metadata into a register that the psABI leaves free, and jumps to
 * where the metadata's first word says: to `enter`, below. The page refers to nothing but itself
 * and its data, so it runs wherever it is mapped. `enter` is ordinary code, and is not copied. */
#define STUBS 4096
#define STUB_SIZE 16
#define CODE_SIZE (STUBS * STUB_SIZE)
#define DATA_AT CODE_SIZE

typedef long (*callback)(long a, long b);

struct metadata {
    void (*enter)(void);
    long (*target)(const struct metadata *self, long a, long b);
    void *isolate;
    uint64_t id;
    struct metadata *next_free;
    callback stub; /* its own */
    uint64_t spare[2];
};
_Static_assert(sizeof(struct metadata) == 64 || sizeof(void *) != 8, "as the page counts");

extern const char page[];
void enter(void);
long dispatch(const struct metadata *self, long a, long b);

#if defined __x86_64__
__asm__(".section .text.page, \"ax\", %progbits\n"
        ".balign 4096\n"
        ".globl page\n .hidden page\n"
        "page:\n"
        ".set stub_i, 0\n"
        ".rept 4096\n"
        "    endbr64\n"
        "    leaq page + 0x10000 + stub_i * 64(%rip), %r10\n"
        "    jmp *(%r10)\n"
        "    .balign 16, 0xcc\n"
        "    .set stub_i, stub_i + 1\n"
        ".endr\n"
        ".text\n"
        /* long stub(long a, long b), %r10 = self: to dispatch(self, a, b) */
        ".globl enter\n .hidden enter\n .type enter, %function\n"
        "enter:\n"
        "    endbr64\n"
        "    movq %rsi, %rdx\n"
        "    movq %rdi, %rsi\n"
        "    movq %r10, %rdi\n"
        "    jmp dispatch\n");
#elif defined __aarch64__
__asm__(".section .text.page, \"ax\", %progbits\n"
        ".balign 65536\n"
        ".globl page\n .hidden page\n"
        "page:\n"
        ".set stub_i, 0\n"
        ".rept 4096\n"
        "    hint 34\n" /* bti c */
        "    adr x17, page + 0x10000 + stub_i * 64\n"
        "    ldr x16, [x17]\n"
        "    br x16\n"
        "    .set stub_i, stub_i + 1\n"
        ".endr\n"
        ".text\n"
        /* long stub(long a, long b), x17 = self: to dispatch(self, a, b) */
        ".globl enter\n .hidden enter\n .type enter, %function\n"
        "enter:\n"
        "    hint 34\n"
        "    mov x2, x1\n"
        "    mov x1, x0\n"
        "    mov x0, x17\n"
        "    b dispatch\n");
#else
#error "this example has a page for x86-64 and AArch64"
#endif

/* The way into managed code. */
__attribute__((visibility("hidden"))) long dispatch(const struct metadata *self, long a, long b)
{
    return self->target(self, a, b);
}

/* --- the runtime's callbacks: a free list over as many copies as are needed ------------------- */

static ffi_static_stamp *stamp;
static struct metadata *free_list;
static void *copies[4096];
static size_t copies_made;

static void fail(const char *what)
{
    fprintf(stderr, "callback_page: %s: %s\n", what, ffi_static_error());
    exit(1);
}

static void add_page(void)
{
    void *code;
    if (copies_made == sizeof copies / sizeof *copies || ffi_static_stamp_copy(stamp, &code) < 0)
        fail("no more callbacks");
    copies[copies_made++] = code;
    struct metadata *first = (void *)((char *)code + DATA_AT);
    for (size_t i = STUBS; i-- > 0;) {
        char *stub = (char *)code + i * STUB_SIZE;
        memcpy(&first[i].stub, &stub, sizeof stub);
        first[i].next_free = free_list;
        free_list = &first[i];
    }
}

static callback make(long (*target)(const struct metadata *, long, long), void *isolate,
                     uint64_t id)
{
    if (!free_list)
        add_page();
    struct metadata *m = free_list;
    free_list = m->next_free;
    m->enter = enter;
    m->target = target;
    m->isolate = isolate;
    m->id = id;
    return m->stub;
}

/* From the function pointer that C holds to its metadata: a copy's code lies at a multiple of its
 * size. */
static struct metadata *metadata_of(callback function)
{
    uintptr_t address = (uintptr_t)function, code = address & ~(uintptr_t)(CODE_SIZE - 1);
    return (struct metadata *)(code + DATA_AT) + (address - code) / STUB_SIZE;
}

static void release(callback function)
{
    struct metadata *m = metadata_of(function);
    m->enter = NULL; /* a call from now on ends the process */
    m->next_free = free_list;
    free_list = m;
}

/* --- what it is tried with -------------------------------------------------------------------- */

static long add(const struct metadata *self, long a, long b)
{
    return a + 2 * b + 3 * (long)self->id + *(long *)self->isolate;
}

/* What memory this process has by itself, in KiB; 0 where the kernel does not say. */
static long pss(void)
{
    char line[256];
    long kib = 0;
    FILE *file = fopen("/proc/self/smaps_rollup", "re");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "Pss: %ld", &kib) == 1)
            break;
    if (file)
        fclose(file);
    return kib;
}

static int writable_and_executable(void)
{
    char line[512], rights[5];
    int n = 0;
    FILE *file = fopen("/proc/self/maps", "re");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "%*s %4s", rights) == 1)
            n += rights[1] == 'w' && rights[2] == 'x';
    if (file)
        fclose(file);
    return n;
}

int main(int argc, char **argv)
{
    size_t n = argc > 1 ? strtoul(argv[1], NULL, 10) : 100000;
    const struct ffi_static_template template = {page, CODE_SIZE, DATA_AT,
                                                 STUBS * sizeof(struct metadata)};
    callback *all = calloc(n ? n : 1, sizeof *all);
    long isolates[7] = {0, 1000, 2000, 3000, 4000, 5000, 6000};
    struct ffi_static_copy of_last = {0};
    if (!all || ffi_static_stamp_open(&template, FFI_STATIC_STAMP_LANDING, &stamp) < 0)
        fail("the page of stubs");

    memset(all, 0xff, n * sizeof *all); /* in memory before the first look */
    long before = pss();
    for (size_t i = 0; i < n; i++)
        all[i] = make(add, &isolates[i % 7], i);
    long after = pss();

    for (size_t i = 0; i < n; i++)
        if (all[i](5, 7) != 19 + 3 * (long)i + isolates[i % 7] || metadata_of(all[i])->id != i) {
            fprintf(stderr, "callback_page: callback %zu gave a wrong answer\n", i);
            return 1;
        }
    if (n && ffi_static_stamp_query((void *)(uintptr_t)all[n - 1], &of_last) < 0)
        fail("the last callback");
    if (ffi_static_check() < 0)
        fail("the pages");
    printf("%zu live callbacks on %zu pages of provider %s: each called, each knew itself\n", n,
           copies_made, of_last.provider ? of_last.provider : "(none)");
    if (n && before && after)
        printf("%.1f bytes of memory a callback (PSS), of which %zu are its metadata\n",
               (double)(after - before) * 1024 / (double)n, sizeof(struct metadata));
    printf("%d pages are writable and executable\n", writable_and_executable());

    for (size_t i = 0; i < n; i++)
        release(all[i]);
    for (size_t i = 0; i < copies_made; i++)
        if (ffi_static_stamp_free(copies[i]) < 0)
            fail("freeing a page");
    if (ffi_static_stamp_close(stamp) < 0)
        fail("closing the stamp");
    printf("all freed\n");
    free(all);
    return 0;
}
