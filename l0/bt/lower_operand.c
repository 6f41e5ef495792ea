/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lower_operand.h"

bool lower_is_gpr(const ZydisDecodedOperand *o)
{
	ZydisRegisterClass class;

	if (o->type != ZYDIS_OPERAND_TYPE_REGISTER)
		return false;
	class = ZydisRegisterGetClass(o->reg.value);
	return class >= ZYDIS_REGCLASS_GPR8 && class <= ZYDIS_REGCLASS_GPR64;
}

bool lower_has_operand_of(const struct insn *i, ZydisRegisterClass a, ZydisRegisterClass b)
{
	unsigned int k;

	for (k = 0; k < i->z.operand_count; k++) {
		ZydisRegisterClass class;

		if (i->op[k].type != ZYDIS_OPERAND_TYPE_REGISTER)
			continue;
		class = ZydisRegisterGetClass(i->op[k].reg.value);
		if (class == a || class == b)
			return true;
	}
	return false;
}

static bool has_vector_operand(const struct insn *i)
{
	return lower_has_operand_of(i, ZYDIS_REGCLASS_X87, ZYDIS_REGCLASS_MMX) ||
	       lower_has_operand_of(i, ZYDIS_REGCLASS_XMM, ZYDIS_REGCLASS_YMM) ||
	       i->z.meta.isa_set == ZYDIS_ISA_SET_X87 || i->z.meta.isa_set == ZYDIS_ISA_SET_SSEMXCSR;
}

/* Is there a 16-bit operand, implied or not? LFENCE, MOVNTI and others have an operand size of 16 in 16-bit code, and no use for it. */
static bool has_word_operand(const struct insn *i)
{
	unsigned int k;

	for (k = 0; k < i->z.operand_count; k++) {
		const ZydisDecodedOperand *o = &i->op[k];

		if (o->type == ZYDIS_OPERAND_TYPE_REGISTER ? ZydisRegisterGetClass(o->reg.value) == ZYDIS_REGCLASS_GPR16
							   : o->size == 16)
			return true;
	}
	return false;
}

/* x87's environment and state have 14 and 94 bytes with an operand size of 16 */
static bool is_x87_environment(const struct insn *i)
{
	switch (i->z.mnemonic) {
	case ZYDIS_MNEMONIC_FLDENV:
	case ZYDIS_MNEMONIC_FNSTENV:
	case ZYDIS_MNEMONIC_FRSTOR:
	case ZYDIS_MNEMONIC_FNSAVE:
		return true;
	default:
		return false;
	}
}

struct enc lower_base_enc(const struct lower *l)
{
	const struct insn *i = l->i;
	const ZydisDecodedInstruction *z = &i->z;
	struct enc c = { .op = z->opcode, .w = z->raw.rex.W };
	bool raw66 = false, mandatory66 = false;
	unsigned int k, n = 0;

