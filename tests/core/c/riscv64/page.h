/* SPDX-License-Identifier: MIT */
/* page.h - RISC-V: a trampoline of stamp.c's templates */
#define PAGE_BEGIN ".option norelax\n .option norvc\n"
#define PAGE_STUB(word) "1: auipc a0, %pcrel_hi(" word ")\n ld a0, %pcrel_lo(1b)(a0)\n ret\n"
