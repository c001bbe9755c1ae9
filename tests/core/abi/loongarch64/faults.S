/* SPDX-License-Identifier: MIT */
/* faults.S - LoongArch: thunks that break one promise each (../lp64/faults.S) */
#include "names.h"
#include "../lp64/faults.S"

        FAULTS  s0, s1, s2, s3, s4, s5, s6, s7, s8, fp, fs0, fs1, fs2, fs3, fs4, fs5, fs6, fs7, fcsr, fa0, sp, a0, extend, canary
