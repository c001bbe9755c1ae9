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

/* Since 6.6. */
#ifndef __counted_by
#define __counted_by(member)
#endif

#endif
