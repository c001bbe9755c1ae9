/* SPDX-License-Identifier: MIT */
/* ffi_static.h - C function pointers that run a handler, without writable and executable memory
 *
 * A closure is what libffi calls one: an address that C code can call with the arguments that a
 * libffi `ffi_cif` describes. The call runs `handler(cif, ret, args, user_data)`. Unlike libffi,
 * this library writes no instruction at run time. The address is a ready-made trampoline in
 * read-only text, and the library writes data only.
 *
 *     ffi_static_closure *c = ffi_static_alloc(sizeof *c, 0, &code);
 *     if (!c) { fputs(ffi_static_error(), stderr); ... }
 *     if (ffi_static_prep(c, &cif, handler, user_data, 0) < 0) { ... }
 *     ((int (*)(int))code)(42);
 *     ffi_static_free(c);
 *
 * Conventions. Functions that return int give 0 or a negative errno. A function that fails leaves
 * its arguments unchanged, and one sentence in ffi_static_error().
 *
 * Threads. All functions may be called from any thread at any time. Callers may hold any lock, also
 * one that a fork handler takes. A thread with a cancellation pending is not cancelled in here.
 *
 * fork(). Both sides own a private copy of every closure: what one side frees, the other keeps. All
 * functions may be called in the child, also when other threads were inside this library.
 *
 * Signals. No function is async-signal-safe. *Calling* a closure is async-signal-safe if its
 * handler is. A signal handler may fork(), whatever it interrupted.
 *
 * dlclose(). Destructors that run after this library's own may still free and allocate.
 */
#ifndef FFI_STATIC_H
#define FFI_STATIC_H

#include <stddef.h>
#include <stdint.h>
#include <ffi.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FFI_STATIC_VERSION_MAJOR 0
#define FFI_STATIC_VERSION_MINOR 2
#define FFI_STATIC_VERSION_PATCH 0

#ifndef FFI_STATIC_API
#define FFI_STATIC_API __attribute__((visibility("default")))
#endif

/** The most arguments that a prepared closure may take. */
#define FFI_STATIC_MAX_ARGS 65535u

/** The largest `size` that ffi_static_alloc() serves, in bytes. */
#define FFI_STATIC_MAX_SIZE 8192u

/** What a closure runs; the same type as libffi's.
 *   - `ret` is room for the result: at least sizeof(ffi_arg) bytes; for a struct or complex result,
 *     its size. Integers shorter than ffi_arg may be written at their own width or widened to
 *     ffi_arg; big-endian machines need them widened.
 *   - `args[i]` points at the i-th argument, valid until the handler returns.
 *   - `user_data` is what ffi_static_prep() was given.
 * A result that comes back in registers is zero until the handler writes it. So a handler that
 * fails and writes nothing returns 0, a null pointer or 0.0. A result that the ABI returns in
 * memory is in the caller's own memory, and is what the caller left there. Where the result is
 * void, `ret` may be memory that other calls write to at the same time: what is written there is
 * lost, and what is read there means nothing. */
typedef void (*ffi_static_handler)(ffi_cif *cif, void *ret, void **args, void *user_data);

/** The words before a closure's cif: as many as libffi's own ffi_closure has there. */
#if defined __aarch64__ || defined __arm__ || defined __riscv || defined __loongarch__
#define FFI_STATIC_HEAD 3
#else
#define FFI_STATIC_HEAD 4
#endif

/** A closure. Its words belong to the library. The struct is declared so that you can embed it as
 * the *first* member of a larger struct, and allocate that struct with ffi_static_alloc(). On a
 * 64-bit machine a closure is exactly one slot: 64 bytes, one cache line. */
typedef struct ffi_static_closure {
    void *reserved[FFI_STATIC_HEAD];
    ffi_cif *cif;
    ffi_static_handler handler;
    void *user_data;
    void *reserved_tail[8 - 3 - FFI_STATIC_HEAD];
} ffi_static_closure;

/** A sealed closure lies in pages that are read-only, but while this library prepares or frees it:
 * its words, and all that decide where a call goes, cannot be overwritten. A call costs nothing
 * more. You may read its words, not write them, and it has no bytes of yours behind it. With
 * FFI_STATIC_HARDEN=1 in the environment all closures are sealed, whatever the flags say; where one
 * cannot be, it is not made. docs/use/sealed.md says what that is worth, and what it costs. */
