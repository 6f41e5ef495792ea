/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Vector instructions whose memory operand is implied, masked or several: see vector.h. */
#include "lower.h"
#include "vector.h"

static u8 vector_number(const struct operand *o)
{
	return reg_number(o->reg);
}

/* MASKMOVQ, MASKMOVDQU: bytes to [DS:rDI] under a mask; the host's RDI is ours, so it takes the host address */
void lower_maskmov_di(struct lower *l)
{
	const struct insn *i = l->i;
	bool mmx = i->z->mnemonic == ZYDIS_MNEMONIC_MASKMOVQ;
	unsigned int asize = i->z->address_width / 8, size = mmx ? 8 : 16, k;
	struct emit *e = &l->e;
	struct enc seq[2];
	enum sreg seg = DS;

	for (k = 0; k < i->z->operand_count; k++)
		if (i->op[k].type == ZYDIS_OPERAND_TYPE_MEMORY)
			seg = (enum sreg)(i->op[k].segment - ZYDIS_REGISTER_ES);
	emit_mov_rr(e, asize, TA, guest_reg_home[RDI]);
	lower_segment(l, seg, size, DESC_WRITE);
	seq[0] = (struct enc){ .op = 0x8d, .w = true, .reg = TI, .is_mem = true, .mem = lower_host_mem(l, TA) };
	seq[1] = (struct enc){
		.op = 0xf7, .map = 1, .p66 = !mmx, .reg = 0, .rm = 0, .vex = i->z->encoding == ZYDIS_INSTRUCTION_ENCODING_VEX
	};
	seq[1].reg = i->z->reg | (seq[1].vex ? !i->z->vex_r : i->z->rex_r) << 3;
	seq[1].rm = i->z->rm | (seq[1].vex ? !i->z->vex_b : i->z->rex_b) << 3;
	if (mmx) {
		seq[1].reg &= 7;
		seq[1].rm &= 7;
	}
	/* read as well: through the bounce buffer the bytes that the mask leaves alone must survive */
	lower_access(l, TA, size, DESC_READ | DESC_WRITE | (seg == SS ? DESC_SS : 0) | (mmx ? DESC_X87 : 0), seq, 2);
}

static void emit_vector_callout(struct lower *l, insn_fn *fn, union vector_args a)
{
	struct emit *e = &l->e;

	emit_mov_imm(e, TI, (u64)fn);
	emit_mov_imm(e, TC, a.raw);
	emit_mov_imm(e, TA, (lower_desc(l) & ~0xfffu) | l->i->length);
	emit_call(e, l->bt->thunk.callout);
}

/* VMASKMOVPS, VMASKMOVPD, VPMASKMOVD, VPMASKMOVQ. op: register, mask, memory or memory, mask, register */
void lower_vmaskmov(struct lower *l)
{
	const struct insn *i = l->i;
	bool store = i->op[0].type == ZYDIS_OPERAND_TYPE_MEMORY;
	const struct operand *m = &i->op[store ? 0 : 2], *r = &i->op[store ? 2 : 0];
	union vector_args a = { .raw = 0 };
	u8 element, bytes;

	switch (i->z->mnemonic) {
	case ZYDIS_MNEMONIC_VMASKMOVPS:
	case ZYDIS_MNEMONIC_VPMASKMOVD:
		element = 4;
		break;
	default:
		element = 8;
	}
	a.reg = vector_number(r);
	a.mask = vector_number(&i->op[1]);
	a.element = element;
	a.wide = i->z->vex_l;
	bytes = a.wide ? 32 : 16;
	a.count = bytes / element;
	a.store = store;
	a.seg = m->segment - ZYDIS_REGISTER_ES;
	emit_store(&l->e, 8, MEM_VCPU(OFF(ea)), lower_offset(l, m, 0));
	emit_vector_callout(l, vector_maskmov, a);
}

void lower_gather(struct lower *l)
{
	const struct insn *i = l->i;
	struct operand base = i->op[1];
	union vector_args a = { .raw = 0 };
	bool index_q = false;
	u8 bytes, step;

	switch (i->z->mnemonic) {
	case ZYDIS_MNEMONIC_VGATHERQPS:
	case ZYDIS_MNEMONIC_VGATHERQPD:
	case ZYDIS_MNEMONIC_VPGATHERQD:
	case ZYDIS_MNEMONIC_VPGATHERQQ:
		index_q = true;
		break;
	default:
		break;
	}
	a.element = i->z->vex_w ? 8 : 4;
	a.index_size = index_q ? 8 : 4;
	a.wide = i->z->vex_l;
	/* as many as the wider of data and index allow */
	bytes = a.wide ? 32 : 16;
	step = a.element > a.index_size ? a.element : a.index_size;
	a.count = bytes / step;
	a.reg = vector_number(&i->op[0]);
	a.mask = vector_number(&i->op[2]);
	a.index = reg_number(base.index);
	a.scale = base.scale;
	a.addr32 = i->z->address_width == 32;
	a.seg = base.segment - ZYDIS_REGISTER_ES;
	base.index = ZYDIS_REGISTER_NONE;
	emit_store(&l->e, 8, MEM_VCPU(OFF(ea)), lower_offset(l, &base, 0));
	emit_vector_callout(l, vector_gather, a);
}
