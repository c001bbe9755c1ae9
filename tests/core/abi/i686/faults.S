/* SPDX-License-Identifier: MIT */
/* faults.S - thunks that break one promise each of the psABI of i386 */
#include "../faults.h"

        .bss
word:
        .long   0

        .text
        .macro  HERE r                  /* r = where this is */
        call    7f
7:      popl    %\r
        .endm
        .macro  FAULT name
        THUNK   \name
        endbr32
        HERE    eax
        popl    ret_to - 7b(%eax)
        call    *fz_real - 7b(%eax)
        .endm
        .macro  DONE                    /* spent: ecx */
        HERE    ecx
        pushl   ret_to - 7b(%ecx)
        ret
        .endm

        .irp    reg, ebx, esi, edi, ebp
        FAULT   \reg
        not     %\reg
        DONE
        .endr

        FAULT   mxcsr
        HERE    ecx
        stmxcsr word - 7b(%ecx)
        xorl    $0x2000, word - 7b(%ecx)
        ldmxcsr word - 7b(%ecx)
        DONE

        FAULT   cw
        HERE    ecx
        fnstcw  word - 7b(%ecx)
        xorl    $0x0400, word - 7b(%ecx)
        fldcw   word - 7b(%ecx)
        DONE

        FAULT   df
        std
        DONE

        FAULT   esp
        HERE    ecx
        sub     $16, %esp
        jmp     *ret_to - 7b(%ecx)

        FAULT   x87
        fld1
        DONE

        FAULT   eax                     /* the hidden pointer, or the result itself */
        not     %eax
        DONE

        FAULT   st0                     /* the sign of a floating result */
        fchs
        DONE

        FAULT   extend                  /* right in the low 16 bits, wrong above */
        xor     $0xaaaa0000, %eax
        DONE

        FAULT   canary                  /* find the guard above the arguments and hit it */
        pushl   %edx
        HERE    ecx
        movl    fz_magic - 7b(%ecx), %edx
        movl    fz_frame - 7b(%ecx), %ecx
        pushl   164(%ecx)               /* 0 in a plain call: there is no guard */
        leal    8(%esp), %ecx
1:      cmpl    (%esp), %ecx
        jae     3f
        cmpl    (%ecx), %edx
        je      2f
        addl    $4, %ecx
        jmp     1b
2:      notl    (%ecx)
3:      addl    $4, %esp
        popl    %edx
        DONE

        FAULTS  ebx, esi, edi, ebp, mxcsr, cw, df, esp, x87, eax, st0, extend, canary
