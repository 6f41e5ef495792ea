/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SYSCALL, SYSRET, SYSENTER, SYSEXIT as Intel's processors do them: SDM vol. 2 under each name. The
 * segments are flat by definition; no descriptor is read.
 */
#include "transfer.h"

#define STAR_SYSCALL(star) ((u16)((star) >> 32))
#define STAR_SYSRET(star) ((u16)((star) >> 48))
#define SYSRET_FLAGS 0x3c7fd7ull /* of R11: all but RF, VM and what is reserved */

#define TYPE_CODE64 (AR_CODE | AR_L)
#define TYPE_CODE32 (AR_CODE | AR_DB)
#define TYPE_STACK AR_DB

static void set_segments(struct vcpu *v, u16 cs, u32 code_type, u16 ss, unsigned int cpl)
{
	segment_set_flat(&v->seg[CS], cs, code_type, cpl);
	segment_set_flat(&v->seg[SS], ss, TYPE_STACK, cpl);
	v->cpl = cpl;
}

void insn_syscall(struct vcpu *v, union insn_args a)
{
	u16 cs = STAR_SYSCALL(v->star) & ~3u;

	(void)a;
	if (!(v->efer & EFER_SCE) || !vcpu_64bit(v))
		raise_ud(v);
	v->gpr[RCX] = v->next_rip;
	v->gpr[R11] = v->rflags & ~FLAG_RF;
	v->rflags = (v->rflags & ~(v->fmask | FLAG_RF)) | FLAG_1;
	set_segments(v, cs, TYPE_CODE64, cs + 8, 0);
	v->next_rip = v->lstar;
	vcpu_update_mode(v);
}

void insn_sysret(struct vcpu *v, union insn_args a)
{
	u16 base = STAR_SYSRET(v->star);

	if (!(v->efer & EFER_SCE) || !vcpu_64bit(v))
		raise_ud(v);
	if (v->cpl)
		raise_gp(v, 0);
	/* at CPL 0, with the user's RSP: the difference to other vendors */
	if (a.size == 8 && !mmu_canonical(v, v->gpr[RCX]))
		raise_gp(v, 0);
	v->rflags = (v->gpr[R11] & SYSRET_FLAGS) | FLAG_1;
	if (a.size == 8) {
		v->next_rip = v->gpr[RCX];
		set_segments(v, (base + 16) | 3, TYPE_CODE64, (base + 8) | 3, 3);
	} else {
		v->next_rip = (u32)v->gpr[RCX];
		set_segments(v, base | 3, TYPE_CODE32, (base + 8) | 3, 3);
	}
	vcpu_update_mode(v);
}

void insn_sysenter(struct vcpu *v, union insn_args a)
{
	u16 cs = v->sysenter_cs & ~3u;
	bool wide = vcpu_long_mode(v);

	(void)a;
	if (!vcpu_protected(v) || !cs)
		raise_gp(v, 0);
	v->rflags &= ~(FLAG_VM | FLAG_IF | FLAG_RF);
	v->gpr[RSP] = wide ? v->sysenter_esp : (u32)v->sysenter_esp;
	v->next_rip = wide ? v->sysenter_eip : (u32)v->sysenter_eip;
	set_segments(v, cs, wide ? TYPE_CODE64 : TYPE_CODE32, cs + 8, 0);
	vcpu_update_mode(v);
}

void insn_sysexit(struct vcpu *v, union insn_args a)
{
	u16 base = v->sysenter_cs & ~3u;

	if (!vcpu_protected(v) || !base || v->cpl)
		raise_gp(v, 0);
	if (a.size == 8) {
		if (!mmu_canonical(v, v->gpr[RCX]) || !mmu_canonical(v, v->gpr[RDX]))
			raise_gp(v, 0);
		v->gpr[RSP] = v->gpr[RCX];
		v->next_rip = v->gpr[RDX];
		set_segments(v, (base + 32) | 3, TYPE_CODE64, (base + 40) | 3, 3);
	} else {
		v->gpr[RSP] = (u32)v->gpr[RCX];
		v->next_rip = (u32)v->gpr[RDX];
		set_segments(v, (base + 16) | 3, TYPE_CODE32, (base + 24) | 3, 3);
	}
	vcpu_update_mode(v);
}
