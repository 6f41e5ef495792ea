/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Instructions that the host executes as they are: re-encoded with host registers and a host address. Most of x86 goes
 * through lower_plain(); the others here are those whose encoding or operands 64-bit mode or our registers don't fit.
 */
#include "lower.h"

static void set_imm(struct enc *c, u64 value, unsigned int bytes)
{
	unsigned int k;

	c->imm_len = bytes;
	for (k = 0; k < bytes; k++)
		c->imm[k] = value >> 8 * k;
}

static bool is_gpr(const ZydisDecodedOperand *o)
{
	ZydisRegisterClass class;

	if (o->type != ZYDIS_OPERAND_TYPE_REGISTER)
		return false;
	class = ZydisRegisterGetClass(o->reg.value);
	return class >= ZYDIS_REGCLASS_GPR8 && class <= ZYDIS_REGCLASS_GPR64;
}

static bool has_operand_of(const struct insn *i, ZydisRegisterClass a, ZydisRegisterClass b)
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
	return has_operand_of(i, ZYDIS_REGCLASS_X87, ZYDIS_REGCLASS_MMX) || has_operand_of(i, ZYDIS_REGCLASS_XMM, ZYDIS_REGCLASS_YMM) ||
	       i->z.meta.isa_set == ZYDIS_ISA_SET_X87 || i->z.meta.isa_set == ZYDIS_ISA_SET_SSEMXCSR;
}

/* Prefixes, opcode, immediates; ModRM's fields are the caller's. */
static struct enc base_enc(const struct lower *l)
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
		c.p66 = z->operand_width == 16 && !has_vector_operand(i);
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
			if (c.vex && is_gpr(&i->op[k]))
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

static u32 rw_of(const ZydisDecodedOperand *o)
{
	return (o->actions & ZYDIS_OPERAND_ACTION_MASK_READ ? DESC_READ : 0) | (o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE ? DESC_WRITE : 0) |
	       (lower_is_ss(o) ? DESC_SS : 0);
}

/* SDM vol. 1, "Alignment": SSE operands of 16 bytes but for the unaligned moves and string compares; of VEX, the aligned moves */
static bool must_be_aligned(const struct insn *i, unsigned int size)
{
	/* SHA's operands: CPUs differ, so it is left to the host's */
	if (size < 16 || i->z.meta.isa_set == ZYDIS_ISA_SET_SHA)
		return false;
	switch (i->z.mnemonic) {
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
		return i->z.encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY && i->z.meta.isa_set != ZYDIS_ISA_SET_X87;
	}
}

/*
 * x87: an exception that is pending comes before any fault of the operand, except for the instructions that don't wait. A store that
 * raises an unmasked exception writes nothing: through the bounce buffer that takes what was there.
 */
