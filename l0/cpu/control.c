/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Control and debug registers, TLB invalidation, and the other system instructions without operands.
 *
 * The soft TLB holds rights, not table entries. So it must be emptied not only where the SDM's "Operations
 * that Invalidate TLBs and Paging-Structure Caches" says, but whenever a bit changes that the walk asked:
 * WP, SMEP, SMAP, PKE, PKS, NXE, PKRU, PKRS.
 */
#include "../devices/irqchip.h"
#include "../vmx/vmx.h"
#include "control.h"
#include "fpu.h"
#include "insn.h"
#include "mmu.h"
#include "../machine/machine.h"
#include "model.h"
#include "paging.h"

#define CR0_DEFINED (CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | CR0_PG)
#define CR3_PCID 0xfffull

#define TSS16_AVAILABLE 1
#define TSS16_BUSY 3

static void require_cpl0(struct vcpu *v)
{
	if (v->cpl)
		raise_gp(v, 0);
}

/* of MOV to and from CR and DR: the operand size is the mode's, prefixes don't count */
static u64 get_operand(const struct vcpu *v, unsigned int gpr)
{
	return vcpu_64bit(v) ? v->gpr[gpr] : (u32)v->gpr[gpr];
}

static void set_operand(struct vcpu *v, unsigned int gpr, u64 value)
{
	v->gpr[gpr] = vcpu_64bit(v) ? value : (u32)value;
}

/* A write to CR0, CR3 or CR4 that leaves PAE paging on, or turns it on, loads the PDPTEs. Nothing is changed if they
 * are bad. */
static void load_pdptes(struct vcpu *v, u64 cr3)
{
	u64 pdpte[4];

	if (!paging_read_pdptes(v, cr3, pdpte))
		raise_gp(v, 0);
	for (unsigned int i = 0; i < 4; i++)
		v->pdpte[i] = pdpte[i];
}

/* SDM vol. 3, "Initializing IA-32e Mode" */
static void check_long_mode_activation(struct vcpu *v)
{
	unsigned int tss = v->seg[TR].ar & AR_TYPE;

	if (!(v->cr4 & CR4_PAE) || (v->seg[CS].ar & AR_L))
		raise_gp(v, 0);
	if (tss == TSS16_AVAILABLE || tss == TSS16_BUSY)
		raise_gp(v, 0);
}

void control_set_cr0(struct vcpu *v, u64 value)
{
	u64 efer = v->efer, changed;

	if (value >> 32)
		raise_gp(v, 0);
	value = (value & CR0_DEFINED) | CR0_ET;
	changed = value ^ v->cr0;
	if (!vmx_cr0_allowed(v, value))
		raise_gp(v, 0);
	if (((value & CR0_PG) && !(value & CR0_PE)) || ((value & CR0_NW) && !(value & CR0_CD)))
		raise_gp(v, 0);

	if (changed & value & CR0_PG) {
		if (efer & EFER_LME) {
			check_long_mode_activation(v);
			efer |= EFER_LMA;
		}
	} else if (changed & CR0_PG) {
		if (vcpu_64bit(v) || (v->cr4 & CR4_PCIDE))
			raise_gp(v, 0);
		efer &= ~EFER_LMA;
	}
	if ((changed & (CR0_PG | CR0_CD | CR0_NW)) && paging_mode_of(value, v->cr4, efer) == PAGING_PAE)
		load_pdptes(v, v->cr3);

	v->cr0 = value;
	v->efer = efer;
	vcpu_update_mode(v);
	if (changed & (CR0_PG | CR0_WP))
		mmu_flush_all(v);
	if (changed & CR0_PG)
		mmu_switch(v, true);
}

void control_set_cr3(struct vcpu *v, u64 value)
{
	bool keep = (v->cr4 & CR4_PCIDE) && (value & CR3_NOFLUSH);

	if (v->cr4 & CR4_PCIDE)
		value &= ~CR3_NOFLUSH;
	if (value >> v->model->phys_bits)
		raise_gp(v, 0);
	if (paging_mode(v) == PAGING_PAE)
		load_pdptes(v, value);
	v->cr3 = value;
	mmu_switch(v, !keep);
}

