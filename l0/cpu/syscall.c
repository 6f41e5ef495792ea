/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SYSCALL, SYSRET, SYSENTER, SYSEXIT: SDM vol. 2 under each name, and for models of AMD's the AMD64 Architecture
 * Programmer's Manual, vol. 3. The segments are flat by definition; no descriptor is read.
 *
 *                        Intel                      AMD
 *   SYSCALL, SYSRET      64-bit mode only           every mode: compatibility mode enters at CSTAR, legacy mode at STAR's EIP
 *   SYSRET's SS          loaded                     only the selector; the rest stays
 *   SYSRET to a bad RIP  #GP of the SYSRET          #GP at the target
 *   SYSENTER, SYSEXIT    every protected mode       legacy mode only
 */
#include "model.h"
#include "transfer.h"

#define STAR_SYSCALL(star) ((u16)((star) >> 32))
#define STAR_SYSRET(star) ((u16)((star) >> 48))

#define TYPE_CODE64 (AR_CODE | AR_L)
#define TYPE_CODE32 (AR_CODE | AR_DB)
#define TYPE_STACK AR_DB

static void set_segments(struct vcpu *v, u16 cs, u32 code_type, u16 ss, unsigned int cpl)
{
	segment_set_flat(&v->seg[CS], cs, code_type, cpl);
	segment_set_flat(&v->seg[SS], ss, TYPE_STACK, cpl);
	v->cpl = cpl;
}

/* Without EFER.LMA: the way in that AMD's processors have had before there was a 64-bit mode. */
static void syscall_legacy(struct vcpu *v, u16 cs)
{
	v->gpr[RCX] = (u32)v->next_rip;
	v->rflags &= ~(FLAG_VM | FLAG_IF | FLAG_RF);
	set_segments(v, cs, TYPE_CODE32, cs + 8, 0);
	v->next_rip = (u32)v->star;
	vcpu_update_mode(v);
}

void insn_syscall(struct vcpu *v, union insn_args a)
{
	u16 cs = STAR_SYSCALL(v->star) & ~3u;
	bool amd = model_is_amd(v->model), from64 = vcpu_64bit(v);

	(void)a;
	if (!(v->efer & EFER_SCE) || (!from64 && !amd))
		raise_ud(v);
	if (!vcpu_long_mode(v)) {
		syscall_legacy(v, cs);
		return;
	}
	v->gpr[RCX] = v->next_rip;
	v->gpr[R11] = v->rflags & ~FLAG_RF;
	v->rflags = (v->rflags & ~(v->fmask | FLAG_RF)) | FLAG_1;
	set_segments(v, cs, TYPE_CODE64, cs + 8, 0);
	v->next_rip = from64 ? v->lstar : v->cstar;
	vcpu_update_mode(v);
}

static void sysret_stack(struct vcpu *v, u16 selector)
{
	if (!model_is_amd(v->model)) {
		segment_set_flat(&v->seg[SS], selector | 3, TYPE_STACK, 3);
		return;
	}
	v->seg[SS].sel = selector;
	v->seg[SS].ar |= 3u << AR_DPL_SHIFT; /* stands for CPL here */
}

void insn_sysret(struct vcpu *v, union insn_args a)
{
	u16 base = STAR_SYSRET(v->star);
	bool amd = model_is_amd(v->model), from64 = vcpu_64bit(v);

	if (!(v->efer & EFER_SCE) || (!from64 && !amd))
		raise_ud(v);
	if (v->cpl || !vcpu_protected(v))
		raise_gp(v, 0);
	/* at CPL 0, with the user's RSP: the difference to other vendors */
	if (a.size == 8 && !amd && !mmu_canonical(v, v->gpr[RCX]))
		raise_gp(v, 0);
	if (from64)
		v->rflags = (v->gpr[R11] & SYSRET_FLAGS) | FLAG_1;
	else
		v->rflags |= FLAG_IF;
	if (a.size == 8) {
		v->next_rip = v->gpr[RCX];
		segment_set_flat(&v->seg[CS], (base + 16) | 3, TYPE_CODE64, 3);
	} else {
		v->next_rip = (u32)v->gpr[RCX];
		segment_set_flat(&v->seg[CS], base | 3, TYPE_CODE32, 3);
	}
	sysret_stack(v, base + 8);
	v->cpl = 3;
	vcpu_update_mode(v);
}

static void sysenter_offered(struct vcpu *v)
{
	if (model_is_amd(v->model) && vcpu_long_mode(v))
		raise_ud(v);
}

void insn_sysenter(struct vcpu *v, union insn_args a)
{
	u16 cs = v->sysenter_cs & ~3u;
	bool wide = vcpu_long_mode(v);

	(void)a;
	sysenter_offered(v);
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

	sysenter_offered(v);
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
