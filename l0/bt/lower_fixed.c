/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Instructions that the host executes, too, but in another encoding or with operands brought to where they can be used: RCX, RSI
 * and RDI are the translator's, some short forms don't exist in 64-bit mode, and some addresses aren't in ModRM.
 */
#include "lower_operand.h"

static void set_imm(struct enc *c, u64 value, unsigned int bytes)
{
	unsigned int k;

	c->imm_len = bytes;
	for (k = 0; k < bytes; k++)
		c->imm[k] = value >> 8 * k;
}

/* PCMPESTRI, PCMPISTRI: the index goes to ECX, which is ours */
void lower_string_index(struct lower *l)
{
	lower_plain(l);
	emit_mov_rr(&l->e, 4, guest_reg_home[RCX], H_RCX);
}

/* MOV between registers and memory: the most frequent of all; what lives in memory needs no round trip */
void lower_mov(struct lower *l)
{
	const struct insn *i = l->i;
	const struct operand *to = &i->op[0], *from = &i->op[1];
	unsigned int size = to->size / 8;
	struct emit *e = &l->e;
	u8 g;

	if (size < 4 || !operand_is_gpr(to) || !operand_is_gpr(from)) {
		lower_plain(l);
		return;
	}
	g = lower_gpr(to->reg);
	if (guest_reg_home[g] == H_NONE) {
		u8 h = lower_get(l, lower_gpr(from->reg), TI);

		if (size == 4) {
			emit_mov_rr(e, 4, TI, h);
			h = TI;
		}
		emit_store(e, 8, MEM_VCPU(OFF_GPR(g)), h);
	} else if (guest_reg_home[lower_gpr(from->reg)] == H_NONE) {
		emit_load(e, size, guest_reg_home[g], MEM_VCPU(OFF_GPR(lower_gpr(from->reg))));
	} else {
		struct enc c = {
			.op = 0x8b, .w = size == 8, .reg = guest_reg_home[g], .rm = guest_reg_home[lower_gpr(from->reg)]
		};

		emit_enc(e, &c);
	}
}

/* MOV r, imm in the short form: opcode B0..BF */
void lower_mov_imm(struct lower *l)
{
	const struct insn *i = l->i;
	const struct operand *o = &i->op[0];
	unsigned int size = o->size / 8;
	u64 imm = (u64)i->imm[0];
	struct emit *e = &l->e;
	u8 g = lower_gpr(o->reg);
	struct enc c = { .op = size == 1 ? 0xc6 : 0xc7, .p66 = size == 2 };

	if (size >= 4) {
		u8 h = guest_reg_home[g] == H_NONE ? TI : guest_reg_home[g];

		emit_mov_imm(e, h, size == 4 ? (u32)imm : imm);
		if (h == TI)
			emit_store(e, 8, MEM_VCPU(OFF_GPR(g)), TI);
		return;
	}
	if (lower_high_byte(o->reg)) {
		bool cx = g == RCX;

		if (cx)
			emit_mov_rr(e, 8, H_RCX, guest_reg_home[RCX]);
		c.rm = (cx ? H_RCX : guest_reg_home[g]) + 4;
		set_imm(&c, imm, 1);
		emit_enc(e, &c);
		if (cx)
			emit_mov_rr(e, 8, guest_reg_home[RCX], H_RCX);
		return;
	}
	set_imm(&c, imm, size);
	if (guest_reg_home[g] == H_NONE) {
		c.is_mem = true;
		c.mem = MEM_VCPU(OFF_GPR(g));
	} else {
		c.rm = guest_reg_home[g];
		c.force_rex = size == 1 && c.rm >= 4;
	}
	emit_enc(e, &c);
}

