/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rows of msr.h made into functions, and the instructions that use them. */
#include "msr.h"
#include "../devices/irqchip.h"
#include "../machine/machine.h"
#include "../vmx/vmx.h"
#include "control.h"
#include "fpu.h"
#include "insn.h"
#include "mmu.h"
#include "model.h"

#define APIC_BASE_X2APIC BIT(10)
#define NEEDS_ALWAYS FEATURE_COUNT
#define NEEDS_INTEL (FEATURE_COUNT + 1)
#define NEEDS_AMD (FEATURE_COUNT + 2)

/* IA32_MISC_ENABLE: fast strings, TCC, EIST, MONITOR, limit CPUID, xTPR disable, XD disable */
#define MISC_ENABLE_WRITABLE \
	(MISC_ENABLE_FAST_STRING | BIT(3) | BIT(16) | MISC_ENABLE_MONITOR | MISC_ENABLE_LIMIT_CPUID | BIT(23) | \
	 MISC_ENABLE_XD_DISABLE)
#define MISC_ENABLE_FIXED (BIT(11) | BIT(12)) /* no BTS, no PEBS; like bit 7 (PMU) read-only */
#define MISC_ENABLE_READ_ONLY (MISC_ENABLE_FIXED | BIT(7))

enum memory_type { TYPE_UC = 0, TYPE_WC = 1, TYPE_WT = 4, TYPE_WP = 5, TYPE_WB = 6, TYPE_UC_MINUS = 7 };

static bool mtrr_type_valid(u64 type)
{
	return type == TYPE_UC || type == TYPE_WC || type == TYPE_WT || type == TYPE_WP || type == TYPE_WB;
}

/* eight types, a byte each */
static bool types_valid(u64 value, bool pat)
{
	for (unsigned int i = 0; i < 64; i += 8) {
		u64 type = value >> i & 0xff;

		if (!mtrr_type_valid(type) && !(pat && type == TYPE_UC_MINUS))
			return false;
	}
	return true;
}

u64 msr_tsc(struct vcpu *v)
{
	u64 tsc = clock_tsc(&v->machine->clock) + v->tsc_offset;

	return v->in_l2 ? vmx_tsc(v, tsc) : tsc;
}

static bool read_tsc(struct vcpu *v, u32 msr, u64 *value)
{
	(void)msr;
	*value = msr_tsc(v);
	return true;
}

/* The deadline is compared with the TSC as the guest sees it, so the timer must be set anew when that jumps. */
static void move_tsc(struct vcpu *v, u64 by)
{
	u64 deadline;

	v->tsc_offset += by;
	v->tsc_adjust += by;
	if (!model_has(v->model, FEATURE_TSC_DEADLINE))
		return;
	vcpu_fpu_park(v);
	if (lapic_read_msr(v->apic, MSR_TSC_DEADLINE, &deadline) && deadline)
		lapic_write_msr(v->apic, MSR_TSC_DEADLINE, deadline);
}

/* SDM vol. 3, "Time-Stamp Counter Adjustment": a write of either changes both by the same amount */
static bool write_tsc(struct vcpu *v, u32 msr, u64 value)
{
	(void)msr;
	move_tsc(v, value - msr_tsc(v));
	return true;
}

static bool read_tsc_adjust(struct vcpu *v, u32 msr, u64 *value)
{
	(void)msr;
	*value = v->tsc_adjust;
	return true;
}

static bool write_tsc_adjust(struct vcpu *v, u32 msr, u64 value)
{
	(void)msr;
	move_tsc(v, value - v->tsc_adjust);
	return true;
}

static bool read_vmx(struct vcpu *v, u32 msr, u64 *value)
{
	return vmx_msr_read(v, msr, value);
}

static bool write_vmx(struct vcpu *v, u32 msr, u64 value)
{
	(void)v;
	(void)msr;
	(void)value;
	return false;
}

static bool read_apic_base(struct vcpu *v, u32 msr, u64 *value)
{
	(void)msr;
	vcpu_fpu_park(v);
	*value = lapic_base(v->apic);
	return true;
}

