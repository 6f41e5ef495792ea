/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "decode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../cpu/mode.h"
#include "../cpu/model.h"
#include "decode_head.h"

/* CS' size, or real mode's 16 bits; and SP's size outside 64-bit mode */
enum kind { KIND_64, KIND_32_SP32, KIND_32_SP16, KIND_16_SP32, KIND_16_SP16, KIND_REAL_SP32, KIND_REAL_SP16, KINDS };

/*
 * What is remembered of an instruction is keyed by its head (decode_head.h). Entries are filled one after the other, and forgotten all together
 * before a block for which there might not be enough: what a block has been told lies still.
 */
#define ENTRIES 4096
#define SLOTS 4096
#define OPERANDS_KEPT 4 /* of nearly all instructions, FLAGS included */

/* Two lines of a host's cache */
struct entry {
	u64 head; /* the topmost byte its length and kind, as it has no more than seven */
	struct decoded z;
	struct operand op[OPERANDS_KEPT];
} __attribute__((aligned(64)));

_Static_assert(sizeof(struct entry) == 128, "no more");

struct slot {
	u16 tag; /* of the head */
	u16 entry;
};

struct decode {
	ZydisDecoder zydis[KINDS], ud2;
	enum kind kind; /* of the code at hand */
	unsigned int used; /* of entry[]; the first one is nobody's */
	unsigned int others; /* of other[] */
	struct decoded other[DECODE_MAX]; /* that aren't remembered */
	struct slot slot[SLOTS];
	struct entry entry[ENTRIES];
};

/* Zydis' own */
struct raw {
	ZydisDecodedInstruction z;
	ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
};

/* Encodings that are a NOP, or BSF, BSR, WBINVD, on a CPU without the feature that gave them a meaning. */
static void set_modes(ZydisDecoder *z, const struct cpu_model *model)
{
	ZydisDecoderEnableMode(z, ZYDIS_DECODER_MODE_CET, ZYAN_FALSE);
	ZydisDecoderEnableMode(z, ZYDIS_DECODER_MODE_MPX, ZYAN_FALSE);
	ZydisDecoderEnableMode(z, ZYDIS_DECODER_MODE_CLDEMOTE, ZYAN_FALSE);
	ZydisDecoderEnableMode(z, ZYDIS_DECODER_MODE_WBNOINVD, ZYAN_FALSE);
	ZydisDecoderEnableMode(z, ZYDIS_DECODER_MODE_KNC, ZYAN_FALSE);
	ZydisDecoderEnableMode(z, ZYDIS_DECODER_MODE_LZCNT, model_has(model, FEATURE_ABM));
	ZydisDecoderEnableMode(z, ZYDIS_DECODER_MODE_TZCNT, model_has(model, FEATURE_BMI1));
}

struct decode *decode_create(const struct cpu_model *model)
{
	static const struct {
		ZydisMachineMode mode;
		ZydisStackWidth stack;
	} kinds[KINDS] = {
		[KIND_64] = { ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64 },
		[KIND_32_SP32] = { ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32 },
		[KIND_32_SP16] = { ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_16 },
		[KIND_16_SP32] = { ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_32 },
		[KIND_16_SP16] = { ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16 },
		[KIND_REAL_SP32] = { ZYDIS_MACHINE_MODE_REAL_16, ZYDIS_STACK_WIDTH_32 },
		[KIND_REAL_SP16] = { ZYDIS_MACHINE_MODE_REAL_16, ZYDIS_STACK_WIDTH_16 },
	};
	struct decode *d = aligned_alloc(_Alignof(struct decode), sizeof(*d));

