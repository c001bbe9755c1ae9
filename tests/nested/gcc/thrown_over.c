/* SPDX-License-Identifier: MIT */
/* thrown_over.c - frames with pointers to nested functions that exceptions pass (exceptions.cc) */
int sum_down(int depth, int (*visit)(int));

static __attribute__((noinline)) int call(int (*f)(int), int x)
{
    return f(x);
}

int sum_down(int depth, int (*visit)(int))
{
    int below = 0;
    int add(int x)
    {
        below += x;
        return below;
    }
    if (depth > 0)
        call(add, sum_down(depth - 1, visit));
    return call(add, visit(depth));
}
