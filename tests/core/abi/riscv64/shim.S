/* SPDX-License-Identifier: MIT */
/* shim.S - RISC-V: the call shim (../lp64/shim.S) */
#include "names.h"
#include "../lp64/shim.S"
