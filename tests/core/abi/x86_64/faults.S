/* SPDX-License-Identifier: MIT */
/* faults.S - thunks that break one promise each of the psABI of x86-64 */
#include "../faults.h"

        .bss
word:
        .long   0

        .text
        .macro  FAULT name
        THUNK   \name
        endbr64
        popq    ret_to(%rip)
        call    *fz_real(%rip)
        .endm
        .macro  DONE
        push    ret_to(%rip)
        ret
        .endm

        .irp    reg, rbx, rbp, r12, r13, r14, r15
        FAULT   \reg
        not     %\reg
        DONE
        .endr

        FAULT   mxcsr
        stmxcsr word(%rip)
        xorl    $0x2000, word(%rip)
        ldmxcsr word(%rip)
        DONE

        FAULT   cw
        fnstcw  word(%rip)
        xorl    $0x0400, word(%rip)
        fldcw   word(%rip)
        DONE

        FAULT   df
        std
        DONE

        FAULT   rsp
        sub     $16, %rsp
        jmp     *ret_to(%rip)

        FAULT   x87
        fld1
        DONE

        FAULT   rax                     /* the hidden pointer, or the result itself */
        not     %rax
        DONE

        FAULT   xmm0                    /* one bit of a floating result */
        movq    %xmm0, %rcx
        btc     $0, %rcx
        movq    %rcx, %xmm0
        DONE

        FAULT   extend                  /* right in the low 16 bits, wrong above */
        xor     $0xaaaa0000, %eax
        DONE

        FAULT   canary                  /* find the guard above the arguments and hit it */
        mov     fz_frame(%rip), %rcx
        mov     288(%rcx), %r10         /* 0 in a plain call: there is no guard */
        mov     %rsp, %rcx
        mov     fz_magic(%rip), %r11
1:      cmp     %r10, %rcx
        jae     3f
        cmp     (%rcx), %r11
        je      2f
        add     $8, %rcx
        jmp     1b
2:      notq    (%rcx)
3:      DONE

        FAULTS  rbx, rbp, r12, r13, r14, r15, mxcsr, cw, df, rsp, x87, rax, xmm0, extend, canary