/* A bit of CR4 is reserved unless the model has the feature it controls: SDM vol. 3, "Control Registers". */
static u64 cr4_offered(const struct cpu_model *m)
{
	/* clang-format off */
	static const struct {
		u32 bits;
		u16 feature;
	} controls[] = {
		{ CR4_VME | CR4_PVI, FEATURE_VME },
		{ CR4_TSD,           FEATURE_TSC },
		{ CR4_DE,            FEATURE_DE },
		{ CR4_PSE,           FEATURE_PSE },
		{ CR4_PAE,           FEATURE_PAE },
		{ CR4_MCE,           FEATURE_MCE },
		{ CR4_PGE,           FEATURE_PGE },
		{ CR4_OSFXSR,        FEATURE_FXSR },
		{ CR4_OSXMMEXCPT,    FEATURE_SSE },
		{ CR4_UMIP,          FEATURE_UMIP },
		{ CR4_LA57,          FEATURE_LA57 },
		{ CR4_VMXE,          FEATURE_VMX },
		{ CR4_FSGSBASE,      FEATURE_FSGSBASE },
		{ CR4_PCIDE,         FEATURE_PCID },
		{ CR4_OSXSAVE,       FEATURE_XSAVE },
		{ CR4_SMEP,          FEATURE_SMEP },
		{ CR4_SMAP,          FEATURE_SMAP },
		{ CR4_PKE,           FEATURE_PKU },
		{ CR4_PKS,           FEATURE_PKS },
	};
	/* clang-format on */
	u64 offered = CR4_PCE; /* no feature bit: every CPU with MMX has RDPMC */

	for (unsigned int i = 0; i < sizeof(controls) / sizeof(controls[0]); i++)
		if (model_has(m, controls[i].feature))
			offered |= controls[i].bits;
	return offered;
}

void control_set_cr4(struct vcpu *v, u64 value)
{
	u64 changed = value ^ v->cr4;
	bool pae;

	if ((value & ~cr4_offered(v->model)) || !vmx_cr4_allowed(v, value))
		raise_gp(v, 0);
	if (vcpu_long_mode(v) && (!(value & CR4_PAE) || (changed & CR4_LA57)))
		raise_gp(v, 0);
	if ((changed & value & CR4_PCIDE) && (!vcpu_long_mode(v) || (v->cr3 & CR3_PCID)))
		raise_gp(v, 0);
	pae = paging_mode_of(v->cr0, value, v->efer) == PAGING_PAE;
	if (pae && (changed & (CR4_PAE | CR4_PSE | CR4_PGE | CR4_SMEP)))
		load_pdptes(v, v->cr3);

	v->cr4 = value;
	vcpu_update_mode(v);
	if (changed & (CR4_PSE | CR4_PAE | CR4_PGE | CR4_PCIDE | CR4_SMEP | CR4_SMAP | CR4_PKE | CR4_PKS | CR4_LA57))
		mmu_flush_all(v);
	if (changed & (CR4_PAE | CR4_PCIDE | CR4_LA57))
		mmu_switch(v, true);
}

void control_set_pkru(struct vcpu *v, u32 value)
{
	if (v->pkru == value)
		return;
	v->pkru = value;
	if (v->cr4 & CR4_PKE)
		mmu_flush_all(v);
}

void control_set_pkrs(struct vcpu *v, u32 value)
{
	if (v->pkrs == value)
		return;
	v->pkrs = value;
	if (v->cr4 & CR4_PKS)
		mmu_flush_all(v);
}

/* CR8 is encoded with REX.R, so only 64-bit mode reaches it. */
static void check_cr_number(struct vcpu *v, unsigned int cr)
{
	if (cr != 0 && cr != 2 && cr != 3 && cr != 4 && cr != 8)
		raise_ud(v);
	require_cpl0(v);
}