/* MOV AL..RAX, moffs and back: A0..A3 */
void lower_mov_moffs(struct lower *l)
{
	const struct insn *i = l->i;
	bool load = i->op[0].type == ZYDIS_OPERAND_TYPE_REGISTER;
	const struct operand *m = load ? &i->op[1] : &i->op[0];
	unsigned int size = m->size / 8;
	struct enc c = {
		.op = (load ? 0x8b : 0x89) - (size == 1), .p66 = size == 2, .w = size == 8, .reg = H_RAX, .is_mem = true
	};
	u8 a = lower_linear(l, m, 0, size, load ? DESC_READ : DESC_WRITE);

	c.mem = lower_host_mem(l, a);
	lower_access(l, a, size, (load ? DESC_READ : DESC_WRITE) | (lower_is_ss(m) ? DESC_SS : 0), &c, 1);
}

void lower_lea(struct lower *l)
{
	const struct insn *i = l->i;
	unsigned int size = i->op[0].size / 8;
	u8 g = lower_gpr(i->op[0].reg);
	struct emit *e = &l->e;

	if (size == 2) {
		u8 a = lower_offset(l, &i->op[1], 0);

		if (guest_reg_home[g] == H_NONE)
			emit_store(e, 2, MEM_VCPU(OFF_GPR(g)), a);
		else
			emit_op_rr(e, 0x89, 2, a, guest_reg_home[g]);
	} else if (guest_reg_home[g] == H_NONE) {
		lower_offset_to(l, &i->op[1], TI, size);
		emit_store(e, 8, MEM_VCPU(OFF_GPR(g)), TI);
	} else {
		lower_offset_to(l, &i->op[1], guest_reg_home[g], size);
	}
}

void lower_bswap(struct lower *l)
{
	unsigned int size = l->i->op[0].size / 8;
	u8 g = lower_gpr(l->i->op[0].reg), h = lower_get(l, g, TI);
	struct emit *e = &l->e;

	/* BSWAP r16 is undefined; hardware that we know clears the register's low half: the host decides */
	if (size == 2)
		emit8(e, 0x66);
	if (size == 8 || h >= 8)
		emit8(e, 0x40 | (size == 8) << 3 | h >> 3);
	emit8(e, 0x0f);
	emit8(e, 0xc8 | (h & 7));
	if (h == TI)
		emit_store(e, 8, MEM_VCPU(OFF_GPR(g)), TI);
}

/* XCHG rAX, r: 90+r. With a memory operand or ModRM it is plain. */
void lower_xchg(struct lower *l)
{
	const struct insn *i = l->i;
	unsigned int size = i->op[0].size / 8;
	u8 ga, gb, ha, hb;
	struct emit *e = &l->e;

	if (i->z->opcode_map != ZYDIS_OPCODE_MAP_DEFAULT || i->z->opcode < 0x90 || i->z->opcode > 0x97) {
		lower_plain(l);
		return;
	}
	ga = lower_gpr(i->op[0].reg);
	gb = lower_gpr(i->op[1].reg);
	ha = lower_get(l, ga, TI);
	hb = lower_get(l, gb, TI); /* one of the two is RAX */
	emit_op_rr(e, 0x87, size, ha, hb);
	if (ha == TI)
		emit_store(e, 8, MEM_VCPU(OFF_GPR(ga)), TI);
	if (hb == TI)
		emit_store(e, 8, MEM_VCPU(OFF_GPR(gb)), TI);
}

/* INC, DEC r in the short form, which is REX in 64-bit mode: 40..4F */
void lower_inc_dec(struct lower *l)
{
	const struct insn *i = l->i;
	u8 g;

	if (i->z->opcode_map != ZYDIS_OPCODE_MAP_DEFAULT || i->z->opcode >= 0xf0) {
		lower_plain(l);
		return;
	}
	g = lower_gpr(i->op[0].reg); /* 0..7 outside 64-bit mode: all of them have a home */
	emit_op_rr(&l->e, 0xff, i->op[0].size / 8, i->z->mnemonic == ZYDIS_MNEMONIC_DEC, guest_reg_home[g]);
}

/*
 * BT, BTS, BTR, BTC with a register as bit offset: with a memory operand the offset reaches beyond it (SDM vol. 2,
 * "Bit(BitBase, BitOffset)"): the unit's address is computed here and the offset within it taken.
 */
