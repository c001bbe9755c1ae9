/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR MIT */
/*
 * trampfd.h - the ioctls of /dev/trampfd
 *
 * A trampoline puts the address of some data into a register and jumps to static code. With this
 * device the kernel writes trampolines: a program describes a table of them, gets a file
 * descriptor, and maps the table's two parts side by side: first the constants (the addresses that
 * the program chose), readable and never executable, then the code, readable and executable. Nobody
 * can write to either part afterwards, not even the program itself or its debugger. The code
 * contains no address that the program chose.
 *
 *	int dev = open("/dev/trampfd", O_RDONLY | O_CLOEXEC);
 *	struct trampfd_create arg = { .size = sizeof(arg), ... };
 *	int fd = ioctl(dev, TRAMPFD_CREATE, &arg);
 *	size_t size = TRAMPFD_CODE_SIZE(arg.count, page_size);
 *	char *at = mmap(NULL, 2 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
 *	mmap(at, size, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0);
 *	at += size;
 *	mmap(at, size, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, fd, size);
 *	close(fd);
 *
 * Now at + TRAMPFD_OFFSET(i) is trampoline i.
 *
 * Documentation/userspace-api/trampfd.rst (here: trampfd.rst) tells the whole story, with every
 * error. Numbers are in the machine's byte order; "block" always means 4096 bytes, whatever the
 * size of a page is.
 */
#ifndef _UAPI_LINUX_TRAMPFD_H
#define _UAPI_LINUX_TRAMPFD_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define TRAMPFD_VERSION 1

/*
 * Both ioctls are extensible: `size` is the caller's sizeof. The ioctl numbers contain no size, so
 * they stay the same when the structs grow.
 */
#define TRAMPFD_IOC_MAGIC 0xB9
#define TRAMPFD_CREATE	  _IO(TRAMPFD_IOC_MAGIC, 0x40) /* struct trampfd_create: a new fd */
#define TRAMPFD_INFO	  _IO(TRAMPFD_IOC_MAGIC, 0x41) /* struct trampfd_info: 0 */

/*
 * The constants and the code have the same size, and the code is mapped right behind the constants.
 * `size` below is that size: the distance between a trampoline and its constants. Besides the
 * registers, it is the only number in the code that depends on what a program asks for.
 *
 * The absolute form, which is the default: 32 bytes a trampoline, each with its own code address.
 * All trampolines of a table are the same 32 bytes.
 *
 *	x86-64					arm64
 *	endbr64					bti	c
 *	mov	. - size + 16, %R		ldr	R, . - size + 16
 *	jmp	*. - size + 24			ldr	x16, . - size + 24
 *	int3 ...				br	x16
 *						brk	#0 ...
 * or, with TRAMPFD_CODE_REGISTER (arm64: instead of x16)
 *	mov	. - size + 24, %C		ldr	C, . - size + 24
 *	jmp	*%C				br	C
 *
 *	RISC-V					s390x
 *	lpad	0				lgrl	R, . - size + 16
 *	auipc	R; ld R, . - size + 16		lgrl	%r1, . - size + 24
 *	auipc	t3; ld t3, . - size + 24	br	%r1
 *	jr	t3				(zeros)
 *	ebreak ...
 *	ppc64le (r12 is where we are)
 *	addis	R, r12; ld R, 16 - size
 *	addis	r12, r12; ld r12, 24 - size
 *	mtctr	r12; bctr
 *	trap ...
 *	LoongArch
 *	pcaddi	R; ld.d R, . - size + 16
 *	pcaddi	t1; ld.d t1, . - size + 24
 *	jr	t1
 *	break	0 ...				32-bit ARM, of programs on arm64
 *	i386, of programs on x86-64		sub	ip, pc, #size
 *	endbr32; nop; call 1f; 1: pop %eax	ldr	R, [ip, #8]
 *	mov	6 - size(%eax), %R		ldr	ip, [ip, #16]
 *	mov	14 - size(%eax), %eax		bx	ip
 *	jmp	*%eax				udf	#0 ...
 *
 * where `.` is the trampoline's own address, and all operands are relative to the PC. With
 * TRAMPFD_CODE_REGISTER C takes the place of t3, t1, %r1, r12, %eax and ip, too (Power: what C gets
 * is loaded first). A 32-bit program's constants have 64 bits, of which the lower half counts.
 * Trampoline i's constants are bytes 32 * i + 16 (data) and 32 * i + 24 (code) of the
 * constants.
 */
