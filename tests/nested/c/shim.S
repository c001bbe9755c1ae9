/* SPDX-License-Identifier: MIT */
/* shim.S - a nested function as GCC compiles it: the chain comes in the register of the ABI
 *
 * In: x, as C passes its first argument, and the chain. Goes to nested_body(x, chain), which has
 * the argument behind it. With __ELF__ objects of clang as well: one line for each architecture.
 */
/* clang-format off */
#if defined __x86_64__
#define LANDING endbr64
#define GO(chain) mov chain, %rsi; jmp nested_body
#define GCC %r10
#define NEST %r10
#elif defined __i386__
#define LANDING endbr32
#define GO(chain) mov 4(%esp), %eax; mov chain, %edx; jmp nested_body
#define GCC %ecx
#define NEST %ecx
#elif defined __aarch64__
#define LANDING hint 34
#define GO(chain) mov x1, chain; b nested_body
#define GCC x18
#define NEST x15
#elif defined __arm__
    .syntax unified
    .arm
#define LANDING
#define GO(chain) mov r1, chain; b nested_body
#define GCC ip
#define NEST ip
#elif defined __riscv_landing_pad
#define LANDING auipc zero, 0
#define GO(chain) mv a1, chain; tail nested_body
#define GCC t3
#define NEST t3
#elif defined __riscv
#define LANDING
#define GO(chain) mv a1, chain; tail nested_body
#define GCC t2
#define NEST t2
#elif defined __loongarch__
#define LANDING
#define GO(chain) move $a1, chain; b nested_body
#define GCC $t8
#define NEST $t8
#elif defined __powerpc64__
    .abiversion 2
#define LANDING addis 2, 12, .TOC. - 1b@ha; addi 2, 2, .TOC. - 1b@l
#define GO(chain) mr 4, chain; b nested_body
#define GCC 11
#define NEST 11
#elif defined __s390x__
#define LANDING
#define GO(chain) lgr %r3, chain; jg nested_body
#define GCC %r0
#define NEST %r0
#endif

    .text
    .balign 16
    .globl nested_target
    .type nested_target, %function
nested_target:
1:  LANDING
    GO(GCC)
    .size nested_target, . - nested_target

    .balign 16
    .globl nested_target_nest
    .type nested_target_nest, %function
nested_target_nest:
1:  LANDING
    GO(NEST)
    .size nested_target_nest, . - nested_target_nest

#if defined __arm__
    .section .note.GNU-stack, "", %progbits
#else
    .section .note.GNU-stack, "", @progbits
#endif
