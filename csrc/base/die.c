/* SPDX-License-Identifier: MIT */
/* die.c - the last line of a process that called what it must not
 *
 * A call through a freed trampoline cannot return an error, because nobody knows the type of its
 * result. So the process ends, with one line that names the address.
 */
#include "base/base.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 512

static size_t put_hex(char *out, uintptr_t value)
{
    char digits[2 * sizeof value];
    size_t n = 0;
    do {
        digits[n++] = "0123456789abcdef"[value & 15];
        value >>= 4;
    } while (value);
    out[0] = '0';
    out[1] = 'x';
    for (size_t i = 0; i < n; i++)
        out[2 + i] = digits[n - 1 - i];
    return n + 2;
}

void fs_die(const char *text, uintptr_t a, uintptr_t b)
{
    char line[LINE_MAX_BYTES];
    size_t n = 0;
    uintptr_t next = a;
    for (; *text && n < sizeof line - 32; text++) {
        if (*text == '@') {
            n += put_hex(line + n, next);
            next = b;
        } else {
            line[n++] = *text;
        }
    }
    line[n++] = '\n';
    /* Nothing can be done about a short write to a closed standard error. */
    if (write(STDERR_FILENO, line, n) < 0)
        abort();
    abort();
}
