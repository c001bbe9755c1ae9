/* SPDX-License-Identifier: MIT */
/* probe.h - i386: calls an address with every register known, and sees what arrives */
#ifndef PROBE_H
#define PROBE_H

enum { REGISTERS = 8, SP = 4, VECTORS = 8, VECTOR_WORDS = 2, STACK_WORDS = 16 };

/* Registers for the cases to name. No register is R; of the others, those that a callee may change.
 * An argument is in a register only if its function says so: the first, in eax. */
#define REGISTER_FIRST __attribute__((regparm(1)))
#define ARGUMENT_0 FFI_STATIC_EAX
#define ARGUMENT_2 FFI_STATIC_EAX
#define OWN FFI_STATIC_EAX
#define ANY FFI_STATIC_EDX
#define OTHER FFI_STATIC_ECX
#define THIRD FFI_STATIC_EDX

/* Does a trampoline change this register, where it is not named? */
static inline bool is_spent(int r)
{
    return (void)r, false;
}

/* Of registers, the upper halves of words are 0. */
#include "../probe_state.h"

/* r = where the label 7 behind it is. */
#define HERE(r) "call 7f\n7: popl %" r "\n"
#define VECTORS_OF(op, after, base, before)                                                        \
    ".irp n, 0, 1, 2, 3, 4, 5, 6, 7\n" op " " before "64 + 16 * \\n(%" base ")" after "\n.endr\n"

/* clang-format off */
__asm__(".text\n"
        ".balign 16\n.globl hop_probe\n.type hop_probe, @function\nhop_probe:\n"
        "endbr32\n"
        "pushl %ebx\npushl %esi\npushl %edi\npushl %ebp\n"
        "subl $132, %esp\n" /* STACK_WORDS, and below them the callee's address, to return to */
        HERE("ebp")
        "leal hop_in - 7b(%ebp), %eax\n"
        "leal hop_callee - 7b(%ebp), %ecx\nmovl (%ecx), %ecx\nmovl %ecx, (%esp)\n"
        "leal 200(%eax), %esi\nleal 4(%esp), %edi\nmovl $32, %ecx\ncld\nrep movsl\n"
        VECTORS_OF("movups", ", %xmm\\n", "eax", "")
        "pushl 192(%eax)\npopfl\n"
        "leal 4(%esp), %ecx\nmovl %ecx, 32(%eax)\n"
        "movl 8(%eax), %ecx\nmovl 16(%eax), %edx\nmovl 24(%eax), %ebx\n"
        "movl 40(%eax), %ebp\nmovl 48(%eax), %esi\nmovl 56(%eax), %edi\nmovl (%eax), %eax\n"
        "ret\n"
        ".globl hop_back\nhop_back:\n"
        "cld\nleal 124(%esp), %esp\n"
        "popl %ebp\npopl %edi\npopl %esi\npopl %ebx\n"
        "ret\n.size hop_probe, . - hop_probe\n"

        ".balign 16\n.globl hop_target\n.type hop_target, @function\nhop_target:\n"
        "endbr32\n"
        "pushfl\npushl %eax\n"
        HERE("eax")
        "leal hop_out - 7b(%eax), %eax\n"
        "movl %ecx, 8(%eax)\nmovl %edx, 16(%eax)\nmovl %ebx, 24(%eax)\n"
        "movl %ebp, 40(%eax)\nmovl %esi, 48(%eax)\nmovl %edi, 56(%eax)\n"
        "popl (%eax)\npopl 192(%eax)\n"
        "movl %esp, 32(%eax)\n"
        "xorl %ecx, %ecx\n"
        ".irp n, 0, 8, 16, 24, 32, 40, 48, 56, 192\nmovl %ecx, \\n + 4(%eax)\n.endr\n"
        VECTORS_OF("movups %xmm\\n,", "", "eax", "")
        "movl %esp, %esi\nleal 200(%eax), %edi\nmovl $32, %ecx\ncld\nrep movsl\n"
        "ret\n.size hop_target, . - hop_target\n"
        ".previous\n");
/* clang-format on */
_Static_assert(offsetof(struct state, vec) == 64, "as the assembly has it");
_Static_assert(offsetof(struct state, flags) == 192 && offsetof(struct state, stack) == 200, "too");

/* What the call itself does to the state that was loaded: before it, and to compare with. */
static inline void expect_before(struct state *in)
{
    const uint32_t back = (uintptr_t)hop_back;
    memcpy(in->stack, &back, sizeof back);
    for (int r = 0; r < REGISTERS; r++)
        in->gpr[r] &= UINT32_MAX;
}

static inline void expect_after(struct state *in)
{
    (void)in;
}

/* DF: trampolines spend the others. */
#define FLAGS_SET 0x402u
#define FLAGS_CLEAR 0x002u
#define FLAGS_SEEN 0x400u

/* The trap flag, and how a handler of its signal ends it at an address. */
#define TRAP_FLAG 0x100u

static inline void stop_at(void *context, const void *address)
{
    greg_t *reg = ((ucontext_t *)context)->uc_mcontext.gregs;
    if (reg[REG_EIP] == (greg_t)(uintptr_t)address)
        reg[REG_EFL] &= ~(greg_t)TRAP_FLAG;
}

#endif
