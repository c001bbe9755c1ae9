/* SPDX-License-Identifier: MIT */
/* shim.h - how many registers the call shim looks after: s0-s11, fs0-fs11 (../lp64/shim.h) */
#ifndef FZ_SHIM_H
#define FZ_SHIM_H

#include "../lp64/shim.h"

#define FZ_SAVED 24

#endif /* FZ_SHIM_H */
