/* SPDX-License-Identifier: MIT */
/* rows_struct.c - rows with structs by value, one for each way the psABI passes them */
#include "row.h"

/* {double, double}: two vector registers in, two out */
struct dd {
    double a, b;
};
typedef struct dd struct_dd_fn(struct dd);
static struct dd struct_dd_direct(struct dd s)
{
    return (struct dd){s.b + 1, s.a * 2};
}
HANDLER(struct_dd)
{
    *(struct dd *)ret = struct_dd_direct(ARG(struct dd, 0));
}
HAND(struct_dd, struct dd, struct dd, (struct dd s), &s)
CALLER(struct_dd, struct_dd_fn, double, sum += fn((struct dd){(double)i, 2}).a)
static bool struct_dd_check(void *code)
{
    struct dd s = ((struct_dd_fn *)code)((struct dd){1.5, -2.5});
    return s.a == -1.5 && s.b == 3;
}
ROW(struct_dd, "{double, double} in and out", "{dd}({dd})");

/* {int, float}: both in one integer register */
struct int_float {
    int a;
    float b;
};
typedef struct int_float struct_if_fn(struct int_float);
static struct int_float struct_if_direct(struct int_float s)
{
    return (struct int_float){s.a + 1, s.b * 2};
}
HANDLER(struct_if)
{
    *(struct int_float *)ret = struct_if_direct(ARG(struct int_float, 0));
}
HAND(struct_if, struct int_float, struct int_float, (struct int_float s), &s)
CALLER(struct_if, struct_if_fn, long, sum += fn((struct int_float){(int)i, 2}).a)
static bool struct_if_check(void *code)
{
    struct int_float s = ((struct_if_fn *)code)((struct int_float){-8, 2.5f});
    return s.a == -7 && s.b == 5;
}
ROW(struct_if, "{int, float} in and out", "{if}({if})");

/* {long, double}: one integer and one vector register */
struct long_double {
    long a;
    double b;
};
typedef struct long_double struct_ld_fn(struct long_double);
static struct long_double struct_ld_direct(struct long_double s)
{
    return (struct long_double){s.a + 1, s.b * 2};
}
HANDLER(struct_ld)
{
    *(struct long_double *)ret = struct_ld_direct(ARG(struct long_double, 0));
}
HAND(struct_ld, struct long_double, struct long_double, (struct long_double s), &s)
CALLER(struct_ld, struct_ld_fn, long, sum += fn((struct long_double){i, 2}).a)
static bool struct_ld_check(void *code)
{
    struct long_double s = ((struct_ld_fn *)code)((struct long_double){-(1L << 30), 2.5});
    return s.a == 1 - (1L << 30) && s.b == 5;
}
ROW(struct_ld, "{long, double} in and out", "{ld}({ld})");

/* 64 bytes: in memory both ways. The caller passes one that was written long before, and the
 * handler hands it back unchanged: small stores just before a wide copy would measure the
 * processor's failed store forwarding. */
struct big {
    long v[8];
};
typedef struct big struct_64_fn(struct big);
static struct big struct_64_direct(struct big s)
{
    return s;
}
HANDLER(struct_64)
{
    *(struct big *)ret = ARG(struct big, 0);
}
HAND(struct_64, struct big, struct big, (struct big s), &s)
static struct big struct_64_argument = {{1, 2, 3, 4, 5, 6, 7, 8}};
CALLER(struct_64, struct_64_fn, long, sum += fn(struct_64_argument).v[0])
static bool struct_64_check(void *code)
{
    struct big s = ((struct_64_fn *)code)((struct big){{1, 2, 3, 4, 5, 6, 7, 8}});
    for (int i = 0; i < 8; i++)
        if (s.v[i] != i + 1)
            return false;
    return true;
}
ROW(struct_64, "64-byte struct in and out", "{llllllll}({llllllll})");
