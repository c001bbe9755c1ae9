/* SPDX-License-Identifier: MIT */
/* rows_scalar.c - rows whose arguments and result are numbers and pointers
 *
 * Every handler weighs each argument differently, so that a swapped or lost one shows.
 */
#include <complex.h>
#include "row.h"

/* void(void) */
static volatile long void_void_count;
typedef void void_void_fn(void);
static void void_void_direct(void)
{
    void_void_count++;
}
HANDLER(void_void)
{
    void_void_count++;
}
static void void_void_hand(void)
{
    CALL_HANDLER(void_void_handler, NULL, NULL);
}
CALLER(void_void, void_void_fn, long, fn())
static bool void_void_check(void *code)
{
    long before = void_void_count;
    ((void_void_fn *)code)();
    ((void_void_fn *)code)();
    return void_void_count == before + 2;
}
ROW(void_void, "void(void)", "v()");

/* int(int) */
typedef int int_int_fn(int);
static int int_int_direct(int a)
{
    return 3 * a + 1;
}
HANDLER(int_int)
{
    *(ffi_sarg *)ret = 3 * ARG(int, 0) + 1;
}
HAND(int_int, int, ffi_sarg, (int a), &a)
CALLER(int_int, int_int_fn, int, sum += fn((int)i))
static bool int_int_check(void *code)
{
    int_int_fn *fn = (int_int_fn *)code;
    return fn(7) == 22 && fn(-7) == -20 && fn(0x2aaaaaaa) == 0x7fffffff;
}
ROW(int_int, "int(int)", "i(i)");

/* void *(void *, void *) */
typedef char *ptr_ptr_ptr_fn(char *, char *);
static char *ptr_ptr_ptr_direct(char *a, char *b)
{
    return b + (a != NULL);
}
HANDLER(ptr_ptr_ptr)
{
    *(char **)ret = ARG(char *, 1) + (ARG(char *, 0) != NULL);
}
HAND(ptr_ptr_ptr, char *, char *, (char *a, char *b), &a, &b)
CALLER(ptr_ptr_ptr, ptr_ptr_ptr_fn, long, sum += (long)fn((char *)i, (char *)code))
static bool ptr_ptr_ptr_check(void *code)
{
    ptr_ptr_ptr_fn *fn = (ptr_ptr_ptr_fn *)code;
    char text[4];
    return fn(text, text + 1) == text + 2 && fn(NULL, text + 3) == text + 3;
}
ROW(ptr_ptr_ptr, "ptr(ptr, ptr)", "p(pp)");

/* double(double) */
typedef double double_double_fn(double);
static double double_double_direct(double a)
{
    return a * 2 + 1;
}
HANDLER(double_double)
{
    *(double *)ret = ARG(double, 0) * 2 + 1;
}
HAND(double_double, double, double, (double a), &a)
CALLER(double_double, double_double_fn, double, sum += fn((double)i))
static bool double_double_check(void *code)
{
    double_double_fn *fn = (double_double_fn *)code;
    return fn(1.25) == 3.5 && fn(-1e300) == -2e300;
}
ROW(double_double, "double(double)", "d(d)");

/* 6 ints: all of the x86-64 integer registers */
typedef int int6_fn(int, int, int, int, int, int);
static int int6_direct(int a, int b, int c, int d, int e, int f)
{
    return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f;
}
HANDLER(int6)
{
    *(ffi_sarg *)ret = ARG(int, 0) + 2 * ARG(int, 1) + 3 * ARG(int, 2) + 4 * ARG(int, 3) +
                       5 * ARG(int, 4) + 6 * ARG(int, 5);
}
HAND(int6, int, ffi_sarg, (int a, int b, int c, int d, int e, int f), &a, &b, &c, &d, &e, &f)
CALLER(int6, int6_fn, int, sum += fn((int)i, 2, 3, 4, 5, 6))
static bool int6_check(void *code)
{
    int6_fn *fn = (int6_fn *)code;
    return fn(1, 2, 3, 4, 5, 6) == 91 && fn(-100000, 0, 0, 0, 0, 1) == -99994;
}
ROW(int6, "int(6 x int)", "i(iiiiii)");

/* int(int, double, ptr, float, long) */
typedef int mixed5_fn(int, double, char *, float, long);
static int mixed5_direct(int a, double b, char *c, float d, long e)
{
    return a + (int)b * 2 + (c ? *c : 0) * 3 + (int)d * 4 + (int)e * 5;
}
HANDLER(mixed5)
{
    char *c = ARG(char *, 2);
    *(ffi_sarg *)ret = ARG(int, 0) + (int)ARG(double, 1) * 2 + (c ? *c : 0) * 3 +
                       (int)ARG(float, 3) * 4 + (int)ARG(long, 4) * 5;
}
HAND(mixed5, int, ffi_sarg, (int a, double b, char *c, float d, long e), &a, &b, &c, &d, &e)
CALLER(mixed5, mixed5_fn, int, sum += fn((int)i, 2.0, "3", 4.0f, i))
static bool mixed5_check(void *code)
{
    mixed5_fn *fn = (mixed5_fn *)code;
    char three = 3;
    return fn(1, 2.0, &three, 4.0f, 5) == 55 && fn(-1, -2.0, NULL, 0.0f, 1000000) == 4999995;
}
ROW(mixed5, "int(int, double, ptr, float, long)", "i(idpfl)");

/* 10 mixed: eight integers and pointers (two on the stack), a double and a float */
typedef long mixed10_fn(int, double, char *, float, long, unsigned short, long, signed char, int,
                        long);
