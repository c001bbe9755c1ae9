/* SPDX-License-Identifier: MIT */
/* page.h - AArch64: a trampoline of stamp.c's templates; the data is within 1 MiB */
#define PAGE_STUB(word) "hint 34 /* bti c */\n ldr x0, " word "\n ret\n"
