/* SPDX-License-Identifier: MIT */
/* closures.c - nested functions of GNU C, and what becomes of the process's memory
 *
 * For GCC 14 or later with -ftrampoline-impl=heap, and with stack trampolines for comparison. Every
 * answer is checked. Prints how many mappings are writable and executable at the end.
 */
#include <alloca.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(x)                                                                                   \
    do {                                                                                           \
        if (!(x)) {                                                                                \
            printf("line %d: does not hold: %s\n", __LINE__, #x);                                  \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

#define NOINLINE __attribute__((noinline, noclone))

/* How many numbers had to be moved is in the frame of the caller of qsort(). */
static NOINLINE int sort(int *numbers, size_t n)
{
    int compared = 0;
    int compare(const void *a, const void *b)
    {
        compared++;
        return *(const int *)a - *(const int *)b;
    }
    qsort(numbers, n, sizeof *numbers, compare);
    return compared;
}

/* D. Knuth's test of compilers: many frames alive, each called from deeper ones. */
static NOINLINE int man_or_boy(int k, int (*x1)(void), int (*x2)(void), int (*x3)(void),
                               int (*x4)(void), int (*x5)(void))
{
    int b(void)
    {
        k--;
        return man_or_boy(k, b, x1, x2, x3, x4);
    }
    return k <= 0 ? x4() + x5() : b();
}

static int one(void)
{
    return 1;
}

static int minus_one(void)
{
    return -1;
}

static int zero(void)
{
    return 0;
}

static NOINLINE int call(int (*f)(int), int x)
{
    return f(x);
}

/* Inlined into a function that has pointers itself: two frames of the source in one of the stack.
 */
static inline __attribute__((always_inline)) int inner(int n)
{
    int add(int x)
    {
        return x + n;
    }
    int times(int x)
    {
        return x * n;
    }
    return call(add, 1) + call(times, 2);
}

static NOINLINE int outer(int n)
{
    int sum = 0;
    int minus(int x)
    {
        return x - n - sum;
    }
    for (int i = 0; i < n; i++) {
        sum += inner(i);
        CHECK(call(minus, 5) == 5 - n - sum);
    }
    return call(minus, 5);
}

static NOINLINE long many(int a, int b, int c, int d, int e, int f, int g, int h, int i,
                          int (*x)(int))
{
    return a + b + c + d + e + f + g + h + i + x(1);
}

static NOINLINE long with_vla(int n)
{
    int base = n;
    int add(int x)
    {
        return x + base;
    }
    long sum = many(1, 2, 3, 4, 5, 6, 7, 8, 9, add);
    for (int i = 1; i < 5; i++) {
        char room[n * i];
        int weigh(int x)
        {
            return x + room[n * i - 1] + base;
        }
        memset(room, i, sizeof room);
        sum += many(1, 2, 3, 4, 5, 6, 7, 8, 9, weigh);
        sum += inner(i);
    }
    char *more = alloca((size_t)n * 100);
    memset(more, 1, (size_t)n * 100);
    return sum + call(add, more[n]);
}

/* A nested function leaves by a jump into the frame that it belongs to. */
static NOINLINE int nonlocal(int n)
{
    __label__ out;
    int found = -1;
    void each(int x)
    {
        if (x == n) {
            found = x;
            goto out;
        }
    }
    int visit(int x)
    {
        each(x);
        return x + 1;
    }
    for (int x = 0; x < 100;)
        x = call(visit, x);
out:
    return found;
}

static jmp_buf back;

static NOINLINE void leave(int n)
{
    int far(int x)
    {
        if (x == n)
            longjmp(back, 1);
        return x;
    }
    call(far, n);
}

static void *in_thread(void *numbers)
{
    for (int i = 0; i < 200; i++) {
        int copy[100];
        memcpy(copy, numbers, sizeof copy);
        CHECK(sort(copy, 100) > 99);
        for (int k = 1; k < 100; k++)
            CHECK(copy[k - 1] <= copy[k]);
    }
    return NULL;
}

static NOINLINE int deep(int n, int (*above)(int))
{
    int here(int x)
    {
        return x + n;
    }
    int below = n ? deep(n - 1, here) : 0;
    CHECK(here(1) == n + 1 && (!above || above(0) == n + 1));
    return below + call(here, 0) - n + 1;
}

static int writable_and_executable(void)
{
    char line[512];
    int count = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps && fgets(line, sizeof line, maps)) {
        char rights[5] = "";
        if (sscanf(line, "%*s %4s", rights) == 1 && rights[1] == 'w' && rights[2] == 'x')
            count++;
    }
    if (maps)
        fclose(maps);
    return count;
}

int main(void)
{
    int numbers[100];
    pthread_t threads[4];
    for (int i = 0; i < 100; i++)
        numbers[i] = i * 7919 % 101;
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, in_thread, numbers) == 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    CHECK(man_or_boy(10, one, minus_one, minus_one, one, zero) == -67);
    for (int i = 0; i < 20; i++)
        CHECK(outer(i) == 5 - i - (3 * i * (i - 1) / 2 + i));
    CHECK(with_vla(50) == 96 + 4 * 45 + 4 * 51 + (1 + 2 + 3 + 4) + 3 * (1 + 2 + 3 + 4) + 4 + 51);
    for (int i = 0; i < 100; i++)
        CHECK(nonlocal(i) == i);
    for (volatile int i = 0; i < 20000; i++)
        if (!setjmp(back))
            leave(i);
    CHECK(deep(1000, NULL) == 1001);
    printf("right; %d mappings are writable and executable\n", writable_and_executable());
    return 0;
}
