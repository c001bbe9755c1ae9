/* SPDX-License-Identifier: MIT */
/* shim.S - LoongArch: the call shim (../lp64/shim.S) */
#include "names.h"
#include "../lp64/shim.S"