static long mixed10_direct(int a, double b, char *c, float d, long e, unsigned short f, long g,
                           signed char h, int i, long j)
{
    return a + (long)b * 2 + (c ? *c : 0) * 3 + (long)d * 4 + e * 5 + f * 6 + g * 7 + h * 8 +
           i * 9 + j * 10;
}
HANDLER(mixed10)
{
    char *c = ARG(char *, 2);
    *(long *)ret = ARG(int, 0) + (long)ARG(double, 1) * 2 + (c ? *c : 0) * 3 +
                   (long)ARG(float, 3) * 4 + ARG(long, 4) * 5 + ARG(unsigned short, 5) * 6 +
                   ARG(long, 6) * 7 + ARG(signed char, 7) * 8 + ARG(int, 8) * 9 + ARG(long, 9) * 10;
}
HAND(mixed10, long, long,
     (int a, double b, char *c, float d, long e, unsigned short f, long g, signed char h, int i,
      long j),
     &a, &b, &c, &d, &e, &f, &g, &h, &i, &j)
CALLER(mixed10, mixed10_fn, long, sum += fn((int)i, 2.0, "3", 4.0f, 5, 6, i, 8, 9, i))
static bool mixed10_check(void *code)
{
    mixed10_fn *fn = (mixed10_fn *)code;
    char three = 3;
    return fn(1, 2.0, &three, 4.0f, 5, 6, 7, 8, 9, 10) == 385 &&
           fn(0, 0.0, NULL, 0.0f, 0, 65535, 0, -128, -1, -1) == 6 * 65535 - 8 * 128 - 9 - 10;
}
ROW(mixed10, "long(10 mixed, 2 on the stack)", "l(idpflHlbil)");

/* 8 doubles: all of the vector registers that carry arguments */
typedef double double8_fn(double, double, double, double, double, double, double, double);
static double double8_direct(double a, double b, double c, double d, double e, double f, double g,
                             double h)
{
    return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h;
}
HANDLER(double8)
{
    *(double *)ret = ARG(double, 0) + 2 * ARG(double, 1) + 3 * ARG(double, 2) + 4 * ARG(double, 3) +
                     5 * ARG(double, 4) + 6 * ARG(double, 5) + 7 * ARG(double, 6) +
                     8 * ARG(double, 7);
}
HAND(double8, double, double,
     (double a, double b, double c, double d, double e, double f, double g, double h), &a, &b, &c,
     &d, &e, &f, &g, &h)
CALLER(double8, double8_fn, double, sum += fn((double)i, 2, 3, 4, 5, 6, 7, 8))
static bool double8_check(void *code)
{
    return ((double8_fn *)code)(1, 2, 3, 4, 5, 6, 7, 8) == 204;
}
ROW(double8, "double(8 x double)", "d(dddddddd)");

/* long double */
typedef long double longdouble_fn(long double);
static long double longdouble_direct(long double a)
{
    return a + 1;
}
HANDLER(longdouble)
{
    *(long double *)ret = ARG(long double, 0) + 1;
}
HAND(longdouble, long double, long double, (long double a), &a)
CALLER(longdouble, longdouble_fn, long double, sum += fn((long double)i))
static bool longdouble_check(void *code)
{
    longdouble_fn *fn = (longdouble_fn *)code;
    return fn(0x1p63L) == 0x1p63L + 1 && fn(-1.5L) == -0.5L;
}
ROW(longdouble, "long double(long double)", "D(D)");

/* int8 result */
typedef signed char int8_fn(int);
static signed char int8_direct(int a)
{
    return (signed char)(a + 1);
}
HANDLER(int8)
{
    *(ffi_sarg *)ret = (signed char)(ARG(int, 0) + 1);
}
HAND(int8, signed char, ffi_sarg, (int a), &a)
CALLER(int8, int8_fn, int, sum += fn((int)i))
static bool int8_check(void *code)
{
    int8_fn *fn = (int8_fn *)code;
    return fn(126) == 127 && fn(127) == -128 && fn(-2) == -1;
}
ROW(int8, "int8(int)", "b(i)");

/* uint16 result and argument */
typedef unsigned short uint16_fn(unsigned short);
static unsigned short uint16_direct(unsigned short a)
{
    return (unsigned short)(a + 1);
}
HANDLER(uint16)
{
    *(ffi_arg *)ret = (unsigned short)(ARG(unsigned short, 0) + 1);
}
HAND(uint16, unsigned short, ffi_arg, (unsigned short a), &a)
CALLER(uint16, uint16_fn, int, sum += fn((unsigned short)i))
static bool uint16_check(void *code)
{
    uint16_fn *fn = (uint16_fn *)code;
    return fn(65534) == 65535 && fn(65535) == 0;
}
ROW(uint16, "uint16(uint16)", "H(H)");

/* _Complex double (clang has no CMPLX in gnu11) */
#define COMPLEX(re, im) __builtin_complex((double)(re), (double)(im))
typedef double complex complex_fn(double complex);
static double complex complex_direct(double complex z)
{
    return COMPLEX(cimag(z), 2 * creal(z));
}
HANDLER(complex)
{
    double complex z = ARG(double complex, 0);
    *(double complex *)ret = COMPLEX(cimag(z), 2 * creal(z));
}
HAND(complex, double complex, double complex, (double complex z), &z)
CALLER(complex, complex_fn, double, sum += creal(fn(COMPLEX((double)i, 2))))
static bool complex_check(void *code)
{
    double complex z = ((complex_fn *)code)(COMPLEX(3, -4));
    return creal(z) == -4 && cimag(z) == 6;
}
ROW(complex, "_Complex double(_Complex double)", "C(C)");
