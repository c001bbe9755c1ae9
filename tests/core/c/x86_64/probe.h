/* SPDX-License-Identifier: MIT */
/* probe.h - x86-64: calls an address with every register known, and sees what arrives */
#ifndef PROBE_H
#define PROBE_H

#include <signal.h>

enum { REGISTERS = 16, SP = 7, VECTORS = 16, VECTOR_WORDS = 2, STACK_WORDS = 16 };

/* Registers for the cases to name: arguments 0 and 2, R, and others that a callee may change. */
#define ARGUMENT_0 FFI_STATIC_RDI
#define ARGUMENT_2 FFI_STATIC_RDX
#define OWN FFI_STATIC_R10
#define ANY FFI_STATIC_R11
#define OTHER FFI_STATIC_RAX
#define THIRD FFI_STATIC_R9

/* Does a trampoline change this register, where it is not named? */
static inline bool is_spent(int r)
{
    return r == OWN - 1;
}

/* The stack is that from the return address up. */
#include "../probe_state.h"

#define EACH_SAVED(op) op(rbx) op(rbp) op(r12) op(r13) op(r14) op(r15)
#define PUSH(r) "pushq %" #r "\n"
#define POP(r) "popq %" #r "\n"
#define GPR(op)                                                                                    \
    op(rax, 0) op(rdx, 1) op(rcx, 2) op(rbx, 3) op(rsi, 4) op(rdi, 5) op(rbp, 6) op(r8, 8)         \
        op(r9, 9) op(r10, 10) op(r11, 11) op(r12, 12) op(r13, 13) op(r14, 14) op(r15, 15)
#define LOAD(r, n) "movq hop_in + 8 * " #n "(%rip), %" #r "\n"
#define STORE(r, n) "movq %" #r ", hop_out + 8 * " #n "(%rip)\n"
#define VECTOR(op)                                                                                 \
    op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7) op(8) op(9) op(10) op(11) op(12) op(13) op(14) \
        op(15)
#define LOAD_VECTOR(n) "movups hop_in + 128 + 16 * " #n "(%rip), %xmm" #n "\n"
#define STORE_VECTOR(n) "movups %xmm" #n ", hop_out + 128 + 16 * " #n "(%rip)\n"

/* clang-format off */
__asm__(".text\n"
        ".balign 16\n.globl hop_probe\n.type hop_probe, @function\nhop_probe:\n"
        "endbr64\n"
        PUSH(rbx) PUSH(rbp) PUSH(r12) PUSH(r13) PUSH(r14) PUSH(r15)
        "subq $8 * 15, %rsp\n" /* STACK_WORDS without the return address; the stack is aligned */
        ".set fs_k, 0\n.rept 15\n"
        "movq hop_in + 392 + 8 + 8 * fs_k(%rip), %rax\n"
        "movq %rax, 8 * fs_k(%rsp)\n.set fs_k, fs_k + 1\n.endr\n"
        "movq %rsp, hop_in + 8 * 7(%rip)\n"
        VECTOR(LOAD_VECTOR)
        "pushq hop_in + 384(%rip)\npopfq\n"
        GPR(LOAD)
        "call *hop_callee(%rip)\n"
        ".globl hop_back\nhop_back:\n"
        "cld\n"
        "addq $8 * 15, %rsp\n"
        POP(r15) POP(r14) POP(r13) POP(r12) POP(rbp) POP(rbx)
        "ret\n.size hop_probe, . - hop_probe\n"

        ".balign 16\n.globl hop_target\n.type hop_target, @function\nhop_target:\n"
        "endbr64\n"
        GPR(STORE)
        "movq %rsp, hop_out + 8 * 7(%rip)\n"
        VECTOR(STORE_VECTOR)
        "pushfq\npopq hop_out + 384(%rip)\n"
        ".set fs_k, 0\n.rept 16\n"
        "movq 8 * fs_k(%rsp), %rax\n"
        "movq %rax, hop_out + 392 + 8 * fs_k(%rip)\n.set fs_k, fs_k + 1\n.endr\n"
        "ret\n.size hop_target, . - hop_target\n"
        ".previous\n");
/* clang-format on */
_Static_assert(offsetof(struct state, vec) == 128, "as the assembly has it");
_Static_assert(offsetof(struct state, flags) == 384 && offsetof(struct state, stack) == 392, "too");

/* What the call itself does to the state that was loaded: before it, and to compare with. */
static inline void expect_before(struct state *in)
{
    in->stack[0] = (uintptr_t)hop_back;
}

static inline void expect_after(struct state *in)
{
    in->gpr[SP] -= 8; /* the return address */
}

/* Carry, parity, adjust, zero, sign, direction, overflow; 2 is always set, 0x200 is interrupts. */
#define FLAGS_SET 0xed7u
#define FLAGS_CLEAR 0x202u
#define FLAGS_SEEN 0xcd5u

/* A signal after each instruction: set in flags, and cleared where the code is reached. */
#define TRAP_FLAG 0x100u

static inline void stop_at(void *context, const void *code)
{
    greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
    if ((uintptr_t)regs[REG_RIP] == (uintptr_t)code)
        regs[REG_EFL] &= ~(greg_t)TRAP_FLAG;
}

#endif