#define FFI_STATIC_SEALED 1u

/** Allocate a closure of `size` bytes, sizeof(ffi_static_closure) .. FFI_STATIC_MAX_SIZE. The bytes
 * behind the closure itself are yours, and are zero. Unless `code` is NULL, *code is set to the
 * address that C code will call. `flags` is 0 or FFI_STATIC_SEALED. The code address is final:
 * preparing the closure again changes what the address does, not where it is. Calling the address
 * before ffi_static_prep() aborts the process with a message.
 *
 * When no slot is free, the calling thread makes a table of slots. Provider "file" opens the
 * library's file for that. If the file system does not answer, the call waits, and is not cancelled
 * meanwhile. Other threads do not wait. A child that is forked meanwhile inherits some addresses of
 * the unfinished table, and perhaps a descriptor that is close-on-exec.
 *
 * Returns NULL with errno set: EINVAL (size, flags, or a name in FFI_STATIC_PROVIDER that does
 * not exist), ENOSYS (every provider of trampolines refused, or memory is short;
 * ffi_static_error() lists each one's reason). Of a sealed one also what mprotect() answered where
 * its page cannot be opened or shut, EINVAL for a FFI_STATIC_HARDEN that means nothing, ENOTSUP for
 * bytes behind it, and what pkey_alloc() answered (EBUSY: there are other threads already) with
 * FFI_STATIC_HARDEN=keys. */
FFI_STATIC_API ffi_static_closure *ffi_static_alloc(size_t size, unsigned flags, void **code);

/** How to describe types for which libffi has no words: set `size` and `alignment` of the
 * FFI_TYPE_STRUCT by hand, as C has them (sizeof, _Alignof), and list the members.
 *   - a union: all members, in their order; an array as one struct of its elements. All members are
 *     needed, because the psABI passes a union by the merged classes of its members: {long double,
 *     long[2]} goes in two integer registers, {long double} in memory. List the only member of a
 *     union twice. Listed once, the type looks like a struct, which RISC-V and LoongArch pass in
 *     another way.
 *   - a packed struct: its members. The library knows it by a size or an alignment that is too
 *     small.
 *   - a union that an attribute makes larger than its members, or a struct with a member that an
 *     attribute aligns: wrap what is aligned into a struct of its own, with the size and alignment
 *     that it has in C. From sizes alone, these look like plain structs.
 *   - an array of one, or a union of one, alone in its struct: with an FFI_TYPE_STRUCT without
 *     members (size 0, alignment 1) behind it. Only s390x passes struct {float} and struct
 *     {float[1]} apart.
 * Bit-fields, and packed structs that another attribute aligns, cannot be described. Complete types
 * that are described wrongly are passed wrongly, and nothing can notice. gcc and clang differ over
 * two kinds of types of at most 16 bytes:
 *   - a packed struct around a member that an attribute aligns: closures do what gcc does;
 *   - an array of packed structs whose fields are unaligned from the second element on: closures do
 *     what clang and the psABI do, and pass it in memory.
 * On AArch64 they differ over packed long doubles on the stack: closures do what gcc and AAPCS64
 * do. A type that an attribute aligns to more than 16 may reach the handler at a multiple of 16
 * only, and on s390x one aligned to more than 8 at a multiple of 8. Copy it before you use what
 * needs more. */

/** Make `closure` run `handler` with the signature of `cif`. ffi_prep_cif() has prepared the cif.
 * The cif and its types must outlive the closure. The signature is compiled here, once. The
 * function may be called again on a live closure when no thread is entering it. `flags` must be 0.
 *
 * -EINVAL: NULL, misaligned or not a closure of ours, unknown flags, a broken cif (more than
 *          FFI_STATIC_MAX_ARGS arguments, an incomplete or recursive type, void as an argument)
 * -ENOTSUP: an ABI or a type that this architecture's closures do not take
 * -EALREADY: the closure has been freed      -ENOMEM: no memory for a long signature's plan
 * of a sealed one: -EPERM after ffi_static_seal(), or what mprotect() answered; nothing is
 * changed then */
