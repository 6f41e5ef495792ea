/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * System instructions that kernels execute all the time, built from host instructions where the mode leaves nothing to
 * check; otherwise they are callouts. Each rule that can choose does so in rules.c.
 */
#include "lower.h"

#include "../machine/machine.h"

/*
 * One bit of v->rflags without touching EFLAGS: rotated to the top, shifted out by an addition, rotated back. The
 * arithmetic flags' copy in v->rflags is stale here and stays so.
 */
static void without_flag(struct lower *l, unsigned int bit)
{
	struct emit *e = &l->e;

	emit_load(e, 8, TC, MEM_VCPU(OFF(rflags)));
	emit_rorx(e, TC, TC, bit + 1); /* the bit is bit 63 */
	emit_lea(e, 8, TC, MEM_BASE_INDEX(TC, TC, 0)); /* gone; the rest is one to the left, bit 0 is clear */
	emit_rorx(e, TC, TC, 64 - bit); /* back by bit + 1, less the one */
}

static void put_flags(struct lower *l)
{
	emit_store(&l->e, 8, MEM_VCPU(OFF(rflags)), TC);
}

void lower_clear_flag(struct lower *l, unsigned int bit)
{
	without_flag(l, bit);
	put_flags(l);
}

void lower_set_flag(struct lower *l, unsigned int bit)
{
	without_flag(l, bit);
	emit_lea(&l->e, 8, TC, MEM_BASE(TC, 1 << bit)); /* the bit is clear: addition sets it */
	put_flags(l);
}

void lower_cli(struct lower *l)
{
	lower_clear_flag(l, 9);
}

/*
 * The next instruction is in the same block, so nothing comes between. If an interrupt is waiting, C casts the shadow, and the block is left: the
 * interrupt is delivered right behind that next instruction.
 */
void lower_sti(struct lower *l)
{
	bool loops = lower_check_loops(l);
	struct emit *e = &l->e;
	struct cold *c;

	emit_load(e, 1, TC, MEM_VCPU(OFF(intr_wait)));
	if (loops)
		emit_lea(e, 8, TC, MEM_BASE(TC, 1));
	c = lower_new_cold(l, COLD_STI);
	c->n = (u8)l->at;
	lower_check(l, loops, c);
	lower_set_flag(l, 9);
	c->after = emit_rx(e);
}

void lower_cld(struct lower *l)
{
	lower_clear_flag(l, 10);
}

void lower_std(struct lower *l)
{
	lower_set_flag(l, 10);
}

static int seg_field(enum sreg seg, size_t field)
{
	return (int)(offsetof(struct vcpu, seg) + seg * sizeof(struct segment) + field);
}

/* CPL 0, 64-bit mode */
void lower_swapgs(struct lower *l)
{
	struct emit *e = &l->e;
	struct mem base = MEM_VCPU(seg_field(GS, offsetof(struct segment, base)));

	emit_load(e, 8, TC, base);
	emit_load(e, 8, TI, MEM_VCPU(OFF(kernel_gs_base)));
	emit_store(e, 8, MEM_VCPU(OFF(kernel_gs_base)), TC);
	emit_store(e, 8, base, TI);
}

/* MOV r, Sreg; to memory it is a callout */
void lower_mov_from_sreg(struct lower *l)
{
	const struct insn *i = l->i;
	unsigned int size = i->z->operand_width / 8;
	u8 g = lower_gpr(i->op[0].reg);
	struct emit *e = &l->e;

	emit_load(e, 2, TI,
		  MEM_VCPU(seg_field((enum sreg)(i->op[1].reg - ZYDIS_REGISTER_ES), offsetof(struct segment, sel))));
	if (size > 2)
		lower_set(l, g, size, TI);
	else if (guest_reg_home[g] != H_NONE)
		emit_op_rr(e, 0x89, 2, TI, guest_reg_home[g]);
	else
		emit_store(e, 2, MEM_VCPU(OFF_GPR(g)), TI);
}

/* PEXT by a mask and PDEP by the same: AND that leaves the flags alone */
static void emit_and(struct emit *e, u8 reg, int mask_offset)
{
	emit_pext(e, reg, reg, MEM_TLB(mask_offset));
	emit_pdep(e, reg, reg, MEM_TLB(mask_offset));
}