#define TRAMPFD_BLOCK	   4096
#define TRAMPFD_TRAMP_SIZE 32
/* Where trampoline i begins, in bytes from the start of the code. */
#define TRAMPFD_OFFSET(i) ((i) * (__u64)TRAMPFD_TRAMP_SIZE)
/*
 * How many bytes of code `count` trampolines have, and how many bytes of constants. Each part is
 * mapped whole, the constants from offset 0, the code from this offset. fstat() gives the sum.
 */
#define TRAMPFD_CODE_SIZE(count, page_size) _TRAMPFD_PAGES(TRAMPFD_OFFSET(count), page_size)

/*
 * The compact form (TRAMPFD_COMPACT): 16 bytes a trampoline, one code address for all. Index i's
 * trampoline is byte 16 * i of the code. The last index of each block (i % 256 == 255) is a hole:
 * in place of a trampoline it has the block's stub, through which the block's other 255 trampolines
 * jump. A hole's data is not read. Holes count in `count`. The stub of the last block is in the
 * block's last 16 bytes, even if the block is not full. Indices below `first`, and those from
 * `count` on, are padding.
 *
 *	x86-64					arm64
 *	endbr64					bti	c
 *	mov	. - size + 16, %R		ldr	R, . - size + 16
 *	jmp	stub	(rel32)			b	stub
 *						brk	#0
 * stub:
 *	jmp	*. - size - 4080		ldr	x16, . - size - 4080
 *	int3 ...				br	x16
 *						brk	#0 ...
 *
 *	RISC-V					s390x
 *	lpad	0				lgrl	R, . - size + 16
 *	auipc	R; ld R, . - size + 16		jg	stub
 *	j	stub				(zeros)
 * stub:
 *	auipc	t3; ld t3, . - size - 4080	lgrl	%r1, . - size - 4080
 *	jr	t3				br	%r1
 *	ebreak					(zeros)
 *
 *	LoongArch
 *	pcaddi	R; ld.d R, . - size + 16	stub:
 *	b	stub				pcaddi	t1; ld.d t1, . - size - 4080
 *	break	0				jr	t1
 *
 *	ppc64le
 *	addis	R, r12; ld R, 16 - size		stub:
 *	clrrdi	r12, r12, 12			addis	r12, r12; ld r12, -size
 *	b	stub				mtctr	r12; bctr
 *
 *	i386					32-bit ARM
 *	endbr32; nop; call 1f; 1: pop %eax	sub	ip, pc, #size
 *	jmp	stub	(rel32)			ldr	R, [ip, #8]
 *						b	stub
 * stub:					udf	#0
 *	mov	6 - size(%eax), %R		sub	ip, pc, #size
 *	andw	$0xf000, %ax			ldr	ip, [ip, #-4088]
 *	jmp	*-size(%eax)			bx	ip
 *						udf	#0
 *
 * So index i's data is bytes 16 * (i + 1) and following of the constants, and the first 8 bytes of
 * each block of the constants are the code's address. All full blocks of a table are the same.
 */
#define TRAMPFD_COMPACT_SIZE	  16
#define TRAMPFD_COMPACT_GROUP	  256 /* of which the last is the hole */
#define TRAMPFD_COMPACT_OFFSET(i) ((i) * (__u64)TRAMPFD_COMPACT_SIZE)
#define TRAMPFD_COMPACT_CODE_SIZE(count, page_size) \
	_TRAMPFD_PAGES(TRAMPFD_COMPACT_OFFSET(count), page_size)

/* Bytes, not 0, rounded up to pages. */
#define _TRAMPFD_PAGES(bytes, page_size) (1 + ((-1 + (bytes)) | (-1 + (__u64)(page_size))))

/* Where a trampoline's constants are, in bytes from the trampoline's address less `size`. */
#define TRAMPFD_DATA_AT 16
#define TRAMPFD_CODE_AT 24 /* not compact */

/* Bits of trampfd_create.flags. Unknown ones: EINVAL. */
#define TRAMPFD_COMPACT	      (1U << 0) /* the compact form */
#define TRAMPFD_CODE_ARRAY    (1U << 1) /* `code` points at a __u64 for each; not compact */
#define TRAMPFD_DATA_ARRAY    (1U << 2) /* `data` points at a __u64 for each */
#define TRAMPFD_CODE_REGISTER (1U << 3) /* `code_register` counts; not compact */