FFI_STATIC_API int ffi_static_prep(ffi_static_closure *closure, ffi_cif *cif,
                                   ffi_static_handler handler, void *user_data, unsigned flags);

/** The code address of a live closure, or NULL (with errno EINVAL) if `closure` is not one. */
FFI_STATIC_API void *ffi_static_address(const ffi_static_closure *closure);

/** The closure behind a code address, or NULL (with errno EINVAL) if it is not a live one's. */
FFI_STATIC_API ffi_static_closure *ffi_static_from_address(const void *code);

/** Free a closure; NULL is allowed and does nothing. The code address may be handed out again.
 * A handler may free the closure that it is running for: the call under way returns normally.
 * Another thread must not be *entering* the closure at the time. Until the address is handed out
 * again, calling it aborts the process with a line that names the address. If so many closures were
 * freed that the address's whole table was unmapped, calling it is a segmentation fault.
 *
 * -EINVAL: not a closure of ours (foreign, misaligned, inside one)   -EALREADY: a double free
 * of a sealed one: -EPERM after ffi_static_seal(), or what mprotect() answered
 * In all cases nothing is changed. */
FFI_STATIC_API int ffi_static_free(ffi_static_closure *closure);

/** Seal all sealed closures and sealed trampolines that there are for ever: the kernel keeps their
 * pages as they are, mseal(2). They can be called, and neither prepared nor freed again, and the
 * library cannot be unloaded. One that is not prepared yet never will be. New closures come from
 * new tables.
 *
 * -ENOSYS, or what else mseal() answered: it needs Linux 6.10 and 64 bits. Some may be sealed for
 * ever then. */
FFI_STATIC_API int ffi_static_seal(void);

/** How closures are sealed here: set *method to "pages" (mprotect(2)) or "keys" (pkeys(7)). 1 if
 * all are (FFI_STATIC_HARDEN), 0 if those are that ask for it, or why none can be: -errno, as
 * ffi_static_alloc() has it. */
FFI_STATIC_API int ffi_static_sealing(const char **method);

/** --- The general form: (code, data, register) -------------------------------------------------
 *
 * Simpler than closures, for compilers and language runtimes: an address that, called or jumped to,
 * loads `data` into the register that you name and jumps to `code`. The code finds every other
 * register, the flags, the stack and the return address as the caller left them. Nothing returns
 * here. So code that takes its context in a register, such as a nested function or a JIT's stub,
 * gets a plain function pointer. Trampolines come from the same providers as closures, and work
 * under the same policies.
 *
 *     struct ffi_static_trampoline t = {code, data, FFI_STATIC_R10, FFI_STATIC_NO_REGISTER};
 *     if (ffi_static_trampoline_alloc(&t, 0, &address) < 0) { fputs(ffi_static_error(), stderr); }
 *
 * The trampoline's own registers are lost, unless they are among those that you name: r10 on
 * x86-64, x16 and x17 on AArch64, r12 on ARM, t1 and t3 on RISC-V, t0 and t1 on LoongArch, r0 and
 * r1 on s390x, r11 and r12 on Power; on i386 there is none, but all flags but the direction flag.
 * The psABIs pass no argument of C in them. s390x's r1, through which the trampoline jumps, can
 * hold no data. Where indirect branches are tracked (Intel CET, Arm
 * BTI), `code` must begin with a landing pad, as C functions that are compiled for it do. */

/** A general-purpose register, neither the stack pointer nor one that is always zero: the psABI's
 * DWARF number + 1. */
