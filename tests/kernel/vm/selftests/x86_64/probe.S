/* SPDX-License-Identifier: MIT */
/* probe.S - calls a trampoline with every register known, and keeps them all on arrival
 *
 * probe_call(code): the general registers but rsp are loaded from probe_in[], the flags from
 * probe_flags_in; `code` is called from memory, so that no register is needed for it. Whichever
 * target it arrives at says which in probe_which and keeps the registers in probe_out[] (in the
 * processor's numbering) and the flags before it changes any, and returns.
 */
        .text
        .globl  probe_call
        .type   probe_call, @function
probe_call:
        endbr64
        push    %rbx
        push    %rbp
        push    %r12
        push    %r13
        push    %r14
        push    %r15
        mov     %rdi, probe_code(%rip)
        movq    $-1, probe_which(%rip)
        lea     -8(%rsp), %rax
        mov     %rax, probe_in+4*8(%rip)        /* what rsp will be on arrival */
        push    probe_flags_in(%rip)
        popf
        mov     probe_in+0*8(%rip), %rax
        mov     probe_in+1*8(%rip), %rcx
        mov     probe_in+2*8(%rip), %rdx
        mov     probe_in+3*8(%rip), %rbx
        mov     probe_in+5*8(%rip), %rbp
        mov     probe_in+6*8(%rip), %rsi
        mov     probe_in+7*8(%rip), %rdi
        mov     probe_in+8*8(%rip), %r8
        mov     probe_in+9*8(%rip), %r9
        mov     probe_in+10*8(%rip), %r10
        mov     probe_in+11*8(%rip), %r11
        mov     probe_in+12*8(%rip), %r12
        mov     probe_in+13*8(%rip), %r13
        mov     probe_in+14*8(%rip), %r14
        mov     probe_in+15*8(%rip), %r15
        call    *probe_code(%rip)
        cld
        pop     %r15
        pop     %r14
        pop     %r13
        pop     %r12
        pop     %rbp
        pop     %rbx
        ret
        .size   probe_call, . - probe_call

        .macro  probe_at n
        .balign 16
        .globl  probe_target\n
        .type   probe_target\n, @function
probe_target\n:
        endbr64
        movq    $\n, probe_which(%rip)
        jmp     keep
        .size   probe_target\n, . - probe_target\n
        .endm
        probe_at 0
        probe_at 1
        probe_at 2
        probe_at 3

keep:
        mov     %rax, probe_out+0*8(%rip)
        mov     %rcx, probe_out+1*8(%rip)
        mov     %rdx, probe_out+2*8(%rip)
        mov     %rbx, probe_out+3*8(%rip)
        mov     %rsp, probe_out+4*8(%rip)
        mov     %rbp, probe_out+5*8(%rip)
        mov     %rsi, probe_out+6*8(%rip)
        mov     %rdi, probe_out+7*8(%rip)
        mov     %r8, probe_out+8*8(%rip)
        mov     %r9, probe_out+9*8(%rip)
        mov     %r10, probe_out+10*8(%rip)
        mov     %r11, probe_out+11*8(%rip)
        mov     %r12, probe_out+12*8(%rip)
        mov     %r13, probe_out+13*8(%rip)
        mov     %r14, probe_out+14*8(%rip)
        mov     %r15, probe_out+15*8(%rip)
        pushf
        pop     probe_flags_out(%rip)
        ret

        .bss
        .balign 8
probe_code:
        .skip   8
        .section .note.GNU-stack, "", @progbits
