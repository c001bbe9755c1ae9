/* SPDX-License-Identifier: MIT */
/* signature.c - a cif from a short text, with one library's own types and ffi_prep_cif
 *
 * Each library prepares its own: ffi_prep_cif writes into struct types, and a patched library
 * may keep something of its own in the cif.
 */
#define _GNU_SOURCE
#include "rival.h"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    char letter;
    const char *symbol;
} scalars[] = {
    {'v', "ffi_type_void"},
    {'b', "ffi_type_sint8"},
    {'H', "ffi_type_uint16"},
    {'i', "ffi_type_sint32"},
    {'p', "ffi_type_pointer"},
    {'f', "ffi_type_float"},
    {'d', "ffi_type_double"},
    {'D', "ffi_type_longdouble"},
    {'C', "ffi_type_complex_double"},
    {'l', sizeof(long) == 8 ? "ffi_type_sint64" : "ffi_type_sint32"},
};

static ffi_type *parse_type(const struct rival *types, const char **text);

static ffi_type *parse_struct(const struct rival *types, const char **text)
{
    ffi_type *type = calloc(1, sizeof *type + 17 * sizeof(ffi_type *));
    if (!type)
        return NULL;
    type->type = FFI_TYPE_STRUCT;
    type->elements = (ffi_type **)(type + 1);
    for (int i = 0; **text != '}'; i++) {
        if (i == 16 || !(type->elements[i] = parse_type(types, text)))
            return NULL;
    }
    ++*text;
    return type;
}

static ffi_type *parse_type(const struct rival *types, const char **text)
{
    char letter = *(*text)++;
    if (letter == '{')
        return parse_struct(types, text);
    for (size_t i = 0; i < sizeof scalars / sizeof *scalars; i++)
        if (scalars[i].letter == letter)
            return dlsym(types->so, scalars[i].symbol);
    return NULL;
}

int signature_prepare(const struct rival *r, const char *text, struct signature *out)
{
    const char *p = text;
    unsigned count = 0;
    ffi_type *result = parse_type(r->types, &p);
    if (result && *p == '(') {
        p++;
        while (*p && *p != ')' && count < 32) {
            if (!(out->args[count++] = parse_type(r->types, &p)))
                break;
        }
    }
    if (!result || *p != ')') {
        fprintf(stderr, "callbench: '%s': cannot describe the signature '%s' (at '%s')\n", r->name,
                text, p);
        return -1;
    }
    ffi_status st = r->types->prep_cif(&out->cif, FFI_DEFAULT_ABI, count, result, out->args);
    if (st != FFI_OK) {
        fprintf(stderr, "callbench: '%s': ffi_prep_cif refused '%s' (status %d)\n", r->name, text,
                (int)st);
        return -1;
    }
    return 0;
}
