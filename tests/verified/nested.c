/* SPDX-License-Identifier: MIT */
/* nested.c - pointers to nested functions of 300 frames and of a thread's; stops itself meanwhile
 *
 * Compiled as GCC does by default, the pointers lead to the stack, which must be executable; with
 * -ftrampoline-impl=heap, to what libgcc or libffi_static-nested makes.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { DEEP = 300 };
static int right;

static __attribute__((noinline, noclone)) void deeper(int n, int (*outer)(int))
{
    int add(int x)
    {
        return x + n;
    }
    if (n < DEEP)
        deeper(n + 1, add);
    else
        raise(SIGSTOP);
    right += add(1) == n + 1 && (!outer || outer(1) == n);
}

static void *in_thread(void *nothing)
{
    deeper(1, NULL);
    return nothing;
}

int main(void)
{
    pthread_t thread;
    deeper(1, NULL);
    printf("%d of %d nested functions right\n", right, DEEP);
    fflush(stdout);
    int error = pthread_create(&thread, NULL, in_thread, NULL);
    if (error) {
        printf("pthread_create: %s\n", strerror(error));
        return 1;
    }
    pthread_join(thread, NULL);
    printf("%d of %d nested functions right, a thread's too\n", right, 2 * DEEP);
    return right != 2 * DEEP;
}
