/* SPDX-License-Identifier: MIT */
/* nested.c - nested functions of GNU C whose addresses are taken, for -ftrampoline-impl=heap */
#define NOINLINE __attribute__((noinline, noclone))

static NOINLINE long apply(long (*function)(long), long x)
{
    return function(x);
}

/* As many frames are alive, each with a pointer of its own. */
static NOINLINE long sum(long depth, long (*outer)(long))
{
    long add(long x)
    {
        return outer(x) + depth;
    }
    return depth ? sum(depth - 1, add) : apply(outer, 0);
}

static long same(long x)
{
    return x;
}

/* How many of so many answers are right. */
long nested_right(long all);
long nested_right(long all)
{
    long right = 0;
    for (long n = 1; n <= all; n++)
        right += sum(n, same) == n * (n + 1) / 2;
    return right;
}
