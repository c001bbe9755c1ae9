/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * trampfd.h - the interfaces between the parts of the module
 *
 *	device.c	/dev/trampfd: the ioctls, what is wrong with a struct, loading and unloading
 *	table.c		a table's pages: allocated, filled and given back
 *	file.c		the descriptor of a table, and the one mapping of each part
 *	target.c	which code a trampoline may lead to
 *	account.c	how many pages a user has
 *	encode_*.c	the instructions of one architecture
 *
 * A table is complete before its descriptor exists, and is never written to afterwards. So only
 * `mapped` needs a lock.
 */
#ifndef TRAMPFD_H
#define TRAMPFD_H

#include <linux/gfp.h>
#include <linux/mm_types.h>
#include <linux/types.h>
#include <uapi/linux/trampfd.h>
#include "compat.h"

struct file;
struct trampfd_arch;
struct trampfd_user;

#define TRAMPFD_FLAGS \
	(TRAMPFD_COMPACT | TRAMPFD_CODE_ARRAY | TRAMPFD_DATA_ARRAY | TRAMPFD_CODE_REGISTER)
/* 512 KiB of code and as much of constants: within reach of an arm64 load, and filled quickly. */
#define TRAMPFD_MAX_COUNT 16384
/* Charged to the cgroup. When the cgroup is full, the caller gets an error: no task is killed. */
#define TRAMPFD_GFP (GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL | __GFP_NOWARN)

/**
 * struct trampfd_table - the trampolines behind one descriptor
 * @mm:       the address space that made the table and may map it. mmgrab() keeps another one from
 *            getting the same address; mmget() would keep the memory of a process that has ended.
 * @user:     the account that is charged for the pages
 * @mapped:   bit n: part n has been mapped
 * @charged:  how many pages there are, each counted once
 * @nr_part:  how many pages each part takes in memory maps
 * @nr_pages: twice @nr_part
 * @pages:    the constants, then the code, of which all full pages are one and the same
 */
struct trampfd_table {
	struct mm_struct *mm;
	struct trampfd_user *user;
	unsigned long mapped;
	unsigned int charged;
	unsigned int nr_part;
	unsigned int nr_pages;
	struct page *pages[] __counted_by(nr_pages);
};

/* table.c: the struct must have been checked. ERR_PTR with a documented errno. */
struct trampfd_table *trampfd_table_create(const struct trampfd_arch *arch,
					   const struct trampfd_create *arg);
void trampfd_table_free(struct trampfd_table *table);

/* file.c: a file that owns the table, unless ERR_PTR. Only while trampfd_file_pin() is held. */
struct file *trampfd_file_create(struct trampfd_table *table);
int trampfd_file_pin(void);
void trampfd_file_unpin(void);

/* target.c: may trampolines of this process lead to all of these? 0 or a documented errno. */
int trampfd_check_targets(const u64 *code, unsigned int count);

/* account.c */
struct trampfd_user *trampfd_charge(unsigned int pages);
void trampfd_uncharge(struct trampfd_user *user, unsigned int pages);
void trampfd_usage(u64 *pages, u64 *limit);

/**
 * struct trampfd_arch - whose instructions are written, and how
 * @machine:        as in ELF
 * @flags:          those of TRAMPFD_CREATE that there are
 * @registers:      bit n: n can be loaded
 * @code_registers: bit n: and jumped through
 * @code_register:  used when none is named; ~0: none
 * @code_align:     of code addresses
 * @code_max:       the largest code address
 * @pad:            fill with what traps when it is run
 * @absolute:       load the data from the constants, and jump to the code's address beside it
 * @compact:        load the data from the constants, and jump to `stub`
 * @stub:           jump to the address that is the first constant of its block
 *
 * Code is written where the kernel sees it; all of it is relative to the PC, so it runs wherever it
 * is mapped, as long as its constants are `size` bytes before it. No number goes into it but the
 * registers' and `size`. What the last three write is at most 32, 16 and 16 bytes.
 */
struct trampfd_arch {
	u32 machine;
	u32 flags;
	u64 registers;
	u64 code_registers;
	u32 code_register;
	u32 code_align;
	u64 code_max;
	void (*pad)(void *at, size_t size);
	void (*absolute)(void *at, long size, u32 data_register, u32 code_register);
	void (*compact)(void *at, long size, u32 data_register, const void *stub);
	void (*stub)(void *at, long size, u32 data_register);
};

/* Where the block of 4096 bytes begins that `at` is in. */
#define TRAMPFD_BLOCK_OF(at) ((void *)((unsigned long)(at) & ~(TRAMPFD_BLOCK - 1UL)))

extern const struct trampfd_arch trampfd_native;
/* Of programs that make 32-bit system calls; where there are such (TRAMPFD_COMPAT). */
extern const struct trampfd_arch trampfd_compat;

#endif
