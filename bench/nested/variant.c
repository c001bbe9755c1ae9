/* SPDX-License-Identifier: MIT */
/* variant.c - one way to have pointers to nested functions: a shared object, compiled for each way
 *
 * With stack trampolines, with -ftrampoline-impl=heap and libgcc, and with that and
 * libffi_static-nested. laps.c loads all three, each with libraries of its own.
 */
#define NOINLINE __attribute__((noinline, noclone))

long make_and_call(long turns);
long call_only(long turns);
long make_many(long depth, void (*at_the_end)(void));

/* Not known to the compiler, so that the pointer must be made. */
static NOINLINE long call(long (*f)(long), long x)
{
    __asm__ volatile("" : "+r"(f));
    return f(x);
}

static NOINLINE long one_frame(long n)
{
    long add(long x)
    {
        return x + n;
    }
    return call(add, 1);
}

/* A frame is made, its pointer called once, the frame ends. */
long make_and_call(long turns)
{
    long sum = 0;
    for (long i = 0; i < turns; i++)
        sum += one_frame(i);
    return sum;
}

/* One frame, many calls. */
long call_only(long turns)
{
    long n = turns;
    long add(long x)
    {
        return x + n;
    }
    long sum = 0;
    for (long i = 0; i < turns; i++)
        sum += call(add, -n);
    return sum;
}

static NOINLINE long deep(long depth, void (*at_the_end)(void))
{
    long add(long x)
    {
        return x + depth;
    }
    long (*volatile pointer)(long) = add;
    if (!depth)
        at_the_end();
    return (depth ? deep(depth - 1, at_the_end) : 0) + pointer(-depth);
}

/* `depth` of them alive at a time. */
long make_many(long depth, void (*at_the_end)(void))
{
    return deep(depth, at_the_end);
}
