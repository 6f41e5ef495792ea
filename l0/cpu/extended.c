/* SPDX-License-Identifier: GPL-2.0-or-later */
/* XCR0 and PKRU: registers that have an instruction each. */
#include "../vmx/vmx.h"
#include "control.h"
#include "fpu.h"
#include "insn.h"
#include "model.h"

u64 control_xcr0_offered(const struct cpu_model *m)
{
	u64 offered = XSTATE_X87 | XSTATE_SSE;

	if (model_has(m, FEATURE_AVX))
		offered |= XSTATE_AVX;
	if (model_has(m, FEATURE_PKU))
		offered |= XSTATE_PKRU;
	return offered;
}

/* what XSAVE would find in use: SDM vol. 1, "Processor Tracking of XSAVE-Managed State" */
static u64 xinuse(const struct vcpu *v)
{
	struct fpu_image image;
	u64 used;

	fpu_get(v, &image);
	used = image.xstate_bv;
	if (image.mxcsr != MXCSR_INIT)
		used |= XSTATE_SSE;
	if (v->pkru)
		used |= XSTATE_PKRU;
	return used;
}

void insn_xgetbv(struct vcpu *v, union insn_args a)
{
	u32 number = (u32)v->gpr[RCX];
	u64 value;

	(void)a;
	if (!(v->cr4 & CR4_OSXSAVE))
		raise_ud(v);
	if (number > 1 || (number == 1 && !model_has(v->model, FEATURE_XGETBV1)))
		raise_gp(v, 0);
	value = v->xcr0;
	if (number == 1)
		value &= xinuse(v);
	v->gpr[RAX] = (u32)value;
	v->gpr[RDX] = value >> 32;
}

void insn_xsetbv(struct vcpu *v, union insn_args a)
{
	u64 value = (u32)v->gpr[RAX] | v->gpr[RDX] << 32;

	(void)a;
	if (!(v->cr4 & CR4_OSXSAVE))
		raise_ud(v);
	if (v->in_l2)
		vmx_on_insn(v, VMX_INSN_XSETBV); /* before all other faults */
	vmx_served(v, EXIT_REASON_XSETBV);
	if (v->cpl || (u32)v->gpr[RCX])
		raise_gp(v, 0);
	if (!(value & XSTATE_X87) || (value & ~control_xcr0_offered(v->model)))
		raise_gp(v, 0);
	if ((value & XSTATE_AVX) && !(value & XSTATE_SSE))
		raise_gp(v, 0);
	v->xcr0 = value;
	vcpu_update_mode(v);
}

void insn_rdpkru(struct vcpu *v, union insn_args a)
{
	(void)a;
	if (!(v->cr4 & CR4_PKE))
		raise_ud(v);
	if ((u32)v->gpr[RCX])
		raise_gp(v, 0);
	v->gpr[RAX] = v->pkru;
	v->gpr[RDX] = 0;
}

void insn_wrpkru(struct vcpu *v, union insn_args a)
{
	(void)a;
	if (!(v->cr4 & CR4_PKE))
		raise_ud(v);
	if ((u32)v->gpr[RCX] || (u32)v->gpr[RDX])
		raise_gp(v, 0);
	control_set_pkru(v, (u32)v->gpr[RAX]);
}

/* In L2 alone: elsewhere the host executes them in place. SDM vol. 2, "RDRAND", "RDSEED" */
static void set_random(struct vcpu *v, union insn_args a, u64 value, bool valid)
{
	u64 mask = a.size == 2 ? 0xffff : a.size == 4 ? 0xffffffff : UINT64_MAX;

	if (!valid)
		value = 0;
	v->gpr[a.rm] = a.size == 2 ? (v->gpr[a.rm] & ~mask) | (value & mask) : value & mask;
	v->rflags = (v->rflags & ~FLAG_ARITH) | (valid ? FLAG_CF : 0);
}

void insn_rdrand(struct vcpu *v, union insn_args a)
{
	u64 value;
	bool valid;

	if (v->in_l2)
		vmx_on_insn(v, VMX_INSN_RDRAND);
	__asm__ volatile("rdrand %0\n\tsetc %1" : "=r"(value), "=qm"(valid) : : "cc");
	set_random(v, a, value, valid);
}

void insn_rdseed(struct vcpu *v, union insn_args a)
{
	u64 value;
	bool valid;

	if (v->in_l2)
		vmx_on_insn(v, VMX_INSN_RDSEED);
	__asm__ volatile("rdseed %0\n\tsetc %1" : "=r"(value), "=qm"(valid) : : "cc");
	set_random(v, a, value, valid);
}
