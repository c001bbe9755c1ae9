/* SPDX-License-Identifier: MIT */
/* kernel.h - just enough of a kernel to compile csrc/kernel/encode_*.c as a program
 *
 * Given to the compiler with -include; the kernel headers that the encoders name are empty files
 * that the test makes. Each name must mean what it means in the kernel.
 */
#ifndef TESTS_KERNEL_H
#define TESTS_KERNEL_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <linux/types.h>

typedef uint8_t u8;
typedef uint32_t u32;
typedef uint64_t u64;
struct file;
struct mm_struct;
struct vm_area_struct;
struct page;

#define __counted_by(member)
#define U32_MAX UINT32_MAX
#define U64_MAX UINT64_MAX
#define BIT_ULL(n) (1ULL << (n))
#define GENMASK_ULL(high, low) (~0ULL >> (63 - (high)) & ~0ULL << (low))
#define cpu_to_le32(x) (x) /* the machines that run the tests are little-endian */

/* compat.h: the newer of both ways compiles without a struct vm_area_struct. */
#define KERNEL_VERSION(a, b, c) (((a) << 16) + ((b) << 8) + (c))
#define LINUX_VERSION_CODE KERNEL_VERSION(6, 12, 0)
static inline void vm_flags_mod(struct vm_area_struct *vma, unsigned long set, unsigned long clear)
{
    (void)vma, (void)set, (void)clear;
}

#endif
