/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between user.c and user_general.c, which is compiled without vector registers. */
#ifndef L0_DIRECT_USER_INTERNAL_H
#define L0_DIRECT_USER_INTERNAL_H

#include "user.h"

#define DIRECT_LONGEST_NS 1000000000u /* without a timer, too, somebody has a look now and then */
/* Behind a stay that an interrupt has ended: so many slices at the most are of so many instructions. */
#define RETURN_SLICES 64
#define RETURN_SLICE 1024

/* The decision has been made. rest_ns: for so long at the most. False: with nothing done, translate. */
bool user_run(struct direct_vcpu *d, u64 rest_ns);

#endif
