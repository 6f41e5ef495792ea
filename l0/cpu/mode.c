/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "mode.h"

#include "../vmx/vmx.h"
#include "insn.h"
#include "tlb.h"

static bool flat(const struct segment *s, bool writable)
{
	u32 need = AR_P | AR_S | AR_WRITABLE;

	return s->base == 0 && s->limit == UINT32_MAX &&
	       (s->ar & (need | AR_CODE | AR_EXPAND_DOWN | AR_UNUSABLE)) == need && writable;
}

static bool flat_code(const struct segment *s)
{
	return s->base == 0 && s->limit == UINT32_MAX;
}

/* What follows from control registers alone, which change far less often than CPL and flags do */
static u32 control_mode(struct vcpu *v)
{
	u32 mode = 0;

	if (v->mode_from.mode && v->mode_from.cr0 == v->cr0 && v->mode_from.cr4 == v->cr4 && v->mode_from.xcr0 == v->xcr0)
		return v->mode_from.mode;
	if (v->cr0 & CR0_PE)
		mode |= MODE_PE;
	if (v->cr0 & (CR0_EM | CR0_TS))
		mode |= MODE_FPU_TRAP;
	if ((v->cr0 & CR0_MP) && (v->cr0 & CR0_TS))
		mode |= MODE_WAIT_TRAP;
	if ((v->cr0 & CR0_EM) || !(v->cr4 & CR4_OSFXSR))
		mode |= MODE_NO_SSE;
	if (v->cr0 & CR0_TS)
		mode |= MODE_TS;
	if (v->cr0 & CR0_EM)
		mode |= MODE_EM;
	if (!(v->cr4 & CR4_OSXSAVE) || (v->xcr0 & 6) != 6)
		mode |= MODE_NO_AVX;
	if (v->cr4 & CR4_SMAP)
		mode |= MODE_SMAP;
	v->mode_from.cr0 = v->cr0;
	v->mode_from.cr4 = v->cr4;
	v->mode_from.xcr0 = v->xcr0;
	v->mode_from.mode = mode;
	return mode;
}

void vcpu_update_mode(struct vcpu *v)
{
	u32 mode = control_mode(v);
	bool pe = v->cr0 & CR0_PE, vm86 = v->rflags & FLAG_VM, long64;

	if (!pe)
		v->cpl = 0;
	else if (vm86)
		v->cpl = 3;
	else
		v->cpl = v->seg[SS].ar >> AR_DPL_SHIFT & 3;

	long64 = vcpu_64bit(v) && pe && !vm86;
	if (long64)
		mode |= MODE_CS64 | MODE_FLAT_CS | MODE_FLAT_DS | MODE_FLAT_ES | MODE_FLAT_SS;
	else {
		if (v->seg[CS].ar & AR_DB)
			mode |= MODE_CS32;
		if (v->seg[SS].ar & AR_DB)
			mode |= MODE_SS32;
		if (flat_code(&v->seg[CS]))
			mode |= MODE_FLAT_CS;
		if (flat(&v->seg[DS], true))
			mode |= MODE_FLAT_DS;
		if (flat(&v->seg[ES], true))
			mode |= MODE_FLAT_ES;
		if (flat(&v->seg[SS], true))
			mode |= MODE_FLAT_SS;
	}
	v->code_base = long64 ? 0 : v->seg[CS].base;
	if (pe && vm86)
		mode |= MODE_VM86;
	if (v->cpl == 3)
		mode |= MODE_CPL3;
	else if (v->cpl)
		mode |= MODE_CPL12;
	mode |= tlb_view(v, mmu_data(v, ACC_READ)) << MODE_VIEW_SHIFT;
	if (v->rflags & FLAG_TF)
		mode |= MODE_TF;
	if (v->cpl == 3 && (v->cr0 & CR0_AM) && (v->rflags & FLAG_AC))
		mode |= MODE_ALIGN;
	if (v->dr[7] & 0xff)
		mode |= MODE_BREAK;
	if (v->cpl == 3 && (v->cr4 & CR4_TSD))
		mode |= MODE_TSD;
	if (v->in_l2)
		mode |= MODE_L2 | (has_monitor_trap_flag(&v->vmx->v02) ? MODE_MTF : 0);
	if (pe && ((v->rflags & FLAG_IOPL) >> 12) < v->cpl)
		mode |= MODE_SLOW_IF;

	/* Entries made without breakpoints know nothing of them. */
	if (mode & MODE_BREAK)
		mmu_flush_all(v);
	v->mode = mode;
	v->kernel_seen |= v->cpl != 3;
	if (v->cpl == 3 && !v->user_seen) {
		v->user_seen = true; /* the run loop notes the time */
		vcpu_leave_soon(v);
	}
}

/* SDM vol. 2, "STAC", "CLAC" */
static void set_ac(struct vcpu *v, bool ac)
{
	if (v->cpl || (v->rflags & FLAG_VM))
		raise_ud(v);
	v->rflags = ac ? v->rflags | FLAG_AC : v->rflags & ~FLAG_AC;
	vcpu_update_mode(v);
}

void insn_stac(struct vcpu *v, union insn_args a)
{
	(void)a;
	set_ac(v, true);
}

void insn_clac(struct vcpu *v, union insn_args a)
{
	(void)a;
	set_ac(v, false);
}
