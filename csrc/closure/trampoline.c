/* SPDX-License-Identifier: MIT */
/* trampoline.c - the public functions of the general form: (code, data, register)
 *
 * A slot whose entry is a hop (arch/hop.h) instead of a closure's. Only checks and joins, as
 * closure.c does. The caller knows a trampoline by its address alone; the slot stays inside.
 */
#include "include/ffi_static.h"

#include "arch/hop.h"
#include "base/base.h"
#include "base/error.h"
#include "base/lock.h"
#include "tramp/find.h"

/* The public numbers are the hops' and one, so that 0 can be none. */
static unsigned number_of(int reg)
{
    return (unsigned)reg - 1;
}

static int check_register(const char *field, int reg, const char *none)
{
    if (fs_hop_loads(number_of(reg)))
        return 0;
    if (!FS_HAS_HOPS)
        return fs_fail(-ENOTSUP,
                       "ffi_static_trampoline_alloc: this architecture has closures only");
    return fs_fail(-EINVAL,
                   "ffi_static_trampoline_alloc: %s %d is not a general-purpose register, or it is "
                   "the stack pointer or always zero; pass an enum ffi_static_register%s",
                   field, reg, none);
}

static int find_entry(const struct ffi_static_trampoline *what, void **entry)
{
    unsigned code = FS_HOP_SP; /* none */
    int error = check_register("data_register", what->data_register, "");
    if (!error && what->code_register != FFI_STATIC_NO_REGISTER) {
        code = number_of(what->code_register);
        error = check_register("code_register", what->code_register,
                               ", FFI_STATIC_NO_REGISTER for none");
    }
    if (error)
        return error;
    if (!fs_hop_loads_data(number_of(what->data_register)))
        return fs_fail(-EINVAL,
                       "ffi_static_trampoline_alloc: data_register %d is what every jump goes "
                       "through on this architecture; name another",
                       what->data_register);
    if (what->data_register == what->code_register)
        return fs_fail(-EINVAL,
                       "ffi_static_trampoline_alloc: register %d is to hold both the data and the "
                       "code's address; name two",
                       what->data_register);
    *entry = fs_hop_entry(number_of(what->data_register), code);
    return 0;
}

static int bind(void *slot, void *entry, const struct ffi_static_trampoline *what)
{
    struct fs_slot image = {0};
    if (!fs_slot_is_sealed(fs_slot_ref(slot))) {
        fs_hop_bind(slot, entry, what->code, what->data);
        return 0;
    }
    fs_hop_bind(&image, entry, what->code, what->data);
    int error = fs_slot_put(slot, &image, entry, "ffi_static_trampoline_alloc");
    if (error)
        (void)fs_slot_free_sealed(slot, "ffi_static_trampoline_alloc");
    return error;
}

int ffi_static_trampoline_alloc(const struct ffi_static_trampoline *what, unsigned flags,
                                void **address)
{
    void *entry = NULL;
    if (!what || !address)
        return fs_fail(-EINVAL, "ffi_static_trampoline_alloc: %s is NULL",
                       what ? "the room for the address" : "the description");
    if (flags & ~FFI_STATIC_SEALED)
        return fs_fail(-EINVAL,
                       "ffi_static_trampoline_alloc: unknown flags 0x%x; pass 0 or "
                       "FFI_STATIC_SEALED",
                       flags);
    if (!what->code)
        return fs_fail(-EINVAL, "ffi_static_trampoline_alloc: the code to go to is NULL");
    int error = find_entry(what, &entry);
    if (error)
        return error;
    void *code;
    void *slot = flags ? fs_slot_alloc_sealed(&code) : fs_slot_alloc(1, &code);
    if (!slot)
        return -errno; /* with a sentence */
    error = bind(slot, entry, what);
    if (!error)
        *address = code;
    return error;
}

/* A live trampoline: where its slot is, what it loads and where it goes. */
struct found {
    struct fs_ref ref;
    const void *code;
    void *data;
    unsigned data_in, code_in; /* registers' numbers as hops have them */
};

/* Under the lock, because any address may be asked for, also one whose table another thread is
 * unmapping. */
static int find(const void *address, const char *doing, struct found *out)
{
    bool hops = false;
    fs_lock();
    int error = fs_code_find(address, &out->ref);
    if (!error) {
        const struct fs_slot *slot = fs_ref_slot(out->ref);
        const void *entry = __atomic_load_n(&slot->entry, __ATOMIC_ACQUIRE);
        hops = fs_hop_registers(entry, &out->data_in, &out->code_in);
        fs_hop_get(slot, &out->code, &out->data);
    }
    fs_unlock();
    if (!error && hops)
        return 0;
    if (error == -EALREADY)
        return fs_fail(error, "%s: the trampoline at %p has been freed already", doing, address);
    return fs_fail(-EINVAL,
                   error ? "%s: %p is not the address of a live trampoline"
                         : "%s: %p is a closure's code address, not a trampoline's",
                   doing, address);
}

int ffi_static_trampoline_query(const void *address, struct ffi_static_trampoline *what)
{
    struct found t;
    if (!what)
        return fs_fail(-EINVAL, "ffi_static_trampoline_query: the room for the answer is NULL");
    int error = find(address, "ffi_static_trampoline_query", &t);
    if (error == -EALREADY) /* to a question, one that was freed is one that is not there */
        return -EINVAL;
    if (error)
        return error;
    *what = (struct ffi_static_trampoline){
        .code = t.code,
        .data = t.data,
        .data_register = (int)t.data_in + 1,
        .code_register = t.code_in == FS_HOP_SP ? FFI_STATIC_NO_REGISTER : (int)t.code_in + 1,
    };
    return 0;
}

int ffi_static_trampoline_free(void *address)
{
    struct found t;
    if (!address)
        return 0;
    int error = find(address, "ffi_static_trampoline_free", &t);
    if (error)
        return error;
    if (fs_slot_is_sealed(t.ref))
        return fs_slot_free_sealed(fs_code_slot(address), "ffi_static_trampoline_free");
    fs_slot_free(t.ref);
    return 0;
}
