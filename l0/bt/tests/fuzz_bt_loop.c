/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The vCPU loop (run/loop.c) without interrupts. */
#include "fuzz_bt_loop.h"
#include "../../machine/machine.h"
#include "../../cpu/insn.h"
#include "../../direct/direct.h"
#include "../../run/clock.h"
#include "../bt.h"

#define SLICE 4096
/* Ticks of the host's TSC, about 100 ms: longer than the native side lets a case run. A limit in instructions would be far too
 * long for blocks that are left after each instruction. */
#define TICKS_MAX BIT(28)
/* KVM may need tens of milliseconds for new page tables. */
#define TICKS_MAX_DIRECT BIT(32)
/* Code that runs directly is interrupted as a timer would, which may be anywhere: while KVM delivers an exception, too. */
#define DIRECT_NS 100000u

enum fuzz_bt_end fuzz_bt_loop(struct vcpu *v)
{
	const u64 start = __builtin_ia32_rdtsc(), ticks = v->direct ? TICKS_MAX_DIRECT : TICKS_MAX;
	enum fuzz_bt_end end;

	v->insns = 0;
	v->slice = v->budget = 0;
	(void)_setjmp(v->unwind);
	for (;;) {
		bt_unwound(v);
		vcpu_settle(v);
		v->insns += (u64)(v->slice - v->budget);
		v->slice = v->budget = 0;
		if (v->event.valid) {
			if (event_deliver(v))
				continue;
			end = FUZZ_BT_TRIPLE_FAULT;
			break;
		}
		v->delivering.valid = false;
		if (v->cpl == 0) {
			end = FUZZ_BT_HANDLER;
			break;
		}
		if (v->activity != ACTIVITY_ACTIVE) {
			end = FUZZ_BT_INACTIVE;
			break;
		}
		if (__builtin_ia32_rdtsc() - start > ticks) {
			end = FUZZ_BT_ENDLESS;
			break;
		}
		v->slice = v->budget = SLICE;
		if (!v->direct || !direct_run(v, clock_ns(&v->machine->clock) + DIRECT_NS))
			bt_run(v);
	}
	vcpu_fpu_park(v);
	return end;
}