/* Not in virtual-8086 mode. The arithmetic flags are the host's, the others are in v->rflags. */
void lower_pushf(struct lower *l)
{
	struct emit *e = &l->e;

	emit8(e, 0x9c); /* pushfq: below struct vcpu there is stack */
	emit8(e, 0x58 | TI); /* pop rdi */
	emit_and(e, TI, TLB_OFF(arith_mask));
	emit_load(e, 8, TC, MEM_VCPU(OFF(rflags)));
	emit_and(e, TC, TLB_OFF(pushf_mask));
	emit_lea(e, 8, TI, MEM_BASE_INDEX(TI, TC, 0));
	emit_store(e, 8, MEM_VCPU(OFF(scratch[0])), TI);
	lower_push_reg(l, l->i->z->operand_width / 8, H_NONE, false, 0);
}

/* RAX = clock_tsc() of a clock that follows the host */
static void read_clock(struct lower *l)
{
	struct emit *e = &l->e;

	emit8(e, 0x0f);
	emit8(e, 0x31);
	emit_rorx(e, H_RDX, H_RDX, 32);
	emit_lea(e, 8, H_RAX, MEM_BASE_INDEX(H_RAX, H_RDX, 0));
	emit_mov_imm(e, TC, -l->v->machine->clock.start_tsc);
	emit_lea(e, 8, H_RAX, MEM_BASE_INDEX(H_RAX, TC, 0));
}

static void add_to_rax(struct lower *l, int field)
{
	emit_load(&l->e, 8, TC, MEM_VCPU(field));
	emit_lea(&l->e, 8, H_RAX, MEM_BASE_INDEX(H_RAX, TC, 0));
}

/* EDX:EAX from RAX, and RDTSCP's ECX */
static void give_tsc(struct lower *l)
{
	struct emit *e = &l->e;

	emit_rorx(e, H_RDX, H_RAX, 32);
	emit_mov_rr(e, 4, H_RDX, H_RDX);
	emit_mov_rr(e, 4, H_RAX, H_RAX);
	if (l->i->z->mnemonic == ZYDIS_MNEMONIC_RDTSCP)
		emit_load(e, 4, guest_reg_home[RCX], MEM_VCPU(OFF(tsc_aux)));
}

/* Host clock, and no TSD at CPL 3: the host's TSC, less where it stood at power-on, plus the vCPU's offset. */
void lower_rdtsc(struct lower *l)
{
	read_clock(l);
	add_to_rax(l, OFF(tsc_offset));
	give_tsc(l);
}

/*
 * In L2 L1 may want an exit, or the preemption timer's exit may be due before this: then C does it, with the registers as they were.
 */
void lower_rdtsc_l2(struct lower *l)
{
	struct emit *e = &l->e;
	struct cold *c;
	bool loops;

	emit_mov_rr(e, 8, TA, H_RAX);
	emit_mov_rr(e, 8, TI, H_RDX);
	read_clock(l);
	emit_load(e, 8, TC, MEM_VCPU(OFF(l2_tsc_left)));
	emit_lea(e, 8, TC, MEM_BASE_INDEX(TC, H_RAX, 0));
	emit_pext(e, TC, TC, MEM_TLB(TLB_OFF(sign_mask)));
	loops = lower_check_loops(l);
	if (!loops)
		emit_lea(e, 8, TC, MEM_BASE(TC, -1));
	c = lower_new_cold(l, COLD_TSC);
	c->n = (u8)l->at;
	lower_check(l, loops, c);
	add_to_rax(l, OFF(tsc_offset));
	add_to_rax(l, OFF(l2_tsc_offset));
	give_tsc(l);
	c->after = emit_rx(e);
}

/* STAC, CLAC at CPL 0 with SMAP: the following code is translated for another view of memory. */
void lower_stac_clac(struct lower *l)
{
	bool set = l->i->z->mnemonic == ZYDIS_MNEMONIC_STAC;
	enum tlb_view view = set ? TLB_KERNEL_AC : TLB_KERNEL;
	struct emit *e = &l->e;

	if (set)
		lower_set_flag(l, 18);
	else
		lower_clear_flag(l, 18);
	l->mode = (l->mode & ~MODE_VIEW_MASK) | (u32)view << MODE_VIEW_SHIFT;
	emit_store_imm32(e, 4, MEM_VCPU(OFF(mode)), (s32)l->mode);
	lower_exit(l, 1, (s64)l->i->offset + l->i->length);
}