static u32 x87_desc(const struct insn *i, const ZydisDecodedOperand *m)
{
	u32 desc = DESC_X87;

	if (i->z.meta.isa_set != ZYDIS_ISA_SET_X87 && !has_operand_of(i, ZYDIS_REGCLASS_X87, ZYDIS_REGCLASS_MMX))
		return 0;
	switch (i->z.mnemonic) {
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

/* a guest GPR in an operand of the instruction, and where the host has it for the time being */
struct slot {
	const ZydisDecodedOperand *o;
	u8 g, host;
	bool temp; /* host is a temporary: load before, store after */
	bool loaded; /* by another operand */
};

static void slot_load(struct lower *l, const struct slot *s)
{
	if (!s->temp || s->loaded)
		return;
	if (guest_reg_home[s->g] != H_NONE)
		emit_mov_rr(&l->e, 8, s->host, guest_reg_home[s->g]);
	else
		emit_load(&l->e, 8, s->host, MEM_VCPU(OFF_GPR(s->g)));
}

static void slot_store(struct lower *l, const struct slot *s)
{
	if (!s->temp || !(s->o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
		return;
	/* The temporary holds the whole register: loaded before, changed as the operand size says. */
	if (guest_reg_home[s->g] != H_NONE)
		emit_mov_rr(&l->e, 8, guest_reg_home[s->g], s->host);
	else
		emit_store(&l->e, 8, MEM_VCPU(OFF_GPR(s->g)), s->host);
}

/* as an item of an access' sequence */
static struct enc slot_load_enc(const struct slot *s)
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

static bool needs_rex(const ZydisDecodedOperand *o, u8 host)
{
	return ZydisRegisterGetClass(o->reg.value) == ZYDIS_REGCLASS_GPR8 && !lower_high_byte(o->reg.value) && host >= 4;
}

static bool uses_high_byte(const struct insn *i)
{
	unsigned int k;

	for (k = 0; k < i->z.operand_count_visible; k++)
		if (i->op[k].type == ZYDIS_OPERAND_TYPE_REGISTER && lower_high_byte(i->op[k].reg.value))
			return true;
	return false;
}

/*
 * With AH, CH, DH or BH no host register above 7 may appear. CX is worked on in the host's RCX, any other register that
 * lives above 7 in RDI, and the memory operand's address is folded into RSI.
 */
static void lower_high(struct lower *l)
{
	const struct insn *i = l->i;
	struct emit *e = &l->e;
	struct enc c = base_enc(l), seq[SEQ_MAX];
	const ZydisDecodedOperand *m = NULL, *o;
	bool cx = false, cx_written = false;
	struct slot wide = { 0 };
	unsigned int k, n = 0;
	u8 a;

	for (k = 0; k < i->z.operand_count_visible; k++) {
		u8 g, field;

		o = &i->op[k];
		if (o->type == ZYDIS_OPERAND_TYPE_MEMORY) {
			m = o;
			continue;
		}
		if (!is_gpr(o))
			continue;
		g = lower_gpr(o->reg.value);
		if (g == RCX && ZydisRegisterGetClass(o->reg.value) == ZYDIS_REGCLASS_GPR8) {
			cx = true;
			cx_written |= (o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0;
			field = H_RCX;
		} else if (guest_reg_home[g] < 8) {
			field = guest_reg_home[g];
		} else {
			wide = (struct slot){ .o = o, .g = g, .host = TI, .temp = true };
			field = TI;
		}
		if (lower_high_byte(o->reg.value))
			field += 4;
		if (o->encoding == ZYDIS_OPERAND_ENCODING_MODRM_REG)
			c.reg = field;
		else if (o->encoding == ZYDIS_OPERAND_ENCODING_MODRM_RM)
			c.rm = field;
		else if (o->encoding == ZYDIS_OPERAND_ENCODING_OPCODE)
			c.op = (c.op & ~7) | field;
	}
	if (i->z.attributes & ZYDIS_ATTRIB_HAS_MODRM) {
		for (k = 0, o = NULL; k < i->z.operand_count_visible; k++)
			if (i->op[k].encoding == ZYDIS_OPERAND_ENCODING_MODRM_REG)
				o = &i->op[k];
		if (!o)
			c.reg = i->z.raw.modrm.reg;
	} else {
		c.no_modrm = true;
	}
	if (!m) {
		if (cx)
			emit_mov_rr(e, 8, H_RCX, guest_reg_home[RCX]);
		slot_load(l, &wide);
		emit_enc(e, &c);
	} else {
		c.is_mem = true;
		c.mem = MEM_BASE(TA, 0);
		a = lower_linear(l, m, 0, m->size / 8, rw_of(m));
		seq[n++] = (struct enc){ .op = 0x8d, .w = true, .reg = TA, .is_mem = true, .mem = lower_host_mem(a) };
		if (cx)
			seq[n++] = (struct enc){ .op = 0x8b, .w = true, .reg = H_RCX, .rm = guest_reg_home[RCX] };
		if (wide.temp)
			seq[n++] = slot_load_enc(&wide);
		seq[n++] = c;
		lower_access(l, a, m->size / 8, rw_of(m), seq, n);
	}
	if (cx && cx_written)
		emit_mov_rr(e, 8, guest_reg_home[RCX], H_RCX);
	slot_store(l, &wide);
}

void lower_plain(struct lower *l)
{
	static const u8 temps_reg[] = { TI, TA, TC }, temps_mem[] = { TI, TC };
	const struct insn *i = l->i;
	struct emit *e = &l->e;
	struct enc c, seq[SEQ_MAX];
	const ZydisDecodedOperand *m = NULL;
	struct slot slot[3];
	unsigned int k, slots = 0, temps = 0, n = 0, size;
	bool reg_set = false;
	u8 a;

	if (uses_high_byte(i)) {
		lower_high(l);
		return;
	}
	c = base_enc(l);
	for (k = 0; k < i->z.operand_count_visible; k++)
		if (i->op[k].type == ZYDIS_OPERAND_TYPE_MEMORY)
			m = &i->op[k];
	for (k = 0; k < i->z.operand_count_visible; k++) {
		const ZydisDecodedOperand *o = &i->op[k];
		u8 field;

		if (o->type != ZYDIS_OPERAND_TYPE_REGISTER || o->visibility != ZYDIS_OPERAND_VISIBILITY_EXPLICIT)
			continue;
		if (is_gpr(o)) {
			struct slot *s = &slot[slots];
			u8 g = lower_gpr(o->reg.value);
			unsigned int j;

			if (o->encoding != ZYDIS_OPERAND_ENCODING_MODRM_REG && o->encoding != ZYDIS_OPERAND_ENCODING_MODRM_RM &&
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
			c.force_rex |= needs_rex(o, field);
			slots++;
		} else {
			field = ZydisRegisterGetId(o->reg.value);
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
	if (!(i->z.attributes & ZYDIS_ATTRIB_HAS_MODRM)) {
		c.no_modrm = true;
	} else {
		if (!reg_set)
			c.reg = i->z.raw.modrm.reg;
		if (!m && i->z.meta.isa_set == ZYDIS_ISA_SET_X87) {
			c.reg = i->z.raw.modrm.reg;
			c.rm = i->z.raw.modrm.rm;
		} else if (!m) {
			for (k = 0; k < i->z.operand_count_visible; k++)
				if (i->op[k].encoding == ZYDIS_OPERAND_ENCODING_MODRM_RM)
					break;
			if (k == i->z.operand_count_visible)
				c.rm = i->z.raw.modrm.rm;
		}
	}
	if (!m) {
		for (k = 0; k < slots; k++)
			slot_load(l, &slot[k]);
		emit_enc(e, &c);
	} else {
		size = m->size / 8;
		a = lower_linear(l, m, 0, size, rw_of(m));
		c.is_mem = true;
		c.mem = lower_host_mem(a);
		if (temps > 1) {
			seq[n++] = (struct enc){ .op = 0x8d, .w = true, .reg = TA, .is_mem = true, .mem = c.mem };
			c.mem = MEM_BASE(TA, 0);
		}
		for (k = 0; k < slots && n < SEQ_MAX - 1; k++)
			if (slot[k].temp && !slot[k].loaded)
				seq[n++] = slot_load_enc(&slot[k]);
		seq[n++] = c;
		lower_access(l, a, size, rw_of(m) | (must_be_aligned(i, size) ? DESC_ALIGNED : 0) | x87_desc(i, m), seq, n);
	}
	for (k = 0; k < slots; k++)
		slot_store(l, &slot[k]);
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
	const ZydisDecodedOperand *to = &i->op[0], *from = &i->op[1];
	unsigned int size = to->size / 8;
	struct emit *e = &l->e;
	u8 g;

	if (size < 4 || !is_gpr(to) || !is_gpr(from)) {
		lower_plain(l);
		return;
	}
	g = lower_gpr(to->reg.value);
	if (guest_reg_home[g] == H_NONE) {
		u8 h = lower_get(l, lower_gpr(from->reg.value), TI);

		if (size == 4) {
			emit_mov_rr(e, 4, TI, h);
			h = TI;
		}
		emit_store(e, 8, MEM_VCPU(OFF_GPR(g)), h);
	} else if (guest_reg_home[lower_gpr(from->reg.value)] == H_NONE) {
		emit_load(e, size, guest_reg_home[g], MEM_VCPU(OFF_GPR(lower_gpr(from->reg.value))));
	} else {
		struct enc c = { .op = 0x8b, .w = size == 8, .reg = guest_reg_home[g], .rm = guest_reg_home[lower_gpr(from->reg.value)] };

		emit_enc(e, &c);
	}
}

/* MOV r, imm in the short form: opcode B0..BF */
void lower_mov_imm(struct lower *l)
{
	const struct insn *i = l->i;
	const ZydisDecodedOperand *o = &i->op[0];
	unsigned int size = o->size / 8;
	u64 imm = i->op[1].imm.value.u;
	struct emit *e = &l->e;
	u8 g = lower_gpr(o->reg.value);
	struct enc c = { .op = size == 1 ? 0xc6 : 0xc7, .p66 = size == 2 };

	if (size >= 4) {
		u8 h = guest_reg_home[g] == H_NONE ? TI : guest_reg_home[g];

		emit_mov_imm(e, h, size == 4 ? (u32)imm : imm);
		if (h == TI)
			emit_store(e, 8, MEM_VCPU(OFF_GPR(g)), TI);
		return;
	}
	if (lower_high_byte(o->reg.value)) {
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
	const ZydisDecodedOperand *m = load ? &i->op[1] : &i->op[0];
	unsigned int size = m->size / 8;
	struct enc c = { .op = (load ? 0x8b : 0x89) - (size == 1), .p66 = size == 2, .w = size == 8, .reg = H_RAX, .is_mem = true };
	u8 a = lower_linear(l, m, 0, size, load ? DESC_READ : DESC_WRITE);

	c.mem = lower_host_mem(a);
	lower_access(l, a, size, (load ? DESC_READ : DESC_WRITE) | (lower_is_ss(m) ? DESC_SS : 0), &c, 1);
}

void lower_lea(struct lower *l)
{
	const struct insn *i = l->i;
	unsigned int size = i->op[0].size / 8;
	u8 g = lower_gpr(i->op[0].reg.value);
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
	u8 g = lower_gpr(l->i->op[0].reg.value), h = lower_get(l, g, TI);
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

	if (i->z.opcode_map != ZYDIS_OPCODE_MAP_DEFAULT || i->z.opcode < 0x90 || i->z.opcode > 0x97) {
		lower_plain(l);
		return;
	}
	ga = lower_gpr(i->op[0].reg.value);
	gb = lower_gpr(i->op[1].reg.value);
	ha = lower_get(l, ga, TI);
	hb = lower_get(l, gb, TI); /* one of the two is RAX */
	emit_op_rr(e, 0x87, size, ha, hb);
	if (ha == TI)
		emit_store(e, 8, MEM_VCPU(OFF_GPR(ga)), TI);
	if (hb == TI)
		emit_store(e, 8, MEM_VCPU(OFF_GPR(gb)), TI);
}

/* F3 90 with REX.B: no PAUSE but XCHG R8, rAX */
void lower_xchg_r8(struct lower *l)
{
	emit_op_rr(&l->e, 0x87, l->i->z.raw.rex.W ? 8 : l->i->z.operand_width == 16 ? 2 : 4, H_RAX, guest_reg_home[R8]);
}

/* INC, DEC r in the short form, which is REX in 64-bit mode: 40..4F */
void lower_inc_dec(struct lower *l)
{
	const struct insn *i = l->i;
	u8 g;

	if (i->z.opcode_map != ZYDIS_OPCODE_MAP_DEFAULT || i->z.opcode >= 0xf0) {
		lower_plain(l);
		return;
	}
	g = lower_gpr(i->op[0].reg.value); /* 0..7 outside 64-bit mode: all of them have a home */
	emit_op_rr(&l->e, 0xff, i->op[0].size / 8, i->z.mnemonic == ZYDIS_MNEMONIC_DEC, guest_reg_home[g]);
}

/*
 * BT, BTS, BTR, BTC with a register as bit offset: with a memory operand the offset reaches beyond it (SDM vol. 2,
 * "Bit(BitBase, BitOffset)"): the unit's address is computed here and the offset within it taken.
 */
void lower_bit(struct lower *l)
{
	const struct insn *i = l->i;
	const ZydisDecodedOperand *m = &i->op[0], *r = &i->op[1];
	unsigned int size = m->size / 8, shift = size == 8 ? 6 : size == 4 ? 5 : 4, asize = i->z.address_width / 8;
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
	bits = lower_get(l, lower_gpr(r->reg.value), TI);
	if (size == 8)
		emit_mov_rr(e, 8, TI, bits);
	else
		emit_enc(e, &(struct enc){ .map = size == 2, .op = size == 2 ? 0xbf : 0x63, .w = true, .reg = TI, .rm = bits });
	emit_mov_imm(e, TC, shift);
	emit_enc(e, &(struct enc){ .vex = true, .rep = 0xf3, .w = true, .map = 2, .op = 0xf7, .reg = TI, .vvvv = TC, .rm = TI });
	emit_lea(e, asize == 8 ? 8 : 4, TA, (struct mem){ .base = TA, .index = TI, .scale = size == 2 ? 1 : size == 4 ? 2 : 3 });
	if (asize == 2)
		emit_mov_rr(e, 2, TA, TA);
	lower_segment(l, (enum sreg)(m->mem.segment - ZYDIS_REGISTER_ES), size, rw_of(m));

	c = base_enc(l);
	c.reg = TI;
	c.is_mem = true;
	c.mem = lower_host_mem(TA);
	seq[0] = slot_load_enc(&(struct slot){ .o = r, .g = lower_gpr(r->reg.value), .host = TI, .temp = true });
	seq[1] = (struct enc){ .vex = true, .rep = 0xf3, .w = true, .map = 2, .op = 0xf5, .reg = TI, .vvvv = TI, .is_mem = true,
			       .mem = MEM_TLB(TLB_OFF(bit_mask) + 8 * (int)(shift - 3)) };
	seq[2] = c;
	lower_access(l, TA, size, rw_of(m), seq, 3);
}

/* Shifts by CL: RCX is a temporary, so the count is brought there. Flags depend on it: the instruction stays as it is. */
void lower_shift(struct lower *l)
{
	const struct insn *i = l->i;
	const ZydisDecodedOperand *o = &i->op[0], *src = NULL;
	const ZydisDecodedOperand *last = &i->op[i->z.operand_count_visible - 1];
	bool by_cl = last->type == ZYDIS_OPERAND_TYPE_REGISTER && last->reg.value == ZYDIS_REGISTER_CL &&
		     last->encoding != ZYDIS_OPERAND_ENCODING_MODRM_REG && i->z.operand_count_visible > 1;
	struct emit *e = &l->e;
	struct enc c, seq[SEQ_MAX];
	struct slot s = { 0 }, d = { 0 };
	unsigned int n = 0;
	u8 a;

	if (!by_cl) {
		lower_plain(l);
		return;
	}
	c = base_enc(l);
	c.reg = i->z.raw.modrm.reg;
	if (i->z.operand_count_visible == 3) { /* SHLD, SHRD */
		u8 g = lower_gpr(i->op[1].reg.value);

		src = &i->op[1];
		s = (struct slot){ .o = src, .g = g, .host = guest_reg_home[g] == H_NONE ? TI : guest_reg_home[g], .temp = guest_reg_home[g] == H_NONE };
		c.reg = s.host;
	}
	if (o->type == ZYDIS_OPERAND_TYPE_MEMORY) {
		a = lower_linear(l, o, 0, o->size / 8, rw_of(o));
		seq[n++] = (struct enc){ .op = 0x8d, .w = true, .reg = TA, .is_mem = true, .mem = lower_host_mem(a) };
		seq[n++] = (struct enc){ .op = 0x8b, .reg = H_RCX, .rm = guest_reg_home[RCX] };
		if (s.temp)
			seq[n++] = slot_load_enc(&s);
		c.is_mem = true;
		c.mem = MEM_BASE(TA, 0);
		seq[n++] = c;
		lower_access(l, a, o->size / 8, rw_of(o), seq, n);
		return;
	}
	d.o = o;
	d.g = lower_gpr(o->reg.value);
	d.host = guest_reg_home[d.g];
	if (lower_high_byte(o->reg.value)) {
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
	slot_load(l, &s);
	slot_load(l, &d);
	emit_mov_rr(e, 4, H_RCX, guest_reg_home[RCX]);
	c.rm = d.host;
	c.force_rex = needs_rex(o, d.host);
	emit_enc(e, &c);
	slot_store(l, &d);
}

/* CMPXCHG8B, CMPXCHG16B: EDX:EAX and EBX are themselves, ECX is brought in */
void lower_cmpxchg16(struct lower *l)
{
	const ZydisDecodedOperand *m = &l->i->op[0];
	struct enc c = base_enc(l), seq[3];
	u8 a = lower_linear(l, m, 0, m->size / 8, rw_of(m));

	c.reg = l->i->z.raw.modrm.reg;
	c.is_mem = true;
	c.mem = MEM_BASE(TA, 0);
	seq[0] = (struct enc){ .op = 0x8d, .w = true, .reg = TA, .is_mem = true, .mem = lower_host_mem(a) };
	seq[1] = (struct enc){ .op = 0x8b, .w = true, .reg = H_RCX, .rm = guest_reg_home[RCX] };
	seq[2] = c;
	lower_access(l, a, m->size / 8, rw_of(m) | (m->size == 128 ? DESC_ALIGNED : 0), seq, 3);
}

/* NOP with an operand, PREFETCHh: no access, no fault */
void lower_nop(struct lower *l)
{
	(void)l;
}

/* CLFLUSH, CLFLUSHOPT, CLWB: checked like a load of one byte */
void lower_flush(struct lower *l)
{
	const ZydisDecodedOperand *m = &l->i->op[0];
	u8 a = lower_linear(l, m, 0, 1, DESC_READ);

	lower_access(l, a, 1, DESC_READ | (lower_is_ss(m) ? DESC_SS : 0), NULL, 0);
}

/* XLAT: AL = [rBX + AL] */
void lower_xlat(struct lower *l)
{
	const struct insn *i = l->i;
	enum sreg seg = DS;
	unsigned int k, asize = i->z.address_width / 8;
	struct emit *e = &l->e;

	for (k = 0; k < i->z.operand_count; k++)
		if (i->op[k].type == ZYDIS_OPERAND_TYPE_MEMORY)
			seg = (enum sreg)(i->op[k].mem.segment - ZYDIS_REGISTER_ES);
	emit_mov_rr(e, 1, TA, H_RAX);
	emit_lea(e, asize == 8 ? 8 : 4, TA, MEM_BASE_INDEX(TA, H_RBX, 0));
	if (asize == 2)
		emit_mov_rr(e, 2, TA, TA);
	lower_segment(l, seg, 1, DESC_READ);
	lower_access(l, TA, 1, DESC_READ | (seg == SS ? DESC_SS : 0),
		     &(struct enc){ .op = 0x8a, .reg = H_RAX, .is_mem = true, .mem = lower_host_mem(TA) }, 1);
}

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
 * The next instruction is in the same block, so nothing comes between. If an interrupt is waiting, vcpu_leave_soon(): the
 * block after that leaves.
 */
void lower_sti(struct lower *l)
{
	struct emit *e = &l->e;
	u8 *none;

	lower_set_flag(l, 9);
	emit_load(e, 1, TC, MEM_VCPU(OFF(intr_wait)));
	none = emit_jrcxz_fwd(e);
	emit_load(e, 8, TC, MEM_VCPU(OFF(budget)));
	emit_store(e, 8, MEM_VCPU(OFF(budget_held)), TC);
	emit_store_imm32(e, 8, MEM_VCPU(OFF(budget)), -1);
	emit_patch8(e, none);
}

void lower_cld(struct lower *l)
{
	lower_clear_flag(l, 10);
}

void lower_std(struct lower *l)
{
	lower_set_flag(l, 10);
}