	switch (z->opcode_map) {
	case ZYDIS_OPCODE_MAP_0F:
		c.map = 1;
		break;
	case ZYDIS_OPCODE_MAP_0F38:
		c.map = 2;
		break;
	case ZYDIS_OPCODE_MAP_0F3A:
		c.map = 3;
		break;
	default:
		c.map = 0;
	}
	if (c.map == 0 && c.op == 0x82)
		c.op = 0x80; /* the alias exists outside 64-bit mode only */
	for (k = 0; k < z->raw.prefix_count; k++) {
		u8 p = z->raw.prefixes[k].value;

		if (p == 0x66) {
			raw66 = true;
			mandatory66 |= z->raw.prefixes[k].type == ZYDIS_PREFIX_TYPE_MANDATORY;
		} else if ((p == 0xf2 || p == 0xf3) && z->raw.prefixes[k].type == ZYDIS_PREFIX_TYPE_MANDATORY) {
			c.rep = p;
		}
	}
	c.lock = z->attributes & ZYDIS_ATTRIB_HAS_LOCK;
	if (z->encoding == ZYDIS_INSTRUCTION_ENCODING_VEX) {
		c.vex = true;
		c.w = z->raw.vex.W;
		c.l = z->raw.vex.L;
		c.p66 = z->raw.vex.pp == 1;
		c.rep = z->raw.vex.pp == 2 ? 0xf3 : z->raw.vex.pp == 3 ? 0xf2 : 0;
		c.map = z->raw.vex.m_mmmm;
	} else if (mandatory66) {
		c.p66 = true;
	} else if ((l->mode & MODE_CS_MASK) == MODE_CS16) {
		/* The default is 16 bits there, 32 here. */
		c.p66 = z->operand_width == 16 &&
			(is_x87_environment(i) || (!has_vector_operand(i) && has_word_operand(i)));
	} else {
		c.p66 = raw66;
	}
	for (k = 0; k < 2; k++) {
		unsigned int bytes = z->raw.imm[k].size / 8, b;

		for (b = 0; b < bytes; b++)
			c.imm[n++] = i->bytes[z->raw.imm[k].offset + b];
	}
	c.imm_len = n;
	if (!l->cs64) {
		/* Outside 64-bit mode there are 8 vector registers, and VEX.W doesn't widen general ones. */
		for (k = 0; k < z->operand_count_visible; k++) {
			if (i->op[k].encoding == ZYDIS_OPERAND_ENCODING_IS4)
				c.imm[n - 1] &= 0x7f;
			if (c.vex && lower_is_gpr(&i->op[k]))
				c.w = false;
		}
		switch (z->mnemonic) { /* the same with the integer in memory, or implied */
		case ZYDIS_MNEMONIC_VCVTSI2SS:
		case ZYDIS_MNEMONIC_VCVTSI2SD:
		case ZYDIS_MNEMONIC_VPEXTRD:
		case ZYDIS_MNEMONIC_VPINSRD:
		case ZYDIS_MNEMONIC_VMOVD:
		case ZYDIS_MNEMONIC_VPCMPESTRI:
		case ZYDIS_MNEMONIC_VPCMPESTRM:
			c.w = false;
			break;
		default:
			break;
		}
	}
	return c;
}

u32 lower_rw(const ZydisDecodedOperand *o)
{
	return (o->actions & ZYDIS_OPERAND_ACTION_MASK_READ ? DESC_READ : 0) |
	       (o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE ? DESC_WRITE : 0) | (lower_is_ss(o) ? DESC_SS : 0);
}

void lower_slot_load(struct lower *l, const struct slot *s)
{
	if (!s->temp || s->loaded)
		return;
	if (guest_reg_home[s->g] != H_NONE)
		emit_mov_rr(&l->e, 8, s->host, guest_reg_home[s->g]);
	else
		emit_load(&l->e, 8, s->host, MEM_VCPU(OFF_GPR(s->g)));
}

void lower_slot_store(struct lower *l, const struct slot *s)
{
	if (!s->temp || !(s->o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
		return;
	/* The temporary holds the whole register: loaded before, changed as the operand size says. */
	if (guest_reg_home[s->g] != H_NONE)
		emit_mov_rr(&l->e, 8, guest_reg_home[s->g], s->host);
	else
		emit_store(&l->e, 8, MEM_VCPU(OFF_GPR(s->g)), s->host);
}

struct enc lower_slot_load_enc(const struct slot *s)
{
	struct enc c = { .op = 0x8b, .w = true, .reg = s->host };

	if (guest_reg_home[s->g] != H_NONE) {
		c.rm = guest_reg_home[s->g];
	} else {
		c.is_mem = true;
		c.mem = MEM_VCPU(OFF_GPR(s->g));
	}
	return c;
}

bool lower_needs_rex(const ZydisDecodedOperand *o, u8 host)
{
	return ZydisRegisterGetClass(o->reg.value) == ZYDIS_REGCLASS_GPR8 && !lower_high_byte(o->reg.value) && host >= 4;
}
