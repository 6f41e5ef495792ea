/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Instructions on segment registers, descriptor tables and bases: SDM vol. 2 under each name. */
#include "transfer.h"

#include "../vmx/vmx.h"

static u64 operand_read(struct vcpu *v, union insn_args a, u64 offset, unsigned int size)
{
	return mmu_read(v, segment_linear(v, a.seg, offset, size, ACC_READ), size, mmu_data(v, ACC_READ));
}

static u16 selector_operand(struct vcpu *v, union insn_args a)
{
	return a.is_reg ? (u16)v->gpr[a.rm] : (u16)operand_read(v, a, v->ea, 2);
}

/* A selector or MSW to r/m: a register of the operand's size, zero-extended; 16 bits of memory. */
static void selector_result(struct vcpu *v, union insn_args a, u16 value)
{
	if (a.is_reg)
		gpr_write(v, a.rm, value, a.size);
	else
		mmu_write(v, segment_linear(v, a.seg, v->ea, 2, ACC_WRITE), value, 2, mmu_data(v, ACC_WRITE));
}

static void set_zf(struct vcpu *v, bool on)
{
	v->rflags = on ? v->rflags | FLAG_ZF : v->rflags & ~FLAG_ZF;
}

static void need_protected(struct vcpu *v)
{
	if (vcpu_8086_segments(v))
		raise_ud(v);
}

static void need_cpl0(struct vcpu *v)
{
	if (v->cpl)
		raise_gp(v, 0);
}

static void need_umip(struct vcpu *v)
{
	if ((v->cr4 & CR4_UMIP) && v->cpl)
		raise_gp(v, 0);
}

static void load_sreg(struct vcpu *v, enum sreg seg, u16 selector)
{
	segment_load(v, seg, selector);
	vcpu_update_mode(v);
}

void insn_mov_to_sreg(struct vcpu *v, union insn_args a)
{
	if (a.reg == CS || a.reg > GS)
		raise_ud(v);
	load_sreg(v, a.reg, selector_operand(v, a));
	if (a.reg == SS)
		v->intr_shadow |= SHADOW_MOV_SS;
}

void insn_mov_from_sreg(struct vcpu *v, union insn_args a)
{
	if (a.reg > GS)
		raise_ud(v);
	selector_result(v, a, v->seg[a.reg].sel);
}

void insn_pop_sreg(struct vcpu *v, union insn_args a)
{
	struct stack s;
	u16 selector;

	stack_current(v, &s);
	selector = stack_pop(v, &s, a.size);
	load_sreg(v, a.reg, selector);
	v->gpr[RSP] = s.sp;
	if (a.reg == SS)
		v->intr_shadow |= SHADOW_MOV_SS;
}

void insn_push_sreg(struct vcpu *v, union insn_args a)
{
	struct stack s;

	stack_current(v, &s);
	/* SDM vol. 2, "PUSH": with 32 bits some processors leave the upper half of the slot as it was; here it is cleared */
	stack_push(v, &s, v->seg[a.reg].sel, a.size);
	v->gpr[RSP] = s.sp;
}

void insn_load_far(struct vcpu *v, union insn_args a)
{
	u64 linear = segment_linear(v, a.seg, v->ea, a.size + 2u, ACC_READ);
	u64 offset = mmu_read(v, linear, a.size, mmu_data(v, ACC_READ));
	u16 selector = mmu_read(v, linear + a.size, 2, mmu_data(v, ACC_READ));

	if (a.is_reg)
		raise_ud(v);
	load_sreg(v, a.imm, selector);
	gpr_write(v, a.reg, offset, a.size);
}

static void table_load(struct vcpu *v, union insn_args a, struct dtable *table, unsigned int identity)
{
	unsigned int base_size = a.size == 8 ? 8 : 4;
	u64 linear, base;
	u16 limit;

	if (a.is_reg)
		raise_ud(v);
	need_cpl0(v);
	if (v->in_l2)
		vmx_on_dtable(v, EXIT_REASON_GDTR_IDTR, identity);
	linear = segment_linear(v, a.seg, v->ea, base_size + 2, ACC_READ);
	limit = mmu_read(v, linear, 2, mmu_data(v, ACC_READ));
	base = mmu_read(v, linear + 2, base_size, mmu_data(v, ACC_READ));
	if (a.size == 2)
		base &= 0xffffff;
	if (!mmu_canonical(v, base))
		raise_gp(v, 0);
	table->base = base;
	table->limit = limit;
}

void insn_lgdt(struct vcpu *v, union insn_args a)
{
	table_load(v, a, &v->gdtr, 2);
}

