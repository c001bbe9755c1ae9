/* SPDX-License-Identifier: MIT */
/* record.h - ctypes and cffi, unmodified, on our closures: by rebinding what their modules import
 *
 * An extension module calls other libraries through its global offset table (GOT), which is data.
 * install() writes our functions into the entries that make, prepare and free closures. Nothing
 * executable is touched. A table that the loader has made read-only (RELRO) is writable only while
 * an entry is written. Marshalling, repr and lifetime stay the module's own.
 *
 * Two kinds of modules are served: those that call libffi's closure functions, as ctypes does
 * (libffi.c), and cffi as it is on Linux, with an allocator of its own (cffi.c). Other objects that
 * make closures are only named (users.c). There is one record for each shared object. Records are
 * never given back, because a module may call us as long as a closure of it lives. The GIL guards
 * all of this, except what a call of a closure reads (call.h). Without a GIL the lock of
 * ffi_static/_dropin does, and words that other threads read as well are atomic.
 *
 * The room's words, of which cffi needs all five:
 *
 *   stock      adjective: of cffi's own memory, which is writable and executable. A stock block is
 *              56 bytes there, and a stock callback lies in such a block.
 *   drain      make callbacks until cffi's free list is empty, or until it has no block of ours.
 *              The blocks are then in our hands.
 *   withhold   keep drained blocks of ours from cffi, in a list of callbacks that only we know.
 *   release    put blocks of ours into cffi's free list, from which cffi takes them again.
 *   retire     see to it that cffi never uses a stock block again.
 *
 * uninstall() drains and withholds, so that cffi makes stock callbacks again. install() releases
 * what was withheld, drains, and retires the stock blocks that it finds.
 *
 * The files, each of which uses only those before it: elf, record, closure, call, stock, block,
 * invoke, cffi, drain; thunk, libffi; users; module.
 */
#ifndef FS_RECORD_H
#define FS_RECORD_H

#include "base/base.h"
#include "dropin/elf.h"

#include <pthread.h>

enum { FS_DROPIN_MODULES = 8, FS_DROPIN_ENTRIES = 12, FS_DROPIN_NEEDS = 4 };

enum fs_dropin_state {
    FS_DROPIN_NONE,
    FS_DROPIN_PROBING, /* bound, but not yet shown to work */
    FS_DROPIN_SERVED,
    FS_DROPIN_RESTORED, /* new closures are stock; ours are still freed by us */
};

struct fs_dropin_kind;

/* One import of a module that we have rebound. */
struct fs_dropin_entry {
    const char *symbol;
    void **at;
    void *before;   /* what was there */
    void *original; /* the function that `before` means, once it is bound */
    void *ours;
    bool bound; /* does `at` hold `ours` now? */
};

/* One shared object. */
struct fs_dropin {
    enum fs_dropin_state state;
    unsigned index;
    const struct fs_dropin_kind *kind;
    struct fs_object object;
    char name[256], version[64]; /* of the Python module */
    bool confirmed;              /* has it ever been served? */
    unsigned entries;
    struct fs_dropin_entry entry[FS_DROPIN_ENTRIES];
    int (*clear)(
        void *object);         /* tp_clear of its callbacks' type, where ours has taken its place */
    unsigned long made, freed; /* closures */
    unsigned long turbo;       /* of those made: how many our dispatch runs */
    const char *no_turbo;      /* why it runs none; NULL: it may */

    /* While `prober` probes: what was seen, and the first thing that is not as expected. */
    pthread_t prober;
    unsigned seen;        /* FS_SAW_* */
    unsigned long probes; /* closures that the probe made */
    const char *wrong;
};

extern FS_HIDDEN struct fs_dropin fs_dropins[FS_DROPIN_MODULES];

/* What is written in place of one import. A hook is not told which module calls, so each record has
 * functions of its own: FS_EACH_RECORD(X, what) is X(n, what) for each record's number n, and
 * FS_HOOKS(name) lists the functions name_0, name_1 and so on. */
