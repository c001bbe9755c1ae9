/* SPDX-License-Identifier: MIT */
/* restored.c - closures that are called, freed and made again after CRIU has restored the process
 *
 * Says "ready" and waits for SIGUSR1, which comes once the process was dumped and restored. Every
 * seventh closure is sealed, all when $FFI_STATIC_HARDEN says so. Exit status 1 when one is wrong.
 */
#include <ffi_static.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { COUNT = 6000, EACH = 7 };
static void *code[COUNT];
static ffi_static_closure *closure[COUNT];
static ffi_cif cif;

static void add(ffi_cif *c, void *ret, void **args, void *data)
{
    (void)c;
    *(ffi_sarg *)ret = *(int *)args[0] + (int)(intptr_t)data;
}

static void fail(const char *what)
{
    printf("%s: %s\n", what, ffi_static_error());
    exit(1);
}

/* From the last one on: the resident table has no slot for a sealed one. */
static void make(int step)
{
    for (int i = COUNT - 1; i >= 0; i -= step) {
        closure[i] =
            ffi_static_alloc(sizeof *closure[i], i % EACH ? 0 : FFI_STATIC_SEALED, &code[i]);
        if (!closure[i] || ffi_static_prep(closure[i], &cif, add, (void *)(intptr_t)i, 0))
            fail("making");
    }
}

static int call_all(void)
{
    int right = 0;
    for (int i = 0; i < COUNT; i++)
        right += ((int (*)(int))code[i])(37) == 37 + i;
    return right;
}

/* Whether a child can write to a sealed slot. */
static const char *try_store(void)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        ((volatile uintptr_t *)closure[0])[1] ^= 1;
        _exit(0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        return "not tried";
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV ? "refused" : "done";
}

int main(void)
{
    ffi_type *types[] = {&ffi_type_sint};
    sigset_t set;
    int signal_number, status;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (ffi_prep_cif(&cif, FFI_DEFAULT_ABI, 1, &ffi_type_sint, types) != FFI_OK)
        return 1;
    make(1);
    printf("ready: %d of %d right, by %s; a store is %s\n", call_all(), COUNT,
           ffi_static_provider_of(code[0]), try_store());
    sigwait(&set, &signal_number);

    int right = call_all(), check = ffi_static_check();
    printf("restored: %d of %d right; a store is %s; %s\n", right, COUNT, try_store(),
           check ? ffi_static_error() : "checked");
    for (int i = COUNT - 1; i >= 0; i -= 2)
        if (ffi_static_free(closure[i]))
            fail("freeing");
    make(2);
    pid_t child = fork();
    if (child == 0)
        _exit(call_all() != COUNT);
    waitpid(child, &status, 0);
    printf("made again: %d of %d right; in a child %s\n", call_all(), COUNT,
           status ? "wrong" : "as well");
    return right != COUNT || call_all() != COUNT || status;
}