/*
 * Registers, by their numbers in the machine's instructions: any general-purpose register except
 * the stack pointer. There is no default.
 *
 * The psABIs' spare registers are R10 and X17, T1, R0 and R11, and of 32-bit programs ECX. All
 * machines but x86-64 always spend a register on the jump: without TRAMPFD_CODE_REGISTER X16,
 * T3, R1, R12, T1, EAX or IP, which then cannot be the data register. Neither can X0 of RISC-V
 * and R0 of LoongArch, which are zero, nor R0 of Power; and R0 of s390x cannot be the code
 * register. Power spends CTR, too. I386's compact form spends the flags as well. BR through X16 and
 * X17 may arrive at `bti c`; through any other, code in a guarded page must begin with `bti j` or
 * `jc`.
 */
#define TRAMPFD_X86_RAX	   0
#define TRAMPFD_X86_RCX	   1
#define TRAMPFD_X86_RDX	   2
#define TRAMPFD_X86_RBX	   3
#define TRAMPFD_X86_RBP	   5
#define TRAMPFD_X86_RSI	   6
#define TRAMPFD_X86_RDI	   7
#define TRAMPFD_X86_R(n)   (n) /* 8 to 15 */
#define TRAMPFD_ARM64_X(n) (n) /* 0 to 30 */
#define TRAMPFD_RISCV_X(n) (n) /* 1, 3 to 31 */
#define TRAMPFD_S390_R(n)  (n) /* 0 to 14 */
#define TRAMPFD_PPC_R(n)   (n) /* 2 to 31 */
#define TRAMPFD_LOONG_R(n) (n) /* 1, 2, 4 to 31 */
#define TRAMPFD_ARM_R(n)   (n) /* 0 to 12, 14; i386: as on x86-64, to 7 */

/**
 * struct trampfd_create - a table of trampolines
 * @size:          sizeof(struct trampfd_create) as the caller knows it. Less than
 *                 TRAMPFD_CREATE_SIZE_V0: EINVAL. If it is more than this kernel knows, the rest
 *                 must be zero, else E2BIG. More than a page: E2BIG.
 * @flags:         TRAMPFD_COMPACT, TRAMPFD_CODE_ARRAY, TRAMPFD_DATA_ARRAY, TRAMPFD_CODE_REGISTER
 * @count:         trampolines (with TRAMPFD_COMPACT: indices, holes counted). 0: EINVAL; more than
 *                 trampfd_info.max_count: EOVERFLOW.
 * @first:         with TRAMPFD_COMPACT: indices below it get no trampoline, and their data is not
 *                 read. Not below @count: EINVAL. Without TRAMPFD_COMPACT: must be 0.
 * @data_register: the register that gets the data's address. No such register, or the stack
 *                 pointer, or the one that holds the code's address: EINVAL.
 * @code_register: with TRAMPFD_CODE_REGISTER: the register that gets the code's address; the jump
 *                 goes through it. Without: must be 0.
 * @code:          the address to jump to; with TRAMPFD_CODE_ARRAY a pointer to @count of them.
 *                 Code must lie in the caller's memory in a mapping of a file that is
 *                 executable, not writable, not shared, and was never written to (copied):
 *                 EACCES; unmapped: EFAULT; the file is open for writing: ETXTBSY. A memfd,
 *                 which its owner could write to unseen, is no such file, nor is another
 *                 table: EACCES. On arm64, ppc64le and LoongArch a multiple of 4, on RISC-V and
 *                 s390x of 2: EINVAL. Of a 32-bit program below 4 GiB: EFAULT.
 * @data:          the address of trampoline 0's data; with TRAMPFD_DATA_ARRAY a pointer to @count
 *                 addresses. Nothing need be mapped there: R may get any number of 64 bits.
 * @stride:        bytes between the data of one trampoline and the next, modulo 2^64; may be 0.
 *                 With TRAMPFD_DATA_ARRAY: must be 0.
 *
 * Fields that must be 0 and are not: EINVAL. Arrays have @count elements, whatever @first is.
 */
struct trampfd_create {
	__u32 size;
	__u32 flags;
	__u32 count;
	__u32 first;
	__u32 data_register;
	__u32 code_register;
	__u64 code;
	__u64 data;
	__u64 stride;
};

#define TRAMPFD_CREATE_SIZE_V0 48 /* first published */

