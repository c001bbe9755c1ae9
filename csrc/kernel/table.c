// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * table.c - a table's pages: allocated, filled, given back
 *
 * The numbers that a program chose go into the constants, which are zeroed first. The code is
 * filled with padding first, so a processor that runs past the end of a trampoline traps. The code
 * contains no number of the program's, so all its full pages are one and the same page. Earlier
 * contents of a page cannot be read. Blocks have 4096 bytes, whatever the size of a page. Arrays
 * are read once, a block's worth at a time, and the copy that was read is checked and used.
 */
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "trampfd.h"

#define BLOCKS_PER_PAGE (PAGE_SIZE / TRAMPFD_BLOCK)
#define BLOCK_MAX	TRAMPFD_COMPACT_GROUP
#define STUB		(TRAMPFD_BLOCK - TRAMPFD_COMPACT_SIZE)

/* The part of a table to which one block of constants belongs. */
struct block {
	const struct trampfd_arch *arch;
	const struct trampfd_create *arg;
	unsigned int start, count; /* indices */
	u64 data[BLOCK_MAX], code[BLOCK_MAX];
};

static unsigned int tramp_size(const struct trampfd_create *arg)
{
	return arg->flags & TRAMPFD_COMPACT ? TRAMPFD_COMPACT_SIZE : TRAMPFD_TRAMP_SIZE;
}

/* ---- the constants */

static int read_array(u64 *out, u64 array, unsigned int start, unsigned int count)
{
	const u64 __user *from = u64_to_user_ptr(array);

	return copy_from_user(out, from + start, count * sizeof(*out)) ? -EFAULT : 0;
}

static int get_data(struct block *block)
{
	const struct trampfd_create *arg = block->arg;
	unsigned int i;

	if (arg->flags & TRAMPFD_DATA_ARRAY)
		return read_array(block->data, arg->data, block->start, block->count);
	for (i = 0; i < block->count; i++)
		block->data[i] = arg->data + (block->start + i) * arg->stride;
	return 0;
}

static int get_code(struct block *block)
{
	const struct trampfd_create *arg = block->arg;
	unsigned int i;
	int error;

	if (!(arg->flags & TRAMPFD_CODE_ARRAY)) {
		memset64(block->code, arg->code, block->count);
		return 0;
	}
	error = read_array(block->code, arg->code, block->start, block->count);
	for (i = 0; i < block->count && !error; i++)
		if (block->code[i] % block->arch->code_align)
			error = -EINVAL;
		else if (block->code[i] > block->arch->code_max)
			error = -EFAULT;
	return error ?: trampfd_check_targets(block->code, block->count);
}

static void fill_compact(const struct block *block, void *mem)
{
	unsigned int i;

	memcpy(mem, &block->arg->code, sizeof(u64)); /* the stub's */
	for (i = 0; i < block->count; i++) {
		unsigned int at = i * TRAMPFD_COMPACT_SIZE;

		if (at != STUB && block->start + i >= block->arg->first)
			memcpy(mem + at + TRAMPFD_DATA_AT, &block->data[i], sizeof(u64));
	}
}

static void fill_absolute(const struct block *block, void *mem)
{
	unsigned int i;

	for (i = 0; i < block->count; i++, mem += TRAMPFD_TRAMP_SIZE) {
		memcpy(mem + TRAMPFD_DATA_AT, &block->data[i], sizeof(u64));
		memcpy(mem + TRAMPFD_CODE_AT, &block->code[i], sizeof(u64));
	}
}

static int fill_block(struct block *block, void *mem)
{
	int error;

	if (fatal_signal_pending(current))
		return -EINTR;
	cond_resched();
	error = get_data(block) ?: get_code(block);
	if (error)
		return error;
	if (block->arg->flags & TRAMPFD_COMPACT)
		fill_compact(block, mem);
	else
		fill_absolute(block, mem);
	return 0;
}

static int fill_constants(struct trampfd_table *table, const struct trampfd_arch *arch,
			  const struct trampfd_create *arg)
{
	unsigned int n = 0, per_block = TRAMPFD_BLOCK / tramp_size(arg);
	struct block *block = kmalloc(sizeof(*block), GFP_KERNEL);
	int error = 0;

	if (!block)
		return -ENOMEM;
	block->arch = arch;
	block->arg = arg;
	for (block->start = 0; block->start < arg->count && !error; block->start += per_block) {
		struct page *page = table->pages[n / BLOCKS_PER_PAGE];

		block->count = min(per_block, arg->count - block->start);
		error = fill_block(block, page_address(page) + n % BLOCKS_PER_PAGE * TRAMPFD_BLOCK);
		n++;
	}
	kfree(block);
	return error;
}