static bool write_apic_base(struct vcpu *v, u32 msr, u64 value)
{
	(void)msr;
	if (value >> v->model->phys_bits)
		return false;
	if ((value & APIC_BASE_X2APIC) && !model_has(v->model, FEATURE_X2APIC))
		return false;
	vcpu_fpu_park(v);
	return lapic_set_base(v->apic, value);
}

static bool read_lapic(struct vcpu *v, u32 msr, u64 *value)
{
	vcpu_fpu_park(v);
	return lapic_read_msr(v->apic, msr, value);
}

static bool write_lapic(struct vcpu *v, u32 msr, u64 value)
{
	vcpu_fpu_park(v);
	return lapic_write_msr(v->apic, msr, value);
}

/* write-only; the barrier itself has no effect that a guest can see */
static bool read_pred_cmd(struct vcpu *v, u32 msr, u64 *value)
{
	(void)v;
	(void)msr;
	(void)value;
	return false;
}

static bool write_pred_cmd(struct vcpu *v, u32 msr, u64 value)
{
	(void)v;
	(void)msr;
	return !(value & ~1ull);
}

static bool read_pkrs(struct vcpu *v, u32 msr, u64 *value)
{
	(void)msr;
	*value = v->pkrs;
	return true;
}

static bool write_pkrs(struct vcpu *v, u32 msr, u64 value)
{
	(void)msr;
	if (value >> 32)
		return false;
	control_set_pkrs(v, (u32)value);
	return true;
}

/* Software writes 0, executes CPUID and reads the revision: SDM vol. 3, "Determining the Signature". */
static bool read_bios_sign_id(struct vcpu *v, u32 msr, u64 *value)
{
	(void)msr;
	*value = model_is_amd(v->model) ? 0 : MICROCODE_REVISION << 32; /* AMD: the patch level, none is loaded */
	return true;
}

static bool write_bios_sign_id(struct vcpu *v, u32 msr, u64 value)
{
	(void)v;
	(void)msr;
	(void)value;
	return true;
}

static u64 *sysenter_field(struct vcpu *v, u32 msr)
{
	return msr == MSR_SYSENTER_ESP ? &v->sysenter_esp : &v->sysenter_eip;
}

static bool read_sysenter(struct vcpu *v, u32 msr, u64 *value)
{
	*value = *sysenter_field(v, msr);
	return true;
}

/* AMD has SYSENTER in legacy mode only, and 32 bits for it. */
static bool write_sysenter(struct vcpu *v, u32 msr, u64 value)
{
	if (model_is_amd(v->model))
		value = (u32)value;
	else if (model_has(v->model, FEATURE_LM) && !mmu_canonical(v, value))
		return false;
	*sysenter_field(v, msr) = value;
	return true;
}

/* No CPUID bit says that they exist. Nothing counts here, so they stand still at 0, and whoever wants to start one learns it. */
static bool read_perf(struct vcpu *v, u32 msr, u64 *value)
{
	(void)v;
	(void)msr;
	*value = 0;
	return true;
}

static bool write_perf(struct vcpu *v, u32 msr, u64 value)
{
	(void)v;
	(void)msr;
	return !value;
}

/* bits 15:8: the TSC's frequency in units of 100 MHz */
static bool read_platform_info(struct vcpu *v, u32 msr, u64 *value)
{
	(void)msr;
	*value = ((v->model->tsc_hz + 50000000) / 100000000 & 0xff) << 8;
	return true;
}

static bool write_platform_info(struct vcpu *v, u32 msr, u64 value)
{
	(void)v;
	(void)msr;
	(void)value;
	return false;
}

/* There are no banks, so no machine check is ever in progress. */
static bool read_mcg_status(struct vcpu *v, u32 msr, u64 *value)
{
	(void)v;
	(void)msr;
	*value = 0;
	return true;
}

static bool write_mcg_status(struct vcpu *v, u32 msr, u64 value)
{
	(void)v;
	(void)msr;
	return !value;
}

