/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SYSCALL and SYSRET in translated code do what the C functions do, whichever way they go; and they go through C exactly where
 * thunks_syscall.c says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "../../cpu/insn.h"
#include "../../cpu/mode.h"
#include "../../cpu/model.h"
#include "../../run/loop.h"
#include "bt_bench.h"

#define CODE 0x10ff0u /* close to the page's end: offsets with all bits */
#define TARGET 0x20040u
#define NO_EVENT (-1)
#define STAR_VALUE 0x0023001000000000ull
#define FLAGS_OFF (FLAG_1 | FLAG_IF)
#define BAD_RIP 0x800000000000ull

struct outcome {
	u64 gpr[16], rip, rflags, code_base;
	struct segment cs, ss;
	u32 mode;
	u8 cpl;
	int vector; /* of the exception that comes next, NO_EVENT */
};

struct test {
	const char *name;
	void (*setup)(struct vcpu *v);
	bool slow;
	int vector;
	const char *model;
};

static void common(struct vcpu *v, unsigned int cpl)
{
	for (unsigned int i = 0; i < 16; i++)
		v->gpr[i] = 0x1111111111111111ull * i + 0x80;
	v->gpr[RCX] = TARGET;
	v->gpr[R11] = FLAGS_OFF;
	v->efer |= EFER_SCE;
	v->star = STAR_VALUE;
	v->lstar = TARGET;
	v->fmask = FLAG_TF | FLAG_IF | FLAG_DF | FLAG_AC | FLAG_ARITH;
	v->rflags = FLAGS_OFF;
	v->seg[CS] = (struct segment){ .limit = 77, .ar = AR_P | AR_S | AR_CODE | AR_L | cpl << AR_DPL_SHIFT, .sel = 0x55 };
	v->seg[SS] = (struct segment){ .base = 5, .limit = 66, .ar = AR_P | AR_S | cpl << AR_DPL_SHIFT, .sel = 0x66 };
	v->user_seen = true;
	v->kernel_seen = !cpl;
	v->intr_wait = false;
	v->rip = CODE;
}

static void nothing(struct vcpu *v)
{
	(void)v;
}

static void all_flags(struct vcpu *v)
{
	v->rflags |= FLAG_ARITH | FLAG_DF | FLAG_ID;
	v->gpr[R11] |= FLAG_ARITH | FLAG_DF | FLAG_ID | FLAG_NT | FLAG_VIF | FLAG_VIP | ~0ull << 22 | FLAG_RF | FLAG_VM;
}

static void no_mask(struct vcpu *v)
{
	all_flags(v);
	v->fmask = 0;
}

static void all_masked(struct vcpu *v)
{
	all_flags(v);
	v->fmask = ~0ull;
}

static void some_flags(struct vcpu *v)
{
	v->rflags |= FLAG_OF | FLAG_PF;
	v->fmask = FLAG_IF;
	v->gpr[R11] = FLAG_1 | FLAG_OF | FLAG_PF;
}

static void other_flags(struct vcpu *v)
{
	v->rflags |= FLAG_CF | FLAG_ZF | FLAG_AF | FLAG_SF;
	v->fmask = FLAG_ZF;
	v->gpr[R11] = FLAG_CF | FLAG_ZF | FLAG_AF | FLAG_SF;
}

static void no_smap(struct vcpu *v)
{
	v->cr4 &= ~CR4_SMAP;
}

static void ac_masked(struct vcpu *v)
{
	v->rflags |= FLAG_AC;
}

static void ac_stays(struct vcpu *v)
{
	v->rflags |= FLAG_AC;
	v->fmask = FLAG_IF;
}

static void ac_stays_no_smap(struct vcpu *v)
{
	ac_stays(v);
	no_smap(v);
}

static void no_sce(struct vcpu *v)
{
	v->efer &= ~EFER_SCE;
	v->rflags |= FLAG_CF | FLAG_OF;
}

static void iopl_3(struct vcpu *v)
{
	v->rflags |= FLAG_IOPL;
	v->gpr[R11] |= FLAG_IOPL;
}

static void bad_target(struct vcpu *v)
{
	v->lstar = v->gpr[RCX] = BAD_RIP;
}

