/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fuzz_insn.h"
#include <string.h>
#include "fuzz_isa.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static const struct fuzz_region regions[] = { FUZZ_REGIONS(FUZZ_REGION_TABLE_ROW) };

static const u16 left_out[] = {
#define X(name, why) ZYDIS_MNEMONIC_##name,
	FUZZ_LEFT_OUT(X)
#undef X
};

/* instruction bytes under construction */
struct draft {
	u8 bytes[24];
	unsigned int size;
	u8 rex; /* 0: none. W R X B of VEX, too */
	u8 vvvv;
	unsigned int modrm_at;
	u8 segment; /* its prefix, 0: none */
	u64 segment_base; /* of FS and GS */
	u8 address_bits;
	bool relative; /* ModRM says RIP-relative */
	u64 data;
};

#define REX_W 8
#define REX_R 4
#define REX_X 2
#define REX_B 1

void fuzz_context_init(struct fuzz_context *c, struct fuzz_target *a, struct fuzz_target *b)
{
	u32 x[4], y[4];

	memset(c, 0, sizeof(*c));
#define X(name, leaf, subleaf, reg, bit) \
	a->cpuid(a, leaf, subleaf, x); \
	b->cpuid(b, leaf, subleaf, y); \
	c->isa[ZYDIS_ISA_SET_##name] = (leaf) == 0 || (x[FUZZ_##reg] & y[FUZZ_##reg] & BIT(bit));
	FUZZ_ISA_SETS(X)
#undef X
}

void fuzz_decoder(ZydisDecoder *d, const struct fuzz_mode *mode)
{
	static const struct {
		ZydisMachineMode mode;
		ZydisStackWidth stack;
	} widths[] = {
		{ ZYDIS_MACHINE_MODE_LONG_COMPAT_16, ZYDIS_STACK_WIDTH_16 },
		{ ZYDIS_MACHINE_MODE_LONG_COMPAT_32, ZYDIS_STACK_WIDTH_32 },
		{ ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64 },
	};

	ZydisDecoderInit(d, widths[mode->bits / 32].mode, widths[mode->stack_bits / 32].stack);
}

void fuzz_context_mode(struct fuzz_context *c, unsigned int mode)
{
	c->mode_number = mode;
	c->mode = &fuzz_modes[mode];
	fuzz_decoder(&c->decoder, c->mode);
}

static bool is_segmented(const struct fuzz_context *c)
{
	return c->mode->cs & 4; /* in the LDT */
}

static const struct fuzz_region *choose_region(struct fuzz_context *c, enum fuzz_what what)
{
	/* index of the region, share of 100; the rest isn't mapped */
	static const struct {
		u8 region, share;
	} flat[] = { { 0, 64 }, { 4, 12 }, { 1, 9 }, { 2, 12 } }, data[] = { { 0, 68 }, { 1, 10 }, { 2, 14 }, { 3, 5 } };
	bool segmented = is_segmented(c);
	u32 n = rng_below(&c->rng, 100), i;

	if (segmented && what == FUZZ_STACK)
		return &regions[4];
	for (i = 0; i < ARRAY_SIZE(flat); i++) {
		u8 share = segmented ? data[i].share : flat[i].share;

		if (n < share)
			return &regions[segmented ? data[i].region : flat[i].region];
		n -= share;
	}
	return NULL;
}

/*
 * Where in a region: mostly aligned somewhere inside, sometimes around a page's end, so that operands of up to 32
 * bytes cross it.
 */
u64 fuzz_address(struct fuzz_context *c, enum fuzz_what what)
{
	const struct fuzz_region *region = choose_region(c, what);
	u64 base = is_segmented(c) && what == FUZZ_STACK ? c->mode->stack_base : c->mode->data_base, offset, size;
	struct rng *r = &c->rng;
	u32 n;

	if (is_segmented(c) && what == FUZZ_CODE_DATA)
		return FUZZ_CODE - c->mode->code_base + rng_below(r, FUZZ_CODE_PAGES * FUZZ_PAGE);
	if (!region) /* not mapped */
		return regions[0].address - rng_below(r, 4096) - base;
	size = region->pages * FUZZ_PAGE;
	n = rng_below(r, 100);
	if (n < 18) {
		/* crosses into the next page, which may be a guard */
		offset = (rng_below(r, region->pages) + 1) * FUZZ_PAGE - 1 - rng_below(r, 31);
		if (offset > size - 32 && rng_chance(r, 60))
			offset -= 32;
		return region->address + offset - base;
	}
	offset = rng_below(r, size - 64);
	if (n < 60)
		offset &= ~31ull;
	else if (n < 70)
		offset &= ~7ull;
	return region->address + offset - base;
}

static void put(struct draft *d, u64 value, unsigned int size)
{
	while (size--) {
		d->bytes[d->size++] = value;
		value >>= 8;
	}
}

/* one register of a set, -1 if it's empty */
static int choose(struct rng *r, u32 set)
{
	unsigned int n = __builtin_popcount(set), i;

	if (!n)
		return -1;
	for (n = rng_below(r, n); n; n--)
		set &= set - 1;
	i = __builtin_ctz(set);
	return i;
}

/* registers whose known value may be part of an address */
static u32 usable(const struct fuzz_context *c, u64 limit)
{
	u32 set = 0;
	unsigned int i;

	for (i = 0; i < 16; i++)
		if (c->known & fuzz_gprs(c) & BIT(i) && c->gpr[i] < limit)
			set |= BIT(i);
	return set;
}

static bool fits(s64 value, unsigned int bits)
{
	return value >> (bits - 1) == 0 || value >> (bits - 1) == -1;
}

static void set_register(struct draft *d, int reg, u8 rex_bit)
{
	d->rex = reg & 8 ? d->rex | rex_bit : d->rex & ~rex_bit;
}

/* What the operand's segment holds: the one of the prefix, or SS or DS as the base register says. */
static enum fuzz_what what_of(const struct draft *d, int base)
{
	switch (d->segment) {
	case 0:
		return base == 4 || base == 5 ? FUZZ_STACK : FUZZ_DATA;
	case 0x36:
		return FUZZ_STACK;
	case 0x2e:
		return FUZZ_CODE_DATA;
	default:
		return FUZZ_DATA;
	}
}

/* [base + index * scale + displacement] with a base that points into the data */
static bool based_operand(struct fuzz_context *c, struct draft *d, u8 reg)
{
	struct rng *r = &c->rng;
	bool close = rng_chance(r, 50);
	u32 bases = usable(c, BIT(31)), indexes = usable(c, 4096) & ~BIT(4);
	int base, index = -1;
	u8 scale = rng_below(r, 4), mod;
	s64 displacement;

	if (close)
		bases = c->near & fuzz_gprs(c);
	base = choose(r, bases);
	if (base < 0)
		return false;
	if (rng_chance(r, 40))
		index = choose(r, indexes);
	if (!close) {
		displacement = fuzz_address(c, what_of(d, base)) - c->gpr[base] - d->segment_base;
		if (index >= 0)
			displacement -= (s64)(c->gpr[index] << scale);
		if (!fits(displacement, 32))
			return false;
	} else {
		displacement = (s64)rng_below(r, 256) - 128;
		if (rng_chance(r, 60))
			displacement &= ~15;
		if (rng_chance(r, 30))
			displacement = 0;
	}
	mod = displacement == 0 && (base & 7) != 5 ? 0 : fits(displacement, 8) ? 1 : 2;
	if (mod < 2 && rng_chance(r, 5))
		mod++; /* longer than needed */
	set_register(d, base, REX_B);
	if (index >= 0 || (base & 7) == 4 || rng_chance(r, 10)) {
		set_register(d, index >= 0 ? index : 0, REX_X);
		put(d, mod << 6 | reg << 3 | 4, 1);
		put(d, scale << 6 | (index >= 0 ? index & 7 : 4) << 3 | (base & 7), 1);
	} else {
		put(d, mod << 6 | reg << 3 | (base & 7), 1);
	}
	put(d, displacement, mod == 0 ? 0 : mod == 1 ? 1 : 4);
	return true;
}

/* A memory operand with 16-bit addressing: SDM vol. 2, "16-Bit Addressing Forms with the ModR/M Byte". */
static void put_memory16(struct fuzz_context *c, struct draft *d, u8 reg)
{
	/* the two registers of each form, 8: none */
	static const u8 forms[8][2] = { { 3, 6 }, { 3, 7 }, { 5, 6 }, { 5, 7 }, { 6, 8 }, { 7, 8 }, { 5, 8 }, { 3, 8 } };
	struct rng *r = &c->rng;
	u8 rm = rng_below(r, 8), mod = rng_below(r, 3), i;
	bool known = true;
	u16 sum = 0;

	if (rm == 6 && mod == 0) { /* an address alone */
		put(d, reg << 3 | 6, 1);
		put(d, fuzz_address(c, what_of(d, 0)), 2);
		return;
	}
	for (i = 0; i < 2; i++) {
		if (forms[rm][i] == 8)
			continue;
		known = known && c->known & BIT(forms[rm][i]);
		sum += c->gpr[forms[rm][i]];
	}
	if (known && (forms[rm][1] != 8 || !(c->near & BIT(forms[rm][0])) || rng_chance(r, 50))) {
		put(d, 2 << 6 | reg << 3 | rm, 1);
		put(d, fuzz_address(c, what_of(d, forms[rm][0])) - sum, 2);
		return;
	}
	put(d, mod << 6 | reg << 3 | rm, 1);
	put(d, rng_next(r) & (mod == 1 ? 0xff : 0xf0), mod);
}

/* ModRM and what belongs to it. What follows is immediate, or unused. */
static void put_modrm(struct fuzz_context *c, struct draft *d, bool vsib)
{
	struct rng *r = &c->rng;
	u8 reg = rng_below(r, 8);
	u32 n = rng_below(r, 100);

	d->modrm_at = d->size;
	if (vsib) {
		int base = choose(r, c->near & fuzz_gprs(c));

		if (base < 0)
			base = 0;
		set_register(d, base, REX_B);
		put(d, 2 << 6 | reg << 3 | 4, 1);
		put(d, rng_below(r, 32) << 3 | (base & 7), 1);
		put(d, rng_below(r, 256) - 128, 4);
		return;
	}
	if (n < 45) { /* registers */
		put(d, 3 << 6 | reg << 3 | rng_below(r, 8), 1);
		return;
	}
	if (n >= 98) { /* anything */
		put(d, rng_next(r), 6);
		return;
	}
	if (d->address_bits == 16) {
		put_memory16(c, d, reg);
		return;
	}
	if (n < 50 && c->mode->bits == 64) {
		put(d, reg << 3 | 5, 1);
		put(d, 0, 4);
		d->relative = true;
		d->data = fuzz_address(c, FUZZ_DATA) - d->segment_base;
		return;
	}
	if (n >= 55 && based_operand(c, d, reg))
		return;
	if (c->mode->bits != 64) {
		put(d, reg << 3 | 5, 1);
	} else {
		put(d, reg << 3 | 4, 1);
		put(d, 4 << 3 | 5, 1);
		d->rex &= ~REX_X;
	}
	put(d, fuzz_address(c, what_of(d, 0)) - d->segment_base, 4);
}

static void put_immediate(struct fuzz_context *c, struct draft *d)
{
	struct rng *r = &c->rng;
	u64 x = rng_next(r);

	switch (rng_below(r, 4)) {
	case 0:
		x = (s64)x >> 57;
		break;
	case 1:
		x = rng_below(r, 70); /* shift counts, bit numbers */
		break;
	case 2:
		x = fuzz_address(c, FUZZ_DATA);
		break;
	}
	put(d, x, 8);
}

static void toggle_address_size(struct draft *d)
{
	d->address_bits = d->address_bits == 32 ? 16 : 32;
}

/* legacy prefixes in a random order; F2, F3, 66 as asked for */
static void put_prefixes(struct fuzz_context *c, struct draft *d, u8 mandatory, bool lock)
{
	struct rng *r = &c->rng;
	static const u8 segments[] = { 0x2e, 0x36, 0x3e, 0x26, 0x64, 0x65 };
	u8 list[6], n = 0, i, j, t;

	if (mandatory)
		list[n++] = mandatory;
	if (lock)
		list[n++] = 0xf0;
	if (rng_chance(r, 7)) {
		/* in 32-bit code FS and GS are null selectors: CPUs differ in what of them is left */
		t = segments[rng_below(r, c->mode->bits == 64 ? ARRAY_SIZE(segments) : 4)];
		/* 64-bit mode ignores the others */
		d->segment = c->mode->bits == 64 ? 0 : t;
		if (t == 0x64)
			d->segment_base = c->fs_base;
		if (t == 0x65)
			d->segment_base = c->gs_base;
		list[n++] = t;
	}
	if (rng_chance(r, c->mode->bits == 16 ? 12 : 4)) {
		list[n++] = 0x67;
		toggle_address_size(d);
	}
	if (rng_chance(r, 3))
		list[n++] = 0x66; /* perhaps twice */
	for (i = n; i > 1; i--) {
		j = rng_below(r, i);
		t = list[i - 1];
		list[i - 1] = list[j];
		list[j] = t;
	}
	for (i = 0; i < n; i++)
		put(d, list[i], 1);
}

static bool is_prefix_or_escape(const struct fuzz_context *c, u8 opcode)
{
	if (c->mode->bits == 64 && ((opcode >= 0x40 && opcode <= 0x4f) || opcode == 0x62))
		return true;
	switch (opcode) {
	case 0x0f:
	case 0x26:
	case 0x2e:
	case 0x36:
	case 0x3e:
	case 0x64 ... 0x67:
	case 0xc4:
	case 0xc5:
	case 0xf0:
	case 0xf2:
	case 0xf3:
		return true;
	}
	return false;
}

static bool is_string(u8 opcode)
{
	return (opcode >= 0xa4 && opcode <= 0xa7) || (opcode >= 0xaa && opcode <= 0xaf);
}

/* Bytes; returns nothing useful about whether they mean something. */
static void draft_legacy(struct fuzz_context *c, struct draft *d, unsigned int map)
{
	struct rng *r = &c->rng;
	static const u8 mandatory_0f[] = { 0, 0, 0, 0x66, 0x66, 0xf3, 0xf2 };
	u8 opcode, mandatory = 0, rex_at, i, size_before;
	bool lock;

	do
		opcode = map == 0x87 ? 0xd8 + rng_below(r, 8) : rng_below(r, 256);
	while ((map == 0 && is_prefix_or_escape(c, opcode)) || (map == 0x0f && (opcode == 0x38 || opcode == 0x3a)));
	lock = rng_chance(r, map == 0 ? 8 : map == 0x0f ? 4 : 0);
	if (map != 0 && map != 0x87)
		mandatory = mandatory_0f[rng_below(r, sizeof(mandatory_0f))];
	else if (map == 0 && is_string(opcode) && rng_chance(r, 60))
		mandatory = rng_chance(r, 60) ? 0xf3 : 0xf2;
	else if (rng_chance(r, 22))
		mandatory = rng_chance(r, 75) ? 0x66 : rng_chance(r, 50) ? 0xf3 : 0xf2;
	put_prefixes(c, d, mandatory, lock);
	/* REX has to be known before ModRM and is changed by it: leave room, close the gap afterwards */
	if (c->mode->bits == 64 && rng_chance(r, 60))
		d->rex = 0x40 | (rng_chance(r, 50) ? REX_W : 0) | rng_below(r, 8);
	rex_at = d->size++;
	switch (map) {
	case 0x0f:
		put(d, 0x0f, 1);
		break;
	case 0x38:
	case 0x3a:
		put(d, 0x0f, 1);
		put(d, map, 1);
		break;
	}
	put(d, opcode, 1);
	if (map == 0 && opcode >= 0xa0 && opcode <= 0xa3) { /* MOV with an address of full size */
		put(d, fuzz_address(c, what_of(d, 0)) - d->segment_base, d->address_bits / 8);
		put_immediate(c, d);
	} else {
		put_modrm(c, d, false);
		put_immediate(c, d);
	}
	if (d->rex & 0xf)
		d->rex |= 0x40;
	if (d->rex && c->mode->bits == 64) {
		d->bytes[rex_at] = d->rex;
		return;
	}
	size_before = d->size--;
	for (i = rex_at; i + 1 < size_before; i++)
		d->bytes[i] = d->bytes[i + 1];
	d->modrm_at--;
}

static void draft_vex(struct fuzz_context *c, struct draft *d)
{
	struct rng *r = &c->rng;
	u8 map = 1 + rng_below(r, 3), pp = rng_below(r, 4), opcode = rng_below(r, 256), l = rng_chance(r, 50), at;
	u8 vvvv = rng_below(r, c->mode->bits == 64 ? 16 : 8);
	bool short_form = map == 1 && rng_chance(r, 40);

	if (rng_chance(r, 4)) { /* not allowed before VEX unless it is a segment or address size */
		put_prefixes(c, d, rng_chance(r, 10) ? 0x66 : 0, false);
	} else if (rng_chance(r, 5)) {
		put(d, 0x67, 1);
		toggle_address_size(d);
	}
	if (rng_chance(r, 35))
		vvvv = 0; /* "no register", inverted below */
	if (c->mode->bits == 64)
		d->rex = rng_below(r, 16);
	else if (rng_chance(r, 50))
		d->rex = REX_W;
	put(d, short_form ? 0xc5 : 0xc4, 1);
	at = d->size;
	d->size += short_form ? 1 : 2;
	put(d, opcode, 1);
	put_modrm(c, d, map == 2 && opcode >= 0x90 && opcode <= 0x93);
	put_immediate(c, d);
	/* R, X, B and vvvv are stored inverted */
	if (short_form && !(d->rex & (REX_X | REX_B))) {
		d->bytes[at] = (d->rex & REX_R ? 0 : 0x80) | (~vvvv & 15) << 3 | l << 2 | pp;
		return;
	}
	if (short_form) { /* the memory operand needs X or B after all */
		memmove(d->bytes + at + 2, d->bytes + at + 1, d->size - at - 1);
		d->size++;
		d->modrm_at++;
		d->bytes[at - 1] = 0xc4;
	}
	d->bytes[at] = (~d->rex & 7) << 5 | map;
	d->bytes[at + 1] = (d->rex & REX_W ? 0x80 : 0) | (~vvvv & 15) << 3 | l << 2 | pp;
}

static bool is_left_out(ZydisMnemonic mnemonic)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(left_out); i++)
		if (left_out[i] == mnemonic)
			return true;
	return false;
}

