/* SPDX-License-Identifier: MIT */
/* entry.S - LoongArch: how C enters a closure (arch/entry_lp64.h) */
#include "arch.h"
#include "ops.h"
#include "arch/entry_lp64.h"