static bool read_misc_enable(struct vcpu *v, u32 msr, u64 *value)
{
	(void)msr;
	*value = (v->misc_enable & MISC_ENABLE_WRITABLE) | MISC_ENABLE_FIXED;
	return true;
}

static bool write_misc_enable(struct vcpu *v, u32 msr, u64 value)
{
	(void)msr;
	if (value & ~(MISC_ENABLE_WRITABLE | MISC_ENABLE_READ_ONLY))
		return false;
	v->misc_enable = value & MISC_ENABLE_WRITABLE;
	return true;
}

static u64 *mtrr_phys(struct vcpu *v, u32 msr)
{
	unsigned int i = msr - MSR_MTRR_PHYS_FIRST;

	return i & 1 ? &v->mtrr_mask[i / 2] : &v->mtrr_base[i / 2];
}

static bool read_mtrr_phys(struct vcpu *v, u32 msr, u64 *value)
{
	*value = *mtrr_phys(v, msr);
	return true;
}

static bool write_mtrr_phys(struct vcpu *v, u32 msr, u64 value)
{
	bool is_mask = msr & 1;

	if (value >> v->model->phys_bits)
		return false;
	if (is_mask ? value & 0x7ff : (value & 0xf00) || !mtrr_type_valid(value & 0xff))
		return false;
	*mtrr_phys(v, msr) = value;
	return true;
}

/* 64K, 16K, 16K, 4K ... */
static u64 *mtrr_fixed(struct vcpu *v, u32 msr)
{
	if (msr == MSR_MTRR_FIX64K)
		return &v->mtrr_fixed[0];
	if (msr <= MSR_MTRR_FIX16K_LAST)
		return &v->mtrr_fixed[1 + msr - MSR_MTRR_FIX16K_FIRST];
	return &v->mtrr_fixed[3 + msr - MSR_MTRR_FIX4K_FIRST];
}

static bool read_mtrr_fixed(struct vcpu *v, u32 msr, u64 *value)
{
	*value = *mtrr_fixed(v, msr);
	return true;
}

static bool write_mtrr_fixed(struct vcpu *v, u32 msr, u64 value)
{
	if (!types_valid(value, false))
		return false;
	*mtrr_fixed(v, msr) = value;
	return true;
}

static bool read_mtrr_def_type(struct vcpu *v, u32 msr, u64 *value)
{
	(void)msr;
	*value = v->mtrr_def_type;
	return true;
}

/* type 7:0, fixed enable 10, enable 11 */
static bool write_mtrr_def_type(struct vcpu *v, u32 msr, u64 value)
{
	(void)msr;
	if ((value & ~0xcffull) || !mtrr_type_valid(value & 0xff))
		return false;
	v->mtrr_def_type = value;
	return true;
}

static bool read_pat(struct vcpu *v, u32 msr, u64 *value)
{
	(void)msr;
	*value = v->pat;
	return true;
}

static bool write_pat(struct vcpu *v, u32 msr, u64 value)
{
	(void)msr;
	if (!types_valid(value, true))
		return false;
	v->pat = value;
	return true;
}

static bool read_efer(struct vcpu *v, u32 msr, u64 *value)
{
	(void)msr;
	if (!model_has(v->model, FEATURE_LM) && !model_has(v->model, FEATURE_NX))
		return false;
	*value = v->efer;
	return true;
}

/* SDM vol. 4, IA32_EFER. LMA is the processor's: a write of it is ignored. */
static bool write_efer(struct vcpu *v, u32 msr, u64 value)
{
	u64 offered = EFER_LMA, changed;

	(void)msr;
	if (!model_has(v->model, FEATURE_LM) && !model_has(v->model, FEATURE_NX))
		return false;
	if (model_has(v->model, FEATURE_SYSCALL))
		offered |= EFER_SCE;
	if (model_has(v->model, FEATURE_LM))
		offered |= EFER_LME;
	if (model_has(v->model, FEATURE_NX))
		offered |= EFER_NX;
	if (value & ~offered)
		return false;
	value = (value & ~EFER_LMA) | (v->efer & EFER_LMA);
	changed = value ^ v->efer;
	if ((changed & EFER_LME) && (v->cr0 & CR0_PG))
		return false;
	v->efer = value;
	vcpu_update_mode(v);
	if (changed & EFER_NX)
		mmu_flush_all(v);
	return true;
}

