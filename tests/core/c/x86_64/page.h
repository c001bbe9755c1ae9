/* SPDX-License-Identifier: MIT */
/* page.h - x86-64: a trampoline of stamp.c's templates */
#define PAGE_STUB(word) "endbr64\n movq " word "(%rip), %rax\n ret\n"
