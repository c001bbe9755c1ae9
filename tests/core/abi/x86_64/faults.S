/* SPDX-License-Identifier: MIT */
/* faults.S - thunks that call the real closure and then break one promise of the psABI
 *
 * The fuzzer's self-test puts each between shim and closure and demands that the checks name it.
 * In: fz_real, the closure's code; the caller's arguments.  Not reentrant.
 */
        .section .note.GNU-stack, "", @progbits
        .bss
        .balign 8
        .globl  fz_real
fz_real:
        .quad   0
ret_to:
        .quad   0
word:
        .quad   0

        .text
        .macro  FAULT name
        .globl  fault_\name
        .type   fault_\name, @function
fault_\name:
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

        .macro  ROW name
        .quad   9f, fault_\name
        .section .rodata
9:      .string "\name"
        .section .data.rel.ro, "aw"
        .endm
        .section .data.rel.ro, "aw"
        .balign 8
        .globl  fz_faults
fz_faults:
        .irp    name, rbx, rbp, r12, r13, r14, r15, mxcsr, cw, df, rsp, x87, rax, xmm0, extend, canary
        ROW     \name
        .endr
        .quad   0, 0