enum msr_kind { MSR_KIND_FIELD, MSR_KIND_LOW32, MSR_KIND_ADDRESS, MSR_KIND_CONST, MSR_KIND_CODE };

struct msr_row {
	const char *name;
	bool (*read)(struct vcpu *v, u32 msr, u64 *value); /* CODE */
	bool (*write)(struct vcpu *v, u32 msr, u64 value);
	u64 bits; /* FIELD: writable; CONST: the value */
	u16 offset; /* of the field in struct vcpu */
	u16 needs; /* enum feature, or NEEDS_* */
	u8 kind; /* enum msr_kind */
};

#define FIELD(f, b) .kind = MSR_KIND_FIELD, .offset = offsetof(struct vcpu, f), .bits = b
#define LOW32(f) .kind = MSR_KIND_LOW32, .offset = offsetof(struct vcpu, f)
#define ADDRESS(f) .kind = MSR_KIND_ADDRESS, .offset = offsetof(struct vcpu, f)
#define CONST(x) .kind = MSR_KIND_CONST, .bits = x
#define CODE(fn) .kind = MSR_KIND_CODE, .read = read_##fn, .write = write_##fn
#define FEATURE_ALWAYS NEEDS_ALWAYS
#define FEATURE_INTEL NEEDS_INTEL
#define FEATURE_AMD NEEDS_AMD

enum msr_index {
#define M(id, first, last, need, ...) ROW_##id,
	MSRS(M)
#undef M
};

static const struct msr_row rows[] = {
#define M(id, first, last, need, ...) [ROW_##id] = { .name = #id, .needs = FEATURE_##need, __VA_ARGS__ },
	MSRS(M)
#undef M
};