	if (!d)
		return NULL;
	memset(d, 0, sizeof(*d));
	d->used = 1;
	for (unsigned int i = 0; i < KINDS; i++) {
		ZydisDecoderInit(&d->zydis[i], kinds[i].mode, kinds[i].stack);
		set_modes(&d->zydis[i], model);
	}
	ZydisDecoderInit(&d->ud2, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	return d;
}

void decode_destroy(struct decode *d)
{
	free(d);
}

void decode_begin(struct decode *d, u32 mode)
{
	bool real = !(mode & MODE_PE) || (mode & MODE_VM86);

	d->others = 0;
	if (d->used > ENTRIES - DECODE_MAX) {
		d->used = 1;
		memset(d->slot, 0, sizeof(d->slot));
	}
	switch (mode & MODE_CS_MASK) {
	case MODE_CS64:
		d->kind = KIND_64;
		break;
	case MODE_CS32:
		d->kind = mode & MODE_SS32 ? KIND_32_SP32 : KIND_32_SP16;
		break;
	default:
		if (real)
			d->kind = mode & MODE_SS32 ? KIND_REAL_SP32 : KIND_REAL_SP16;
		else
			d->kind = mode & MODE_SS32 ? KIND_16_SP32 : KIND_16_SP16;
	}
}

/*
 * SIB with base 101 and mod 00 is a 32-bit displacement without a base, whatever REX.B says. Zydis 4.0 makes R13D of it when the
 * address size is 32 bits.
 */
static void fix_base(struct raw *r)
{
	if (!(r->z.attributes & ZYDIS_ATTRIB_HAS_SIB) || r->z.raw.sib.base != 5 || r->z.raw.modrm.mod != 0)
		return;
	for (unsigned int k = 0; k < r->z.operand_count_visible; k++)
		if (r->op[k].type == ZYDIS_OPERAND_TYPE_MEMORY && r->op[k].mem.base != ZYDIS_REGISTER_NONE) {
			r->op[k].mem.base = ZYDIS_REGISTER_NONE;
			r->op[k].mem.disp.has_displacement = ZYAN_TRUE;
			r->op[k].mem.disp.value = r->z.raw.disp.value;
		}
}

/*
 * MOVSXD r16, r/m16 (SDM vol. 2, "MOVSX/MOVSXD") is MOV r16, r/m16. Zydis 4.0 has 32 bits in memory, as AMD has; MOV's opcode keeps a host's CPU
 * that is AMD's from reading them.
 */
static void fix_movsxd(struct raw *r)
{
	if (r->z.mnemonic != ZYDIS_MNEMONIC_MOVSXD || r->z.operand_width != 16)
		return;
	r->z.opcode = 0x8b;
	if (r->op[1].type == ZYDIS_OPERAND_TYPE_MEMORY)
		r->op[1].size = 16;
}

static bool has_vector_operand(const struct decoded *z, const struct operand *op)
{
	for (unsigned int k = 0; k < z->operand_count; k++)
		if (operand_is_reg(&op[k]) && (reg_is_x87_or_mmx(op[k].reg) || reg_is_xmm_or_ymm(op[k].reg)))
			return true;
	return z->isa_set == ZYDIS_ISA_SET_X87 || z->isa_set == ZYDIS_ISA_SET_SSEMXCSR;
}

/* Is there a 16-bit operand, implied or not? LFENCE, MOVNTI and others have an operand size of 16 in 16-bit code, and no use for it. */
static bool has_word_operand(const struct decoded *z, const struct operand *op)
{
	for (unsigned int k = 0; k < z->operand_count; k++)
		if (operand_is_reg(&op[k]) ? reg_is_word(op[k].reg) : op[k].size == 16)
			return true;
	return false;
}

/* x87's environment and state have 14 and 94 bytes with an operand size of 16 */
static bool is_x87_environment(const struct decoded *z)
{
	switch (z->mnemonic) {
	case ZYDIS_MNEMONIC_FLDENV:
	case ZYDIS_MNEMONIC_FNSTENV:
	case ZYDIS_MNEMONIC_FRSTOR:
	case ZYDIS_MNEMONIC_FNSAVE:
		return true;
	default:
		return false;
	}
}

/* Outside 64-bit mode VEX.W doesn't widen general registers, nor an integer in memory or one that is implied. */
static bool ignores_vex_w(const struct decoded *z, const struct operand *op)
{
	for (unsigned int k = 0; k < z->operand_count_visible; k++)
		if (operand_is_gpr(&op[k]))
			return true;
	switch (z->mnemonic) {
	case ZYDIS_MNEMONIC_VCVTSI2SS:
	case ZYDIS_MNEMONIC_VCVTSI2SD:
	case ZYDIS_MNEMONIC_VPEXTRD:
	case ZYDIS_MNEMONIC_VPINSRD:
	case ZYDIS_MNEMONIC_VMOVD:
	case ZYDIS_MNEMONIC_VPCMPESTRI:
	case ZYDIS_MNEMONIC_VPCMPESTRM:
		return true;
	default:
		return false;
	}
}

static u8 opcode_map(ZydisOpcodeMap map)
{
	switch (map) {
	case ZYDIS_OPCODE_MAP_0F:
		return 1;
	case ZYDIS_OPCODE_MAP_0F38:
		return 2;
	case ZYDIS_OPCODE_MAP_0F3A:
		return 3;
	default:
		return 0;
	}
}

static struct enc host_enc(enum kind kind, const struct raw *r, const struct decoded *z, const struct operand *op)
{
	struct enc c = { .op = z->opcode, .w = z->rex_w, .map = opcode_map(r->z.opcode_map) };
	bool raw66 = false, mandatory66 = false;

