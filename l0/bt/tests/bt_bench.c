/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bt_bench.h"

#include <Zydis/Zydis.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "../../cpu/fpu.h"
#include "../../run/crash.h"

void bt_bench_create(struct bt_bench *b, size_t cache_bytes)
{
	bt_bench_create_model(b, NULL, cache_bytes);
}

void bt_bench_create_model(struct bt_bench *b, const char *model, size_t cache_bytes)
{
	char error[256];

	memset(b, 0, sizeof(*b));
	assert_int_equal(model_parse(&b->model, model, error, sizeof(error)), 0);
	b->machine.name = "bench";
	b->machine.model = &b->model;
	assert_int_equal(memory_init(&b->machine.memory, 16 << 20), 0);
	clock_init(&b->machine.clock, CLOCK_INSNS);
	b->machine.vcpu = b->vcpu;
	b->machine.vcpu_count = 1;
	assert_int_equal(vcpu_thread_create(&b->thread, &b->machine, 0), 0);
	b->v = b->vcpu[0] = b->thread.v;
	b->bt = b->machine.bt = bt_create(&b->machine, cache_bytes);
	b->bt->loops = true; /* on every host, so that what is expected is the same */
	b->bt->split_locks_trap = false;
	assert_non_null(b->bt);
	assert_int_equal(bt_vcpu_create(b->bt, b->v), 0);
	b->v->cr0 = CR0_PE | CR0_NE;
	b->v->cr4 = CR4_OSFXSR | CR4_OSXSAVE | CR4_SMAP;
	b->v->xcr0 = 7;
	b->v->efer = EFER_LMA | EFER_LME;
	b->v->rflags = FLAG_1;
	b->v->seg[CS].ar = AR_P | AR_S | AR_CODE | AR_L;
	vcpu_update_mode(b->v);
}

void bt_bench_destroy(struct bt_bench *b)
{
	bt_vcpu_destroy(b->v);
	bt_destroy(b->bt);
	vcpu_thread_destroy(&b->thread);
	memory_destroy(&b->machine.memory);
}

int bt_bench_setup(void **state)
{
	bt_bench_create(*state, 0);
	return 0;
}

int bt_bench_teardown(void **state)
{
	bt_bench_destroy(*state);
	return 0;
}

u64 bt_bench_read(struct bt_bench *b, u64 gpa)
{
	u64 value;

	memcpy(&value, memory_host(&b->machine.memory, gpa), sizeof(value));
	return value;
}

void bt_bench_write(struct bt_bench *b, u64 gpa, u64 value)
{
	memcpy(memory_host(&b->machine.memory, gpa), &value, sizeof(value));
}

struct bt_block *bt_bench_translate(struct bt_bench *b, u64 at, const u8 *code, size_t n)
{
	struct bt_block *block;
	u64 unwatched;

	assert_true(machine_write(&b->machine, at, code, n));
	block = translate(b->v, at, at, TRANSLATE_BLOCK, b->v->mode, &unwatched);
	assert_non_null(block);
	return block;
}

struct run {
	struct vcpu *v;
	s64 insns;
	bool raised;
};

static void *run(void *arg)
{
	struct run *r = arg;
	struct vcpu *v = r->v;

	assert_int_equal(crash_thread_begin(v), 0);
	if (setjmp(v->unwind)) {
		bt_unwound(v);
		r->raised = true;
	} else {
		v->slice = r->insns;
		vcpu_set_budget(v, r->insns - 1);
		bt_resumed(v);
		bt_run(v);
	}
	vcpu_fpu_park(v);
	crash_thread_end();
	return NULL;
}

bool bt_bench_run(struct bt_bench *b, s64 insns)
{
	struct run r = { .v = b->v, .insns = insns };

	crash_install(NULL); /* cmocka takes the host's faults for each test anew: some are the guest's, or a lost GS base */
	assert_int_equal(vcpu_thread_start(&b->thread, run, &r), 0);
	pthread_join(b->thread.thread, NULL);
	return r.raised;
}

