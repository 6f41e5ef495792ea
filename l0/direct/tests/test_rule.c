/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The decision: all states that VMware's rule looks at, against its table as it was published; and what else forbids it, one by one.
 */
#include "../../cpu/tests/cmocka_headers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../cpu/fpu.h"
#include "../../cpu/mode.h"
#include "../../vmx/vmx.h"
#include "../rule.h"

/* Bugnion and others, in this order. X: any. `ours`: where it says DE (direct execution) and this says no. */
#define X (-1)
#define DE RULE_DIRECT

static const struct row {
	int pe, vm, iopl_reaches_cpl, interrupts, segment_missing;
	enum rule verdict, ours;
} PUBLISHED[] = {
	/* PE VM IOPL>=CPL IF segment */
	{ 0, X, X, X, X, RULE_real_mode, RULE_real_mode },
	{ 1, 1, X, X, X, DE, RULE_v8086 }, /* 64-bit mode has no virtual-8086 code */
	{ 1, 0, 1, X, X, RULE_interrupts, RULE_interrupts },
	{ 1, 0, X, 0, X, RULE_interrupts, RULE_interrupts },
	{ 1, 0, 0, 1, 1, RULE_segments, RULE_segments },
	{ 1, 0, 0, 1, 0, DE, DE },
};

static bool fits(int wanted, bool is)
{
	return wanted == X || wanted == (int)is;
}

static const struct row *published(const struct rule_state *s)
{
	for (size_t i = 0; i < sizeof(PUBLISHED) / sizeof(PUBLISHED[0]); i++) {
		const struct row *r = &PUBLISHED[i];

		if (fits(r->pe, s->pe) && fits(r->vm, s->vm) && fits(r->iopl_reaches_cpl, s->iopl >= s->cpl) &&
		    fits(r->interrupts, s->interrupts) && fits(r->segment_missing, s->segments != 0))
			return r;
	}
	fail_msg("the published table has no row for a state");
	return NULL;
}

#define STATES (2 * 2 * 2 * 4 * 4 * 64)

static struct rule_state state_of(unsigned int n)
{
	return (struct rule_state){ .pe = n & 1,
				    .vm = n >> 1 & 1,
				    .interrupts = n >> 2 & 1,
				    .iopl = n >> 3 & 3,
				    .cpl = n >> 5 & 3,
				    .segments = (u8)(n >> 7 & 63) };
}

static void the_truth_table_is_the_published_one(void **state)
{
	static const char *const NAMES[] = { [RULE_DIRECT] = "direct",
#define R(name, text) [RULE_##name] = #name,
					     RULES(R)
#undef R
	};
	unsigned int count[RULE_COUNT] = { 0 };

	(void)state;
	for (unsigned int n = 0; n < STATES; n++) {
		struct rule_state s = state_of(n);
		const struct row *r = published(&s);
		enum rule is = rule_vmware(&s), wanted = r->ours;

		/* outside virtual-8086 mode it runs directly at CPL 3 only: supervisor pages are CPL 1's and 2's, too */
		if (wanted == DE && s.cpl != 3)
			wanted = RULE_privileged;
		if (s.segments && s.pe && !s.vm && s.iopl < s.cpl && s.interrupts && s.cpl != 3)
			wanted = RULE_privileged;
		if (is != wanted)
			fail_msg("PE %d VM %d IF %d IOPL %d CPL %d segments %#x: %s, not %s", s.pe, s.vm, s.interrupts,
				 s.iopl, s.cpl, s.segments, NAMES[is], NAMES[wanted]);
		count[is]++;
	}
	printf("# %u states:", STATES);
	for (unsigned int i = 0; i < RULE_COUNT; i++)
		if (count[i])
			printf(" %s %u", NAMES[i], count[i]);
	printf("\n");
	/* CPL 3 with IOPL 0, 1, 2: that is all */
	assert_int_equal(count[RULE_DIRECT], 3);
}

static void nothing_runs_directly_that_the_paper_translates(void **state)
{
	(void)state;
	for (unsigned int n = 0; n < STATES; n++) {
		struct rule_state s = state_of(n);

		if (rule_vmware(&s) == RULE_DIRECT)
			assert_int_equal(published(&s)->verdict, DE);
	}
}

static struct vcpu *v;
static struct rule_host host;

static int setup(void **state)
{
	(void)state;
	v = aligned_alloc(64, (sizeof(*v) + 63) & ~63ull);
	if (!v)
		return -1;
	memset(v, 0, sizeof(*v));
	/* a 64-bit program of Linux */
	v->cr0 = CR0_PE | CR0_MP | CR0_NE | CR0_WP | CR0_AM | CR0_PG;
	v->cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE | CR4_FSGSBASE;
	v->efer = EFER_SCE | EFER_LME | EFER_LMA;
	v->rflags = FLAG_1 | FLAG_IF;
	v->cpl = 3;
	v->mode = MODE_CS64 | MODE_PE | MODE_CPL3 | MODE_FLAT_CS | MODE_FLAT_DS | MODE_FLAT_ES | MODE_FLAT_SS;
	v->seg[CS].ar = AR_L;
	v->dr[7] = 0x400;
	v->xcr0 = XSTATE_HOST;
	host = (struct rule_host){ .user32 = true, .follows_syscall = true, .follows_xcr0 = true, .follows_fsgsbase = true };
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(v);
	return 0;
}

