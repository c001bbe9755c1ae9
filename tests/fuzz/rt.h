/* SPDX-License-Identifier: MIT */
/* rt.h - the interfaces between the generated callers, the checker and the backends */
#ifndef FZ_RT_H
#define FZ_RT_H

#include <complex.h>
#include <stddef.h>
#include <stdint.h>
#include <ffi.h>

#include "shim.h" /* struct fz_frame, of tests/core/abi/<isa> */

/* Bits that carry a value. kind: i raw, f floating, b bool (0 or 1), x ten bytes of x87. */
typedef struct {
    uint16_t offset, size;
    char kind;
} fz_leaf;

typedef struct {
    ffi_type *ffi;
    uint16_t size, align, nleaves;
    uint8_t whole;     /* an integer: fills so many bytes, of a register or slot, and is widened to
                          them as a result */
    uint8_t is_signed; /* how it is widened */
    uint8_t in_memory; /* as a result: through a hidden pointer */
    uint8_t x87;       /* as a result: this many x87 registers */
    const fz_leaf *leaves;
} fz_type;

typedef unsigned char *fz_value;
typedef void (*fz_caller)(fz_value *values, void *result);

typedef struct {
    unsigned index;
    const char *label, *prototype;
    const fz_type *result; /* NULL: void */
    unsigned nargs;
    const fz_type *const *args;
    fz_caller plain, dirty;
    unsigned pops; /* bytes that the callee takes off the stack */
} fz_sig;

/* The cif's ABI, and whether a caller may put further words behind the arguments. */
extern const ffi_abi fz_abi;
extern const int fz_has_canary;

/* libffi's complex type of each integer, laid out. */
extern ffi_type fz_complex_schar, fz_complex_short, fz_complex_int, fz_complex_long;
#ifndef FFI_TARGET_HAS_COMPLEX_TYPE
/* libffi has no complex types there. They are described as structs of two, which are passed alike.
 */
extern ffi_type fz_complex_float, fz_complex_double, fz_complex_longdouble;
#define ffi_type_complex_float fz_complex_float
#define ffi_type_complex_double fz_complex_double
#define ffi_type_complex_longdouble fz_complex_longdouble
#endif

/* A struct without members. */
extern ffi_type fz_nothing;

/* The words that stand behind a dirty call's arguments, on the stack above them. */
typedef struct {
    uint64_t w[8];
} fz_canary;

extern const fz_sig fz_sigs[];
extern const unsigned fz_nsigs;
extern fz_canary fz_guard;

/* fz_shim, as data: gcc turns a direct call of fz_shim with another prototype into a trap. */
extern void *fz_entry;

/* A maker of closures. `make` returns NULL after saying why on stdout. */
typedef void (*fz_handler)(ffi_cif *, void *, void **, void *);
typedef struct {
    const char *name;
    void *(*make)(ffi_cif *cif, fz_handler handler, void *user, unsigned extra, void **code);
    const char *(*verify)(void *closure, unsigned extra); /* NULL, or what is wrong */
    const char *(*drop)(void *closure);                   /* NULL, or what is wrong */
    int is_fault;
} fz_backend;

/* "ours", "system", or "fault:<name>"; NULL if unknown. */
const fz_backend *fz_backend_by_name(const char *name);

/* The code to call: `code`, or the fault's thunk in front of it. */
void *fz_through(void *code);

static inline uint64_t fz_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Garbage of a kind, `n` bytes of it. */
void fz_garbage(uint64_t *state, void *to, size_t n);

/* Note a failure of the call under way. */
__attribute__((format(printf, 2, 3))) void fz_complain(void *call, const char *text, ...);

/* --- tests/core/abi/<isa> -------------------------------------------------------------------- */

extern struct fz_frame *fz_frame; /* the frame of the next or running call */
extern const char *const fz_saved_names[FZ_SAVED];

/* Call fz_frame->target. To be cast to any function type; it passes registers and stack on. */
void fz_shim(void);

/* Put garbage into every register that a callee need not preserve. */
void fz_clobber(void);

/* Choose what registers without an argument hold at the call, and the modes of the processor. */
void fz_draw_state(struct fz_frame *f, uint64_t *rng);

/* Before and after the call: the caller's modes. The caller of a nested call gets its own back. */
uint64_t fz_state_before(void);
void fz_state_after(uint64_t own);

/* In the handler, and after the call has returned: complain of every change. */
void fz_check_handler_state(const struct fz_frame *f, void *call);
void fz_check_state(const struct fz_frame *f, const fz_type *result, void *call);

/* Faults, put between shim and closure to prove that the checks can fail; see faults.S. */
extern void *fz_real;
extern uint64_t fz_magic;
struct fz_fault {
    const char *name;
    void (*thunk)(void);
};
extern const struct fz_fault fz_faults[]; /* ends with a NULL name */
#endif                                    /* FZ_RT_H */
