/* SPDX-License-Identifier: MIT */
/* shim.S - stands between a compiled caller and the closure, and takes nothing on trust
 *
 * It may not move the stack, since the callee finds its arguments there: the return address is
 * taken off into the frame (shim.h) and the call puts its own in the same place, so the callee
 * sees exactly the caller's outgoing arguments. What the callee is to pop, the shim pops.
 *
 *          | canary (dirty calls)       |
 *          | outgoing stack arguments   |  <- frame.sp
 *          | return address: into shim  |     at the callee's entry
 *
 * It is not for unwinding through, and not for a machine with shadow stacks switched on.
 */
        .section .note.GNU-stack, "", @progbits
        .bss
        .balign 8
        .globl  fz_frame
fz_frame:
        .long   0
kept:
        .long   0, 0, 0

        .text
/* r = where this is: data is found by its distance, in an executable of any position. */
        .macro  HERE r
        call    7f
7:      popl    %\r
        .endm

/* void fz_shim(...)   In: fz_frame, all argument registers.  Out: the callee's results. */
        .globl  fz_shim
        .type   fz_shim, @function
fz_shim:
        endbr32
        pushl   %ebx
        HERE    ebx
        movl    %eax, kept - 7b(%ebx)
        movl    fz_frame - 7b(%ebx), %eax
        popl    16(%eax)
        movl    %esi, 24(%eax)
        movl    %edi, 32(%eax)
        movl    %ebp, 40(%eax)
        popl    4(%eax)
        movl    %esp, 8(%eax)
        movl    %ecx, 180(%eax)
        movl    (%esp), %esi
        movl    %esi, 176(%eax)
        stmxcsr 124(%eax)
        fnstcw  134(%eax)
        ldmxcsr 120(%eax)
        fldcw   132(%eax)
        movl    (%eax), %esi
        movl    %esi, kept + 4 - 7b(%ebx)
        movl    56(%eax), %esi
        movl    64(%eax), %edi
        movl    72(%eax), %ebp
        /* No register is left for the callee's address: it goes by the two words below. */
        pushl   kept - 7b(%ebx)
        pushl   kept + 4 - 7b(%ebx)
        movl    48(%eax), %ebx
        movl    4(%esp), %eax
        leal    8(%esp), %esp
        call    *-8(%esp)
        pushl   %ebx
        HERE    ebx
        movl    %eax, kept - 7b(%ebx)
        movl    fz_frame - 7b(%ebx), %eax
        popl    80(%eax)
        movl    %esp, 12(%eax)
        pushfl
        popl    116(%eax)
        cld
        movl    %esi, 88(%eax)
        movl    %edi, 96(%eax)
        movl    %ebp, 104(%eax)
        movl    kept - 7b(%ebx), %esi
        movl    %esi, 112(%eax)
        stmxcsr 128(%eax)
        fnstenv 136(%eax)
        /* Count intact canaries now: once the caller returns, its arguments' place is anyone's.
         * esi = where, edi = end, ebp = the canary's sixteen words, ecx = which */
        movl    8(%eax), %esi
        movl    164(%eax), %edi
        leal    fz_guard - 7b(%ebx), %ebp
1:      cmpl    %edi, %esi
        jae     4f
        movl    $16, %ecx
2:      movl    -4(%ebp, %ecx, 4), %ebx
        cmpl    %ebx, -4(%esi, %ecx, 4)
        jne     3f
        decl    %ecx
        jnz     2b
        incl    168(%eax)
3:      addl    $4, %esi
        jmp     1b
4:      ldmxcsr 124(%eax)
        fldcw   134(%eax)
        movl    16(%eax), %ebx
        movl    24(%eax), %esi
        movl    32(%eax), %edi
        movl    40(%eax), %ebp
        movl    8(%eax), %ecx
        addl    184(%eax), %ecx
        movl    %ecx, %esp
        pushl   4(%eax)
        movl    112(%eax), %eax
        ret
        .size   fz_shim, . - fz_shim

/* void fz_clobber(void)   Kept: only what the psABI demands. */
        .globl  fz_clobber
        .type   fz_clobber, @function
fz_clobber:
        endbr32
        movl    $0xc10bbe4e, %eax
        movl    %eax, %ecx
        movl    %eax, %edx
        movd    %eax, %xmm0
        pshufd  $0, %xmm0, %xmm0
        .irp    n, 1, 2, 3, 4, 5, 6, 7
        movaps  %xmm0, %xmm\n
        .endr
        ret
        .size   fz_clobber, . - fz_clobber
