/* SPDX-License-Identifier: MIT */
/* table.h - making a table, mapping it, calling it, and knowing what must be in it
 *
 * Every test of the module uses this. The bytes of a trampoline are made here a second time, from
 * the header's text and the processors' manuals, so the module is compared with an independent
 * answer.
 */
#ifndef TABLE_H
#define TABLE_H

#include <linux/trampfd.h>
#include "ktest.h"
#include "machine.h" /* of <isa>/ */

/* A table, mapped: its code is the `size` bytes at `at`, its constants as many before. */
struct table {
    struct trampfd_create arg;
    int fd;
    unsigned char *at;
    size_t size;
};

size_t page(void);
/* How many trampolines fill `n` pages of code, in absolute form. */
unsigned in_pages(unsigned n);
/* How many pages the user is charged for a table: all constants, and code that differs. */
uint64_t pages_of(const struct trampfd_create *arg);
/* Open the device again. Fails the test when that is impossible. */
int device(void);
/* A correct struct: one trampoline to target(0), its data &data_at[0], R = DATA_R. */
struct trampfd_create valid(void);
/* The same in compact form. */
struct trampfd_create valid_compact(unsigned count);
/* ioctl(TRAMPFD_CREATE) on a device of its own: the descriptor, or -1 with errno. */
int create(const void *arg);
/* Map both parts correctly, into a reservation. Gives the code's address, or MAP_FAILED when
 * nothing is mapped. */
void *map(int fd, const struct trampfd_create *arg);
/* Room for both parts: where the code would go. */
unsigned char *reserve(const struct trampfd_create *arg);
/* mmap() one part of it, the constants or the code, of the table whose code goes to `code`. */
void *map_constants(int fd, const struct trampfd_create *arg, unsigned char *code);
void *map_code(int fd, const struct trampfd_create *arg, unsigned char *code);
/* The size of each part. */
size_t map_size(const struct trampfd_create *arg);
size_t tramp_offset(const struct trampfd_create *arg, unsigned i);
/* Is index i of that table a trampoline, and neither a hole nor below `first`? */
bool is_tramp(const struct trampfd_create *arg, unsigned i);
/* create() and map(); fails the test otherwise. */
struct table make(const struct trampfd_create *arg);
/* `count` trampolines, the data of each being &data_at[i]. */
struct table make_valid(unsigned count);
/* Every byte of the table is what it should be. */
void check_bytes(const struct table *table);
/* A sample of its trampolines (all, when few) arrive with the right register. */
void check_calls(const struct table *table);
/* Unmap both parts, and close. */
void unmap(struct table *table);

struct trampfd_info info(void);
uint64_t user_pages(void);
/* How many descriptors there are and which are the lowest free ones, in one number. A descriptor
 * that was reserved and never installed is not listed anywhere. */
int open_fds(void);
/* The words of /proc/self/smaps' VmFlags for the mapping at that address. */
bool has_vm_flag(const void *at, const char *flag);
void become_nobody(void);
/* The first address that no program can have. */
uint64_t user_top(void);

/* What `program --as-child name argument` does, after an exec. */
int as_child(const char *name, const char *argument);

/* <isa>/probe.S: code to arrive at, in the program's text, and a caller that fills registers. */
enum { TARGETS = 4 };
extern const char probe_target0[], probe_target1[], probe_target2[], probe_target3[];
const void *target(unsigned i);
extern uint64_t probe_in[32], probe_out[32], probe_flags_in, probe_flags_out, probe_which;
void probe_call(const void *code);

/* Data for trampolines to point at. No code reads it. */
extern char data_at[1 << 16][16];

#endif /* TABLE_H */
