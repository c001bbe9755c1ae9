/* SPDX-License-Identifier: MIT */
/* rival.c - loads the libraries that are compared
 *
 * Everything is resolved at once (RTLD_NOW), so that no measurement pays for lazy binding.
 */
#define _GNU_SOURCE
#include "rival.h"
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *open_system(void)
{
    static const char *const names[] = {"libffi.so.8", "libffi.so.7", "libffi.so.6", NULL};
    for (int i = 0; names[i]; i++) {
        void *so = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
        if (so)
            return so;
    }
    return NULL;
}

static char *real_path(void *so, const char *asked)
{
    struct link_map *map = NULL;
    if (dlinfo(so, RTLD_DI_LINKMAP, &map) == 0 && map && map->l_name[0]) {
        char *real = realpath(map->l_name, NULL);
        return real ? real : strdup(map->l_name);
    }
    return strdup(asked ? asked : "?");
}

static int bind_libffi(struct rival *r)
{
    r->libffi.alloc = dlsym(r->so, "ffi_closure_alloc");
    r->libffi.prep = dlsym(r->so, "ffi_prep_closure_loc");
    r->libffi.free = dlsym(r->so, "ffi_closure_free");
    r->prep_cif = dlsym(r->so, "ffi_prep_cif");
    if (!r->libffi.alloc || !r->libffi.prep || !r->libffi.free || !r->prep_cif) {
        fprintf(stderr,
                "callbench: rival '%s' (%s) is not libffi-compatible: it lacks ffi_closure_alloc, "
                "ffi_prep_closure_loc, ffi_closure_free or ffi_prep_cif; give name=path of a "
                "libffi.so.8 or of a libffi_static.so.0\n",
                r->name, r->path);
        return -1;
    }
    const char *(*version)(void) = dlsym(r->so, "ffi_get_version"); /* libffi >= 3.5 */
    r->version = version ? strdup(version()) : NULL;
    r->kind = RIVAL_LIBFFI;
    r->types = r;
    return 0;
}

static int bind_ours(struct rivals *all, struct rival *r)
{
    r->ours.alloc = dlsym(r->so, "ffi_static_alloc");
    r->ours.prep = dlsym(r->so, "ffi_static_prep");
    r->ours.free = dlsym(r->so, "ffi_static_free");
    r->ours.error = dlsym(r->so, "ffi_static_error");
    r->ours.provider_of = dlsym(r->so, "ffi_static_provider_of");
    const char *(*version)(void) = dlsym(r->so, "ffi_static_version");
    if (!r->ours.prep || !r->ours.free || !r->ours.error || !r->ours.provider_of || !version) {
        fprintf(stderr,
                "callbench: rival '%s' (%s) exports ffi_static_alloc but not the rest of "
                "ffi_static.h: rebuild it with `make lib`\n",
                r->name, r->path);
        return -1;
    }
    r->version = strdup(version());
    r->kind = RIVAL_STATIC;
    for (int i = 0; i < all->count && !r->types; i++)
        if (all->list[i].kind == RIVAL_LIBFFI)
            r->types = &all->list[i];
    if (!r->types) {
        fprintf(stderr, "callbench: '%s' needs a libffi loaded before it, for ffi_prep_cif\n",
                r->name);
        return -1;
    }
    return 0;
}

int rival_load(struct rivals *all, const char *name, const char *path)
{
    if (all->count + 2 >= MAX_RIVALS) {
        fprintf(stderr, "callbench: more than %d rivals\n", MAX_RIVALS - 2);
        return -1;
    }
    if (rival_find(all, name) || !strcmp(name, "hand") || !strcmp(name, "direct")) {
        fprintf(stderr, "callbench: two rivals are called '%s': choose another name\n", name);
        return -1;
    }
    struct rival *r = &all->list[all->count];
    memset(r, 0, sizeof *r);
    r->so = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : open_system();
    if (!r->so) {
        fprintf(stderr, "callbench: cannot load rival '%s' from '%s': %s; %s\n", name,
                path ? path : "libffi.so.8", dlerror(),
                path ? "give --lib name=path of a libffi-compatible library, with a slash in "
                       "path; ours is built by `make lib`"
                     : "install libffi (Debian: apt install libffi8) or give --system PATH");
        return -1;
    }
    r->name = strdup(name);
    r->path = real_path(r->so, path);
    if ((dlsym(r->so, "ffi_static_alloc") ? bind_ours(all, r) : bind_libffi(r)) < 0)
        return -1;
    all->count++;
    return 0;
}

int rival_load_text(struct rivals *all, const char *path, char **note)
{
    static const char variable[] = "FFI_STATIC_PROVIDER";
    if (rival_load(all, RIVAL_TEXT, path) < 0)
        return -1;
    struct rival *r = &all->list[all->count - 1];
    for (int i = 0; i < all->count - 1; i++)
        if (all->list[i].so == r->so || r->kind != RIVAL_STATIC) {
            fprintf(stderr,
                    "callbench: --text wants a copy of our library in a file of its own, not the "
                    "one that '%s' has (%s)\n",
                    all->list[i].name, path);
            return -1;
        }
    r->calls_only = true;
    char *old = getenv(variable) ? strdup(getenv(variable)) : NULL;
    setenv(variable, "text", 1); /* the library reads it when it makes its first closure */
    void *code = NULL;
    ffi_static_closure *first = r->ours.alloc(sizeof *first, 0, &code);
    if (!first || strcmp(r->ours.provider_of(code), "text") != 0) {
        if (asprintf(note, "%s", first ? "served by another provider" : rival_why(r)) < 0)
            return -1;
        all->count--;
    }
    if (first)
        r->ours.free(first);
    if (old)
        setenv(variable, old, 1);
    else
        unsetenv(variable);
    free(old);
    return 0;
}

void rival_add_plain(struct rivals *all)
{
    static const struct {
        const char *name;
        enum rival_kind kind;
    } plain[] = {{"hand", RIVAL_HAND}, {"direct", RIVAL_DIRECT}};
    for (size_t i = 0; i < 2; i++) {
        struct rival *r = &all->list[all->count++];
        memset(r, 0, sizeof *r);
        r->name = strdup(plain[i].name);
        r->kind = plain[i].kind;
        r->types = &all->list[all->baseline];
    }
}

const struct rival *rival_find(const struct rivals *all, const char *name)
{
    for (int i = 0; i < all->count; i++)
        if (!strcmp(all->list[i].name, name))
            return &all->list[i];
    return NULL;
}

const char *rival_why(const struct rival *r)
{
    if (r->kind == RIVAL_STATIC)
        return r->ours.error();
    return errno ? strerror(errno) : "the library gave no reason";
}
