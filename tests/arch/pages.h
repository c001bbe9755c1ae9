/* SPDX-License-Identifier: MIT */
/* pages.h - how many addresses and sizes pages.c has looked at */
#ifndef FS_PAGES_H
#define FS_PAGES_H

#include <stddef.h>
#include <stdint.h>

extern unsigned long pages_checked;

#endif