void insn_mov_to_cr(struct vcpu *v, union insn_args a)
{
	u64 value = get_operand(v, a.rm);

	check_cr_number(v, a.reg);
	if (v->in_l2 && vmx_on_cr_write(v, a.reg, a.rm, &value))
		return;
	switch (a.reg) {
	case 0:
		control_set_cr0(v, value);
		break;
	case 2:
		v->cr2 = value;
		break;
	case 3:
		control_set_cr3(v, value);
		break;
	case 4:
		control_set_cr4(v, value);
		break;
	case 8:
		if (value > 15)
			raise_gp(v, 0);
		vcpu_fpu_park(v);
		lapic_set_cr8(v->apic, (u8)value);
		break;
	}
}

void insn_mov_from_cr(struct vcpu *v, union insn_args a)
{
	u64 value = 0;

	check_cr_number(v, a.reg);
	switch (a.reg) {
	case 0:
		value = v->cr0;
		break;
	case 2:
		value = v->cr2;
		break;
	case 3:
		value = v->cr3;
		break;
	case 4:
		value = v->cr4;
		break;
	case 8:
		vcpu_fpu_park(v);
		value = lapic_get_cr8(v->apic);
		break;
	}
	if (v->in_l2)
		value = vmx_cr_read(v, a.reg, a.rm, value);
	set_operand(v, a.rm, value);
}

void insn_lmsw(struct vcpu *v, union insn_args a)
{
	const u64 loaded = CR0_PE | CR0_MP | CR0_EM | CR0_TS;
	u64 value, linear = 0;

	require_cpl0(v);
	if (a.is_reg) {
		value = v->gpr[a.rm];
	} else {
		linear = segment_linear(v, a.seg, v->ea, 2, ACC_READ);
		value = mmu_read(v, linear, 2, mmu_data(v, ACC_READ));
	}
	if (v->in_l2)
		vmx_on_lmsw(v, (u16)value, !a.is_reg, linear);
	/* it can set PE, but not clear it */
	control_set_cr0(v, (v->cr0 & ~(loaded & ~CR0_PE)) | (value & loaded));
}

void insn_smsw(struct vcpu *v, union insn_args a)
{
	u64 cr0 = v->in_l2 ? vmx_cr_read(v, 0, 0, v->cr0) : v->cr0;

	if (v->cpl && (v->cr4 & CR4_UMIP))
		raise_gp(v, 0);
	if (!a.is_reg)
		mmu_write(v, segment_linear(v, a.seg, v->ea, 2, ACC_WRITE), cr0 & 0xffff, 2, mmu_data(v, ACC_WRITE));
	else if (a.size == 2)
		v->gpr[a.rm] = (v->gpr[a.rm] & ~0xffffull) | (cr0 & 0xffff);
	else
		v->gpr[a.rm] = cr0; /* 32 bits wide */
}

void insn_clts(struct vcpu *v, union insn_args a)
{
	(void)a;
	require_cpl0(v);
	if (v->in_l2 && vmx_on_clts(v))
		return;
	v->cr0 &= ~CR0_TS;
	vcpu_update_mode(v);
}

/* The segment's limit and type don't count, and a non-canonical address is no fault. */
void insn_invlpg(struct vcpu *v, union insn_args a)
{
	u64 linear = v->ea;

	if (a.is_reg)
		raise_ud(v);
	require_cpl0(v);
	if (!vcpu_64bit(v))
		linear = (u32)(linear + v->seg[a.seg].base);
	else if (a.seg == FS || a.seg == GS)
		linear += v->seg[a.seg].base;
	if (v->in_l2)
		vmx_on_invlpg(v, linear);
	if (mmu_canonical(v, linear))
		mmu_flush_page(v, linear);
}

enum invpcid_type { INVPCID_ADDRESS, INVPCID_CONTEXT, INVPCID_ALL, INVPCID_ALL_NONGLOBAL };

