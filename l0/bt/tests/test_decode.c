/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the decoder's table makes of an instruction is what Zydis says of it, whatever stood in the table before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "../../cpu/mode.h"
#include "../../cpu/model.h"
#include "../decode.h"
#include "fuzz_random.h"

#define ROUNDS 300000

static const struct {
	u32 mode;
	ZydisMachineMode machine;
	ZydisStackWidth stack;
} kinds[] = {
	{ MODE_CS64 | MODE_PE, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64 },
	{ MODE_CS32 | MODE_PE | MODE_SS32, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32 },
	{ MODE_CS32 | MODE_PE, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_16 },
	{ MODE_CS16 | MODE_PE | MODE_SS32, ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_32 },
	{ MODE_CS16 | MODE_PE, ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16 },
	{ MODE_CS16, ZYDIS_MACHINE_MODE_REAL_16, ZYDIS_STACK_WIDTH_16 },
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

struct fixture {
	struct cpu_model model;
	struct decode *decode;
	ZydisDecoder zydis[KINDS];
	struct rng random;
	unsigned long decoded, repeated, renamed;
};

static int create(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char error[256];

	assert_non_null(f);
	assert_int_equal(model_parse(&f->model, "max", error, sizeof(error)), 0);
	f->decode = decode_create(&f->model);
	assert_non_null(f->decode);
	for (unsigned int k = 0; k < KINDS; k++) {
		ZydisDecoder *z = &f->zydis[k];

		ZydisDecoderInit(z, kinds[k].machine, kinds[k].stack);
		ZydisDecoderEnableMode(z, ZYDIS_DECODER_MODE_CET, ZYAN_FALSE);
		ZydisDecoderEnableMode(z, ZYDIS_DECODER_MODE_MPX, ZYAN_FALSE);
		ZydisDecoderEnableMode(z, ZYDIS_DECODER_MODE_CLDEMOTE, ZYAN_FALSE);
		ZydisDecoderEnableMode(z, ZYDIS_DECODER_MODE_WBNOINVD, ZYAN_FALSE);
		ZydisDecoderEnableMode(z, ZYDIS_DECODER_MODE_KNC, ZYAN_FALSE);
		ZydisDecoderEnableMode(z, ZYDIS_DECODER_MODE_LZCNT, model_has(&f->model, FEATURE_ABM));
		ZydisDecoderEnableMode(z, ZYDIS_DECODER_MODE_TZCNT, model_has(&f->model, FEATURE_BMI1));
	}
	f->random = rng_seed(1, 0);
	*state = f;
	return 0;
}

static int destroy(void **state)
{
	struct fixture *f = *state;

	decode_destroy(f->decode);
	free(f);
	return 0;
}

static void same_memory(const ZydisDecodedInstruction *z, const ZydisDecodedOperand *o, const struct insn *i,
			const struct operand *p)
{
	s64 disp = insn_constant(i, p);

	assert_int_equal(p->segment, o->mem.segment);
	assert_int_equal(p->index, o->mem.index);
	assert_int_equal(p->scale, o->mem.scale);
	/* a displacement without a base, which Zydis 4.0 takes for R13D */
	if (o->encoding == ZYDIS_OPERAND_ENCODING_MODRM_RM && z->raw.modrm.mod == 0 &&
	    (z->attributes & ZYDIS_ATTRIB_HAS_SIB) && z->raw.sib.base == 5) {
		assert_int_equal(p->base, ZYDIS_REGISTER_NONE);
		assert_int_equal(disp, z->raw.disp.value);
		return;
	}
	assert_int_equal(p->base, o->mem.base);
	/* EVEX has it scaled: no instruction of ours */
	assert_int_equal(disp, o->mem.disp.has_displacement ? z->raw.disp.value : 0);
}

static void same_operand(const ZydisDecodedInstruction *z, const ZydisDecodedOperand *o, const struct insn *i,
			 const struct operand *p)
{
	assert_int_equal(p->type, o->type);
	assert_int_equal(p->encoding, o->encoding);
	assert_int_equal(p->actions, o->actions);
	assert_int_equal(p->visibility, o->visibility);
	assert_int_equal(p->size, o->size);
	switch (o->type) {
	case ZYDIS_OPERAND_TYPE_REGISTER:
		assert_int_equal(p->reg, o->reg.value);
		assert_int_equal(reg_is_gpr(p->reg), ZydisRegisterGetClass(o->reg.value) >= ZYDIS_REGCLASS_GPR8 &&
							     ZydisRegisterGetClass(o->reg.value) <= ZYDIS_REGCLASS_GPR64);
		assert_int_equal(reg_is_segment(p->reg), ZydisRegisterGetClass(o->reg.value) == ZYDIS_REGCLASS_SEGMENT);
		assert_int_equal(reg_is_x87_or_mmx(p->reg),
				 ZydisRegisterGetClass(o->reg.value) == ZYDIS_REGCLASS_X87 ||
					 ZydisRegisterGetClass(o->reg.value) == ZYDIS_REGCLASS_MMX);
		break;
	case ZYDIS_OPERAND_TYPE_MEMORY:
		same_memory(z, o, i, p);
		break;
	case ZYDIS_OPERAND_TYPE_POINTER:
		assert_int_equal(p->segment, o->ptr.segment);
		assert_int_equal((u32)insn_constant(i, p), o->ptr.offset);
		break;
	default:
		/* four bits of a byte: XOP's, no instruction of ours */
		if (z->mnemonic != ZYDIS_MNEMONIC_VPERMIL2PS && z->mnemonic != ZYDIS_MNEMONIC_VPERMIL2PD)
			assert_int_equal(insn_constant(i, p), o->imm.value.s);
	}
}

/* True: it is an instruction */
static bool same(struct fixture *f, unsigned int kind, const u8 *bytes, unsigned int n)
{
	ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction z;
	struct insn have;
	bool ok = ZYAN_SUCCESS(ZydisDecoderDecodeFull(&f->zydis[kind], bytes, n, &z, op));
	const u64 of_address = ZYDIS_ATTRIB_HAS_SIB | ZYDIS_ATTRIB_IS_RELATIVE; /* of no use to anybody */
	bool is4 = false;
	unsigned int at = 0;

	decode_begin(f->decode, kinds[kind].mode);
	assert_int_equal(decode_known(f->decode, &have, bytes, n) || decode_insn(f->decode, &have, bytes, n) == DECODE_OK,
			 ok);
	if (!ok)
		return false;
	assert_int_equal(have.length, z.length);
	assert_int_equal(have.z->mnemonic, z.mnemonic);
	assert_int_equal(have.z->attributes | of_address, z.attributes | of_address);
	assert_int_equal(have.z->isa_set, z.meta.isa_set);
	assert_int_equal(have.z->category, z.meta.category);
	assert_int_equal(have.z->operand_width, z.operand_width);
	assert_int_equal(have.z->address_width, z.address_width);
	assert_int_equal(have.z->operand_count, z.operand_count);
	assert_int_equal(have.z->operand_count_visible, z.operand_count_visible);
	if (z.mnemonic == ZYDIS_MNEMONIC_MOVSXD && z.operand_width == 16 && op[1].type == ZYDIS_OPERAND_TYPE_MEMORY)
		op[1].size = 16; /* where the SDM says otherwise than Zydis: fix_movsxd() */
	for (unsigned int k = 0; k < z.operand_count; k++) {
		same_operand(&z, &op[k], &have, &have.op[k]);
		is4 |= op[k].encoding == ZYDIS_OPERAND_ENCODING_IS4;
	}
	for (unsigned int k = 0; k < 2; k++)
		for (unsigned int b = 0; b < z.raw.imm[k].size / 8; b++, at++)
			if (!is4) /* a register */
				assert_int_equal(have.imm_bytes[at], bytes[z.raw.imm[k].offset + b]);
	assert_int_equal(insn_enc(&have).imm_len, at);
	return true;
}

static void random_bytes(struct fixture *f, u8 *bytes, unsigned int from)
{
	static const u8 prefixes[] = { 0x66, 0x67, 0xf2, 0xf3, 0xf0, 0x64, 0x2e,
				       0x48, 0x41, 0x4f, 0xc4, 0xc5, 0x0f, 0x0f };
	unsigned int k;

	for (k = from; k < BYTES_MAX + 8; k++)
		bytes[k] = (u8)rng_next(&f->random);
	for (k = 0; !from && k < 3 && rng_next(&f->random) % 2; k++)
		bytes[k] = prefixes[rng_next(&f->random) % sizeof(prefixes)];
}

/* The same with other registers and addresses in ModRM, SIB and REX, if it is still an instruction */
static void other_registers(struct fixture *f, unsigned int kind, const ZydisDecodedInstruction *z, const u8 *bytes)
{
	u8 other[BYTES_MAX + 8];

	if (!(z->attributes & ZYDIS_ATTRIB_HAS_MODRM) || z->encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY)
		return;
	for (unsigned int k = 0; k < 8; k++) {
		memcpy(other, bytes, sizeof(other));
		other[z->raw.modrm.offset] ^= rng_next(&f->random) & (k & 1 ? 0x3f : k & 2 ? 0xc7 : 7);
		if (z->attributes & ZYDIS_ATTRIB_HAS_SIB)
			other[z->raw.sib.offset] ^= (u8)rng_next(&f->random);
		if (z->attributes & ZYDIS_ATTRIB_HAS_REX)
			other[z->raw.rex.offset] ^= rng_next(&f->random) & 7;
		f->renamed += same(f, kind, other, BYTES_MAX);
	}
}

/* Each with several constants and registers: the table has it from the second time on. And with fewer bytes than it has. */
static void random_instructions(void **state)
{
	struct fixture *f = *state;
	u8 bytes[BYTES_MAX + 8];

	for (unsigned int k = 0; k < ROUNDS; k++) {
		unsigned int kind = rng_next(&f->random) % KINDS;
		ZydisDecodedInstruction z;
		unsigned int head;

		random_bytes(f, bytes, 0);
		if (!same(f, kind, bytes, BYTES_MAX))
			continue;
		f->decoded++;
		ZydisDecoderDecodeInstruction(&f->zydis[kind], NULL, bytes, BYTES_MAX, &z);
		head = z.raw.disp.size ? z.raw.disp.offset : z.raw.imm[0].size ? z.raw.imm[0].offset : z.length;
		for (unsigned int again = 0; again < 3; again++) {
			random_bytes(f, bytes, head);
			f->repeated += same(f, kind, bytes, BYTES_MAX);
		}
		other_registers(f, kind, &z, bytes);
		for (unsigned int n = 1; n < z.length; n++)
			assert_false(same(f, kind, bytes, n));
	}
	print_message("%lu instructions, %lu with other constants, %lu with other registers\n", f->decoded, f->repeated,
		      f->renamed);
	assert_true(f->decoded > ROUNDS / 3);
	assert_true(f->renamed > f->decoded);
	assert_true(f->repeated > 2 * f->decoded); /* not 3: the last byte of 3DNow! is no constant */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(random_instructions, create, destroy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
