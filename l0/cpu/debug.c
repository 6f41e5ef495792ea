/* SPDX-License-Identifier: GPL-2.0-or-later */
/* MOV to and from debug registers: SDM vol. 3, "Debug Registers". */
#include "../vmx/vmx.h"
#include "insn.h"
#include "mmu.h"

#define DR6_WRITABLE (DR6_BREAKPOINTS | DR6_BD | DR6_BS | DR6_BT)
#define DR7_WRITABLE 0xffff23ffull /* not 10 (one), 11 (RTM isn't offered), 12, 14, 15 */
#define DR7_ENABLED 0xffull /* L0, G0 ... L3, G3 */
#define DR7_RW_SHIFT 16 /* R/W0; four bits on for each further breakpoint */

/* Does some breakpoint watch data? Pages with one must not be in the TLB. */
static bool watches_data(const struct vcpu *v)
{
	for (unsigned int i = 0; i < 4; i++)
		if ((v->dr[7] >> i * 2 & 3) && (v->dr[7] >> (DR7_RW_SHIFT + i * 4) & 3))
			return true;
	return false;
}

/* Returns the register, aliases resolved, after all checks. */
static unsigned int check_dr(struct vcpu *v, unsigned int dr)
{
	if (dr > 7)
		raise_ud(v);
	if (dr == 4 || dr == 5) {
		if (v->cr4 & CR4_DE)
			raise_ud(v);
		dr += 2;
	}
	if (v->cpl)
		raise_gp(v, 0);
	if (v->dr[7] & DR7_GD) {
		v->pending_db |= DR6_BD;
		raise_exception(v, VEC_DB);
	}
	return dr;
}

void insn_mov_from_dr(struct vcpu *v, union insn_args a)
{
	unsigned int dr = check_dr(v, a.reg);
	u64 value;

	if (v->in_l2)
		vmx_on_dr(v, a.reg, a.rm, true);
	value = v->dr[dr];
	v->gpr[a.rm] = vcpu_64bit(v) ? value : (u32)value;
}

void insn_mov_to_dr(struct vcpu *v, union insn_args a)
{
	u64 value = vcpu_64bit(v) ? v->gpr[a.rm] : (u32)v->gpr[a.rm];
	unsigned int dr = check_dr(v, a.reg);
	bool watched = watches_data(v);

	if (v->in_l2)
		vmx_on_dr(v, a.reg, a.rm, false);
	if (dr >= 6 && value >> 32)
		raise_gp(v, 0);
	switch (dr) {
	case 6:
		v->dr[6] = DR6_FIXED | (value & DR6_WRITABLE);
		return;
	case 7:
		value = DR7_FIXED | (value & DR7_WRITABLE);
		break;
	}
	if (v->dr[dr] == value)
		return;
	v->dr[dr] = value;
	if (watched || watches_data(v))
		mmu_flush_all(v);
	if (dr == 7 || (v->dr[7] & DR7_ENABLED))
		vcpu_update_mode(v);
}
