/* SPDX-License-Identifier: MIT */
/* json.c - a JSON writer of four functions; `f` NULL writes nothing */
#include <math.h>
#include "bench.h"

static int depth;
static bool first = true;

static void begin(FILE *f, const char *key)
{
    if (depth)
        fprintf(f, "%s\n%*s", first ? "" : ",", depth * 1, "");
    if (key)
        fprintf(f, "\"%s\": ", key);
    first = false;
}

void json_open(FILE *f, const char *key, char bracket)
{
    if (!f)
        return;
    begin(f, key);
    fputc(bracket, f);
    depth++;
    first = true;
}

void json_close(FILE *f, char bracket)
{
    if (!f)
        return;
    depth--;
    if (!first)
        fprintf(f, "\n%*s", depth, "");
    fputc(bracket, f);
    first = false;
}

void json_text(FILE *f, const char *key, const char *value)
{
    if (!f)
        return;
    begin(f, key);
    if (!value) {
        fputs("null", f);
        return;
    }
    fputc('"', f);
    for (; *value; value++) {
        unsigned char c = (unsigned char)*value;
        if (c == '"' || c == '\\')
            fputc('\\', f);
        if (c < 0x20)
            fprintf(f, "\\u%04x", c);
        else
            fputc(c, f);
    }
    fputc('"', f);
}

void json_number(FILE *f, const char *key, double value)
{
    if (!f)
        return;
    begin(f, key);
    if (isfinite(value))
        fprintf(f, "%.10g", value);
    else
        fputs("null", f);
}