/* A switch, so that the compiler finds the search and two rows for one number. */
static const struct msr_row *msr_find(u32 msr)
{
	switch (msr) {
#define M(id, first, last, need, ...) \
	case first ... last: \
		return &rows[ROW_##id];
		MSRS(M)
#undef M
	}
	return NULL;
}

const char *msr_name(u32 msr)
{
	const struct msr_row *row = msr_find(msr);

	return row ? row->name : NULL;
}

static const struct msr_row *msr_offered(const struct vcpu *v, u32 msr)
{
	const struct msr_row *row = msr_find(msr);

	if (!row)
		return NULL;
	switch (row->needs) {
	case NEEDS_ALWAYS:
		return row;
	case NEEDS_INTEL:
		return model_is_amd(v->model) ? NULL : row;
	case NEEDS_AMD:
		return model_is_amd(v->model) ? row : NULL;
	default:
		return model_has(v->model, row->needs) ? row : NULL;
	}
}

static u64 *msr_field(struct vcpu *v, const struct msr_row *row)
{
	return (u64 *)((u8 *)v + row->offset);
}

bool msr_read(struct vcpu *v, u32 msr, u64 *value)
{
	const struct msr_row *row = msr_offered(v, msr);

	if (!row)
		return false;
	switch ((enum msr_kind)row->kind) {
	case MSR_KIND_FIELD:
	case MSR_KIND_LOW32:
	case MSR_KIND_ADDRESS:
		*value = *msr_field(v, row);
		return true;
	case MSR_KIND_CONST:
		*value = row->bits;
		return true;
	case MSR_KIND_CODE:
		return row->read(v, msr, value);
	}
	return false;
}

bool msr_write(struct vcpu *v, u32 msr, u64 value)
{
	const struct msr_row *row = msr_offered(v, msr);

	if (!row)
		return false;
	switch ((enum msr_kind)row->kind) {
	case MSR_KIND_FIELD:
		if (value & ~row->bits)
			return false;
		break;
	case MSR_KIND_LOW32:
		value &= UINT32_MAX;
		break;
	case MSR_KIND_ADDRESS:
		if (model_has(v->model, FEATURE_LM) && !mmu_canonical(v, value))
			return false;
		break;
	case MSR_KIND_CONST:
		return false;
	case MSR_KIND_CODE:
		return row->write(v, msr, value);
	}
	*msr_field(v, row) = value;
	return true;
}

static void set_edx_eax(struct vcpu *v, u64 value)
{
	v->gpr[RAX] = (u32)value;
	v->gpr[RDX] = value >> 32;
}

/* MSRs that a hypervisor gives its guests without exits, as the kernel's KVM does: not counted as exits */
static bool is_let_through(u32 msr)
{
	switch (msr) {
	case MSR_FS_BASE:
	case MSR_GS_BASE:
	case MSR_KERNEL_GS_BASE:
	case MSR_SYSENTER_CS:
	case MSR_SYSENTER_ESP:
	case MSR_SYSENTER_EIP:
	case MSR_SPEC_CTRL:
	case MSR_PRED_CMD:
		return true;
	default:
		return false;
	}
}

void insn_rdmsr(struct vcpu *v, union insn_args a)
{
	u64 value;

	(void)a;
	if (v->cpl)
		raise_gp(v, 0);
	if (v->in_l2 && vmx_on_rdmsr(v, (u32)v->gpr[RCX], &value)) {
		set_edx_eax(v, value);
		return;
	}
	if (!is_let_through((u32)v->gpr[RCX]))
		vmx_served(v, EXIT_REASON_MSR_READ);
	if (!msr_read(v, (u32)v->gpr[RCX], &value))
		raise_gp(v, 0);
	set_edx_eax(v, value);
}

void insn_wrmsr(struct vcpu *v, union insn_args a)
{
	(void)a;
	if (v->cpl)
		raise_gp(v, 0);
	if (v->in_l2 && vmx_on_wrmsr(v, (u32)v->gpr[RCX], (u32)v->gpr[RAX] | v->gpr[RDX] << 32))
		return;
	if (!is_let_through((u32)v->gpr[RCX]))
		vmx_served(v, EXIT_REASON_MSR_WRITE);
	if (!msr_write(v, (u32)v->gpr[RCX], (u32)v->gpr[RAX] | v->gpr[RDX] << 32))
		raise_gp(v, 0);
}

static void check_tsc(struct vcpu *v)
{
	if (v->cpl && (v->cr4 & CR4_TSD))
		raise_gp(v, 0);
}

void insn_rdtsc(struct vcpu *v, union insn_args a)
{
	(void)a;
	check_tsc(v);
	if (v->in_l2) {
		vmx_on_insn(v, VMX_INSN_RDTSC);
		vmx_before_tsc(v);
	}
	set_edx_eax(v, msr_tsc(v));
}

void insn_rdtscp(struct vcpu *v, union insn_args a)
{
	(void)a;
	if (!model_has(v->model, FEATURE_RDTSCP))
		raise_ud(v);
	check_tsc(v);
	if (v->in_l2) {
		vmx_on_insn(v, VMX_INSN_RDTSCP);
		vmx_before_tsc(v);
	}
	set_edx_eax(v, msr_tsc(v));
	v->gpr[RCX] = (u32)v->tsc_aux;
}

/* No counter exists (CPUID leaf 0xa), so there is no index that RDPMC would take: #GP with or without CR4.PCE. */
void insn_rdpmc(struct vcpu *v, union insn_args a)
{
	(void)a;
	if (v->in_l2 && v->cpl == 0)
		vmx_on_insn(v, VMX_INSN_RDPMC);
	raise_gp(v, 0);
}

void insn_rdpid(struct vcpu *v, union insn_args a)
{
	if (!model_has(v->model, FEATURE_RDPID))
		raise_ud(v);
	if (v->in_l2)
		vmx_on_insn(v, VMX_INSN_RDPID);
	v->gpr[a.rm] = (u32)v->tsc_aux;
}