static void a_program_runs_directly(void **state)
{
	(void)state;
	assert_int_equal(rule_decide(v, &host, 0), RULE_DIRECT);
	host = (struct rule_host){ 0 };
	assert_int_equal(rule_decide(v, &host, 0), RULE_DIRECT);
	assert_int_equal(rule_decide(v, &host, BIT(GS)), RULE_segments);
}

static void what_a_program_without_paging_or_fpu_is_is_translated(void **state)
{
	(void)state;
	v->cr0 &= ~CR0_PG;
	assert_int_equal(rule_decide(v, &host, 0), RULE_paging);
	v->cr0 |= CR0_PG;
	v->mode |= MODE_FPU_TRAP;
	assert_int_equal(rule_decide(v, &host, 0), RULE_fpu);
	v->mode = (v->mode & ~MODE_FPU_TRAP) | MODE_NO_SSE;
	assert_int_equal(rule_decide(v, &host, 0), RULE_fpu);
}

static void a_stack_that_nothing_can_be_pushed_to_is_translated(void **state)
{
	(void)state;
	v->gpr[RSP] = 0x00007fffffffffff;
	assert_int_equal(rule_decide(v, &host, 0), RULE_DIRECT);
	v->gpr[RSP]++;
	assert_int_equal(rule_decide(v, &host, 0), RULE_stack);
	v->gpr[RSP] = 0xffff800000000000;
	assert_int_equal(rule_decide(v, &host, 0), RULE_DIRECT);
	v->gpr[RSP]--;
	assert_int_equal(rule_decide(v, &host, 0), RULE_stack);
	v->mode = (v->mode & ~MODE_CS_MASK) | MODE_CS32; /* which has no upper half */
	v->seg[CS].ar = AR_DB;
	assert_int_equal(rule_decide(v, &host, 0), RULE_DIRECT);
}

static void single_steps_and_breakpoints_are_translated(void **state)
{
	(void)state;
	v->mode |= MODE_TF;
	assert_int_equal(rule_decide(v, &host, 0), RULE_debugging);
	v->mode = (v->mode & ~MODE_TF) | MODE_MTF;
	assert_int_equal(rule_decide(v, &host, 0), RULE_debugging);
	v->mode &= ~MODE_MTF;
	v->dr[7] |= 1; /* a data breakpoint */
	assert_int_equal(rule_decide(v, &host, 0), RULE_debugging);
}

static void code_of_32_bits_runs_where_the_host_runs_it(void **state)
{
	(void)state;
	v->mode = (v->mode & ~MODE_CS_MASK) | MODE_CS32;
	v->seg[CS].ar = AR_DB;
	assert_int_equal(rule_decide(v, &host, 0), RULE_DIRECT);
	host.user32 = false;
	assert_int_equal(rule_decide(v, &host, 0), RULE_mode);
	host.user32 = true;
	v->mode &= ~MODE_FLAT_SS;
	assert_int_equal(rule_decide(v, &host, 0), RULE_mode);
	v->mode = (v->mode | MODE_FLAT_SS) & ~MODE_CS_MASK; /* 16 bits */
	assert_int_equal(rule_decide(v, &host, 0), RULE_mode);
}

static void control_bits_that_the_host_ignores_are_translated(void **state)
{
	(void)state;
	v->cr4 &= ~CR4_FSGSBASE;
	assert_int_equal(rule_decide(v, &host, 0), RULE_DIRECT);
	host.follows_fsgsbase = false;
	assert_int_equal(rule_decide(v, &host, 0), RULE_control);
	v->cr4 |= CR4_FSGSBASE;
	v->efer &= ~EFER_SCE;
	assert_int_equal(rule_decide(v, &host, 0), RULE_DIRECT);
	host.follows_syscall = false;
	assert_int_equal(rule_decide(v, &host, 0), RULE_control);
	v->efer |= EFER_SCE;
	v->cr4 &= ~CR4_OSXSAVE;
	assert_int_equal(rule_decide(v, &host, 0), RULE_DIRECT);
	host.follows_xcr0 = false;
	assert_int_equal(rule_decide(v, &host, 0), RULE_control);
	v->cr4 |= CR4_OSXSAVE;
	assert_int_equal(rule_decide(v, &host, 0), RULE_DIRECT);
	v->xcr0 &= ~XSTATE_AVX;
	assert_int_equal(rule_decide(v, &host, 0), RULE_control);
	host.follows_xcr0 = true;
	assert_int_equal(rule_decide(v, &host, 0), RULE_DIRECT);
	v->cr4 |= BIT(23); /* CET */
	assert_int_equal(rule_decide(v, &host, 0), RULE_control);
}

static void an_l1_that_wants_every_pause_gets_it(void **state)
{
	struct vmx *x = calloc(1, sizeof(*x));

	(void)state;
	assert_non_null(x);
	v->vmx = x;
	v->in_l2 = true;
	assert_int_equal(rule_decide(v, &host, 0), RULE_DIRECT);
	x->v02.cpu_based_vm_exec_control = BIT(30);
	assert_int_equal(rule_decide(v, &host, 0), RULE_intercepts);
	free(x);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_truth_table_is_the_published_one),
		cmocka_unit_test(nothing_runs_directly_that_the_paper_translates),
		TEST(a_program_runs_directly),
		TEST(what_a_program_without_paging_or_fpu_is_is_translated),
		TEST(a_stack_that_nothing_can_be_pushed_to_is_translated),
		TEST(single_steps_and_breakpoints_are_translated),
		TEST(code_of_32_bits_runs_where_the_host_runs_it),
		TEST(control_bits_that_the_host_ignores_are_translated),
		TEST(an_l1_that_wants_every_pause_gets_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