void lower_bit(struct lower *l)
{
	const struct insn *i = l->i;
	const struct operand *m = &i->op[0], *r = &i->op[1];
	unsigned int size = m->size / 8, shift = size == 8 ? 6 : size == 4 ? 5 : 4, asize = i->z->address_width / 8;
	struct emit *e = &l->e;
	struct enc c, seq[3];
	u8 a, bits;

	if (m->type != ZYDIS_OPERAND_TYPE_MEMORY || r->type != ZYDIS_OPERAND_TYPE_REGISTER) {
		lower_plain(l);
		return;
	}
	a = lower_offset(l, m, 0);
	emit_mov_rr(e, 8, TA, a);
	/* sign-extended offset, arithmetically shifted: SARX leaves flags alone */
	bits = lower_get(l, lower_gpr(r->reg), TI);
	if (size == 8)
		emit_mov_rr(e, 8, TI, bits);
	else
		emit_enc(e, &(struct enc){
				    .map = size == 2, .op = size == 2 ? 0xbf : 0x63, .w = true, .reg = TI, .rm = bits });
	emit_mov_imm(e, TC, shift);
	emit_enc(e, &(struct enc){
			    .vex = true, .rep = 0xf3, .w = true, .map = 2, .op = 0xf7, .reg = TI, .vvvv = TC, .rm = TI });
	emit_lea(e, asize == 8 ? 8 : 4, TA,
		 (struct mem){ .base = TA,
			       .index = TI,
			       .scale = size == 2   ? 1
					: size == 4 ? 2
						    : 3 });
	if (asize == 2)
		emit_mov_rr(e, 2, TA, TA);
	lower_segment(l, (enum sreg)(m->segment - ZYDIS_REGISTER_ES), size, lower_rw(m));

	c = insn_enc(l->i);
	c.reg = TI;
	c.is_mem = true;
	c.mem = lower_host_mem(l, TA);
	seq[0] = lower_slot_load_enc(&(struct slot){ .o = r, .g = lower_gpr(r->reg), .host = TI, .temp = true });
	seq[1] = (struct enc){ .vex = true,
			       .rep = 0xf3,
			       .w = true,
			       .map = 2,
			       .op = 0xf5,
			       .reg = TI,
			       .vvvv = TI,
			       .is_mem = true,
			       .mem = MEM_TLB(TLB_OFF(bit_mask) + 8 * (int)(shift - 3)) };
	seq[2] = c;
	lower_access(l, TA, size, lower_rw(m), seq, 3);
}

/* Shifts by CL: RCX is a temporary, so the count is brought there. Flags depend on it: the instruction stays as it is. */
void lower_shift(struct lower *l)
{
	const struct insn *i = l->i;
	const struct operand *o = &i->op[0], *src = NULL;
	const struct operand *last = &i->op[i->z->operand_count_visible - 1];
	bool by_cl = last->type == ZYDIS_OPERAND_TYPE_REGISTER && last->reg == ZYDIS_REGISTER_CL &&
		     last->encoding != ZYDIS_OPERAND_ENCODING_MODRM_REG && i->z->operand_count_visible > 1;
	struct emit *e = &l->e;
	struct enc c, seq[SEQ_MAX];
	struct slot s = { 0 }, d = { 0 };
	unsigned int n = 0;
	u8 a;

	if (!by_cl) {
		lower_plain(l);
		return;
	}
	c = insn_enc(l->i);
	c.reg = i->z->reg;
	if (i->z->operand_count_visible == 3) { /* SHLD, SHRD */
		u8 g = lower_gpr(i->op[1].reg);

		src = &i->op[1];
		s = (struct slot){ .o = src,
				   .g = g,
				   .host = guest_reg_home[g] == H_NONE ? TI : guest_reg_home[g],
				   .temp = guest_reg_home[g] == H_NONE };
		c.reg = s.host;
	}
	if (o->type == ZYDIS_OPERAND_TYPE_MEMORY) {
		a = lower_linear(l, o, 0, o->size / 8, lower_rw(o));
		seq[n++] = (struct enc){ .op = 0x8d, .w = true, .reg = TA, .is_mem = true, .mem = lower_host_mem(l, a) };
		seq[n++] = (struct enc){ .op = 0x8b, .reg = H_RCX, .rm = guest_reg_home[RCX] };
		if (s.temp)
			seq[n++] = lower_slot_load_enc(&s);
		c.is_mem = true;
		c.mem = MEM_BASE(TA, 0);
		seq[n++] = c;
		lower_access(l, a, o->size / 8, lower_rw(o), seq, n);
		return;
	}
	d.o = o;
	d.g = lower_gpr(o->reg);
	d.host = guest_reg_home[d.g];
	if (lower_high_byte(o->reg)) {
		/* AH, DH, BH are where they are; CH is worked on in a copy of RCX, whose CL is the count already */
		emit_mov_rr(e, 8, H_RCX, guest_reg_home[RCX]);
		c.rm = (d.g == RCX ? H_RCX : d.host) + 4;
		emit_enc(e, &c);
		if (d.g == RCX)
			emit_mov_rr(e, 8, guest_reg_home[RCX], H_RCX);
		return;
	}
	if (d.host == H_NONE) {
		d.host = TA;
		d.temp = true;
	}
	lower_slot_load(l, &s);
	lower_slot_load(l, &d);
	emit_mov_rr(e, 4, H_RCX, guest_reg_home[RCX]);
	c.rm = d.host;
	c.force_rex = lower_needs_rex(o, d.host);
	emit_enc(e, &c);
	lower_slot_store(l, &d);
}

