/* SPDX-License-Identifier: MIT */
/* entry.S - RISC-V: how C enters a closure (arch/entry_lp64.h) */
#include "arch.h"
#include "ops.h"
#include "arch/entry_lp64.h"