static void lowest_target(struct vcpu *v)
{
	v->lstar = v->gpr[RCX] = 0;
}

static void odd_selectors(struct vcpu *v)
{
	v->star = 0xfff7ffff12345678ull;
}

static void trap_flag(struct vcpu *v)
{
	v->gpr[R11] |= FLAG_TF;
	v->rflags |= FLAG_TF;
}

static void ac_from_r11(struct vcpu *v)
{
	v->gpr[R11] |= FLAG_AC;
}

static void alignment_checks(struct vcpu *v)
{
	v->cr0 |= CR0_AM;
	v->gpr[R11] |= FLAG_AC;
	v->rflags |= FLAG_AC;
}

static void tsd(struct vcpu *v)
{
	v->cr4 |= CR4_TSD;
}

static void first_user(struct vcpu *v)
{
	v->user_seen = false;
}

static void interrupt_waits(struct vcpu *v)
{
	v->intr_wait = true;
	v->rflags &= ~FLAG_IF;
}

static void breakpoint(struct vcpu *v)
{
	v->dr[7] = 2;
}

static const struct test syscalls[] = {
	{ "plain", nothing, false, NO_EVENT, NULL },
	{ "all flags", all_flags, false, NO_EVENT, NULL },
	{ "nothing masked", no_mask, false, NO_EVENT, NULL },
	{ "all masked", all_masked, false, NO_EVENT, NULL },
	{ "some flags", some_flags, false, NO_EVENT, NULL },
	{ "other flags", other_flags, false, NO_EVENT, NULL },
	{ "no SMAP", no_smap, false, NO_EVENT, NULL },
	{ "AC masked", ac_masked, false, NO_EVENT, NULL },
	{ "AC stays, SMAP", ac_stays, true, NO_EVENT, NULL },
	{ "AC stays, no SMAP", ac_stays_no_smap, false, NO_EVENT, NULL },
	{ "EFER.SCE clear", no_sce, true, VEC_UD, NULL },
	{ "IOPL 3", iopl_3, true, NO_EVENT, NULL },
	{ "LSTAR not canonical", bad_target, false, VEC_GP, NULL },
	{ "LSTAR 0", lowest_target, false, NO_EVENT, NULL },
	{ "odd selectors", odd_selectors, false, NO_EVENT, NULL },
	{ "TF masked", trap_flag, true, NO_EVENT, NULL },
	{ "CR4.TSD", tsd, true, NO_EVENT, NULL },
	{ "alignment checks", alignment_checks, true, NO_EVENT, NULL },
	{ "an interrupt waits", interrupt_waits, false, NO_EVENT, NULL },
	{ "breakpoints", breakpoint, true, NO_EVENT, NULL },
	{ "AMD", nothing, false, NO_EVENT, "Opteron_G1" },
};

static const struct test sysrets[] = {
	{ "plain", nothing, false, NO_EVENT, NULL },
	{ "all flags", all_flags, false, NO_EVENT, NULL },
	{ "some flags", some_flags, false, NO_EVENT, NULL },
	{ "other flags", other_flags, false, NO_EVENT, NULL },
	{ "no SMAP", no_smap, false, NO_EVENT, NULL },
	{ "from where user pages are reachable", ac_masked, false, NO_EVENT, NULL },
	{ "EFER.SCE clear", no_sce, true, VEC_UD, NULL },
	{ "IOPL 3", iopl_3, true, NO_EVENT, NULL },
	{ "RCX not canonical", bad_target, true, VEC_GP, NULL },
	{ "RCX 0", lowest_target, false, NO_EVENT, NULL },
	{ "odd selectors", odd_selectors, false, NO_EVENT, NULL },
	{ "TF", trap_flag, true, VEC_DB, NULL },
	{ "AC", ac_from_r11, true, NO_EVENT, NULL },
	{ "alignment checks", alignment_checks, true, NO_EVENT, NULL },
	{ "CR4.TSD", tsd, true, NO_EVENT, NULL },
	{ "the first user code", first_user, true, NO_EVENT, NULL },
	{ "an interrupt waits", interrupt_waits, true, NO_EVENT, NULL },
	{ "breakpoints", breakpoint, true, NO_EVENT, NULL },
	{ "AMD", nothing, false, NO_EVENT, "Opteron_G1" },
	{ "AMD, RCX not canonical", bad_target, false, VEC_GP, "Opteron_G1" },
	{ "AMD, EFER.SCE clear", no_sce, true, VEC_UD, "Opteron_G1" },
};

