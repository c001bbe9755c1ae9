// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * file.c - the descriptor of a table, and the one mapping of each of its parts
 *
 * A table's file needs an inode in a file system from which code may be mapped. The file system of
 * anonymous inodes does not allow this (SB_I_NOEXEC, which mmap() checks since 6.17). Its inodes
 * are also private, and SELinux treats mappings of private inodes as anonymous memory: executing
 * them would need execmem, the very permission that W^X systems withhold. So the module has a
 * pseudo file system of its own, which is never visible in a path. Open devices pin the file
 * system, and so do tables, through their files' paths. The file system in turn holds the module,
 * so the module cannot be unloaded before the last table is gone.
 *
 * Neither mapping can ever be written to: without VM_MAYWRITE no mprotect() makes it writable, and
 * no forced write (ptrace, /proc/pid/mem) makes a copy of it. The constants, which the program
 * chooses, can never be executed: without VM_MAYEXEC no mprotect() makes them executable. The code
 * is mapped last, and only right behind its own constants, so code is never there without them.
 */
#include <linux/dcache.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/fs_context.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/pseudo_fs.h>

#include "trampfd.h"

#define TRAMPFD_SUPER_MAGIC 0x54524d50 /* "TRMP" */

static const char table_name[] = "anon_inode:[trampfd]";

/* ---- the mappings */

enum { PART_CONSTANTS, PART_CODE };

static vm_fault_t table_fault(struct vm_fault *vmf)
{
	const struct trampfd_table *table = vmf->vma->vm_private_data;

	if (vmf->pgoff >= table->nr_pages)
		return VM_FAULT_SIGBUS;
	vmf->page = table->pages[vmf->pgoff];
	get_page(vmf->page);
	return 0;
}

/* A part is unmapped whole or not at all: in a hole, something else could be mapped. */
static int table_may_split(struct vm_area_struct *vma, unsigned long addr)
{
	return -EINVAL;
}

/*
 * The kernel calls this when it has already moved the mapping, and moves it back after a refusal.
 * In between, other threads could call the code at the new address. So table_area() refuses first,
 * and this is the second check.
 */
static int table_mremap(struct vm_area_struct *vma)
{
	return -EINVAL;
}

static const struct vm_operations_struct table_vm_ops = {
	.fault = table_fault,
	.may_split = table_may_split,
	.mremap = table_mremap,
};

/* Do the table's constants end at that address, where its code is about to begin? */
static bool is_behind_constants(const struct trampfd_table *table, unsigned long addr)
{
	const struct vm_area_struct *before = find_vma(table->mm, addr - 1);

	return before && before->vm_ops == &table_vm_ops && before->vm_private_data == table &&
	       !before->vm_pgoff && before->vm_end == addr;
}

/* May the current process map these pages of the table there? */
static int check_place(const struct trampfd_table *table, unsigned long addr, unsigned long pgoff,
		       unsigned long pages)
{
	unsigned int part = pgoff ? PART_CODE : PART_CONSTANTS;

	if (current->mm != table->mm)
		return -EPERM;
	if (pgoff != part * table->nr_part || pages != table->nr_part)
		return -EINVAL;
	if (part == PART_CODE && !is_behind_constants(table, addr))
		return -EADDRNOTAVAIL;
	return test_bit(part, &table->mapped) ? -EBUSY : 0;
}

/* May the part be mapped with these rights? */
static int check_rights(unsigned long flags, unsigned int part)
{
	if ((flags & VM_WRITE) || (part == PART_CONSTANTS && (flags & VM_EXEC)))
		return -EACCES;
	if (!(flags & VM_READ) || (part == PART_CODE && !(flags & VM_EXEC)))
		return -EINVAL;
	return flags & (VM_SHARED | VM_MAYSHARE) ? -EINVAL : 0;
}

static int table_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct trampfd_table *table = file->private_data;
	unsigned int part = vma->vm_pgoff ? PART_CODE : PART_CONSTANTS;
	int error = check_place(table, vma->vm_start, vma->vm_pgoff, vma_pages(vma));

	if (!error)
		error = check_rights(vma->vm_flags, part);
	if (error)
		return error;
	if (test_and_set_bit(part, &table->mapped))
		return -EBUSY;
	trampfd_change_flags(vma, VM_DONTEXPAND,
			     VM_MAYWRITE | VM_MAYSHARE | (part == PART_CODE ? 0 : VM_MAYEXEC));
	vma->vm_private_data = table;
	vma->vm_ops = &table_vm_ops;
	return 0;
}