void insn_invpcid(struct vcpu *v, union insn_args a)
{
	u64 type = get_operand(v, a.reg), linear, pcid, address;

	if (a.is_reg || !model_has(v->model, FEATURE_INVPCID))
		raise_ud(v);
	require_cpl0(v);
	if (v->in_l2)
		vmx_on_insn(v, VMX_INSN_INVPCID);
	linear = segment_linear(v, a.seg, v->ea, 16, ACC_READ);
	mmu_check(v, linear, 16, mmu_data(v, ACC_READ));
	pcid = mmu_read(v, linear, 8, mmu_data(v, ACC_READ));
	address = mmu_read(v, linear + 8, 8, mmu_data(v, ACC_READ));
	if (type > INVPCID_ALL_NONGLOBAL || pcid >> 12)
		raise_gp(v, 0);
	if (type <= INVPCID_CONTEXT && pcid && !(v->cr4 & CR4_PCIDE))
		raise_gp(v, 0);
	switch ((enum invpcid_type)type) {
	case INVPCID_ADDRESS:
		if (!mmu_canonical(v, address))
			raise_gp(v, 0);
		mmu_flush_pcid_page(v, (u16)pcid, address);
		break;
	case INVPCID_CONTEXT:
		mmu_flush_pcid(v, (u16)pcid);
		break;
	case INVPCID_ALL:
		mmu_flush_all(v);
		break;
	case INVPCID_ALL_NONGLOBAL:
		mmu_flush_nonglobal(v);
		break;
	}
}

/* The host keeps its caches coherent with everything that a guest can see: nothing to write back. */
void insn_wbinvd(struct vcpu *v, union insn_args a)
{
	(void)a;
	require_cpl0(v);
	if (v->in_l2)
		vmx_on_insn(v, VMX_INSN_WBINVD);
}

void insn_invd(struct vcpu *v, union insn_args a)
{
	(void)a;
	require_cpl0(v);
	if (v->in_l2)
		vmx_on_insn(v, VMX_INSN_INVD);
}

void insn_hlt(struct vcpu *v, union insn_args a)
{
	(void)a;
	require_cpl0(v);
	if (v->in_l2)
		vmx_on_insn(v, VMX_INSN_HLT);
	vmx_served(v, EXIT_REASON_HLT);
	v->activity = ACTIVITY_HLT;
}

static void check_monitor(struct vcpu *v)
{
	if (!model_has(v->model, FEATURE_MONITOR) || !(v->misc_enable & MISC_ENABLE_MONITOR) || v->cpl)
		raise_ud(v);
}

/* ECX: no extension is offered to MONITOR or MWAIT (CPUID leaf 5). */
void insn_monitor(struct vcpu *v, union insn_args a)
{
	u64 address = a.asize == 2 ? v->gpr[RAX] : a.asize == 1 ? (u32)v->gpr[RAX] : (u16)v->gpr[RAX];

	check_monitor(v);
	if (v->in_l2)
		vmx_on_insn(v, VMX_INSN_MONITOR);
	if ((u32)v->gpr[RCX])
		raise_gp(v, 0);
	mmu_check(v, segment_linear(v, a.seg, address, 1, ACC_READ), 1, mmu_data(v, ACC_READ));
}

/* "False wakeups" are architectural, so not to wait at all is right. */
void insn_mwait(struct vcpu *v, union insn_args a)
{
	(void)a;
	check_monitor(v);
	if (v->in_l2)
		vmx_on_insn(v, VMX_INSN_MWAIT);
	if ((u32)v->gpr[RCX])
		raise_gp(v, 0);
}

/*
 * Other processes may want the host's CPUs, too, and then the other vCPU may be waiting for one. A lock that is held for a moment is free after
 * fewer of them; so many are some microseconds.
 */
#define PAUSES_OF_ONE_WHO_WAITS 16

void insn_pause(struct vcpu *v, union insn_args a)
{
	(void)a;
	if (v->in_l2)
		vmx_on_insn(v, VMX_INSN_PAUSE);
	/* It waits for another vCPU, which may need this one's host thread for what is waited for. */
	if (v->machine->vcpu_count > 1)
		vcpu_leave_soon(v);
	v->waits = v->machine->crowded || (v->machine->parallel && !(++v->pauses % PAUSES_OF_ONE_WHO_WAITS));
	__builtin_ia32_pause();
}
