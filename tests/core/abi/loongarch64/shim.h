/* SPDX-License-Identifier: MIT */
/* shim.h - how many registers the call shim looks after: s0-s8, fp, fs0-fs7 (../lp64/shim.h) */
#ifndef FZ_SHIM_H
#define FZ_SHIM_H

#include "../lp64/shim.h"

#define FZ_SAVED 18

#endif /* FZ_SHIM_H */