	if (c.map == 0 && c.op == 0x82)
		c.op = 0x80; /* the alias exists outside 64-bit mode only */
	for (unsigned int k = 0; k < r->z.raw.prefix_count; k++) {
		u8 p = r->z.raw.prefixes[k].value;

		if (p == 0x66) {
			raw66 = true;
			mandatory66 |= r->z.raw.prefixes[k].type == ZYDIS_PREFIX_TYPE_MANDATORY;
		} else if ((p == 0xf2 || p == 0xf3) && r->z.raw.prefixes[k].type == ZYDIS_PREFIX_TYPE_MANDATORY) {
			c.rep = p;
		}
	}
	c.lock = z->attributes & ZYDIS_ATTRIB_HAS_LOCK;
	if (z->encoding == ZYDIS_INSTRUCTION_ENCODING_VEX) {
		c.vex = true;
		c.w = z->vex_w;
		c.l = z->vex_l;
		c.p66 = r->z.raw.vex.pp == 1;
		c.rep = r->z.raw.vex.pp == 2 ? 0xf3 : r->z.raw.vex.pp == 3 ? 0xf2 : 0;
		c.map = r->z.raw.vex.m_mmmm;
		if (kind != KIND_64 && ignores_vex_w(z, op))
			c.w = false;
	} else if (mandatory66) {
		c.p66 = true;
	} else if (kind >= KIND_16_SP32) {
		/* The default is 16 bits there, 32 here. */
		c.p66 = z->operand_width == 16 &&
			(is_x87_environment(z) || (!has_vector_operand(z, op) && has_word_operand(z, op)));
	} else {
		c.p66 = raw66;
	}
	c.imm_len = z->imm[0].size + z->imm[1].size;
	return c;
}

static struct bytes_at bytes_at(u8 offset, u8 bits, bool is_signed)
{
	return (struct bytes_at){ .offset = offset, .size = bits / 8, .is_signed = is_signed };
}

static s64 constant(const u8 *bytes, struct bytes_at at)
{
	unsigned int unused = 64 - 8 * at.size;
	u64 x;

	if (!at.size)
		return 0;
	memcpy(&x, bytes + at.offset, sizeof(x));
	x <<= unused;
	return at.is_signed ? (s64)x >> unused : (s64)(x >> unused);
}

/* What varies among instructions with the same head. Reads beyond them: HEAD_READS. extra: bytes of SIB and displacement that the head hasn't */
static void set_constants(struct insn *i, const u8 *bytes, struct bytes_at disp, u8 extra)
{
	const struct decoded *z = i->z;

	i->length = z->length + extra;
	i->disp = constant(bytes, disp);
	if (!z->imm[0].size)
		return;
	bytes += extra;
	i->imm[0] = constant(bytes, z->imm[0]);
	i->imm[1] = constant(bytes, z->imm[1]);
	memcpy(i->imm_bytes, bytes + z->imm[0].offset, sizeof(i->imm_bytes));
}

/* Which of the immediates an operand is, by Zydis' order. */
static u8 imm_from(const ZydisDecodedInstruction *z, const ZydisDecodedOperand *o, unsigned int *next)
{
	unsigned int k = *next;

	if (o->encoding == ZYDIS_OPERAND_ENCODING_NONE || k > 1 || !z->raw.imm[k].size)
		return FROM_ONE; /* of SHL r/m, 1 */
	++*next;
	return k ? FROM_IMM1 : FROM_IMM0;
}

static void keep_operand(struct operand *to, const ZydisDecodedInstruction *z, const ZydisDecodedOperand *o,
			 unsigned int *next)
{
	*to = (struct operand){ .type = (u8)o->type,
				.encoding = (u8)o->encoding,
				.actions = o->actions,
				.visibility = (u8)o->visibility,
				.size = o->size };
	switch (o->type) {
	case ZYDIS_OPERAND_TYPE_REGISTER:
		to->reg = (u16)o->reg.value;
		break;
	case ZYDIS_OPERAND_TYPE_MEMORY:
		to->segment = (u16)o->mem.segment;
		to->base = (u16)o->mem.base;
		to->index = (u16)o->mem.index;
		to->scale = o->mem.scale;
		to->from = o->mem.disp.has_displacement ? FROM_DISP : FROM_NONE;
		break;
	case ZYDIS_OPERAND_TYPE_POINTER:
		to->segment = o->ptr.segment;
		to->from = FROM_IMM0;
		break;
	default:
		to->from = imm_from(z, o, next);
	}
}

static bool makes_flags(u16 mnemonic)
{
	switch (mnemonic) {
	case ZYDIS_MNEMONIC_ADD:
	case ZYDIS_MNEMONIC_SUB:
	case ZYDIS_MNEMONIC_CMP:
	case ZYDIS_MNEMONIC_AND:
	case ZYDIS_MNEMONIC_OR:
	case ZYDIS_MNEMONIC_XOR:
	case ZYDIS_MNEMONIC_TEST:
	case ZYDIS_MNEMONIC_NEG:
		return true;
	default:
		return false;
	}
}

static bool is_plain(const struct operand *m)
{
	return m->segment != ZYDIS_REGISTER_FS && m->segment != ZYDIS_REGISTER_GS && m->size >= 8;
}

/* Not what needs registers of its own, or another encoding: AH to BH, a register that the opcode tells, VEX */
static bool is_general(const struct decoded *z, const struct operand *op)
{
	for (unsigned int k = 0; k < z->operand_count_visible; k++)
		if ((operand_is_reg(&op[k]) && !operand_is_gpr(&op[k])) || op[k].encoding == ZYDIS_OPERAND_ENCODING_OPCODE)
			return false;
	return z->encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY && !has_vector_operand(z, op) && !z->high_byte &&
	       (z->attributes & ZYDIS_ATTRIB_HAS_MODRM);
}

static u8 find_encoding(const struct decoded *z, const struct operand *op, u8 encoding)
{
	for (unsigned int k = 0; k < z->operand_count_visible; k++)
		if (op[k].type == ZYDIS_OPERAND_TYPE_REGISTER && op[k].encoding == encoding)
			return (u8)k;
	return NO_OPERAND;
}

static void summarize(struct decoded *z, const struct operand *op)
{
	unsigned int accesses = 0;

	for (unsigned int k = 0; k < z->operand_count_visible; k++) {
		z->high_byte |= operand_is_reg(&op[k]) && lower_high_byte(op[k].reg);
		if (op[k].type != ZYDIS_OPERAND_TYPE_MEMORY)
			continue;
		z->memory = (u8)k;
		accesses++;
	}
	if (accesses != 1)
		z->memory = NO_OPERAND;
	z->alu = !accesses && makes_flags(z->mnemonic);
	z->general = accesses < 2 && is_general(z, op);
	z->reg_at = find_encoding(z, op, ZYDIS_OPERAND_ENCODING_MODRM_REG);
	z->rm_at = find_encoding(z, op, ZYDIS_OPERAND_ENCODING_MODRM_RM);
	z->plain_address = z->memory != NO_OPERAND && z->address_width == 64 && is_plain(&op[z->memory]);
	for (unsigned int k = 0; k < z->operand_count; k++)
		z->written |= (u16)((operand_writes(&op[k]) && operand_is_gpr(&op[k])) << k);
}

static void keep(enum kind kind, const struct raw *r, struct insn *i, const u8 *bytes)
{
	const ZydisDecodedInstruction *z = &r->z;
	struct decoded *to = i->z;
	unsigned int next = 0;
	struct enc c;

	*to = (struct decoded){ .attributes = z->attributes,
				.mnemonic = (u16)z->mnemonic,
				.isa_set = (u16)z->meta.isa_set,
				.length = z->length,
				.operand_width = z->operand_width,
				.address_width = z->address_width,
				.operand_count = z->operand_count,
				.operand_count_visible = z->operand_count_visible,
				.encoding = (u8)z->encoding,
				.opcode = z->opcode,
				.opcode_map = (u8)z->opcode_map,
				.branch_type = (u8)z->meta.branch_type,
				.category = (u8)z->meta.category,
				.mod = z->raw.modrm.mod,
				.reg = z->raw.modrm.reg,
				.rm = z->raw.modrm.rm,
				.disp = bytes_at(z->raw.disp.offset, z->raw.disp.size, true) };
	for (unsigned int k = 0; k < 2; k++)
		to->imm[k] = bytes_at(z->raw.imm[k].offset, z->raw.imm[k].size, z->raw.imm[k].is_signed);
	if (z->encoding == ZYDIS_INSTRUCTION_ENCODING_VEX) {
		to->vex_w = z->raw.vex.W;
		to->vex_l = z->raw.vex.L;
		to->vex_r = z->raw.vex.R;
		to->vex_b = z->raw.vex.B;
	} else {
		to->rex_w = z->raw.rex.W;
		to->rex_r = z->raw.rex.R;
		to->rex_b = z->raw.rex.B;
	}
	for (unsigned int k = 0; k < z->operand_count; k++)
		keep_operand(&i->op[k], z, &r->op[k], &next);
	summarize(to, i->op);
	c = host_enc(kind, r, to, i->op);
	memcpy(to->enc, &c, sizeof(to->enc));
	set_constants(i, bytes, to->disp, 0);
	/* Outside 64-bit mode there are 8 vector registers. */
	for (unsigned int k = 0; k < z->operand_count_visible; k++)
		if (kind != KIND_64 && i->op[k].encoding == ZYDIS_OPERAND_ENCODING_IS4)
			i->imm_bytes[c.imm_len - 1] &= 0x7f;
}

/*
 * Does its head tell all but registers, its address in memory and constants? A register in the immediate, a far pointer and a second address are
 * something else.
 */
static bool is_told_by_head(const struct decoded *z, const struct operand *op)
{
	if ((z->encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY && z->encoding != ZYDIS_INSTRUCTION_ENCODING_VEX) ||
	    z->operand_count > OPERANDS_KEPT)
		return false;
	for (unsigned int k = 0; k < z->operand_count; k++)
		if (op[k].encoding == ZYDIS_OPERAND_ENCODING_IS4 || op[k].type == ZYDIS_OPERAND_TYPE_POINTER ||
		    (op[k].type == ZYDIS_OPERAND_TYPE_MEMORY && op[k].encoding == ZYDIS_OPERAND_ENCODING_MODRM_RM &&
		     k != z->memory))
			return false;
	return true;
}

/* Does Zydis say the same of the head's length, and of what was taken out? */
static bool is_that_long(const struct decoded *z, const struct head *h)
{
	if (!(h->out & HEAD_MEMORY))
		return h->length == (z->disp.size ? z->disp.offset : z->imm[0].size ? z->imm[0].offset : z->length);
	return z->disp.size == h->disp_size && (!z->disp.size || z->disp.offset == h->disp_at) &&
	       h->length + h->extra == (z->imm[0].size ? z->imm[0].offset : z->length);
}

/* By what it is found: its bytes; behind them, as no head that is remembered has all eight, how many there are and for which kind of code */
static u64 key(const struct decode *d, const struct head *h)
{
	return h->bytes | (u64)(d->kind << 4 | h->length) << 56;
}

static u64 hash(u64 key)
{
	return (key ^ key >> 29) * 0x9e3779b97f4a7c15ull;
}

/* The first one of two */
static struct slot *slot(struct decode *d, u64 hash)
{
	return &d->slot[(hash >> 51) % SLOTS & ~1ull];
}

static u16 tag(u64 hash)
{
	return (u16)(hash >> 35);
}

/* From the first register of a kind to its n-th. Of 8 bits, with REX: AH to BH stand between. */
static u16 nth(u16 first, u8 n)
{
	return (u16)(first + n + (first == ZYDIS_REGISTER_AL && n > 3 ? 4 : 0));
}

/* The other way */
static u16 first(u16 reg, u8 n)
{
	return reg_is_byte(reg) ? ZYDIS_REGISTER_AL : (u16)(reg - n);
}

static void put_address(struct operand *m, const struct head *h, u8 address_width)
{
	bool wide = address_width == 64;
	u16 gpr = wide ? ZYDIS_REGISTER_RAX : ZYDIS_REGISTER_EAX;

	if (h->base == HEAD_NONE)
		m->base = ZYDIS_REGISTER_NONE;
	else if (h->base == HEAD_RIP)
		m->base = wide ? ZYDIS_REGISTER_RIP : ZYDIS_REGISTER_EIP;
	else
		m->base = gpr + h->base;
	m->index = h->index == HEAD_NONE ? ZYDIS_REGISTER_NONE : gpr + h->index;
	m->scale = h->scale;
	m->from = h->disp_size ? FROM_DISP : FROM_NONE;
	/* SDM vol. 1, "Specifying a Segment Selector" */
	if (m->segment == ZYDIS_REGISTER_DS && (h->base == RSP || h->base == RBP))
		m->segment = ZYDIS_REGISTER_SS;
}

static struct bytes_at disp_of(const struct decoded *z, const struct head *h)
{
	return h->out & HEAD_MEMORY ? bytes_at(h->disp_at, 8 * h->disp_size, true) : z->disp;
}

static void put_in(struct insn *i, const struct head *h)
{
	const struct decoded *z = i->z;

	if ((h->out & HEAD_REG) && z->reg_at != NO_OPERAND)
		i->op[z->reg_at].reg = nth(i->op[z->reg_at].reg, h->reg);
	if ((h->out & HEAD_RM) && z->rm_at != NO_OPERAND)
		i->op[z->rm_at].reg = nth(i->op[z->rm_at].reg, h->rm);
	if ((h->out & HEAD_MEMORY) && z->memory != NO_OPERAND)
		put_address(&i->op[z->memory], h, z->address_width);
}

#define OF_ADDRESS (ZYDIS_ATTRIB_HAS_SIB | ZYDIS_ATTRIB_IS_RELATIVE) /* attributes */

static void take_out(struct entry *e, const struct head *h)
{
	struct decoded *z = &e->z;

	if ((h->out & HEAD_REG) && z->reg_at != NO_OPERAND)
		e->op[z->reg_at].reg = first(e->op[z->reg_at].reg, h->reg);
	if ((h->out & HEAD_RM) && z->rm_at != NO_OPERAND)
		e->op[z->rm_at].reg = first(e->op[z->rm_at].reg, h->rm);
	if (!(h->out & HEAD_MEMORY))
		return;
	if (z->memory != NO_OPERAND && e->op[z->memory].segment == ZYDIS_REGISTER_SS)
		e->op[z->memory].segment = ZYDIS_REGISTER_DS;
	z->attributes &= ~OF_ADDRESS;
	z->length -= h->extra;
	z->disp = (struct bytes_at){ 0 };
	z->imm[0].offset -= h->extra;
	z->imm[1].offset -= h->extra;
}

static bool remembered(struct decode *d, struct insn *i, const struct head *h, const u8 *bytes, unsigned int n)
{
	u64 k = key(d, h), x = hash(k);
	const struct slot *s = slot(d, x);
	struct entry *e;

	s += s->tag != tag(x);
	e = &d->entry[s->entry];
	if (s->tag != tag(x) || e->head != k || e->z.length + h->extra > n)
		return false;
	i->z = &e->z;
	memcpy(i->op, e->op, sizeof(e->op));
	put_in(i, h);
	set_constants(i, bytes, disp_of(i->z, h), h->extra);
	return true;
}

/* Moves what is known of *i into an entry. */
static void remember(struct decode *d, struct insn *i, const struct head *h)
{
	u64 k = key(d, h), x = hash(k);
	struct entry *e = &d->entry[d->used];
	struct slot *s = slot(d, x);

	if (!is_that_long(i->z, h) || !is_told_by_head(i->z, i->op))
		return;
	s[1] = s[0];
	s[0] = (struct slot){ .tag = tag(x), .entry = (u16)d->used++ };
	e->head = k;
	e->z = *i->z;
	memcpy(e->op, i->op, e->z.operand_count * sizeof(e->op[0]));
	take_out(e, h);
	i->z = &e->z;
}

/* By Zydis */
static enum decode_result decode_anew(struct decode *d, struct insn *i, const struct head *told, const u8 *bytes,
				      unsigned int n)
{
	static const u8 ud2[HEAD_READS] = { 0x0f, 0x0b };
	struct raw r;
	ZyanStatus s;

	i->z = &d->other[d->others];
	s = ZydisDecoderDecodeFull(&d->zydis[d->kind], bytes, n < BYTES_MAX ? n : BYTES_MAX, &r.z, r.op);
	if (ZYAN_SUCCESS(s)) {
		fix_base(&r);
		fix_movsxd(&r);
		keep(d->kind, &r, i, bytes);
		if (told)
			remember(d, i, told);
		d->others += i->z == &d->other[d->others];
		return DECODE_OK;
	}
	if (s == ZYDIS_STATUS_NO_MORE_DATA && n < BYTES_MAX)
		return DECODE_MORE;
	ZydisDecoderDecodeFull(&d->ud2, ud2, 2, &r.z, r.op);
	keep(KIND_64, &r, i, ud2);
	d->others++;
	return s == ZYDIS_STATUS_INSTRUCTION_TOO_LONG || s == ZYDIS_STATUS_NO_MORE_DATA ? DECODE_TOO_LONG
											: DECODE_UNDEFINED;
}

static bool head_told(const struct decode *d, struct head *h, const u8 *bytes)
{
	return head_of(h, bytes, d->kind == KIND_64, d->kind >= KIND_16_SP32);
}

/* Near the end of what may be read */
static const u8 *pad(u8 padded[HEAD_READS], const u8 *bytes, unsigned int n)
{
	memset(padded, 0, HEAD_READS);
	memcpy(padded, bytes, n);
	return padded;
}

bool decode_known(struct decode *d, struct insn *i, const u8 *bytes, unsigned int n)
{
	u8 padded[HEAD_READS];
	struct head h;

	if (n < HEAD_READS)
		bytes = pad(padded, bytes, n);
	return head_told(d, &h, bytes) && remembered(d, i, &h, bytes, n);
}

enum decode_result decode_insn(struct decode *d, struct insn *i, const u8 *bytes, unsigned int n)
{
	u8 padded[HEAD_READS];
	struct head h;
	bool told;

	if (n < HEAD_READS)
		bytes = pad(padded, bytes, n);
	told = head_told(d, &h, bytes);
	return decode_anew(d, i, told ? &h : NULL, bytes, n);
}

void decode_text(const struct decode *d, const u8 bytes[BYTES_MAX], u64 at, char *text, size_t size)
{
	ZydisFormatter f;
	struct raw r;

	ZydisFormatterInit(&f, ZYDIS_FORMATTER_STYLE_INTEL);
	if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&d->zydis[d->kind], bytes, BYTES_MAX, &r.z, r.op)) ||
	    !ZYAN_SUCCESS(
		    ZydisFormatterFormatInstruction(&f, &r.z, r.op, r.z.operand_count_visible, text, size, at, NULL)))
		snprintf(text, size, "?");
}
