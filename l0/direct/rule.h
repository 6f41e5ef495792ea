/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * May this vCPU's next instruction run directly? First VMware's rule (Bugnion and others, "Bringing Virtualization to the x86 Architecture with
 * the Original VMware Workstation", ACM TOCS 2012), in its order, of a few registers; then what else of the CPU's state a monitor
 * (monitor.h) can't have, or L1 wants to see. The rule is about faithfulness; whether it pays is user_policy.h's business.
 *
 * Where this is stricter than VMware's: virtual-8086 code needs a mode that a 64-bit CPU's monitor hasn't got, and CPL 1 and 2 could
 * reach supervisor pages. VMware's segments that can't be reversed are here those that KVM can't give.
 */
#ifndef L0_DIRECT_RULE_H
#define L0_DIRECT_RULE_H

#include "../cpu/vcpu.h"

/* name, why code that is in this state is translated */
/* clang-format off */
#define RULES(R) \
	R(real_mode,   "CR0.PE is 0")                                                                    \
	R(v8086,       "virtual-8086 mode")                                                              \
	R(interrupts,  "IOPL >= CPL, or RFLAGS.IF is 0")                                                 \
	R(privileged,  "CPL 1 or 2")                                                                     \
	R(segments,    "a segment register holds what KVM can't give it")                                \
	R(paging,      "CR0.PG is 0")                                                                    \
	R(mode,        "16-bit code, or code or stack segments that aren't flat, or a kind of code that doesn't run natively") \
	R(stack,       "RSP isn't canonical, which makes a KVM without VT interpret the code")            \
	R(debugging,   "RFLAGS.TF, a breakpoint, or the monitor trap flag")                              \
	R(fpu,         "CR0.EM, CR0.TS, or no CR4.OSFXSR")                                               \
	R(control,     "a bit of CR0, CR4 or EFER means something to CPL 3 that KVM can't do")           \
	R(intercepts,  "L1 wants every PAUSE of L2")
/* clang-format on */

enum rule {
	RULE_DIRECT, /* none forbids it */
#define R(name, text) RULE_##name,
	RULES(R)
#undef R
		RULE_COUNT
};

/* What VMware's rule looks at */
struct rule_state {
	bool pe, vm, interrupts; /* CR0.PE, RFLAGS.VM, RFLAGS.IF */
	u8 iopl, cpl;
	u8 segments; /* a bit for each of ES..GS (enum sreg) that can't be had */
};

/* VMware's rule, RULE_DIRECT or up to RULE_segments. Pure: its truth table is tested. */
enum rule rule_vmware(const struct rule_state *s);

/* What the host's KVM can't do: of struct kvm_probe */
struct rule_host {
	bool user32; /* compatibility mode runs natively */
	bool follows_syscall; /* EFER.SCE = 0 makes SYSCALL fault */
	bool follows_xcr0; /* XCR0, and with it CR4.OSXSAVE, are the guest's */
	bool follows_fsgsbase; /* CR4.FSGSBASE = 0 is obeyed */
};

/* The rest. Called when rule_vmware() has no objection. */
enum rule rule_rest(const struct vcpu *v, const struct rule_host *host);

/* RULE_stack alone, for an RSP that isn't in *v */
bool rule_stack_fits(const struct vcpu *v, u64 rsp);

/* Both, `segments` as in struct rule_state */
enum rule rule_decide(const struct vcpu *v, const struct rule_host *host, u8 segments);

#endif