static struct outcome outcome(const struct vcpu *v, bool raised)
{
	struct outcome o;

	memset(&o, 0, sizeof(o)); /* compared with its padding */
	memcpy(o.gpr, v->gpr, sizeof(o.gpr));
	o.rip = v->rip;
	o.rflags = v->rflags;
	o.code_base = v->code_base;
	o.cs = v->seg[CS];
	o.ss = v->seg[SS];
	o.mode = v->mode;
	o.cpl = v->cpl;
	o.vector = raised ? v->event.vector : NO_EVENT;
	return o;
}

/* By the C function alone; what comes behind the instruction is `vector`. */
static struct outcome by_c(struct vcpu *v, insn_fn *fn, u8 length, int vector)
{
	struct outcome o;

	if (setjmp(v->unwind))
		return outcome(v, true);
	v->next_rip = v->rip + length;
	fn(v, (union insn_args){ .size = 8 });
	v->rip = v->next_rip;
	o = outcome(v, false);
	o.vector = vector;
	return o;
}

static unsigned int one(const struct test *t, insn_fn *fn, const u8 *code, u8 length, unsigned int cpl)
{
	static const u8 nops[] = { 0x90, 0x90, 0xcc };
	struct outcome expected;
	static struct vcpu before;
	struct bt_bench b;
	unsigned int bad = 0;
	struct outcome got;
	u64 callouts;

	bt_bench_create_model(&b, t->model, 0);
	assert_true(machine_write(&b.machine, CODE, code, length));
	assert_true(machine_write(&b.machine, TARGET, nops, sizeof(nops)));
	assert_true(machine_write(&b.machine, 0, nops, sizeof(nops)));
	common(b.v, cpl);
	t->setup(b.v);
	vcpu_update_mode(b.v);
	if (t->setup == first_user)
		b.v->user_seen = false;
	memcpy(&before, b.v, sizeof(before));
	expected = by_c(b.v, fn, length, t->vector);
	memcpy(b.v, &before, sizeof(before));
	callouts = b.v->bt->stats.callouts;
	got = outcome(b.v, bt_bench_run(&b, 1));
	callouts = b.v->bt->stats.callouts - callouts;
	if (expected.vector != t->vector || memcmp((const u8 *)&expected, (const u8 *)&got, sizeof(expected))) {
		print_error("%s: rip %#llx, %#llx flags %#llx, %#llx mode %#x, %#x vector %d, %d\n", t->name,
			    (unsigned long long)expected.rip, (unsigned long long)got.rip,
			    (unsigned long long)expected.rflags, (unsigned long long)got.rflags, expected.mode,
			    got.mode, expected.vector, got.vector);
		bad++;
	}
	if (callouts != t->slow) {
		print_error("%s: %llu callouts\n", t->name, (unsigned long long)callouts);
		bad++;
	}
	if (!b.v->kernel_seen && t->vector == NO_EVENT) {
		print_error("%s: it was in the kernel, and nobody was told\n", t->name);
		bad++;
	}
	bt_bench_destroy(&b);
	return bad;
}

static void syscall_is_as_in_c(void **state)
{
	static const u8 code[] = { 0x0f, 0x05 };
	unsigned int bad = 0;

	(void)state;
	for (size_t k = 0; k < sizeof(syscalls) / sizeof(syscalls[0]); k++)
		bad += one(&syscalls[k], insn_syscall, code, sizeof(code), 3);
	assert_int_equal(bad, 0);
}

static void sysret_is_as_in_c(void **state)
{
	static const u8 code[] = { 0x48, 0x0f, 0x07 };
	unsigned int bad = 0;

	(void)state;
	for (size_t k = 0; k < sizeof(sysrets) / sizeof(sysrets[0]); k++)
		bad += one(&sysrets[k], insn_sysret, code, sizeof(code), 0);
	assert_int_equal(bad, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(syscall_is_as_in_c),
		cmocka_unit_test(sysret_is_as_in_c),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
