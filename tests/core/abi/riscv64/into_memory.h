/* SPDX-License-Identifier: MIT */
/* into_memory.h - RISC-V: call what returns a struct in memory (../lp64/into_memory.h) */
#include "../lp64/into_memory.h"