struct fs_dropin_hook {
    const char *symbol; /* NULL: the end */
    void *function[FS_DROPIN_MODULES];
};

/* clang-format off */
#define FS_EACH_RECORD(X, what)                                                                    \
    X(0, what) X(1, what) X(2, what) X(3, what) X(4, what) X(5, what) X(6, what) X(7, what)
#define FS_HOOK_OF(n, name) [n] = (void *)name##_##n,
#define FS_HOOKS(name) {FS_EACH_RECORD(FS_HOOK_OF, name)}
/* clang-format on */

/* How to serve one kind of module. */
struct fs_dropin_kind {
    const char *name;
    const char *about;
    struct {
        const char *any_of[2];
    } needs[FS_DROPIN_NEEDS]; /* one of each must be imported; all that are imported are rebound */
    const char *welcome[2];   /* rebound if they are imported; or NULL */
    unsigned proof;           /* FS_SAW_* that a probe must have shown */
    const struct fs_dropin_hook *hooks;
    /* Must this import stay ours after uninstall()? */
    bool (*still_needed)(const struct fs_dropin *d, const char *symbol);
    /* Has the module nothing of ours, after a probe that failed? NULL: it holds closures only. */
    bool (*has_nothing)(const struct fs_dropin *d);
    /* All imports have been given back: what the module does from now on goes unseen. Or NULL. */
    void (*forget)(const struct fs_dropin *d);
};

#define FS_SAW_ALLOC 1u
#define FS_SAW_PREP 2u
#define FS_SAW_TRACK 4u
#define FS_SAW_FREE 8u
#define FS_SAW_CALL 16u

/* Is this record being probed, by this thread? */
static inline bool fs_dropin_probing(const struct fs_dropin *d)
{
    return fs_unlikely(__atomic_load_n(&d->state, __ATOMIC_ACQUIRE) == FS_DROPIN_PROBING) &&
           pthread_equal(__atomic_load_n(&d->prober, __ATOMIC_RELAXED), pthread_self());
}

/* Remember the first thing that is wrong with a probed module. */
static inline void fs_dropin_wrong(struct fs_dropin *d, const char *what)
{
    if (!d->wrong)
        d->wrong = what;
}

/* What `symbol` was before it was rebound. */
FS_HIDDEN void *fs_dropin_original(const struct fs_dropin *d, const char *symbol);

/* Without the GIL: before the garbage collector clears a callback of this type, our function is
 * called, and calls the record's `clear` in the end. For good. */
FS_HIDDEN void fs_dropin_see_clears(struct fs_dropin *d, void *type, int (*ours)(void *object));

/* Do all of the record's imports of `symbol` hold our function? False when it imports none. A tool
 * that watches imports may have rebound them after us. */
FS_HIDDEN bool fs_dropin_is_bound(const struct fs_dropin *d, const char *symbol);

/* The first import that the kind needs, that was ours, and that a tool has rebound after us. Or
 * NULL. */
FS_HIDDEN const char *fs_dropin_lost(const struct fs_dropin *d);

/* The record of the object that this code is of, or NULL. */
FS_HIDDEN struct fs_dropin *fs_dropin_that_holds(const void *code);

/* The record of this object, with state FS_DROPIN_NONE if it is new. NULL: all are in use. */
FS_HIDDEN struct fs_dropin *fs_dropin_record(const struct fs_object *object);

/* Fill in a new record's entries for `kind`. 0, or -errno with a sentence. *missing: the import
 * that this kind needs and the object does not have; NULL when it has all. */
FS_HIDDEN int fs_dropin_match(struct fs_dropin *d, const struct fs_dropin_kind *kind,
                              const char **missing);

/* Write our functions into the record's entries. 0, or -errno with a sentence; then no entry has
 * changed. */
FS_HIDDEN int fs_dropin_bind(struct fs_dropin *d);

/* Give back the entries that nothing of ours will use. `failed`: give back all of them, if the
 * record was never confirmed and nothing of ours lives. */
FS_HIDDEN void fs_dropin_unbind(struct fs_dropin *d, bool failed);

#endif
