/* SPDX-License-Identifier: MIT */
/* rows_more.c - the row with 20 arguments, and the row that qsort() calls */
#include <stdlib.h>
#include <string.h>
#include "row.h"

/* 20 longs: six in registers, fourteen on the stack */
#define LONGS(X)                                                                                   \
    X(0)                                                                                           \
    X(1)                                                                                           \
    X(2)                                                                                           \
    X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15) X(16) X(17) X(18) X(19)
#define PARAM(i) , long a##i
#define VALUE(i) , i
#define ADDRESS(i) &a##i,
#define WEIGHED(i) +(i + 1) * a##i
#define WEIGHED_ARG(i) +(i + 1) * ARG(long, i)
#define DROP_COMMA_(first, ...) __VA_ARGS__
#define DROP_COMMA(...) DROP_COMMA_(__VA_ARGS__)

typedef long longs20_fn(DROP_COMMA(LONGS(PARAM)));
static long longs20_direct(DROP_COMMA(LONGS(PARAM)))
{
    return LONGS(WEIGHED);
}
HANDLER(longs20)
{
    *(long *)ret = LONGS(WEIGHED_ARG);
}
HAND(longs20, long, long, (DROP_COMMA(LONGS(PARAM))), LONGS(ADDRESS))
CALLER(longs20, longs20_fn, long, sum += fn(DROP_COMMA(LONGS(VALUE))))
static bool longs20_check(void *code)
{
    return ((longs20_fn *)code)(DROP_COMMA(LONGS(VALUE))) == 2660;
}
ROW(longs20, "long(20 x long)", "l(llllllllllllllllllll)");

/* qsort's comparator. One call is one comparison; qsort's own work is in the time. */
#define QSORT_LENGTH 256
typedef int qsort_fn(const void *, const void *);
static long qsort_count;

static int compare(const int *a, const int *b)
{
    return (*a > *b) - (*a < *b);
}
static int qsort_direct(const void *a, const void *b)
{
    return compare(a, b);
}
HANDLER(qsort)
{
    *(ffi_sarg *)ret = compare(ARG(const int *, 0), ARG(const int *, 1));
}
HAND(qsort, int, ffi_sarg, (const void *a, const void *b), &a, &b)
static int qsort_counting(const void *a, const void *b)
{
    qsort_count++;
    return compare(a, b);
}
static void qsort_shuffled(int *out)
{
    for (int i = 0; i < QSORT_LENGTH; i++)
        out[i] = (i * 167 + 13) % QSORT_LENGTH; /* 167 is odd: a permutation */
}
static long qsort_call(void *code, long n)
{
    int master[QSORT_LENGTH], array[QSORT_LENGTH];
    qsort_shuffled(master);
    if (!qsort_count) {
        memcpy(array, master, sizeof array);
        qsort(array, QSORT_LENGTH, sizeof *array, qsort_counting);
    }
    long done = 0;
    for (; done < n; done += qsort_count) {
        memcpy(array, master, sizeof array);
        qsort(array, QSORT_LENGTH, sizeof *array, (qsort_fn *)code);
    }
    return done;
}
static bool qsort_check(void *code)
{
    int array[QSORT_LENGTH];
    qsort_shuffled(array);
    qsort(array, QSORT_LENGTH, sizeof *array, (qsort_fn *)code);
    for (int i = 0; i < QSORT_LENGTH; i++)
        if (array[i] != i)
            return false;
    return true;
}
ROW(qsort, "qsort comparator, per comparison", "i(pp)");
