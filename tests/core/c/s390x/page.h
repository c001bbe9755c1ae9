/* SPDX-License-Identifier: MIT */
/* page.h - s390x: a trampoline of stamp.c's templates */
#define PAGE_STUB(word) "lgrl %r2, " word "\n br %r14\n"