/*
 * The parts must lie side by side, so a program names their addresses. mmap() and mremap() call
 * this before they map or move anything. After mremap() the parts would no longer lie side by side;
 * its call is known by its flags, which have no type of mapping. Whatever can be refused is refused
 * here: until 6.12 the kernel unmaps what MAP_FIXED replaces before it calls table_mmap(), and
 * another thread may map something into the hole.
 */
static unsigned long table_area(struct file *file, unsigned long addr, unsigned long len,
				unsigned long pgoff, unsigned long flags)
{
	int error;

	if (!(flags & MAP_TYPE))
		return -EINVAL;
	if (!(flags & MAP_FIXED))
		return -EADDRNOTAVAIL;
	error = check_place(file->private_data, addr, pgoff, PAGE_ALIGN(len) >> PAGE_SHIFT);
	return error ?: trampfd_arch_area(file, addr, len, pgoff, flags);
}

static int table_release(struct inode *inode, struct file *file)
{
	trampfd_table_free(file->private_data);
	return 0;
}

static const struct file_operations table_fops = {
	.owner = THIS_MODULE,
	.get_unmapped_area = table_area,
	.mmap = table_mmap,
	.release = table_release,
	.llseek = noop_llseek,
};

/* ---- the file system */

/* What /proc/pid/maps shows. */
static char *table_dname(struct dentry *dentry, char *buffer, int size)
{
	if (size < (int)sizeof(table_name))
		return ERR_PTR(-ENAMETOOLONG);
	return memcpy(buffer + size - sizeof(table_name), table_name, sizeof(table_name));
}

static const struct dentry_operations table_dops = {
	.d_dname = table_dname,
};

static int init_fs_context(struct fs_context *fc)
{
	struct pseudo_fs_context *ctx = init_pseudo(fc, TRAMPFD_SUPER_MAGIC);

	if (!ctx)
		return -ENOMEM;
	ctx->dops = &table_dops;
	fc->s_iflags &= ~SB_I_NOEXEC; /* which init_pseudo() sets in newer kernels */
	return 0;
}

static struct file_system_type trampfd_fs_type = {
	.owner = THIS_MODULE,
	.name = "trampfd",
	.init_fs_context = init_fs_context,
	.kill_sb = kill_anon_super,
};

static struct vfsmount *trampfd_mount;
static int trampfd_mount_pins;

/**
 * trampfd_file_pin - make sure that there is a file system for tables
 *
 * Return: 0, and trampfd_file_unpin() is due; a negative errno.
 */
int trampfd_file_pin(void)
{
	return simple_pin_fs(&trampfd_fs_type, &trampfd_mount, &trampfd_mount_pins);
}

void trampfd_file_unpin(void)
{
	simple_release_fs(&trampfd_mount, &trampfd_mount_pins);
}

/* A regular file that its owner may read, and that nobody may change, not even its size or mode. */
static struct inode *create_inode(const struct trampfd_table *table)
{
	struct inode *inode = new_inode(trampfd_mount->mnt_sb);

	if (!inode)
		return NULL;
	inode->i_ino = get_next_ino();
	inode->i_mode = S_IFREG | 0400;
	inode->i_uid = current_fsuid();
	inode->i_gid = current_fsgid();
	inode->i_flags |= S_IMMUTABLE;
	inode->i_size = (loff_t)table->nr_pages << PAGE_SHIFT;
	return inode;
}

/**
 * trampfd_file_create - a file that owns the table
 * @table: whose pages are complete
 *
 * Return: the file, whose release frees the table; ERR_PTR, and the table is still the caller's.
 */
struct file *trampfd_file_create(struct trampfd_table *table)
{
	struct inode *inode = create_inode(table);
	struct file *file;

	if (!inode)
		return ERR_PTR(-ENOMEM);
	/* alloc_file_pseudo() takes the operations as they are; the last fput() puts their module.
	 */
	__module_get(THIS_MODULE);
	file = alloc_file_pseudo(inode, trampfd_mount, table_name, O_RDONLY, &table_fops);
	if (IS_ERR(file)) {
		module_put(THIS_MODULE);
		iput(inode);
		return file;
	}
	file->private_data = table;
	return file;
}