/**
 * struct trampfd_info - what this kernel can do, and how much is left
 * @size:           in: sizeof(struct trampfd_info) as the caller knows it; less than
 *                  TRAMPFD_INFO_SIZE_V0: EINVAL; more than a page: E2BIG. Out: what the kernel
 *                  knows. The smaller of both is written, and the caller's rest zeroed.
 * @version:        TRAMPFD_VERSION
 * @machine:        whose instructions, as in ELF: EM_X86_64 (62), EM_AARCH64 (183), EM_RISCV (243),
 *                  EM_S390 (22), EM_PPC64 (21), EM_LOONGARCH (258); to a 32-bit program EM_386 (3)
 *                  or EM_ARM (40)
 * @flags:          the flags that TRAMPFD_CREATE takes
 * @max_count:      the most trampolines in one table
 * @page_size:      in bytes; mappings are whole pages
 * @data_registers: bit n: register n can be the data register
 * @code_registers: bit n: register n can be the code register
 * @user_pages:     pages that the caller's user has in tables, of all processes
 * @user_limit:     how many there may be before EDQUOT; ~0 for a user who may have any number
 *                  (CAP_SYS_RESOURCE)
 */
struct trampfd_info {
	__u32 size;
	__u32 version;
	__u32 machine;
	__u32 flags;
	__u32 max_count;
	__u32 page_size;
	__u64 data_registers;
	__u64 code_registers;
	__u64 user_pages;
	__u64 user_limit;
};

#define TRAMPFD_INFO_SIZE_V0 56 /* first published */

/*
 * Errors.
 *
 * open("/dev/trampfd")
 *   ENOENT, ENXIO  no such device here	EACCES  its mode was changed (it is 0666)
 *   ENOMEM
 *
 * Both ioctls
 *   ENOTTY      not one of the two
 *   EOPNOTSUPP  by way of a 32-bit system call, where no such code is written: Power, RISC-V,
 *               LoongArch, s390x
 *   EFAULT      the struct cannot be read (or written)
 *   EINVAL      `size` is below the first published
 *   E2BIG       `size` is more than a page; TRAMPFD_CREATE: the part that this kernel does not
 *               know is not zero
 *
 * TRAMPFD_CREATE. The struct's own fields are checked first, in this order, down to ETXTBSY of a
 * single code address. The elements of an array are checked while the table is written, after
 * EDQUOT and ENOMEM. The descriptor is allocated last (EMFILE), when the table is complete.
 *   EINVAL      an unknown flag, two flags that exclude each other, a field that must be 0 and is
 *               not, a count of 0, `first` not below it, a register that cannot be used, or (not on
 *               x86) a code address that is not aligned
 *   EOVERFLOW   count is more than max_count
 *   EFAULT      an array cannot be read, or nothing is mapped at a code address
 *   EACCES      what is mapped at a code address is not a private, executable, never writable
 *               mapping of a file, with no page of it copied: writable, shared or anonymous memory,
 *               a memfd, the vDSO, another table, text with relocations or a debugger's breakpoints
 *   ETXTBSY     the file with the code is open for writing
 *   EDQUOT      it would be more pages than the caller's user may have
 *   ENOMEM      no memory, or no more of it in the caller's memory cgroup. (The cgroup's OOM killer
 *               may act, too: on what any new descriptor takes, as with open())
 *   EMFILE, ENFILE  no free descriptor
 *   EINTR       a fatal signal came in between
 *
 * mmap() of the new descriptor: of the constants, and of the code right behind them. After any of
 * these errors except ENOMEM it can be tried again. If several apply, any of them may be returned.
 *   EINVAL      not one of the two parts, whole (offset 0 or `size`, length `size`), not
 *               MAP_PRIVATE, not PROT_READ, or the code without PROT_EXEC
 *   EACCES      PROT_WRITE, or the constants with PROT_EXEC (also when that is only implied, by
 *               personality(READ_IMPLIES_EXEC))
 *   EPERM       another process than the one that made the table: a fork's child, a process that
 *               received the descriptor, or the same process after exec
 *   EADDRNOTAVAIL  neither MAP_FIXED nor MAP_FIXED_NOREPLACE; or the code would begin where its
 *               constants do not end
 *   EBUSY       the part was mapped before. Each part can be mapped once, even if it was unmapped
 *   ENOMEM      no memory, or too many mappings. The part may count as mapped then: make another
 *
 * Of each of the two mappings
 *   mprotect()  with PROT_WRITE: EACCES. The constants with PROT_EXEC: EACCES. Of a part: EINVAL
 *   munmap()    of a part: EINVAL. mmap() with MAP_FIXED over a part: EINVAL, or (6.1) ENOMEM
 *   mremap()    larger: EFAULT. Everything else that would move or change it: EINVAL; nothing moves
 *   ptrace(), /proc/pid/mem: writing fails (EIO), process_vm_writev(): EFAULT
 */

#endif /* _UAPI_LINUX_TRAMPFD_H */