/* offsets that mean something get a name, so that a new field in struct vcpu doesn't change every expectation */
static const struct {
	int offset;
	const char *name;
} vcpu_fields[] = {
	{ OFF_GPR(R10), "R10" },
	{ OFF_GPR(R11), "R11" },
	{ OFF_GPR(R14), "R14" },
	{ OFF_GPR(R15), "R15" },
	{ OFF(rflags), "RFLAGS" },
	{ OFF(rip_base), "RIP_BASE" },
	{ OFF(ea), "EA" },
	{ OFF(scratch[0]), "SCRATCH" },
	{ OFF(seg[FS].base), "FS_BASE" },
	{ OFF(seg[GS].base), "GS_BASE" },
	{ OFF(intr_wait), "INTR_WAIT" },
	{ OFF(budget), "BUDGET" },
	{ OFF(budget_held), "BUDGET_HELD" },
};

static const struct {
	int offset;
	const char *name;
} tlb_fields[] = {
	{ TLB_OFF(index_mask), "INDEX_MASK" },
	{ TLB_OFF(page_mask), "PAGE_MASK" },
	{ TLB_OFF(jc_mask), "JC_MASK" },
	{ TLB_OFF(bit_mask[2]), "MASK31" },
	{ TLB_OFF(bit_mask[3]), "MASK63" },
	{ TLB_OFF(view[TLB_KERNEL].read), "READ" },
	{ TLB_OFF(view[TLB_KERNEL].write), "WRITE" },
	{ TLB_OFF(view[TLB_KERNEL].addend), "ADDEND" },
	{ TLB_OFF(range[TLB_KERNEL][0].read), "FS_READ" },
	{ TLB_OFF(range[TLB_KERNEL][0].address), "FS_ADDRESS" },
	{ TLB_OFF(range[TLB_KERNEL][TLB_RANGES / 2].read), "GS_READ" },
	{ TLB_OFF(range[TLB_KERNEL][TLB_RANGES / 2].write), "GS_WRITE" },
	{ TLB_OFF(range[TLB_KERNEL][TLB_RANGES / 2].address), "GS_ADDRESS" },
	{ TLB_OFF(jc[JC_KERNEL64].entry[0].tag), "JC_TAG" },
	{ TLB_OFF(jc[JC_KERNEL64].entry[0].target), "JC_TARGET" },
};

static void replace(char *line, size_t n, const char *what, const char *by)
{
	char *at = strstr(line, what), rest[256];

	if (!at)
		return;
	snprintf(rest, sizeof(rest), "%s", at + strlen(what));
	snprintf(at, n - (size_t)(at - line), "%s%s", by, rest);
}

void bt_bench_disassemble(struct bt_bench *b, u32 from, u32 to, char *text, size_t n)
{
	ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction z;
	ZydisFormatter f;
	ZydisDecoder d;
	size_t used = 0;

	ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	ZydisFormatterInit(&f, ZYDIS_FORMATTER_STYLE_INTEL);
	text[0] = 0;
	while (from < to) {
		char line[256], name[64];
		unsigned int k;

		assert_true(ZYAN_SUCCESS(ZydisDecoderDecodeFull(&d, b->bt->rx + from, to - from, &z, op)));
		ZydisFormatterFormatInstruction(&f, &z, op, z.operand_count_visible, line, sizeof(line),
						ZYDIS_RUNTIME_ADDRESS_NONE, NULL);
		if (z.meta.branch_type != ZYDIS_BRANCH_TYPE_NONE && op[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
			snprintf(line, sizeof(line), "%s", ZydisMnemonicGetString(z.mnemonic));
		for (k = 0; k < sizeof(vcpu_fields) / sizeof(vcpu_fields[0]); k++) {
			snprintf(name, sizeof(name), "[rsp+0x%02X]", vcpu_fields[k].offset + RSP_BELOW);
			replace(line, sizeof(line), name, vcpu_fields[k].name);
		}
		for (k = 0; k < sizeof(tlb_fields) / sizeof(tlb_fields[0]); k++) {
			snprintf(name, sizeof(name), "gs:[0x%016X]", tlb_fields[k].offset);
			replace(line, sizeof(line), name, tlb_fields[k].name);
			snprintf(name, sizeof(name), "gs:[rdi*8+0x%02X]", tlb_fields[k].offset);
			replace(line, sizeof(line), name, tlb_fields[k].name);
		}
		used += (size_t)snprintf(text + used, n - used, "%s%s", used ? "; " : "", line);
		assert_true(used < n);
		from += z.length;
	}
}
