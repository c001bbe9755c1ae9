/* SPDX-License-Identifier: MIT */
/* hop.S - LoongArch: load the register that the user named, jump to the user's code (arch/hop_lp64.h)
 */
#include "arch.h"
#include "ops.h"
#include "arch/hop_lp64.h"
