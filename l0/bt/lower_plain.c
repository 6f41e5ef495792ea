/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Instructions that the host executes as they are: re-encoded with host registers and a host address. Most of x86 goes
 * through lower_plain(); lower_fixed.c has those whose encoding or operands 64-bit mode or our registers don't fit.
 */
#include "lower_operand.h"

/* SDM vol. 1, "Alignment": SSE operands of 16 bytes but for the unaligned moves and string compares; of VEX, the aligned moves */
static bool must_be_aligned(const struct insn *i, unsigned int size)
{
	if (size < 16)
		return false;
	switch (i->z->mnemonic) {
	case ZYDIS_MNEMONIC_MOVUPS:
	case ZYDIS_MNEMONIC_MOVUPD:
	case ZYDIS_MNEMONIC_MOVDQU:
	case ZYDIS_MNEMONIC_LDDQU:
	case ZYDIS_MNEMONIC_PCMPISTRI:
	case ZYDIS_MNEMONIC_PCMPISTRM:
	case ZYDIS_MNEMONIC_PCMPESTRI:
	case ZYDIS_MNEMONIC_PCMPESTRM:
		return false;
	case ZYDIS_MNEMONIC_VMOVAPS:
	case ZYDIS_MNEMONIC_VMOVAPD:
	case ZYDIS_MNEMONIC_VMOVDQA:
	case ZYDIS_MNEMONIC_VMOVNTPS:
	case ZYDIS_MNEMONIC_VMOVNTPD:
	case ZYDIS_MNEMONIC_VMOVNTDQ:
	case ZYDIS_MNEMONIC_VMOVNTDQA:
		return true;
	default:
		return i->z->encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY && i->z->isa_set != ZYDIS_ISA_SET_X87;
	}
}

static bool has_x87_or_mmx_operand(const struct insn *i)
{
	for (unsigned int k = 0; k < i->z->operand_count; k++)
		if (operand_is_reg(&i->op[k]) && reg_is_x87_or_mmx(i->op[k].reg))
			return true;
	return false;
}

/*
 * x87: an exception that is pending comes before any fault of the operand, except for the instructions that don't wait. A store that
 * raises an unmasked exception writes nothing: through the bounce buffer that takes what was there.
 */
static u32 x87_desc(const struct insn *i, const struct operand *m)
{
	u32 desc = DESC_X87;

	if (i->z->isa_set != ZYDIS_ISA_SET_X87 && !has_x87_or_mmx_operand(i))
		return 0;
	switch (i->z->mnemonic) {
	case ZYDIS_MNEMONIC_FNSTCW:
	case ZYDIS_MNEMONIC_FNSTSW:
	case ZYDIS_MNEMONIC_FNSTENV:
	case ZYDIS_MNEMONIC_FNSAVE:
		desc = 0;
		break;
	default:
		break;
	}
	return desc | (m->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE ? DESC_READ : 0);
}

/*
 * With AH, CH, DH or BH no host register above 7 may appear. CX is worked on in the host's RCX, any other register that
 * lives above 7 in RDI, and the memory operand's address is folded into RSI.
 */
