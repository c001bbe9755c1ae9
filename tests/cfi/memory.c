/* SPDX-License-Identifier: MIT */
/* memory.c - functions that the C library calls through pointers which it set when it started
 *
 * Compilers call them by name. Where the C library's own have no landing pads, these are linked
 * before them.
 */
#include <stddef.h>

void *memcpy(void *to, const void *from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);
size_t strlen(const char *text);
#ifdef SHARED /* where the C library is a shared one, no function of it can be called */
void qsort(void *base, size_t count, size_t size, int (*compare)(const void *, const void *));
double creal(double _Complex z);
double cimag(double _Complex z);
#endif
int strcmp(const char *a, const char *b);

void *memcpy(void *to, const void *from, size_t size)
{
    for (size_t i = 0; i < size; i++)
        ((char *)to)[i] = ((const char *)from)[i];
    return to;
}

void *memmove(void *to, const void *from, size_t size)
{
    if (to <= from)
        return memcpy(to, from, size);
    while (size--)
        ((char *)to)[size] = ((const char *)from)[size];
    return to;
}

void *memset(void *to, int byte, size_t size)
{
    for (size_t i = 0; i < size; i++)
        ((char *)to)[i] = (char)byte;
    return to;
}

int memcmp(const void *a, const void *b, size_t size)
{
    const unsigned char *p = a, *q = b;
    for (size_t i = 0; i < size; i++)
        if (p[i] != q[i])
            return p[i] - q[i];
    return 0;
}

size_t strlen(const char *text)
{
    size_t size = 0;
    while (text[size])
        size++;
    return size;
}

int strcmp(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return (unsigned char)*a - (unsigned char)*b;
}

#ifdef SHARED
void qsort(void *base, size_t count, size_t size, int (*compare)(const void *, const void *))
{
    for (char *end = (char *)base + count * size, *p = base; p < end; p += size)
        for (char *q = p; q > (char *)base && compare(q - size, q) > 0; q -= size)
            for (size_t i = 0; i < size; i++) {
                char byte = q[i];
                q[i] = q[i - size];
                q[i - size] = byte;
            }
}

double creal(double _Complex z)
{
    return __real__ z;
}

double cimag(double _Complex z)
{
    return __imag__ z;
}
#endif