enum ffi_static_register {
    FFI_STATIC_NO_REGISTER = 0,
#if defined __x86_64__
    FFI_STATIC_RAX = 1,
    FFI_STATIC_RDX,
    FFI_STATIC_RCX,
    FFI_STATIC_RBX,
    FFI_STATIC_RSI,
    FFI_STATIC_RDI,
    FFI_STATIC_RBP,
    FFI_STATIC_R8 = 9,
    FFI_STATIC_R9,
    FFI_STATIC_R10,
    FFI_STATIC_R11,
    FFI_STATIC_R12,
    FFI_STATIC_R13,
    FFI_STATIC_R14,
    FFI_STATIC_R15,
#elif defined __aarch64__
    FFI_STATIC_X0 = 1,
    FFI_STATIC_X1,
    FFI_STATIC_X2,
    FFI_STATIC_X3,
    FFI_STATIC_X4,
    FFI_STATIC_X5,
    FFI_STATIC_X6,
    FFI_STATIC_X7,
    FFI_STATIC_X8,
    FFI_STATIC_X9,
    FFI_STATIC_X10,
    FFI_STATIC_X11,
    FFI_STATIC_X12,
    FFI_STATIC_X13,
    FFI_STATIC_X14,
    FFI_STATIC_X15,
    FFI_STATIC_X16,
    FFI_STATIC_X17,
    FFI_STATIC_X18,
    FFI_STATIC_X19,
    FFI_STATIC_X20,
    FFI_STATIC_X21,
    FFI_STATIC_X22,
    FFI_STATIC_X23,
    FFI_STATIC_X24,
    FFI_STATIC_X25,
    FFI_STATIC_X26,
    FFI_STATIC_X27,
    FFI_STATIC_X28,
    FFI_STATIC_X29,
    FFI_STATIC_X30,
#elif defined __riscv
    FFI_STATIC_RA = 2,
    FFI_STATIC_GP = 4,
    FFI_STATIC_TP,
    FFI_STATIC_T0,
    FFI_STATIC_T1,
    FFI_STATIC_T2,
    FFI_STATIC_S0,
    FFI_STATIC_S1,
    FFI_STATIC_A0,
    FFI_STATIC_A1,
    FFI_STATIC_A2,
    FFI_STATIC_A3,
    FFI_STATIC_A4,
    FFI_STATIC_A5,
    FFI_STATIC_A6,
    FFI_STATIC_A7,
    FFI_STATIC_S2,
    FFI_STATIC_S3,
    FFI_STATIC_S4,
    FFI_STATIC_S5,
    FFI_STATIC_S6,
    FFI_STATIC_S7,
    FFI_STATIC_S8,
    FFI_STATIC_S9,
    FFI_STATIC_S10,
    FFI_STATIC_S11,
    FFI_STATIC_T3,
    FFI_STATIC_T4,
    FFI_STATIC_T5,
    FFI_STATIC_T6,
#elif defined __loongarch__
    FFI_STATIC_RA = 2,
    FFI_STATIC_TP,
    FFI_STATIC_A0 = 5,
    FFI_STATIC_A1,
    FFI_STATIC_A2,
    FFI_STATIC_A3,
    FFI_STATIC_A4,
    FFI_STATIC_A5,
    FFI_STATIC_A6,
    FFI_STATIC_A7,
    FFI_STATIC_T0,
    FFI_STATIC_T1,
    FFI_STATIC_T2,
    FFI_STATIC_T3,
    FFI_STATIC_T4,
    FFI_STATIC_T5,
    FFI_STATIC_T6,
    FFI_STATIC_T7,
    FFI_STATIC_T8,
    FFI_STATIC_R21,
    FFI_STATIC_FP,
    FFI_STATIC_S0,
    FFI_STATIC_S1,
    FFI_STATIC_S2,
    FFI_STATIC_S3,
    FFI_STATIC_S4,
    FFI_STATIC_S5,
    FFI_STATIC_S6,
    FFI_STATIC_S7,
    FFI_STATIC_S8,
#elif defined __arm__
    FFI_STATIC_R0 = 1,
    FFI_STATIC_R1,
    FFI_STATIC_R2,
    FFI_STATIC_R3,
    FFI_STATIC_R4,
    FFI_STATIC_R5,
    FFI_STATIC_R6,
    FFI_STATIC_R7,
    FFI_STATIC_R8,
    FFI_STATIC_R9,
    FFI_STATIC_R10,
    FFI_STATIC_R11,
    FFI_STATIC_R12,
    FFI_STATIC_R14 = 15,
#elif defined __s390x__
    FFI_STATIC_R0 = 1,
    FFI_STATIC_R1,
    FFI_STATIC_R2,
    FFI_STATIC_R3,
    FFI_STATIC_R4,
    FFI_STATIC_R5,
    FFI_STATIC_R6,
    FFI_STATIC_R7,
    FFI_STATIC_R8,
    FFI_STATIC_R9,
    FFI_STATIC_R10,
    FFI_STATIC_R11,
    FFI_STATIC_R12,
    FFI_STATIC_R13,
    FFI_STATIC_R14,
#elif defined __powerpc64__
    FFI_STATIC_R0 = 1,
    FFI_STATIC_R2 = 3,
    FFI_STATIC_R3,
    FFI_STATIC_R4,
    FFI_STATIC_R5,
    FFI_STATIC_R6,
    FFI_STATIC_R7,
    FFI_STATIC_R8,
    FFI_STATIC_R9,
    FFI_STATIC_R10,
    FFI_STATIC_R11,
    FFI_STATIC_R12,
    FFI_STATIC_R13,
    FFI_STATIC_R14,
    FFI_STATIC_R15,
    FFI_STATIC_R16,
    FFI_STATIC_R17,
    FFI_STATIC_R18,
    FFI_STATIC_R19,
    FFI_STATIC_R20,
    FFI_STATIC_R21,
    FFI_STATIC_R22,
    FFI_STATIC_R23,
    FFI_STATIC_R24,
    FFI_STATIC_R25,
    FFI_STATIC_R26,
    FFI_STATIC_R27,
    FFI_STATIC_R28,
    FFI_STATIC_R29,
    FFI_STATIC_R30,
    FFI_STATIC_R31,
#elif defined __i386__
    FFI_STATIC_EAX = 1,
    FFI_STATIC_ECX,
    FFI_STATIC_EDX,
    FFI_STATIC_EBX,
    FFI_STATIC_EBP = 6,
    FFI_STATIC_ESI,
    FFI_STATIC_EDI,
#endif
};