void insn_lidt(struct vcpu *v, union insn_args a)
{
	table_load(v, a, &v->idtr, 3);
}

/* The whole base is stored whatever the operand size: only an 80286 had 24 bits. */
static void table_store(struct vcpu *v, union insn_args a, const struct dtable *table, unsigned int identity)
{
	unsigned int base_size = a.size == 8 ? 8 : 4;
	u64 linear;

	if (a.is_reg)
		raise_ud(v);
	need_umip(v);
	if (v->in_l2)
		vmx_on_dtable(v, EXIT_REASON_GDTR_IDTR, identity);
	linear = segment_linear(v, a.seg, v->ea, base_size + 2, ACC_WRITE);
	mmu_check(v, linear, base_size + 2, mmu_data(v, ACC_WRITE));
	mmu_write(v, linear, table->limit, 2, mmu_data(v, ACC_WRITE));
	mmu_write(v, linear + 2, table->base, base_size, mmu_data(v, ACC_WRITE));
}

void insn_sgdt(struct vcpu *v, union insn_args a)
{
	table_store(v, a, &v->gdtr, 0);
}

void insn_sidt(struct vcpu *v, union insn_args a)
{
	table_store(v, a, &v->idtr, 1);
}

/* An LDT or TSS descriptor of the GDT: `types` are those allowed. */
static void system_segment_fetch(struct vcpu *v, u16 selector, u32 types, struct segment *s)
{
	if (selector & 4)
		raise_gp(v, selector_error(selector));
	descriptor_fetch(v, selector, vcpu_long_mode(v), VEC_GP, s);
	if (!segment_is_system(s) || !(types & BIT(s->ar & AR_TYPE)))
		raise_gp(v, selector_error(selector));
	if (!(s->ar & AR_P))
		raise_error(v, VEC_NP, selector_error(selector));
	if (vcpu_long_mode(v) && !mmu_canonical(v, s->base))
		raise_gp(v, selector_error(selector));
}

void insn_lldt(struct vcpu *v, union insn_args a)
{
	struct segment s;
	u16 selector;

	need_protected(v);
	need_cpl0(v);
	if (v->in_l2)
		vmx_on_dtable(v, EXIT_REASON_LDTR_TR, 2);
	selector = selector_operand(v, a);
	if (!(selector & ~3u)) {
		segment_set_null(&v->seg[LDTR], selector, 0);
		return;
	}
	system_segment_fetch(v, selector, BIT(SYS_LDT), &s);
	v->seg[LDTR] = s;
}

void insn_ltr(struct vcpu *v, union insn_args a)
{
	u32 types = BIT(SYS_TSS32) | (vcpu_long_mode(v) ? 0 : BIT(SYS_TSS16));
	struct segment s;
	u16 selector;

	need_protected(v);
	need_cpl0(v);
	if (v->in_l2)
		vmx_on_dtable(v, EXIT_REASON_LDTR_TR, 3);
	selector = selector_operand(v, a);
	system_segment_fetch(v, selector, types, &s);
	descriptor_set_busy(v, selector, true);
	s.ar |= SYS_BUSY;
	v->seg[TR] = s;
}

void insn_sldt(struct vcpu *v, union insn_args a)
{
	need_protected(v);
	need_umip(v);
	if (v->in_l2)
		vmx_on_dtable(v, EXIT_REASON_LDTR_TR, 0);
	selector_result(v, a, v->seg[LDTR].sel);
}

void insn_str(struct vcpu *v, union insn_args a)
{
	need_protected(v);
	need_umip(v);
	if (v->in_l2)
		vmx_on_dtable(v, EXIT_REASON_LDTR_TR, 1);
	selector_result(v, a, v->seg[TR].sel);
}

/* SDM vol. 2: system descriptors that LAR and LSL accept, and what of them IA-32e mode still has */
#define LSL_TYPES (BIT(SYS_TSS16) | BIT(SYS_LDT) | BIT(SYS_TSS16_BUSY) | BIT(SYS_TSS32) | BIT(SYS_TSS32_BUSY))
#define LAR_TYPES (LSL_TYPES | BIT(SYS_CALL16) | BIT(SYS_TASK_GATE) | BIT(SYS_CALL32))
#define LONG_TYPES (BIT(SYS_LDT) | BIT(SYS_TSS32) | BIT(SYS_TSS32_BUSY) | BIT(SYS_CALL32))