/* CMPXCHG8B, CMPXCHG16B: EDX:EAX and EBX are themselves, ECX is brought in */
void lower_cmpxchg16(struct lower *l)
{
	const struct operand *m = &l->i->op[0];
	struct enc c = insn_enc(l->i), seq[3];
	u8 a = lower_linear(l, m, 0, m->size / 8, lower_rw(m));

	c.reg = l->i->z->reg;
	c.is_mem = true;
	c.mem = MEM_BASE(TA, 0);
	seq[0] = (struct enc){ .op = 0x8d, .w = true, .reg = TA, .is_mem = true, .mem = lower_host_mem(l, a) };
	seq[1] = (struct enc){ .op = 0x8b, .w = true, .reg = H_RCX, .rm = guest_reg_home[RCX] };
	seq[2] = c;
	lower_access(l, a, m->size / 8, lower_rw(m) | (m->size == 128 ? DESC_ALIGNED : 0), seq, 3);
}

/* NOP with an operand, PREFETCHh: no access, no fault */
void lower_nop(struct lower *l)
{
	(void)l;
}

/* CLFLUSH, CLFLUSHOPT, CLWB: checked like a load of one byte */
void lower_flush(struct lower *l)
{
	const struct operand *m = &l->i->op[0];
	u8 a = lower_linear(l, m, 0, 1, DESC_READ);

	lower_access(l, a, 1, DESC_READ | (lower_is_ss(m) ? DESC_SS : 0), NULL, 0);
}

/* XLAT: AL = [rBX + AL] */
void lower_xlat(struct lower *l)
{
	const struct insn *i = l->i;
	enum sreg seg = DS;
	unsigned int k, asize = i->z->address_width / 8;
	struct emit *e = &l->e;

	for (k = 0; k < i->z->operand_count; k++)
		if (i->op[k].type == ZYDIS_OPERAND_TYPE_MEMORY)
			seg = (enum sreg)(i->op[k].segment - ZYDIS_REGISTER_ES);
	emit_mov_rr(e, 1, TA, H_RAX);
	emit_lea(e, asize == 8 ? 8 : 4, TA, MEM_BASE_INDEX(TA, H_RBX, 0));
	if (asize == 2)
		emit_mov_rr(e, 2, TA, TA);
	lower_segment(l, seg, 1, DESC_READ);
	lower_access(l, TA, 1, DESC_READ | (seg == SS ? DESC_SS : 0),
		     &(struct enc){ .op = 0x8a, .reg = H_RAX, .is_mem = true, .mem = lower_host_mem(l, TA) }, 1);
}
