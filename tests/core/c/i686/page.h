/* SPDX-License-Identifier: MIT */
/* page.h - i386: a trampoline of stamp.c's templates, which asks where it is */
#define PAGE_STUB(word) "call 1f\n 1: popl %eax\n movl " word " - 1b(%eax), %eax\n ret\n"
