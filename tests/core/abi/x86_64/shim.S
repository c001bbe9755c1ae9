/* SPDX-License-Identifier: MIT */
/* shim.S - stands between a compiled caller and the closure, and takes nothing on trust
 *
 * It may not move the stack, since the callee finds its arguments there: the return address is
 * taken off into the frame (shim.h) and the call puts its own in the same place, so the callee
 * sees exactly the caller's outgoing arguments.
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
        .quad   0
call_to:
        .quad   0

        .text
/* void fz_shim(...)   In: fz_frame, all argument registers.  Out: the callee's results. */
        .globl  fz_shim
        .type   fz_shim, @function
fz_shim:
        endbr64
        mov     fz_frame(%rip), %r11
        popq    8(%r11)
        mov     %rsp, 16(%r11)
        mov     %rdi, 24(%r11)
        mov     %rbx, 40(%r11)
        mov     %rbp, 48(%r11)
        mov     %r12, 56(%r11)
        mov     %r13, 64(%r11)
        mov     %r14, 72(%r11)
        mov     %r15, 80(%r11)
        stmxcsr 204(%r11)
        fnstcw  214(%r11)
        ldmxcsr 200(%r11)
        fldcw   212(%r11)
        .irp    n, 0, 1, 2, 3, 4, 5, 6, 7
        movhps  272(%r11), %xmm\n
        .endr
        .irp    n, 8, 9, 10, 11, 12, 13, 14, 15
        movups  272(%r11), %xmm\n
        .endr
        mov     88(%r11), %rbx
        mov     96(%r11), %rbp
        mov     104(%r11), %r12
        mov     112(%r11), %r13
        mov     120(%r11), %r14
        mov     128(%r11), %r15
        mov     (%r11), %rax
        mov     %rax, call_to(%rip)
        mov     216(%r11), %rax
        mov     224(%r11), %r10
        mov     232(%r11), %r11
        call    *call_to(%rip)
        mov     fz_frame(%rip), %r11
        mov     %rsp, 184(%r11)
        mov     16(%r11), %rsp
        pushfq
        popq    192(%r11)
        cld
        mov     %rax, 32(%r11)
        mov     %rbx, 136(%r11)
        mov     %rbp, 144(%r11)
        mov     %r12, 152(%r11)
        mov     %r13, 160(%r11)
        mov     %r14, 168(%r11)
        mov     %r15, 176(%r11)
        stmxcsr 208(%r11)
        fnstenv 240(%r11)
        /* Count intact canaries now: once the caller returns, its arguments' place is anyone's.
         * rdi = where, rsi = end, r8 = found, r9 = the canary's eight words */
        mov     16(%r11), %rdi
        mov     288(%r11), %rsi
        lea     fz_guard(%rip), %r9
        xor     %r8d, %r8d
1:      cmp     %rsi, %rdi
        jae     4f
        mov     $8, %ecx
2:      mov     -8(%r9, %rcx, 8), %r10
        cmp     %r10, -8(%rdi, %rcx, 8)
        jne     3f
        dec     %ecx
        jnz     2b
        inc     %r8
3:      add     $8, %rdi
        jmp     1b
4:      mov     %r8, 296(%r11)
        ldmxcsr 204(%r11)
        fldcw   214(%r11)
        mov     40(%r11), %rbx
        mov     48(%r11), %rbp
        mov     56(%r11), %r12
        mov     64(%r11), %r13
        mov     72(%r11), %r14
        mov     80(%r11), %r15
        pushq   8(%r11)
        ret
        .size   fz_shim, . - fz_shim

/* void fz_clobber(void)   Kept: only what the psABI demands. */
        .globl  fz_clobber
        .type   fz_clobber, @function
fz_clobber:
        endbr64
        movabs  $0xc10bbe4ec10bbe4e, %rax
        .irp    r, rcx, rdx, rsi, rdi, r8, r9, r10, r11
        mov     %rax, %\r
        .endr
        movq    %rax, %xmm0
        punpcklqdq %xmm0, %xmm0
        .irp    n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
        movaps  %xmm0, %xmm\n
        .endr
        ret
        .size   fz_clobber, . - fz_clobber