/* Registers of the machine that the kernel or L0 owns, as operands. */
static bool touches_system(const ZydisDecodedInstruction *insn, const ZydisDecodedOperand *operands)
{
	unsigned int i;

	for (i = 0; i < insn->operand_count; i++) {
		const ZydisDecodedOperand *o = &operands[i];

		if (o->type == ZYDIS_OPERAND_TYPE_POINTER)
			return true;
		if (o->type == ZYDIS_OPERAND_TYPE_REGISTER &&
		    ZydisRegisterGetClass(o->reg.value) == ZYDIS_REGCLASS_SEGMENT &&
		    (o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
			return true;
	}
	return false;
}

/* What AMD and Intel define differently, or only one of them defines. */
static bool depends_on_vendor(const struct fuzz_context *c, const ZydisDecodedInstruction *insn,
			      const ZydisDecodedOperand *operands)
{
	const u64 repeated = ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE;
	const u16 string_registers = BIT(1) | BIT(6) | BIT(7);

	/* REP INS, REP OUTS without permission and with a count of 0 */
	if (insn->meta.category == ZYDIS_CATEGORY_IOSTRINGOP && insn->attributes & repeated)
		return true;
	/* ECX is 0, and what becomes of the upper halves of RCX, RSI, RDI: only where they are 0 to begin with */
	if (c->mode->bits == 64 && insn->meta.category == ZYDIS_CATEGORY_STRINGOP && insn->attributes & repeated &&
	    insn->address_width == 32 && (usable(c, BIT(32)) & string_registers) != string_registers)
		return true;
	/* VEX.W in 32-bit code: Intel: ignored, AMD: #UD */
	if (c->mode->bits != 64 && insn->encoding == ZYDIS_INSTRUCTION_ENCODING_VEX && insn->raw.vex.W &&
	    (insn->mnemonic == ZYDIS_MNEMONIC_VPINSRD || insn->mnemonic == ZYDIS_MNEMONIC_VPEXTRD ||
	     insn->mnemonic == ZYDIS_MNEMONIC_VMOVD))
		return true;
	/* 0F 0D with a register: Intel: a NOP, AMD: #UD */
	if (insn->meta.isa_set == ZYDIS_ISA_SET_PREFETCH_NOP)
		return operands[0].type == ZYDIS_OPERAND_TYPE_REGISTER;
	/* MOV to and from DR4, DR5 in user mode: which of #UD and #GP comes first */
	return insn->mnemonic == ZYDIS_MNEMONIC_MOV && insn->opcode_map == ZYDIS_OPCODE_MAP_0F &&
	       (insn->opcode == 0x21 || insn->opcode == 0x23) && (insn->raw.modrm.reg & 6) == 4;
}

/* What the manual leaves undefined: SDM vol. 2, "BSWAP", "PUSH", "SHLD", "SHRD" */
static bool result_undefined(const ZydisDecodedInstruction *insn, const ZydisDecodedOperand *operands)
{
	switch (insn->mnemonic) {
	case ZYDIS_MNEMONIC_BSWAP:
		return insn->operand_width == 16;
	case ZYDIS_MNEMONIC_PUSH: /* of a segment register: the upper half is written or not */
		return insn->operand_width == 32 && operands[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
		       ZydisRegisterGetClass(operands[0].reg.value) == ZYDIS_REGCLASS_SEGMENT;
	case ZYDIS_MNEMONIC_SHLD:
	case ZYDIS_MNEMONIC_SHRD: /* a count above the operand's size */
		return insn->operand_width == 16 &&
		       (operands[2].type != ZYDIS_OPERAND_TYPE_IMMEDIATE || (operands[2].imm.value.u & 31) > 16);
	default:
		return false;
	}
}

static bool acceptable(struct fuzz_context *c, const ZydisDecodedInstruction *insn, const ZydisDecodedOperand *operands,
		       const struct fuzz_insn *out)
{
	if (!c->isa[insn->meta.isa_set] || is_left_out(insn->mnemonic) || touches_system(insn, operands))
		return false;
	if (insn->meta.branch_type != ZYDIS_BRANCH_TYPE_NONE)
		return false;
	switch (insn->meta.category) {
	case ZYDIS_CATEGORY_CALL:
	case ZYDIS_CATEGORY_RET:
	case ZYDIS_CATEGORY_COND_BR:
	case ZYDIS_CATEGORY_UNCOND_BR:
	case ZYDIS_CATEGORY_INTERRUPT:
	case ZYDIS_CATEGORY_SYSCALL:
	case ZYDIS_CATEGORY_SYSRET:
		return false;
	default:
		break;
	}
	/* all of these give #GP: a few are enough */
	if ((insn->attributes & ZYDIS_ATTRIB_IS_PRIVILEGED || insn->meta.category == ZYDIS_CATEGORY_IO ||
	     insn->meta.category == ZYDIS_CATEGORY_IOSTRINGOP || insn->mnemonic == ZYDIS_MNEMONIC_CLI ||
	     insn->mnemonic == ZYDIS_MNEMONIC_STI) &&
	    !rng_chance(&c->rng, 4))
		return false;
	if (insn->meta.isa_set == ZYDIS_ISA_SET_I286PROTECTED && !(insn->attributes & ZYDIS_ATTRIB_IS_PRIVILEGED))
		return false;
	if (result_undefined(insn, operands) || depends_on_vendor(c, insn, operands))
		return false;
	if (out->writes & c->keep)
		return false;
	/* a lost stack pointer ends most sequences soon */
	if (out->writes & BIT(4) && !(insn->meta.category == ZYDIS_CATEGORY_PUSH) &&
	    !(insn->meta.category == ZYDIS_CATEGORY_POP) && !rng_chance(&c->rng, 15))
		return false;
	return true;
}

static void describe(const ZydisDecodedInstruction *insn, const ZydisDecodedOperand *operands, struct fuzz_insn *out)
{
	unsigned int i;

	out->mnemonic = insn->mnemonic;
	out->gather = insn->meta.isa_set == ZYDIS_ISA_SET_AVX2GATHER;
	out->writes = 0;
	out->wide = false;
	for (i = 0; i < insn->operand_count; i++) {
		const ZydisDecodedOperand *o = &operands[i];
		ZydisRegister full;

		if (o->type == ZYDIS_OPERAND_TYPE_MEMORY && o->size >= 128)
			out->wide = true;
		if (o->type != ZYDIS_OPERAND_TYPE_REGISTER || !(o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
			continue;
		full = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, o->reg.value);
		if (ZydisRegisterGetClass(full) == ZYDIS_REGCLASS_GPR64 ||
		    ZydisRegisterGetClass(full) == ZYDIS_REGCLASS_GPR32)
			out->writes |= BIT(ZydisRegisterGetId(full));
	}
	fuzz_flags_of(insn, operands, &out->flags);
}

bool fuzz_insn_describe(struct fuzz_context *c, struct fuzz_insn *insn)
{
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction z;

	if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&c->decoder, insn->bytes, insn->size, &z, operands)))
		return false;
	describe(&z, operands, insn);
	return true;
}

/* Zydis rejects it for what the manual says is #UD (or #GP: too long), not because it doesn't know the opcode. */
static bool is_illegal(ZyanStatus status)
{
	return status == ZYDIS_STATUS_ILLEGAL_LOCK || status == ZYDIS_STATUS_BAD_REGISTER ||
	       status == ZYDIS_STATUS_ILLEGAL_LEGACY_PFX || status == ZYDIS_STATUS_ILLEGAL_REX ||
	       status == ZYDIS_STATUS_INSTRUCTION_TOO_LONG;
}

/*
 * Rejected by Zydis, and still no #UD everywhere: 0F 1A, 0F 1B are MPX, whose operands Zydis checks; without MPX they are
 * NOPs. 0F 20, 0F 22 with LOCK: AMD: CR8.
 */
static bool is_legal_somewhere(const struct draft *d)
{
	unsigned int i;

	for (i = 0; i + 1 < d->size; i++)
		if (d->bytes[i] == 0x0f && ((d->bytes[i + 1] & 0xfe) == 0x1a || (d->bytes[i + 1] & 0xfd) == 0x20))
			return true;
	return false;
}

/* map of a draft, share of 100 */
static const struct {
	u8 map, share;
} maps[] = { { 0, 34 }, { 0x0f, 29 }, { 0x38, 8 }, { 0x3a, 5 }, { 0x87, 9 }, { 0xc4, 15 } };

static bool try_random(struct fuzz_context *c, struct fuzz_insn *insn)
{
	struct rng *r = &c->rng;
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction z;
	ZyanStatus status;
	struct draft d;
	u32 n = rng_below(r, 100), i;

	memset(&d, 0, sizeof(d));
	d.address_bits = c->mode->bits;
	for (i = 0; n >= maps[i].share; i++)
		n -= maps[i].share;
	if (maps[i].map == 0xc4)
		draft_vex(c, &d);
	else
		draft_legacy(c, &d, maps[i].map);
	memset(insn, 0, sizeof(*insn));
	memcpy(insn->bytes, d.bytes, 15);
	status = ZydisDecoderDecodeFull(&c->decoder, insn->bytes, 15, &z, operands);
	if (!ZYAN_SUCCESS(status)) {
		insn->size = 15;
		insn->illegal = insn->stops = true;
		return is_illegal(status) && !is_legal_somewhere(&d) && rng_chance(r, 2);
	}
	insn->size = z.length;
	describe(&z, operands, insn);
	if (!acceptable(c, &z, operands, insn))
		return false;
	if (d.relative && z.raw.modrm.offset == d.modrm_at && z.raw.disp.size == 32) {
		insn->pointer_at = z.raw.disp.offset;
		insn->data = d.data;
	}
	/* string instructions move a pointer, they don't lose it */
	if (z.meta.category != ZYDIS_CATEGORY_STRINGOP && z.meta.category != ZYDIS_CATEGORY_PUSH &&
	    z.meta.category != ZYDIS_CATEGORY_POP)
		c->near &= ~insn->writes;
	c->known &= ~insn->writes;
	return true;
}

void fuzz_insn_random(struct fuzz_context *c, struct fuzz_insn *insn)
{
	while (!try_random(c, insn))
		;
}