struct ffi_static_trampoline {
    /** where it goes: an address that may be called; not NULL */
    const void *code;
    /** what it loads, never looked at */
    void *data;
    /** where to; not FFI_STATIC_NO_REGISTER */
    int data_register;
    /** `code` is loaded into this one besides; or FFI_STATIC_NO_REGISTER */
    int code_register;
};

/** Make a trampoline and set *address to what is called. `flags` is 0 or FFI_STATIC_SEALED. `what`
 * is copied.
 *
 * -EINVAL: NULL, unknown flags, no such register, the stack pointer, the same register twice, or a
 *          name in FFI_STATIC_PROVIDER that does not exist
 * -ENOTSUP: an architecture without this      -ENOSYS: every provider of trampolines refused
 * of a sealed one, all that ffi_static_alloc() and ffi_static_prep() say */
FFI_STATIC_API int ffi_static_trampoline_alloc(const struct ffi_static_trampoline *what,
                                               unsigned flags, void **address);

/** Set *what to what the live trampoline at `address` does. -EINVAL: `address` is not a live
 * trampoline's (a closure's and a freed trampoline's are not), or `what` is NULL. */
FFI_STATIC_API int ffi_static_trampoline_query(const void *address,
                                               struct ffi_static_trampoline *what);

/** Free the trampoline at `address`; NULL is allowed and does nothing. As with a freed closure,
 * calling the address aborts the process with a line that names it, until the address is handed out
 * again. Code that the trampoline led to may free the trampoline, and runs on.
 *
 * -EINVAL: not a trampoline's address (a closure's, a foreign one)   -EALREADY: a double free
 * In both cases nothing is changed. */
FFI_STATIC_API int ffi_static_trampoline_free(void *address);

/** --- Stamps: copies of a page of code that you bring -------------------------------------------
 *
 * For compilers and language runtimes with trampolines of their own. You write a page of them, or
 * several, at build time: a *template*, position-independent code in your own text that finds its
 * data at a fixed distance from itself. The library maps this code again, as often as you ask, at
 * other addresses, each time with new data at the same distance. The code is R-X and never written;
 * the data is private, writable and zero. Copies come from the same providers as closures (`text`,
 * `file`, `memfd`; neither `resident` nor `trampfd`, which have code of their own form only), in
 * the order of FFI_STATIC_PROVIDER, and work under the same policies.
 *
 *     struct ffi_static_template page = {my_page, 0x10000, 0x10000, 0x40000};
 *     if (ffi_static_stamp_open(&page, 0, &stamp) < 0) { fputs(ffi_static_error(), stderr); ... }
 *     if (ffi_static_stamp_copy(stamp, &code) < 0) { ... }
 *     struct my_metadata *data = (void *)((char *)code + page.data_at);
 *
 * The template itself is never run and never written to. It must not need relocations, which the
 * linker refuses with -z text, and must not refer to anything outside of the copy but by its data.
 * docs/use/stamp.md shows how one is written. */