static void lower_high(struct lower *l)
{
	const struct insn *i = l->i;
	struct emit *e = &l->e;
	struct enc c = insn_enc(l->i), seq[SEQ_MAX];
	const struct operand *m = NULL, *o;
	bool cx = false, cx_written = false;
	struct slot wide = { 0 };
	unsigned int k, n = 0;
	u8 a;

	for (k = 0; k < i->z->operand_count_visible; k++) {
		u8 g, field;

		o = &i->op[k];
		if (o->type == ZYDIS_OPERAND_TYPE_MEMORY) {
			m = o;
			continue;
		}
		if (!operand_is_gpr(o))
			continue;
		g = lower_gpr(o->reg);
		if (g == RCX && reg_is_byte(o->reg)) {
			cx = true;
			cx_written |= (o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0;
			field = H_RCX;
		} else if (guest_reg_home[g] < 8) {
			field = guest_reg_home[g];
		} else {
			wide = (struct slot){ .o = o, .g = g, .host = TI, .temp = true };
			field = TI;
		}
		if (lower_high_byte(o->reg))
			field += 4;
		if (o->encoding == ZYDIS_OPERAND_ENCODING_MODRM_REG)
			c.reg = field;
		else if (o->encoding == ZYDIS_OPERAND_ENCODING_MODRM_RM)
			c.rm = field;
		else if (o->encoding == ZYDIS_OPERAND_ENCODING_OPCODE)
			c.op = (c.op & ~7) | field;
	}
	if (i->z->attributes & ZYDIS_ATTRIB_HAS_MODRM) {
		for (k = 0, o = NULL; k < i->z->operand_count_visible; k++)
			if (i->op[k].encoding == ZYDIS_OPERAND_ENCODING_MODRM_REG)
				o = &i->op[k];
		if (!o)
			c.reg = i->z->reg;
	} else {
		c.no_modrm = true;
	}
	if (!m) {
		if (cx)
			emit_mov_rr(e, 8, H_RCX, guest_reg_home[RCX]);
		lower_slot_load(l, &wide);
		emit_enc(e, &c);
	} else {
		c.is_mem = true;
		c.mem = MEM_BASE(TA, 0);
		a = lower_linear(l, m, 0, m->size / 8, lower_rw(m));
		seq[n++] = (struct enc){ .op = 0x8d, .w = true, .reg = TA, .is_mem = true, .mem = lower_host_mem(l, a) };
		if (cx)
			seq[n++] = (struct enc){ .op = 0x8b, .w = true, .reg = H_RCX, .rm = guest_reg_home[RCX] };
		if (wide.temp)
			seq[n++] = lower_slot_load_enc(&wide);
		seq[n++] = c;
		lower_access(l, a, m->size / 8, lower_rw(m), seq, n);
	}
	if (cx && cx_written)
		emit_mov_rr(e, 8, guest_reg_home[RCX], H_RCX);
	lower_slot_store(l, &wide);
}

/* The host register of operand k, which is in ModRM. False: it is in memory. */
static bool home(const struct insn *i, u8 k, struct enc *c, u8 *field)
{
	const struct operand *o = &i->op[k];

	*field = guest_reg_home[lower_gpr(o->reg)];
	c->force_rex |= lower_needs_rex(o, *field);
	return *field != H_NONE;
}

/* What most instructions are. False: not this one. */
static bool lower_general(struct lower *l)
{
	const struct insn *i = l->i;
	const struct decoded *z = i->z;
	struct enc c = insn_enc(i);
	const struct operand *m;
	unsigned int size;
	u32 rw;
	u8 a;

	c.reg = z->reg;
	c.rm = z->rm;
	if (z->reg_at != NO_OPERAND && !home(i, z->reg_at, &c, &c.reg))
		return false;
	if (z->rm_at != NO_OPERAND && !home(i, z->rm_at, &c, &c.rm))
		return false;
	if (z->memory == NO_OPERAND) {
		emit_enc(&l->e, &c);
		return true;
	}
	m = &i->op[z->memory];
	size = m->size / 8;
	rw = lower_rw(m);
	a = lower_linear(l, m, 0, size, rw);
	c.is_mem = true;
	c.mem = lower_host_mem(l, a);
	lower_access(l, a, size, rw | (must_be_aligned(i, size) ? DESC_ALIGNED : 0), &c, 1);
	return true;
}

void lower_plain(struct lower *l)
{
	static const u8 temps_reg[] = { TI, TA, TC }, temps_mem[] = { TI, TC };
	const struct insn *i = l->i;
	struct emit *e = &l->e;
	struct enc c, seq[SEQ_MAX];
	const struct operand *m = NULL;
	struct slot slot[3];
	unsigned int k, slots = 0, temps = 0, n = 0, size;
	bool reg_set = false;
	u8 a;

	if (i->z->general && lower_general(l))
		return;
	if (i->z->high_byte) {
		lower_high(l);
		return;
	}
	c = insn_enc(l->i);
	if (i->z->memory != NO_OPERAND)
		m = &i->op[i->z->memory];
	for (k = 0; k < i->z->operand_count_visible; k++) {
		const struct operand *o = &i->op[k];
		u8 field;

		if (o->type != ZYDIS_OPERAND_TYPE_REGISTER || o->visibility != ZYDIS_OPERAND_VISIBILITY_EXPLICIT)
			continue;
		if (operand_is_gpr(o)) {
			struct slot *s = &slot[slots];
			u8 g = lower_gpr(o->reg);
			unsigned int j;

			if (o->encoding != ZYDIS_OPERAND_ENCODING_MODRM_REG &&
			    o->encoding != ZYDIS_OPERAND_ENCODING_MODRM_RM &&
			    o->encoding != ZYDIS_OPERAND_ENCODING_NDSNDD)
				continue; /* implied by the opcode: RAX, which is itself */
			*s = (struct slot){ .o = o, .g = g, .host = guest_reg_home[g] };
			if (s->host == H_NONE) {
				s->temp = true;
				/* the same register twice: the same temporary, loaded once */
				for (j = 0; j < slots; j++)
					if (slot[j].g == g) {
						s->host = slot[j].host;
						s->loaded = true;
					}
				if (s->host == H_NONE)
					s->host = m ? temps_mem[temps++] : temps_reg[temps++];
			}
			field = s->host;
			c.force_rex |= lower_needs_rex(o, field);
			slots++;
		} else {
			field = reg_number(o->reg);
		}
		switch (o->encoding) {
		case ZYDIS_OPERAND_ENCODING_MODRM_REG:
			c.reg = field;
			reg_set = true;
			break;
		case ZYDIS_OPERAND_ENCODING_MODRM_RM:
			c.rm = field;
			break;
		case ZYDIS_OPERAND_ENCODING_NDSNDD:
			c.vvvv = field;
			break;
		default: /* IS4: in the immediate; x87's ST(i): ModRM as it is */
			break;
		}
	}
	if (!(i->z->attributes & ZYDIS_ATTRIB_HAS_MODRM)) {
		c.no_modrm = true;
	} else {
		if (!reg_set)
			c.reg = i->z->reg;
		if (!m && i->z->isa_set == ZYDIS_ISA_SET_X87) {
			c.reg = i->z->reg;
			c.rm = i->z->rm;
		} else if (!m) {
			for (k = 0; k < i->z->operand_count_visible; k++)
				if (i->op[k].encoding == ZYDIS_OPERAND_ENCODING_MODRM_RM)
					break;
			if (k == i->z->operand_count_visible)
				c.rm = i->z->rm;
		}
	}
	if (!m) {
		for (k = 0; k < slots; k++)
			lower_slot_load(l, &slot[k]);
		emit_enc(e, &c);
	} else {
		size = m->size / 8;
		/* a pending x87 exception comes before the segment's faults, too */
		if ((x87_desc(i, m) & DESC_X87) && !lower_is_flat(l, m))
			emit8(e, 0x9b); /* fwait */
		a = lower_linear(l, m, 0, size, lower_rw(m));
		c.is_mem = true;
		c.mem = lower_host_mem(l, a);
		if (temps > 1) {
			seq[n++] = (struct enc){ .op = 0x8d, .w = true, .reg = TA, .is_mem = true, .mem = c.mem };
			c.mem = MEM_BASE(TA, 0);
		}
		for (k = 0; k < slots && n < SEQ_MAX - 1; k++)
			if (slot[k].temp && !slot[k].loaded)
				seq[n++] = lower_slot_load_enc(&slot[k]);
		seq[n++] = c;
		lower_access(l, a, size, lower_rw(m) | (must_be_aligned(i, size) ? DESC_ALIGNED : 0) | x87_desc(i, m),
			     seq, n);
	}
	for (k = 0; k < slots; k++)
		lower_slot_store(l, &slot[k]);
}
