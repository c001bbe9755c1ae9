// SPDX-License-Identifier: MIT
// exceptions.cc - exceptions that pass frames of C with nested functions (thrown_over.c)
//
// Each throw skips `deleted` of the frames that it passes. Prints how many were caught.
#include <cstdio>

extern "C" int sum_down(int depth, int (*visit)(int));

static int limit;

static int visit(int depth)
{
    if (depth == limit)
        throw depth;
    return depth;
}

int main()
{
    int caught = 0;
    for (int round = 0; round < 1000; round++) {
        limit = round % 20;
        try {
            sum_down(20, visit);
        } catch (int depth) {
            caught += depth == limit;
        }
    }
    limit = -1; // nothing is thrown
    int sum = sum_down(20, visit);
    std::printf("%d caught, then a sum of %d\n", caught, sum);
    return !(caught == 1000 && sum == 210);
}
