/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The part of the turtles target that runs while the guest's vector state may be in the host's registers. */
#ifndef L0_BT_TESTS_FUZZ_BT_LOOP_H
#define L0_BT_TESTS_FUZZ_BT_LOOP_H

#include "../../cpu/vcpu.h"

enum fuzz_bt_end {
	FUZZ_BT_HANDLER, /* an exception was delivered: CPL 0, rip is its handler */
	FUZZ_BT_TRIPLE_FAULT,
	FUZZ_BT_INACTIVE, /* halted without an exception */
	FUZZ_BT_ENDLESS,
};

/* Run user code from where *v says, until it raises an exception or doesn't seem to end. The vector state is parked. */
enum fuzz_bt_end fuzz_bt_loop(struct vcpu *v);

#endif
