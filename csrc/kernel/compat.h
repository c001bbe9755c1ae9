/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * compat.h - what differs between the kernels that the one source is for: 6.1 to 7.2
 *
 * Every check of the kernel's version is here. In a kernel's own tree this file is not needed: the
 * lines for that kernel move to where they are used.
 */
#ifndef TRAMPFD_COMPAT_H
#define TRAMPFD_COMPAT_H

#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/version.h>

/* Since 6.3 a mapping's flags are changed under its lock, through functions. */
#if KERNEL_VERSION(6, 3, 0) > LINUX_VERSION_CODE
static inline void trampfd_change_flags(struct vm_area_struct *vma, unsigned long set,
					unsigned long clear)
{
	vma->vm_flags = (vma->vm_flags | set) & ~clear;
}
#else
static inline void trampfd_change_flags(struct vm_area_struct *vma, unsigned long set,
					unsigned long clear)
{
	vm_flags_mod(vma, set, clear);
}
#endif

/* Whose 32-bit system calls there is code for: encode_i386.c, encode_arm32.c. */
#if defined(CONFIG_IA32_EMULATION) || \
	(defined(CONFIG_ARM64) && defined(CONFIG_COMPAT) && !defined(CONFIG_CPU_BIG_ENDIAN))
#define TRAMPFD_COMPAT 1
#endif
#ifdef CONFIG_X86_64
#include <asm/compat.h>
#define TRAMPFD_IS_X32 in_x32_syscall()
#else
#define TRAMPFD_IS_X32 false
#endif

/*
 * What the architecture has to say of an address that is asked for. s390 grows its page tables here
 * when it is the first to need a level more; others say nothing.
 */
static inline unsigned long trampfd_arch_area(struct file *file, unsigned long addr,
					      unsigned long len, unsigned long pgoff,
					      unsigned long flags)
{
#ifndef CONFIG_S390
	return addr;
#elif KERNEL_VERSION(6, 9, 0) > LINUX_VERSION_CODE
	return current->mm->get_unmapped_area(file, addr, len, pgoff, flags);
#elif KERNEL_VERSION(6, 19, 0) > LINUX_VERSION_CODE
	return mm_get_unmapped_area(current->mm, file, addr, len, pgoff, flags);
#else
	return mm_get_unmapped_area(file, addr, len, pgoff, flags);
#endif
}

/* Since 6.6. */
#ifndef __counted_by
#define __counted_by(member)
#endif

#endif
