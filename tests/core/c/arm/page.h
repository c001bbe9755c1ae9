/* SPDX-License-Identifier: MIT */
/* page.h - ARM: a trampoline of stamp.c's templates, with the distance to its data */
#define PAGE_BEGIN ".arm\n"
#define PAGE_STUB(word)                                                                            \
    "ldr r0, [pc, #4]\n ldr r0, [pc, r0]\n bx lr\n .word " word " - (. - 8 + 8)\n"