/* Is the descriptor visible at CPL and RPL? system_types: those accepted besides code and data. */
static bool descriptor_visible(struct vcpu *v, u16 selector, u32 system_types, u64 d[2], struct segment *s)
{
	if (!(selector & ~3u) || !descriptor_read(v, selector, d, false))
		return false;
	descriptor_decode(d, false, selector, s);
	if (vcpu_long_mode(v))
		system_types &= LONG_TYPES;
	if (segment_is_system(s) && !(system_types & BIT(s->ar & AR_TYPE)))
		return false;
	return segment_is_conforming(s) || (segment_dpl(s) >= v->cpl && segment_dpl(s) >= (selector & 3u));
}

void insn_lar(struct vcpu *v, union insn_args a)
{
	struct segment s;
	u16 selector;
	u64 d[2];
	bool ok;

	need_protected(v);
	selector = selector_operand(v, a);
	ok = descriptor_visible(v, selector, LAR_TYPES, d, &s);
	if (ok)
		gpr_write(v, a.reg, a.size == 2 ? d[0] >> 32 & 0xff00 : d[0] >> 32 & 0xffff00, a.size);
	set_zf(v, ok);
}

void insn_lsl(struct vcpu *v, union insn_args a)
{
	struct segment s;
	u16 selector;
	u64 d[2];
	bool ok;

	need_protected(v);
	selector = selector_operand(v, a);
	ok = descriptor_visible(v, selector, LSL_TYPES, d, &s);
	if (ok)
		gpr_write(v, a.reg, s.limit, a.size);
	set_zf(v, ok);
}

void insn_verr(struct vcpu *v, union insn_args a)
{
	struct segment s;
	u16 selector;
	u64 d[2];

	need_protected(v);
	selector = selector_operand(v, a);
	set_zf(v, descriptor_visible(v, selector, 0, d, &s) && (!segment_is_code(&s) || (s.ar & AR_WRITABLE)));
}

void insn_verw(struct vcpu *v, union insn_args a)
{
	struct segment s;
	u16 selector;
	u64 d[2];

	need_protected(v);
	selector = selector_operand(v, a);
	set_zf(v, descriptor_visible(v, selector, 0, d, &s) && !segment_is_code(&s) && (s.ar & AR_WRITABLE));
}

void insn_arpl(struct vcpu *v, union insn_args a)
{
	u16 rpl = v->gpr[a.reg] & 3, selector;
	u64 linear = 0;

	if (vcpu_8086_segments(v) || vcpu_64bit(v))
		raise_ud(v);
	if (a.is_reg) {
		selector = v->gpr[a.rm];
	} else {
		linear = segment_linear(v, a.seg, v->ea, 2, ACC_WRITE);
		mmu_check(v, linear, 2, mmu_data(v, ACC_WRITE));
		selector = mmu_read(v, linear, 2, mmu_data(v, ACC_READ));
	}
	if ((selector & 3u) >= rpl) {
		set_zf(v, false);
		return;
	}
	selector = (selector & ~3u) | rpl;
	if (a.is_reg)
		gpr_write(v, a.rm, selector, 2);
	else
		mmu_write(v, linear, selector, 2, mmu_data(v, ACC_WRITE));
	set_zf(v, true);
}

void insn_swapgs(struct vcpu *v, union insn_args a)
{
	u64 base = v->seg[GS].base;

	(void)a;
	if (!vcpu_64bit(v))
		raise_ud(v);
	need_cpl0(v);
	v->seg[GS].base = v->kernel_gs_base;
	v->kernel_gs_base = base;
}

static void base_read(struct vcpu *v, union insn_args a, enum sreg seg)
{
	if (!vcpu_64bit(v) || !(v->cr4 & CR4_FSGSBASE))
		raise_ud(v);
	gpr_write(v, a.rm, v->seg[seg].base, a.size);
}

static void base_write(struct vcpu *v, union insn_args a, enum sreg seg)
{
	u64 base = a.size == 8 ? v->gpr[a.rm] : (u32)v->gpr[a.rm];

	if (!vcpu_64bit(v) || !(v->cr4 & CR4_FSGSBASE))
		raise_ud(v);
	if (!mmu_canonical(v, base))
		raise_gp(v, 0);
	v->seg[seg].base = base;
}

void insn_rdfsbase(struct vcpu *v, union insn_args a)
{
	base_read(v, a, FS);
}

void insn_rdgsbase(struct vcpu *v, union insn_args a)
{
	base_read(v, a, GS);
}

void insn_wrfsbase(struct vcpu *v, union insn_args a)
{
	base_write(v, a, FS);
}

void insn_wrgsbase(struct vcpu *v, union insn_args a)
{
	base_write(v, a, GS);
}
