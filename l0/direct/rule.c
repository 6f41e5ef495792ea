/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rule.h"

#include "../cpu/fpu.h"
#include "../cpu/mode.h"
#include "../vmx/vmx.h"

#define CR4_CET BIT(23)

enum rule rule_vmware(const struct rule_state *s)
{
	if (!s->pe)
		return RULE_real_mode;
	if (s->vm)
		return RULE_v8086;
	if (s->iopl >= s->cpl || !s->interrupts)
		return RULE_interrupts;
	if (s->cpl != 3)
		return RULE_privileged;
	if (s->segments)
		return RULE_segments;
	return RULE_DIRECT;
}

/* SDM vol. 1, "Control-flow Enforcement Technology": user code would see it. Protection keys are in the rights of pages. */
static bool controls_fit(const struct vcpu *v, const struct rule_host *host)
{
	if (!(v->cr0 & CR0_NE) || (v->cr4 & CR4_CET))
		return false;
	if (!host->follows_xcr0 && (!(v->cr4 & CR4_OSXSAVE) || (v->xcr0 & XSTATE_HOST) != XSTATE_HOST))
		return false;
	if (!host->follows_fsgsbase && !(v->cr4 & CR4_FSGSBASE) && vcpu_64bit(v))
		return false;
	return host->follows_syscall || (v->efer & EFER_SCE) || !vcpu_64bit(v);
}

/* Canonical with 48 bits, which the monitor's paging has */
bool rule_stack_fits(const struct vcpu *v, u64 rsp)
{
	return (v->mode & MODE_CS_MASK) != MODE_CS64 || (u64)((s64)(rsp << 16) >> 16) == rsp;
}

enum rule rule_rest(const struct vcpu *v, const struct rule_host *host)
{
	u32 mode = v->mode;

	if (!(v->cr0 & CR0_PG))
		return RULE_paging;
	if ((mode & MODE_CS_MASK) != MODE_CS64 &&
	    ((mode & MODE_CS_MASK) != MODE_CS32 || !host->user32 || !(mode & MODE_FLAT_CS) || !(mode & MODE_FLAT_SS)))
		return RULE_mode;
	if (!rule_stack_fits(v, v->gpr[RSP]))
		return RULE_stack;
	if ((mode & (MODE_TF | MODE_BREAK | MODE_MTF)) || (v->dr[7] & 0xff))
		return RULE_debugging;
	if (mode & (MODE_FPU_TRAP | MODE_NO_SSE))
		return RULE_fpu;
	if (!controls_fit(v, host))
		return RULE_control;
	if (v->in_l2 && has_pause_exiting(&v->vmx->v02))
		return RULE_intercepts;
	return RULE_DIRECT;
}

enum rule rule_decide(const struct vcpu *v, const struct rule_host *host, u8 segments)
{
	const struct rule_state s = {
		.pe = v->cr0 & CR0_PE,
		.vm = v->rflags & FLAG_VM,
		.interrupts = v->rflags & FLAG_IF,
		.iopl = (u8)((v->rflags & FLAG_IOPL) >> 12),
		.cpl = v->cpl,
		.segments = segments,
	};
	enum rule r = rule_vmware(&s);

	return r == RULE_DIRECT ? rule_rest(v, host) : r;
}
