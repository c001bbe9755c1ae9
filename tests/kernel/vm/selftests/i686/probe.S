/* SPDX-License-Identifier: MIT */
/* probe.S - calls a trampoline with every register known, and keeps them all on arrival
 *
 * probe_call(code): the general registers but esp are loaded from the lower halves in probe_in[],
 * the flags from probe_flags_in; `code` is called from memory. Whichever target it arrives at says
 * which in probe_which and keeps the registers in probe_out[] (in the processor's numbering) and
 * the flags before it changes any, and returns.
 */
        .text
        .globl  probe_call
        .type   probe_call, @function
probe_call:
        push    %ebx
        push    %ebp
        push    %esi
        push    %edi
        mov     20(%esp), %eax
        mov     %eax, probe_code
        movl    $-1, probe_which
        movl    $-1, probe_which+4
        lea     -4(%esp), %eax
        mov     %eax, probe_in+4*8              /* what esp will be on arrival */
        push    probe_flags_in
        popf
        mov     probe_in+0*8, %eax
        mov     probe_in+1*8, %ecx
        mov     probe_in+2*8, %edx
        mov     probe_in+3*8, %ebx
        mov     probe_in+5*8, %ebp
        mov     probe_in+6*8, %esi
        mov     probe_in+7*8, %edi
        call    *probe_code
        cld
        pop     %edi
        pop     %esi
        pop     %ebp
        pop     %ebx
        ret
        .size   probe_call, . - probe_call

        .macro  probe_at n
        .balign 16
        .globl  probe_target\n
        .type   probe_target\n, @function
probe_target\n:
        movl    $\n, probe_which
        movl    $0, probe_which+4
        jmp     keep
        .size   probe_target\n, . - probe_target\n
        .endm
        probe_at 0
        probe_at 1
        probe_at 2
        probe_at 3

keep:
        mov     %eax, probe_out+0*8
        mov     %ecx, probe_out+1*8
        mov     %edx, probe_out+2*8
        mov     %ebx, probe_out+3*8
        mov     %esp, probe_out+4*8
        mov     %ebp, probe_out+5*8
        mov     %esi, probe_out+6*8
        mov     %edi, probe_out+7*8
        pushf
        pop     probe_flags_out
        ret

        .bss
        .balign 8
probe_code:
        .skip   4
        .section .note.GNU-stack, "", @progbits
