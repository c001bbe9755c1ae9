// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * table.c - a table's pages: allocated, filled with trampolines, given back
 *
 * A page is padding before it is anything else, so that nothing of what was in it before can be
 * read, and falling off the end of a trampoline traps. Blocks are 4096 bytes whatever a page is;
 * arrays are read a block's worth at a time, once, and what was read is what is checked and used.
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

/* The part of a table that one block is. */
struct block {
	const struct trampfd_create *arg;
	unsigned int start, count; /* indices */
	u64 pc;			   /* where a program will see it; compact only */
	u64 data[BLOCK_MAX], code[BLOCK_MAX];
};

static unsigned int block_indices(const struct trampfd_create *arg)
{
	return arg->flags & TRAMPFD_COMPACT ? TRAMPFD_COMPACT_GROUP : TRAMPFD_BLOCK_TRAMPS;
}

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

	if (!(arg->flags & TRAMPFD_CODE_ARRAY))
		return 0;
	error = read_array(block->code, arg->code, block->start, block->count);
	for (i = 0; i < block->count && !error; i++)
		if (block->code[i] % trampfd_arch.code_align)
			error = -EINVAL;
	return error ?: trampfd_check_targets(block->code, block->count);
}

/* Can a program have that address, and a trampoline load it? 0 or -ERANGE. */
int trampfd_check_data(u64 data)
{
	return data < min_t(u64, TASK_SIZE_MAX, trampfd_arch.data_end) ? 0 : -ERANGE;
}

static int fill_compact(const struct block *block, void *mem)
{
	const struct trampfd_create *arg = block->arg;
	unsigned int i, stub = TRAMPFD_BLOCK - TRAMPFD_COMPACT_SIZE;
	int error = trampfd_arch_stub(mem + stub, arg->code);

	for (i = 0; i < block->count && !error; i++) {
		unsigned int at = i * TRAMPFD_COMPACT_SIZE;
		u64 data = block->data[i];

		if (at == stub || block->start + i < arg->first)
			continue;
		error = trampfd_check_data(data);
		if (!error)
			error = trampfd_arch_compact(mem + at, block->pc + at, data,
						     arg->data_register, stub - at);
	}
	return error;
}

static int fill_absolute(const struct block *block, void *mem)
{
	const struct trampfd_create *arg = block->arg;
	bool each = arg->flags & TRAMPFD_CODE_ARRAY;
	u32 code_register = trampfd_arch.code_register;
	void *literal = mem + TRAMPFD_BLOCK - sizeof(u64);
	unsigned int i;
	int error = each ? 0 : trampfd_arch_literal(literal, arg->code);

	if (arg->flags & TRAMPFD_CODE_REGISTER)
		code_register = arg->code_register;
	for (i = 0; i < block->count && !error; i++) {
		void *at = mem + i * TRAMPFD_TRAMP_SIZE;
		u64 data = block->data[i];

		error = trampfd_check_data(data);
		if (each && !error) {
			literal = at + TRAMPFD_TRAMP_SIZE - sizeof(u64);
			error = trampfd_arch_literal(literal, block->code[i]);
		}
		if (!error)
			error = trampfd_arch_absolute(at, data, arg->data_register, literal,
						      code_register);
	}
	return error;
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
	return block->arg->flags & TRAMPFD_COMPACT ? fill_compact(block, mem)
						   : fill_absolute(block, mem);
}

static int fill_pages(struct trampfd_table *table, const struct trampfd_create *arg)
{
	unsigned int n = 0, per_block = block_indices(arg);
	struct block *block = kmalloc(sizeof(*block), GFP_KERNEL);
	int error = 0;

	if (!block)
		return -ENOMEM;
	block->arg = arg;
	block->pc = arg->map_addr;
	for (block->start = 0; block->start < arg->count && !error; block->start += per_block) {
		struct page *page = table->pages[n / BLOCKS_PER_PAGE];

		block->count = min(per_block, arg->count - block->start);
		error = fill_block(block, page_address(page) + n % BLOCKS_PER_PAGE * TRAMPFD_BLOCK);
		block->pc += TRAMPFD_BLOCK;
		n++;
	}
	kfree(block);
	return error;
}

static int alloc_pages_for(struct trampfd_table *table)
{
	unsigned int i;

	for (i = 0; i < table->nr_pages; i++) {
		struct page *page = alloc_page(TRAMPFD_GFP);

		if (!page)
			return -ENOMEM;
		trampfd_arch_pad(page_address(page), PAGE_SIZE);
		table->pages[i] = page;
	}
	return 0;
}

/**
 * trampfd_table_create - a table of the current process, complete
 * @arg: checked by the caller, but for what is in arrays
 *
 * Return: the table; ERR_PTR with an errno that trampfd.rst lists for TRAMPFD_CREATE.
 */
struct trampfd_table *trampfd_table_create(const struct trampfd_create *arg)
{
	unsigned int blocks = DIV_ROUND_UP(arg->count, block_indices(arg));
	unsigned int nr_pages = DIV_ROUND_UP(blocks, BLOCKS_PER_PAGE);
	struct trampfd_table *table;
	int error;

	table = kvzalloc(struct_size(table, pages, nr_pages), TRAMPFD_GFP);
	if (!table)
		return ERR_PTR(-ENOMEM);
	table->nr_pages = nr_pages;
	table->user = trampfd_charge(nr_pages);
	if (IS_ERR(table->user)) {
		error = PTR_ERR(table->user);
		kvfree(table);
		return ERR_PTR(error);
	}
	table->map_addr = arg->map_addr;
	table->mm = current->mm;
	mmgrab(table->mm);
	error = alloc_pages_for(table) ?: fill_pages(table, arg);
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
	trampfd_uncharge(table->user, table->nr_pages);
	mmdrop(table->mm);
	kvfree(table);
}
