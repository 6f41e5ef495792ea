/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A target that is wrong about one instruction: shows that the fuzzer finds what it is there to find. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "fuzz_insn.h"

struct broken {
	struct fuzz_target target;
	struct fuzz_target *inner;
	const struct fuzz_batch *batch;
	ZydisMnemonic mnemonic;
	struct fuzz_result results[FUZZ_BATCH];
};

static void broken_start(struct fuzz_target *t, const struct fuzz_batch *batch)
{
	struct broken *b = (struct broken *)t;

	b->batch = batch;
	b->inner->start(b->inner, batch);
}

static bool contains(const struct broken *b, const struct fuzz_case *c)
{
	ZydisDecodedInstruction z;
	ZydisDecoder decoder;
	unsigned int at = 0;

	fuzz_decoder(&decoder, fuzz_mode(c));
	while (at < c->code_size &&
	       ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder, NULL, c->code + at, c->code_size - at, &z))) {
		if (z.mnemonic == b->mnemonic)
			return true;
		at += z.length;
	}
	return false;
}

static const struct fuzz_result *broken_finish(struct fuzz_target *t)
{
	struct broken *b = (struct broken *)t;
	unsigned int i;

	memcpy(b->results, b->inner->finish(b->inner), b->batch->count * sizeof(b->results[0]));
	for (i = 0; i < b->batch->count; i++)
		if (b->results[i].vector == 3 && contains(b, &b->batch->cases[i]))
			b->results[i].out.gpr[0] ^= 4;
	return b->results;
}

static void broken_cpuid(struct fuzz_target *t, u32 leaf, u32 subleaf, u32 out[4])
{
	struct broken *b = (struct broken *)t;

	b->inner->cpuid(b->inner, leaf, subleaf, out);
}

static void broken_destroy(struct fuzz_target *t)
{
	struct broken *b = (struct broken *)t;

	b->inner->destroy(b->inner);
	free(b);
}

static ZydisMnemonic find(const char *name)
{
	unsigned int m;

	for (m = 1; m <= ZYDIS_MNEMONIC_MAX_VALUE; m++)
		if (!strcmp(ZydisMnemonicGetString(m), name))
			return m;
	return ZYDIS_MNEMONIC_INVALID;
}

struct fuzz_target *fuzz_broken_create(struct fuzz_target *inner, const char *mnemonic, char *error)
{
	struct broken *b = aligned_alloc(64, sizeof(*b));

	if (!b) {
		snprintf(error, 200, "no memory");
		return NULL;
	}
	memset(b, 0, sizeof(*b));
	b->target = (struct fuzz_target){ "broken",	  broken_start, broken_finish, broken_cpuid,
					  broken_destroy, inner->modes, NULL };
	b->inner = inner;
	b->mnemonic = find(mnemonic);
	if (b->mnemonic == ZYDIS_MNEMONIC_INVALID) {
		snprintf(error, 200, "no instruction is called %s", mnemonic);
		free(b);
		return NULL;
	}
	return &b->target;
}