static int make_constants(struct trampfd_table *table, const struct trampfd_arch *arch,
			  const struct trampfd_create *arg)
{
	unsigned int i;

	for (i = 0; i < table->nr_part; i++) {
		table->pages[i] = alloc_page(TRAMPFD_GFP | __GFP_ZERO);
		if (!table->pages[i])
			return -ENOMEM;
	}
	return fill_constants(table, arch, arg);
}

/* ---- the code */

/* Does each index of the page have its trampoline? All such pages of a table are the same. */
static bool is_full(const struct trampfd_create *arg, unsigned int page)
{
	unsigned int each = PAGE_SIZE / tramp_size(arg);

	return page * each >= arg->first && (page + 1) * each <= arg->count;
}

static unsigned int count_code_pages(const struct trampfd_create *arg, unsigned int nr_part)
{
	unsigned int i, partial = 0;

	for (i = 0; i < nr_part; i++)
		partial += !is_full(arg, i);
	return partial + (partial < nr_part);
}

static void fill_code(void *mem, const struct trampfd_arch *arch, const struct trampfd_create *arg,
		      unsigned int page, long size)
{
	unsigned int each = tramp_size(arg), index = page * (PAGE_SIZE / each);
	unsigned int end = min_t(unsigned int, arg->count, index + PAGE_SIZE / each);
	u32 code_register =
		arg->flags & TRAMPFD_CODE_REGISTER ? arg->code_register : arch->code_register;

	arch->pad(mem, PAGE_SIZE);
	for (; index < end; index++, mem += each) {
		void *stub = TRAMPFD_BLOCK_OF(mem) + STUB;

		if (arg->flags & TRAMPFD_COMPACT)
			arch->stub(stub, size, arg->data_register);
		if (index < arg->first || ((arg->flags & TRAMPFD_COMPACT) && mem == stub))
			continue;
		if (arg->flags & TRAMPFD_COMPACT)
			arch->compact(mem, size, arg->data_register, stub);
		else
			arch->absolute(mem, size, arg->data_register, code_register);
	}
}

static int make_code(struct trampfd_table *table, const struct trampfd_arch *arch,
		     const struct trampfd_create *arg)
{
	struct page **code = table->pages + table->nr_part, *full = NULL;
	unsigned int i;

	for (i = 0; i < table->nr_part; i++) {
		if (full && is_full(arg, i)) {
			get_page(full);
			code[i] = full;
			continue;
		}
		code[i] = alloc_page(TRAMPFD_GFP);
		if (!code[i])
			return -ENOMEM;
		fill_code(page_address(code[i]), arch, arg, i, (long)table->nr_part << PAGE_SHIFT);
		if (is_full(arg, i))
			full = code[i];
	}
	return 0;
}

/**
 * trampfd_table_create - a table of the current process, complete
 * @arch: whose instructions
 * @arg:  checked by the caller, but for what is in arrays
 *
 * Return: the table; ERR_PTR with an errno that trampfd.rst lists for TRAMPFD_CREATE.
 */
struct trampfd_table *trampfd_table_create(const struct trampfd_arch *arch,
					   const struct trampfd_create *arg)
{
	unsigned int nr_part = DIV_ROUND_UP(arg->count, PAGE_SIZE / tramp_size(arg));
	struct trampfd_table *table;
	int error;

	table = kvzalloc(struct_size(table, pages, 2 * nr_part), TRAMPFD_GFP);
	if (!table)
		return ERR_PTR(-ENOMEM);
	table->nr_part = nr_part;
	table->nr_pages = 2 * nr_part;
	table->charged = nr_part + count_code_pages(arg, nr_part);
	table->user = trampfd_charge(table->charged);
	if (IS_ERR(table->user)) {
		error = PTR_ERR(table->user);
		kvfree(table);
		return ERR_PTR(error);
	}
	table->mm = current->mm;
	mmgrab(table->mm);
	error = make_constants(table, arch, arg) ?: make_code(table, arch, arg);
	if (error) {
		trampfd_table_free(table);
		return ERR_PTR(error);
	}
	return table;
}

void trampfd_table_free(struct trampfd_table *table)
{
	unsigned int i;

	for (i = 0; i < table->nr_pages; i++)
		if (table->pages[i])
			put_page(table->pages[i]);
	trampfd_uncharge(table->user, table->charged);
	mmdrop(table->mm);
	kvfree(table);
}