/** What a template's address, its size and the distance of its data should be multiples of, so that
 * they are whole pages on every kernel of the architecture. */
#if defined __x86_64__ || defined __i386__ || defined __s390x__
#define FFI_STATIC_STAMP_ALIGN 4096
#else
#define FFI_STATIC_STAMP_ALIGN 65536
#endif

/** How many bytes a copy may reach before and behind its code's first byte. */
#define FFI_STATIC_STAMP_MAX 0x10000000u

struct ffi_static_template {
    /** the first byte of the template; a multiple of the page size */
    const void *code;
    /** in bytes; a multiple of the page size */
    size_t code_size;
    /** bytes from a copy's code to its data: a multiple of the page size, at least code_size, or at
     * most -data_size */
    ptrdiff_t data_at;
    /** in bytes, not 0; rounded up to pages */
    size_t data_size;
};

/** The template's indirect targets all begin with a landing pad (`bti c` and the like). On AArch64
 * the copies are then guarded pages, PROT_BTI, also those of `file` and `memfd`. (Copies of `text`
 * are guarded where the template is.) Elsewhere it changes nothing. */
#define FFI_STATIC_STAMP_LANDING 1u

/** A template that was found good. */
typedef struct ffi_static_stamp ffi_static_stamp;

/** Look at a template and set *stamp to what copies it. `flags` is 0 or FFI_STATIC_STAMP_LANDING.
 * `what` is copied. Reads /proc/self/maps and /proc/self/pagemap, once: open the stamp before
 * entering a sandbox that has no /proc. From here to ffi_static_stamp_close() the template stays
 * where it is: its program or library stays loaded, and nobody writes to it or calls it.
 *
 * -EINVAL: NULL, unknown flags, an address, a size or a distance that is not whole pages, a size of
 *          0, data that overlaps the code, nothing but zeros, or past the end of memory
 * -E2BIG:  the code or the data reaches further than FFI_STATIC_STAMP_MAX
 * -EFAULT: nothing is mapped there, or less than `code_size` bytes in one mapping
 * -EACCES: not executable, writable, not readable, shared, not mapped from a file (anonymous, a
 *          memory file, the vDSO), or written to since it was mapped
 * -ETXTBSY: this process has mapped the same bytes of the file shared and writable
 * -ENOMEM, or what opening or reading the two files answered */
FFI_STATIC_API int ffi_static_stamp_open(const struct ffi_static_template *what, unsigned flags,
                                         ffi_static_stamp **stamp);

/** Make a copy and set *code to its first byte, a multiple of the smallest power of two that is not
 * less than `code_size`. So masking any address in the copy's code gives *code. Its data begins at
 * *code + data_at. What lies between both is not accessible. Every byte of the code was compared
 * with the template. A copy is two mappings of the process, or three if data and code do not touch;
 * Linux allows 65,530 by default (vm.max_map_count). So let one page hold many trampolines.
 *
 * As with ffi_static_alloc(), a file system that does not answer keeps the thread waiting, and no
 * other. A copy may outlive the file that the template came from.
 *
 * -EINVAL: NULL, not an open stamp, or a name in FFI_STATIC_PROVIDER that does not exist
 * -ESTALE: the template is not mapped any more
 * -ENOSYS: every provider refused, with each one's reason (the limit of mappings among them)
 * -ENOMEM: no memory for the book-keeping */
FFI_STATIC_API int ffi_static_stamp_copy(ffi_static_stamp *stamp, void **code);

struct ffi_static_copy {
    ffi_static_stamp *stamp;
    /** the first bytes of both */
    void *code, *data;
    /** its name */
    const char *provider;
};

/** Set *copy to the live copy in whose code `address` lies, at any byte. Costs one look-up for each
 * open stamp. -EINVAL: there is none (data, a template, a freed copy), or `copy` is NULL. */
