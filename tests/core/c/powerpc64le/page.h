/* SPDX-License-Identifier: MIT */
/* page.h - ppc64le: a trampoline of stamp.c's templates; r12 is its own address */
#define PAGE_STUB(word) "1: addis 3, 12, (" word " - 1b)@ha\n ld 3, (" word " - 1b)@l(3)\n blr\n"
