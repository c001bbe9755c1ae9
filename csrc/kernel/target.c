// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * target.c - which code a trampoline may lead to
 *
 * A trampoline may lead only to code that is mapped from a file and unchanged, while nobody can
 * write to it through a mapping or a descriptor. The check is made once, when the table is made. It
 * does not stop a program from writing code to a file first, nor anybody from changing the file,
 * the mapping or (with a debugger) its pages later; see trampfd.rst, "What is left".
 */
#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/sched.h>

#include "trampfd.h"

static int check_mapping(const struct vm_area_struct *vma)
{
	const struct inode *inode;

	if (!vma->vm_file)
		return -EACCES;
	inode = file_inode(vma->vm_file);
	/* Not in an internal file system of the kernel: a memfd, shared memory, another table. */
	if (!S_ISREG(inode->i_mode) || (inode->i_sb->s_flags & SB_KERNMOUNT))
		return -EACCES;
	if (!(vma->vm_flags & VM_EXEC) || (vma->vm_flags & (VM_WRITE | VM_SHARED | VM_MAYSHARE)))
		return -EACCES;
	/* Somebody wrote to it, or it was writable: relocations, a debugger's breakpoint. */
	if (vma->anon_vma)
		return -EACCES;
	return inode_is_open_for_write(inode) ? -ETXTBSY : 0;
}

/**
 * trampfd_check_targets - may trampolines of the current process lead to these addresses?
 * @code:  addresses
 * @count: how many
 *
 * Return: 0, -EFAULT (nothing is mapped there), -EACCES, -ETXTBSY, -EINTR.
 */
int trampfd_check_targets(const u64 *code, unsigned int count)
{
	struct mm_struct *mm = current->mm;
	const struct vm_area_struct *vma = NULL;
	unsigned int i;
	int error = 0;

	if (mmap_read_lock_killable(mm))
		return -EINTR;
	for (i = 0; i < count && !error; i++) {
		if (vma && code[i] >= vma->vm_start && code[i] < vma->vm_end)
			continue;
		vma = find_vma(mm, code[i]);
		if (!vma || code[i] < vma->vm_start)
			error = -EFAULT;
		else
			error = check_mapping(vma);
	}
	mmap_read_unlock(mm);
	return error;
}