FFI_STATIC_API int ffi_static_stamp_query(const void *address, struct ffi_static_copy *copy);

/** Unmap the copy whose code begins at `code`, with its data; NULL is allowed and does nothing. No
 * thread may be running in the copy. Calling it later is a segmentation fault, or another copy.
 *
 * -EINVAL: not a live copy's first byte (a double free, a foreign address, one inside)
 * -ENOMEM: at the limit of mappings, where unmapping would split one
 * In both cases nothing is changed. */
FFI_STATIC_API int ffi_static_stamp_free(void *code);

/** Close a stamp whose copies are all freed; NULL is allowed and does nothing. Then the template's
 * library may be unloaded.
 *
 * -EINVAL: not an open stamp (a double close)      -EBUSY: it has live copies
 * In both cases nothing is changed. */
FFI_STATIC_API int ffi_static_stamp_close(ffi_static_stamp *stamp);

/** The text of this thread's last failure in this library: what was tried, what the system
 * answered, what you can do. Never NULL; "" when there was none. Valid until the thread's next
 * failing call. */
FFI_STATIC_API const char *ffi_static_error(void);

/** The library's version: the three numbers above, with dots between them. */
FFI_STATIC_API const char *ffi_static_version(void);

/** Providers: where R-X trampolines come from, in the order in which they are asked.
 * FFI_STATIC_PROVIDER=name[,name...] in the environment replaces the order (ignored in
 * set-user-id programs); a wrong name makes every allocation fail and lists the legal ones.
 * FFI_STATIC_UNWIND=1 describes mapped tables to the process's unwinder (for profilers). */

/** How many providers this build has. */
FFI_STATIC_API unsigned ffi_static_provider_count(void);

/** The name of provider `index` in the default order; NULL past the end. */
FFI_STATIC_API const char *ffi_static_provider_name(unsigned index);

/** One sentence on how provider `name` works; NULL for an unknown name. */
FFI_STATIC_API const char *ffi_static_provider_about(const char *name);

/** Try provider `name` now: make one table, compare its bytes, unmap it again. 0 if it works
 * here, else -errno, and in `why` (of `size` bytes, may be NULL) the reason in words, cut to
 * fit. -EINVAL and a list of the legal names for an unknown name. */
FFI_STATIC_API int ffi_static_provider_probe(const char *name, char *why, size_t size);

/** The name of the provider that the live closure or trampoline at `code` came from; NULL if it is
 * neither. */
FFI_STATIC_API const char *ffi_static_provider_of(const void *code);

/** Counters. `size` is the caller's sizeof(struct ffi_static_stats), so that the struct may grow.
 * Fields that the library does not know stay as they are. */
struct ffi_static_stats {
    uint64_t size;         /* set by the library: bytes filled in */
    uint64_t live;         /* slots in use, those cached by threads not counted */
    uint64_t cached;       /* free slots that threads keep for themselves (approximate) */
    uint64_t slots;        /* slots in all tables */
    uint64_t tables;       /* mapped tables (the resident one not counted) */
    uint64_t empty_tables; /* of those, without a slot in use */
    uint64_t maps;         /* tables mapped since the start */
    uint64_t unmaps;       /* tables unmapped since the start */
    uint64_t stamps;       /* open ones */
    uint64_t copies;       /* of all stamps, live */
    uint64_t sealed;       /* of the live slots, those in sealed tables */
};

/** 0, or -EINVAL when `stats` is NULL or `size` is too small for its first field. */
FFI_STATIC_API int ffi_static_get_stats(struct ffi_static_stats *stats, size_t size);

/** Check every table's invariants (bitmap against slot words, trampolines' bytes against the
 * library's own; of a sealed table, that its slots are read-only, if /proc/self/maps can be read),
 * and the bytes of every stamp's copies against the template. 0, or -EUCLEAN with the finding in
 * ffi_static_error(). A debug build (-DFS_DEBUG) runs it after each allocation and each free that
 * takes the lock, and aborts with the finding. */
FFI_STATIC_API int ffi_static_check(void);

#ifdef __cplusplus
}
#endif
#endif /* FFI_STATIC_H */
