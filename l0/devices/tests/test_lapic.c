/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fake_machine.h"

#define ID 0x20
#define VERSION 0x30
#define TPR 0x80
#define PPR 0xa0
#define EOI 0xb0
#define LDR 0xd0
#define DFR 0xe0
#define SVR 0xf0
#define ISR 0x100
#define TMR 0x180
#define IRR 0x200
#define ESR 0x280
#define ICR 0x300
#define ICR_HIGH 0x310
#define LVT_TIMER 0x320
#define LVT_PERFORMANCE 0x340
#define LVT_LINT0 0x350
#define LVT_LINT1 0x360
#define LVT_ERROR 0x370
#define INITIAL 0x380
#define CURRENT 0x390
#define DIVIDE 0x3e0

#define MASKED 0x10000u
#define PERIODIC 0x20000u
#define DEADLINE 0x40000u
#define DIVIDE_BY_1 0xb

#define BASE 0xfee00000ull
#define BASE_BSP 0x100ull
#define BASE_X2APIC 0x400ull
#define BASE_ENABLE 0x800ull

static u32 get(struct fake *f, unsigned int n, u32 reg)
{
	return lapic_mmio_read(f->v[n]->apic, reg);
}

static void set(struct fake *f, unsigned int n, u32 reg, u32 value)
{
	lapic_mmio_write(f->v[n]->apic, reg, value);
}

static int setup(void **state)
{
	struct fake *f = fake_create(4);

	for (unsigned int n = 0; n < 4; n++)
		set(f, n, SVR, 0x1ff);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fake_destroy(*state);
	return 0;
}

static void fixed(struct fake *f, u8 vector)
{
	lapic_deliver(f->v[0]->apic, 0, vector, false);
}

static int pending(struct fake *f, unsigned int n)
{
	return irqchip_pending(f->v[n]);
}

static int ack(struct fake *f, unsigned int n)
{
	return irqchip_ack(f->v[n]);
}

static void x2apic(struct fake *f, unsigned int n)
{
	struct lapic *a = f->v[n]->apic;

	assert_true(lapic_set_base(a, lapic_base(a) | BASE_X2APIC));
}

static bool wrmsr(struct fake *f, u32 reg, u64 value)
{
	return lapic_write_msr(f->v[0]->apic, 0x800 + reg / 16, value);
}

static bool rdmsr(struct fake *f, u32 reg, u64 *value)
{
	return lapic_read_msr(f->v[0]->apic, 0x800 + reg / 16, value);
}

static void power_on_state_is_the_sdms(void **state)
{
	struct fake *f = *state;

	lapic_reset(f->v[1]->apic, false);
	assert_int_equal(lapic_base(f->v[0]->apic), BASE | BASE_ENABLE | BASE_BSP);
	assert_int_equal(lapic_base(f->v[1]->apic), BASE | BASE_ENABLE);
	assert_int_equal(get(f, 1, ID), 0x01000000);
	assert_int_equal(get(f, 1, VERSION) & 0xff, 0x14);
	assert_int_equal(get(f, 1, VERSION) >> 16 & 0xff, 5);
	assert_int_equal(get(f, 1, SVR), 0xff);
	assert_int_equal(get(f, 1, DFR), 0xffffffff);
	assert_int_equal(get(f, 1, LDR), 0);
	for (u32 lvt = LVT_TIMER; lvt <= LVT_ERROR; lvt += 0x10)
		assert_int_equal(get(f, 1, lvt), MASKED);
}

static void the_highest_class_comes_first_and_nests(void **state)
{
	struct fake *f = *state;

	fixed(f, 0x31);
	assert_true(fake_posted(f, 0, EV_INTR));
	fixed(f, 0x52);
	assert_int_equal(get(f, 0, IRR + 0x10), 1u << 17);
	assert_int_equal(get(f, 0, IRR + 0x20), 1u << 18);
	assert_int_equal(pending(f, 0), 0x52);
	assert_int_equal(ack(f, 0), 0x52);
	assert_int_equal(get(f, 0, ISR + 0x20), 1u << 18);
	assert_int_equal(get(f, 0, PPR), 0x50);
	assert_int_equal(pending(f, 0), -1);
	fixed(f, 0x5f); /* same class */
	assert_int_equal(pending(f, 0), -1);
	fixed(f, 0x60);
	assert_int_equal(ack(f, 0), 0x60);
	set(f, 0, EOI, 0);
	assert_int_equal(pending(f, 0), -1);
	fake_posted(f, 0, EV_INTR);
	set(f, 0, EOI, 0);
	assert_true(fake_posted(f, 0, EV_INTR));
	assert_int_equal(ack(f, 0), 0x5f);
	set(f, 0, EOI, 0);
	assert_int_equal(ack(f, 0), 0x31);
	set(f, 0, EOI, 0);
	set(f, 0, EOI, 0);
	assert_int_equal(pending(f, 0), -1);
}

static void task_priority_holds_back_its_class_and_below(void **state)
{
	struct fake *f = *state;

	set(f, 0, TPR, 0x45);
	assert_int_equal(get(f, 0, PPR), 0x45);
	assert_int_equal(lapic_get_cr8(f->v[0]->apic), 4);
	fixed(f, 0x4f);
	assert_int_equal(pending(f, 0), -1);
	fixed(f, 0x50);
	assert_int_equal(pending(f, 0), 0x50);
	ack(f, 0);
	assert_int_equal(get(f, 0, PPR), 0x50);
	set(f, 0, EOI, 0);
	fake_posted(f, 0, EV_INTR);
	lapic_set_cr8(f->v[0]->apic, 3);
	assert_true(fake_posted(f, 0, EV_INTR));
	assert_int_equal(get(f, 0, TPR), 0x30);
	assert_int_equal(pending(f, 0), 0x4f);
}

static void software_disable_masks_and_refuses(void **state)
{
	struct fake *f = *state;

	set(f, 0, LVT_TIMER, 0x40);
	fixed(f, 0x55);
	set(f, 0, SVR, 0x0ff);
	assert_int_equal(get(f, 0, LVT_TIMER), MASKED | 0x40);
	set(f, 0, LVT_TIMER, 0x41);
	assert_int_equal(get(f, 0, LVT_TIMER), MASKED | 0x41);
	fixed(f, 0x66);
	assert_int_equal(pending(f, 0), 0x55); /* what was accepted stays */
	lapic_deliver(f->v[0]->apic, 4, 0, false);
	assert_true(fake_posted(f, 0, EV_NMI));
}

static void an_xapic_id_that_was_written_counts_until_the_apic_is_disabled(void **state)
{
	struct fake *f = *state;

	set(f, 1, ID, 0x5a000000);
	assert_int_equal(get(f, 1, ID), 0x5a000000);
	set(f, 0, ICR_HIGH, 0x5au << 24);
	set(f, 0, ICR, 0x4055);
	assert_int_equal(pending(f, 1), 0x55);
	lapic_reset(f->v[1]->apic, true);
	assert_int_equal(get(f, 1, ID), 0x5a000000);
	assert_true(lapic_set_base(f->v[1]->apic, BASE));
	assert_true(lapic_set_base(f->v[1]->apic, BASE | BASE_ENABLE));
	assert_int_equal(get(f, 1, ID), 0x01000000);
}

static void errors_show_after_a_write_and_interrupt_once(void **state)
{
	struct fake *f = *state;

	set(f, 0, LVT_ERROR, 0xe0);
	set(f, 0, ICR, 0x40000 | 5); /* self, illegal vector */
	assert_int_equal(get(f, 0, ESR), 0);
	assert_int_equal(ack(f, 0), 0xe0);
	set(f, 0, EOI, 0);
	get(f, 0, 0x3f0);
	assert_int_equal(pending(f, 0), -1);
	set(f, 0, ESR, 0);
	assert_int_equal(get(f, 0, ESR), 0xa0); /* send illegal vector, illegal register */
	fixed(f, 3);
	assert_int_equal(get(f, 0, ESR), 0xa0);
	assert_int_equal(pending(f, 0), 0xe0);
	set(f, 0, ESR, 0);
	assert_int_equal(get(f, 0, ESR), 0x40); /* received illegal vector */
	set(f, 0, ESR, 0);
	assert_int_equal(get(f, 0, ESR), 0);
	set(f, 0, 0x1000 - 0x10, 0);
	set(f, 0, 0x40, 0);
	set(f, 0, ESR, 0);
	assert_int_equal(get(f, 0, ESR), 0x80);
}

static void an_error_vector_that_is_illegal_is_an_error(void **state)
{
	struct fake *f = *state;

	set(f, 0, LVT_ERROR, 0x05);
	get(f, 0, 0x10);
	set(f, 0, ESR, 0);
	assert_int_equal(get(f, 0, ESR), 0xc0);
	assert_int_equal(pending(f, 0), -1);
}

static void physical_ipis_reach_one_or_all(void **state)
{
	struct fake *f = *state;

	set(f, 0, ICR_HIGH, 2u << 24);
	set(f, 0, ICR, 0x4000 | 0x71);
	assert_int_equal(get(f, 0, ICR), 0x4000 | 0x71);
	assert_int_equal(pending(f, 2), 0x71);
	assert_int_equal(pending(f, 1), -1);
	set(f, 0, ICR_HIGH, 0xffu << 24);
	set(f, 0, ICR, 0x4000 | 0x72);
	for (unsigned int n = 0; n < 4; n++)
		assert_int_equal(pending(f, n), 0x72);
}

static void shorthands_need_no_destination(void **state)
{
	struct fake *f = *state;

	set(f, 1, ICR, 0x40000 | 0x31);
	assert_int_equal(pending(f, 1), 0x31);
	assert_int_equal(pending(f, 0), -1);
	set(f, 1, ICR, 0xc0000 | 0x42);
	assert_int_equal(pending(f, 1), 0x31);
	assert_int_equal(pending(f, 0), 0x42);
	assert_int_equal(pending(f, 3), 0x42);
	set(f, 1, ICR, 0x80000 | 0x53);
	for (unsigned int n = 0; n < 4; n++)
		assert_int_equal(pending(f, n), 0x53);
}

static void logical_flat_is_a_mask(void **state)
{
	struct fake *f = *state;

	for (unsigned int n = 0; n < 4; n++)
		set(f, n, LDR, 1u << (24 + n));
	set(f, 0, ICR_HIGH, 0x0au << 24);
	set(f, 0, ICR, 0x4800 | 0x61);
	assert_int_equal(pending(f, 0), -1);
	assert_int_equal(pending(f, 1), 0x61);
	assert_int_equal(pending(f, 2), -1);
	assert_int_equal(pending(f, 3), 0x61);
}

static void logical_cluster_is_a_number_and_a_mask(void **state)
{
	struct fake *f = *state;

	for (unsigned int n = 0; n < 4; n++) {
		set(f, n, DFR, 0x0fffffff);
		set(f, n, LDR, (n / 2) << 28 | 1u << (24 + n % 2));
	}
	assert_int_equal(get(f, 0, DFR), 0x0fffffff);
	set(f, 0, ICR_HIGH, 0x13u << 24);
	set(f, 0, ICR, 0x4800 | 0x61);
	assert_int_equal(pending(f, 0), -1);
	assert_int_equal(pending(f, 1), -1);
	assert_int_equal(pending(f, 2), 0x61);
	assert_int_equal(pending(f, 3), 0x61);
	set(f, 0, ICR_HIGH, 0xffu << 24);
	set(f, 0, ICR, 0x4800 | 0x71);
	assert_int_equal(pending(f, 0), 0x71);
}

static void lowest_priority_goes_to_the_idlest(void **state)
{
	struct fake *f = *state;

	for (unsigned int n = 0; n < 4; n++)
		set(f, n, TPR, n == 2 ? 0x20 : 0x30);
	set(f, 0, ICR_HIGH, 0xffu << 24);
	set(f, 0, ICR, 0x4100 | 0x91);
	assert_int_equal(pending(f, 2), 0x91);
	assert_int_equal(pending(f, 0), -1);
	assert_int_equal(pending(f, 3), -1);
}

static void init_sipi_nmi_are_posted(void **state)
{
	struct fake *f = *state;

	set(f, 0, ICR_HIGH, 1u << 24);
	set(f, 0, ICR, 0x4500);
	assert_true(fake_posted(f, 1, EV_INIT));
	set(f, 0, ICR, 0x8500); /* level de-assert */
	assert_false(fake_posted(f, 1, EV_INIT));
	set(f, 0, ICR, 0x4600 | 0x9f);
	assert_true(fake_posted(f, 1, EV_SIPI));
	assert_int_equal(f->v[1]->sipi_vector, 0x9f);
	set(f, 0, ICR, 0x4400);
	assert_true(fake_posted(f, 1, EV_NMI));
	set(f, 0, ICR, 0x4400);
	set(f, 0, ICR, 0x4400);
	assert_true(fake_posted(f, 1, EV_NMI));
	assert_int_equal(atomic_load(&f->v[1]->nmis), 3);
	/* one to be taken, one to be remembered; while one is handled the last one alone */
	vcpu_count_nmis(f->v[1]);
	assert_int_equal(f->v[1]->nmi_wait, 2);
	f->v[1]->nmi_wait = 0;
	f->v[1]->nmi_blocked = true;
	set(f, 0, ICR, 0x4400);
	set(f, 0, ICR, 0x4400);
	assert_true(fake_posted(f, 1, EV_NMI));
	vcpu_count_nmis(f->v[1]);
	assert_int_equal(f->v[1]->nmi_wait, 1);
	f->v[1]->nmi_blocked = false;
	set(f, 0, ICR, 0x4200); /* SMI: nobody listens */
	assert_int_equal(f->v[1]->events, 0);
}

static void one_shot_counts_down_to_one_interrupt(void **state)
{
	struct fake *f = *state;

	set(f, 0, LVT_TIMER, 0xee);
	set(f, 0, DIVIDE, DIVIDE_BY_1);
	set(f, 0, INITIAL, 1000);
	assert_int_equal(get(f, 0, CURRENT), 1000);
	fake_advance(f, 400);
	assert_int_equal(get(f, 0, CURRENT), 600);
	fake_advance(f, 599);
	assert_int_equal(get(f, 0, CURRENT), 1);
	assert_int_equal(pending(f, 0), -1);
	fake_advance(f, 1);
	assert_int_equal(get(f, 0, CURRENT), 0);
	assert_int_equal(ack(f, 0), 0xee);
	set(f, 0, EOI, 0);
	fake_advance(f, 100000);
	assert_int_equal(pending(f, 0), -1);
}

static void the_divider_divides(void **state)
{
	static const u8 codes[] = { 0xb, 0x0, 0x1, 0x2, 0x3, 0x8, 0x9, 0xa };
	struct fake *f = *state;

	set(f, 0, LVT_TIMER, 0xee);
	for (unsigned int i = 0; i < 8; i++) {
		set(f, 0, DIVIDE, codes[i]);
		assert_int_equal(get(f, 0, DIVIDE), codes[i]);
		set(f, 0, INITIAL, 100);
		fake_advance(f, 40u << i);
		assert_int_equal(get(f, 0, CURRENT), 60);
	}
	set(f, 0, DIVIDE, DIVIDE_BY_1); /* the count stays, its speed changes */
	assert_int_equal(get(f, 0, CURRENT), 60);
	fake_advance(f, 60);
	assert_int_equal(pending(f, 0), 0xee);
}

static void periodic_reloads(void **state)
{
	struct fake *f = *state;

	set(f, 0, DIVIDE, DIVIDE_BY_1);
	set(f, 0, LVT_TIMER, PERIODIC | 0xee);
	set(f, 0, INITIAL, 1000);
	for (unsigned int i = 0; i < 3; i++) {
		fake_advance(f, 999);
		assert_int_equal(pending(f, 0), -1);
		fake_advance(f, 1);
		assert_int_equal(get(f, 0, CURRENT), 1000);
		assert_int_equal(ack(f, 0), 0xee);
		set(f, 0, EOI, 0);
	}
	/* one-shot and periodic share the count */
	fake_advance(f, 300);
	set(f, 0, LVT_TIMER, 0xee);
	assert_int_equal(get(f, 0, CURRENT), 700);
	fake_advance(f, 700);
	assert_int_equal(get(f, 0, CURRENT), 0);
	set(f, 0, LVT_TIMER, PERIODIC | 0xee);
	fake_advance(f, 5000);
	assert_int_equal(get(f, 0, CURRENT), 0);
	set(f, 0, INITIAL, 1000);
	set(f, 0, INITIAL, 0);
	assert_true(timer_next(&f->m.clock) > f->m.clock.insns + 1000);
}

static void a_late_look_is_one_period(void **state)
{
	struct fake *f = *state;

	set(f, 0, DIVIDE, DIVIDE_BY_1);
	set(f, 0, LVT_TIMER, PERIODIC | 0xee);
	set(f, 0, INITIAL, 1000);
	f->m.clock.insns += 3300;
	assert_int_equal(get(f, 0, CURRENT), 700);
	timer_run(&f->m.clock);
	assert_int_equal(get(f, 0, CURRENT), 700);
	assert_int_equal(ack(f, 0), 0xee);
}

static void a_masked_timer_counts_in_silence(void **state)
{
	struct fake *f = *state;

	set(f, 0, DIVIDE, DIVIDE_BY_1);
	set(f, 0, LVT_TIMER, MASKED | 0xee);
	set(f, 0, INITIAL, 1000);
	fake_advance(f, 500);
	assert_int_equal(get(f, 0, CURRENT), 500);
	fake_advance(f, 500);
	assert_int_equal(pending(f, 0), -1);
}

static void tsc_deadline_fires_when_the_guests_tsc_is_there(void **state)
{
	struct fake *f = *state;
	struct lapic *a = f->v[0]->apic;
	u64 value;

	f->v[0]->tsc_offset = 1000000;
	assert_true(lapic_write_msr(a, MSR_TSC_DEADLINE, 5)); /* another mode: ignored */
	assert_true(lapic_read_msr(a, MSR_TSC_DEADLINE, &value));
	assert_int_equal(value, 0);
	set(f, 0, LVT_TIMER, DEADLINE | 0xef);
	assert_int_equal(get(f, 0, LVT_TIMER), DEADLINE | 0xef);
	set(f, 0, INITIAL, 77);
	assert_int_equal(get(f, 0, INITIAL), 0);
	value = f->m.clock.insns + 1000000 + 500;
	lapic_write_msr(a, MSR_TSC_DEADLINE, value);
	assert_int_equal(get(f, 0, CURRENT), 0);
	fake_advance(f, 499);
	assert_int_equal(pending(f, 0), -1);
	lapic_read_msr(a, MSR_TSC_DEADLINE, &value);
	assert_int_not_equal(value, 0);
	fake_advance(f, 1);
	assert_int_equal(ack(f, 0), 0xef);
	set(f, 0, EOI, 0);
	lapic_read_msr(a, MSR_TSC_DEADLINE, &value);
	assert_int_equal(value, 0);
	/* one in the past fires at once */
	lapic_write_msr(a, MSR_TSC_DEADLINE, 1);
	assert_int_equal(ack(f, 0), 0xef);
	set(f, 0, EOI, 0);
	/* zero and a change of mode disarm */
	lapic_write_msr(a, MSR_TSC_DEADLINE, f->m.clock.insns + 1000000 + 500);
	lapic_write_msr(a, MSR_TSC_DEADLINE, 0);
	lapic_write_msr(a, MSR_TSC_DEADLINE, UINT64_MAX);
	lapic_write_msr(a, MSR_TSC_DEADLINE, f->m.clock.insns + 1000000 + 500);
	set(f, 0, LVT_TIMER, 0xef);
	set(f, 0, LVT_TIMER, DEADLINE | 0xef);
	fake_advance(f, 10000);
	assert_int_equal(pending(f, 0), -1);
}

static void base_transitions_follow_the_state_figure(void **state)
{
	struct fake *f = *state;
	struct lapic *a = f->v[0]->apic;

	assert_false(lapic_set_base(a, BASE | BASE_X2APIC));
	assert_true(lapic_set_base(a, BASE | BASE_ENABLE | BASE_X2APIC | BASE_BSP));
	assert_false(lapic_set_base(a, BASE | BASE_ENABLE | BASE_BSP));
	assert_false(lapic_set_base(a, BASE | BASE_X2APIC));
	assert_true(lapic_set_base(a, BASE));
	assert_false(lapic_set_base(a, BASE | BASE_X2APIC));
	assert_false(lapic_set_base(a, BASE | BASE_ENABLE | BASE_X2APIC));
	assert_true(lapic_set_base(a, BASE | BASE_ENABLE));
	assert_int_equal(get(f, 0, SVR), 0xff); /* disabling lost the state */
	assert_false(lapic_set_base(a, BASE | BASE_ENABLE | 1));
	assert_false(lapic_set_base(a, BASE | BASE_ENABLE | BIT(9)));
	assert_false(lapic_set_base(a, BASE | BASE_ENABLE | BIT(36)));
	assert_true(lapic_set_base(a, 0xfed40000 | BASE_ENABLE));
	assert_int_equal(lapic_base(a), 0xfed40000 | BASE_ENABLE);
}

static void cr8_works_while_the_apic_is_disabled(void **state)
{
	struct fake *f = *state;
	struct lapic *a = f->v[0]->apic;

	lapic_set_cr8(a, 5);
	lapic_set_base(a, BASE);
	assert_int_equal(lapic_get_cr8(a), 5);
	lapic_set_cr8(a, 9);
	lapic_set_base(a, BASE | BASE_ENABLE);
	assert_int_equal(get(f, 0, TPR), 0x90);
}

static void x2apic_registers_refuse_what_the_sdm_reserves(void **state)
{
	struct fake *f = *state;
	u64 value;

	assert_false(rdmsr(f, ID, &value));
	assert_false(wrmsr(f, TPR, 0));
	x2apic(f, 0);
	assert_true(rdmsr(f, ID, &value));
	assert_int_equal(value, 0);
	assert_false(wrmsr(f, ID, 0));
	assert_false(wrmsr(f, VERSION, 0));
	assert_false(wrmsr(f, LDR, 0));
	assert_false(rdmsr(f, DFR, &value));
	assert_false(wrmsr(f, DFR, 0));
	assert_false(rdmsr(f, ICR_HIGH, &value));
	assert_false(rdmsr(f, 0x90, &value));
	assert_false(rdmsr(f, 0xc0, &value));
	assert_false(rdmsr(f, 0x2f0, &value)); /* CMCI: version says there is none */
	assert_false(rdmsr(f, EOI, &value));
	assert_false(wrmsr(f, EOI, 1));
	assert_true(wrmsr(f, EOI, 0));
	assert_false(wrmsr(f, ESR, 1));
	assert_true(wrmsr(f, ESR, 0));
	assert_false(wrmsr(f, TPR, 0x100));
	assert_true(wrmsr(f, TPR, 0xff));
	assert_true(wrmsr(f, TPR, 0));
	assert_false(wrmsr(f, SVR, BIT(32)));
	assert_false(wrmsr(f, DIVIDE, 4));
	assert_false(wrmsr(f, INITIAL, BIT(32)));
	assert_false(wrmsr(f, CURRENT, 0));
	assert_false(wrmsr(f, LVT_TIMER, 0x100));
	assert_true(wrmsr(f, LVT_TIMER, DEADLINE | MASKED | 0xff));
	assert_false(wrmsr(f, LVT_PERFORMANCE, 0x8000));
	assert_true(wrmsr(f, LVT_LINT1, MASKED | 0x8000 | 0x4ff));
	assert_false(wrmsr(f, 0x3f0, 0x100));
	assert_false(rdmsr(f, 0x3f0, &value));
	assert_false(wrmsr(f, ICR, BIT(13) | 0x31));
	assert_false(wrmsr(f, ICR, BIT(20) | 0x31));
	assert_false(lapic_read_msr(f->v[0]->apic, 0x840, &value));
	assert_false(lapic_read_msr(f->v[0]->apic, 0x8ff, &value));
}

static void x2apic_ipis_have_wide_destinations(void **state)
{
	struct fake *f = *state;
	u64 value;

	for (unsigned int n = 0; n < 4; n++)
		x2apic(f, n);
	assert_true(lapic_read_msr(f->v[3]->apic, 0x80d, &value));
	assert_int_equal(value, 8);
	assert_true(wrmsr(f, ICR, 3ull << 32 | 0x4031));
	assert_int_equal(pending(f, 3), 0x31);
	assert_true(rdmsr(f, ICR, &value));
	assert_int_equal(value, 3ull << 32 | 0x4031);
	wrmsr(f, ICR, 6ull << 32 | 0x4841); /* logical: cluster 0, members 1 and 2 */
	assert_int_equal(pending(f, 1), 0x41);
	assert_int_equal(pending(f, 2), 0x41);
	assert_int_equal(pending(f, 0), -1);
	wrmsr(f, ICR, 0xffull << 32 | 0x4051); /* no broadcast here */
	assert_int_equal(pending(f, 0), -1);
	wrmsr(f, ICR, 0xffffffffull << 32 | 0x4051);
	assert_int_equal(pending(f, 0), 0x51);
	assert_int_equal(pending(f, 3), 0x51);
	wrmsr(f, 0x3f0, 0x66);
	assert_int_equal(pending(f, 0), 0x66);
}

static void init_keeps_id_base_and_mode(void **state)
{
	struct fake *f = *state;
	u64 value;

	x2apic(f, 0);
	wrmsr(f, TPR, 0x50);
	lapic_reset(f->v[0]->apic, true);
	assert_int_equal(lapic_base(f->v[0]->apic), BASE | BASE_ENABLE | BASE_X2APIC | BASE_BSP);
	rdmsr(f, TPR, &value);
	assert_int_equal(value, 0);
	lapic_reset(f->v[0]->apic, false);
	assert_int_equal(lapic_base(f->v[0]->apic), BASE | BASE_ENABLE | BASE_BSP);
}

static void a_model_without_x2apic_has_none(void **state)
{
	struct fake *f = *state;
	struct lapic *a;
	u64 value;

	f->model.features[FEATURE_X2APIC / 64] &= ~BIT(FEATURE_X2APIC % 64);
	f->model.features[FEATURE_TSC_DEADLINE / 64] &= ~BIT(FEATURE_TSC_DEADLINE % 64);
	a = lapic_create(&f->m, f->v[0]);
	assert_false(lapic_set_base(a, BASE | BASE_ENABLE | BASE_X2APIC));
	assert_false(lapic_read_msr(a, MSR_TSC_DEADLINE, &value));
	assert_false(lapic_write_msr(a, MSR_TSC_DEADLINE, 1));
	lapic_mmio_write(a, LVT_TIMER, DEADLINE | MASKED);
	assert_int_equal(lapic_mmio_read(a, LVT_TIMER), MASKED);
	lapic_destroy(a);
}

/* ---- the 8259s behind LINT0 ---- */

static void extint_passes_the_8259s_vector(void **state)
{
	struct fake *f = *state;

	fake_program_pics(f);
	out8(f, 0x21, 0xf9);
	irqchip_set(f->m.irqchip, 1, true);
	assert_int_equal(pending(f, 0), -1); /* LINT0 is masked after reset */
	fake_posted(f, 0, EV_INTR);
	set(f, 0, LVT_LINT0, 0x700);
	assert_true(fake_posted(f, 0, EV_INTR));
	set(f, 0, TPR, 0xff); /* no priority holds it back */
	assert_int_equal(pending(f, 0), 0x21);
	assert_int_equal(ack(f, 0), 0x21);
	assert_int_equal(get(f, 0, ISR + 0x10), 0);
	assert_int_equal(pending(f, 1), -1);
	out8(f, 0x20, 0x20);
	irqchip_set(f->m.irqchip, 1, false);
	irqchip_set(f->m.irqchip, 1, true);
	set(f, 0, LVT_LINT0, MASKED | 0x700);
	assert_int_equal(pending(f, 0), -1);
	lapic_set_base(f->v[0]->apic, BASE); /* disabled: LINT0 is INTR */
	assert_true(fake_posted(f, 0, EV_INTR));
	assert_int_equal(pending(f, 0), 0x21);
}

static void lint0_can_be_a_fixed_edge(void **state)
{
	struct fake *f = *state;

	fake_program_pics(f);
	out8(f, 0x21, 0xfd);
	set(f, 0, LVT_LINT0, 0x3a);
	irqchip_set(f->m.irqchip, 1, true);
	assert_int_equal(ack(f, 0), 0x3a);
	set(f, 0, EOI, 0);
	assert_int_equal(pending(f, 0), -1);
}

static void lint0_can_be_a_fixed_level(void **state)
{
	struct fake *f = *state;

	fake_program_pics(f);
	out8(f, 0x21, 0xfd);
	irqchip_set(f->m.irqchip, 1, true);
	set(f, 0, LVT_LINT0, 0x803a);
	assert_int_equal(get(f, 0, LVT_LINT0), 0xc03a); /* remote IRR */
	assert_int_equal(ack(f, 0), 0x3a);
	assert_int_equal(get(f, 0, TMR + 0x10), 1u << 26);
	set(f, 0, EOI, 0);
	assert_int_equal(ack(f, 0), 0x3a); /* still asserted */
	out8(f, 0x21, 0xff);
	set(f, 0, EOI, 0);
	assert_int_equal(get(f, 0, LVT_LINT0), 0x803a);
	assert_int_equal(pending(f, 0), -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(power_on_state_is_the_sdms),
		TEST(the_highest_class_comes_first_and_nests),
		TEST(task_priority_holds_back_its_class_and_below),
		TEST(software_disable_masks_and_refuses),
		TEST(an_xapic_id_that_was_written_counts_until_the_apic_is_disabled),
		TEST(errors_show_after_a_write_and_interrupt_once),
		TEST(an_error_vector_that_is_illegal_is_an_error),
		TEST(physical_ipis_reach_one_or_all),
		TEST(shorthands_need_no_destination),
		TEST(logical_flat_is_a_mask),
		TEST(logical_cluster_is_a_number_and_a_mask),
		TEST(lowest_priority_goes_to_the_idlest),
		TEST(init_sipi_nmi_are_posted),
		TEST(one_shot_counts_down_to_one_interrupt),
		TEST(the_divider_divides),
		TEST(periodic_reloads),
		TEST(a_late_look_is_one_period),
		TEST(a_masked_timer_counts_in_silence),
		TEST(tsc_deadline_fires_when_the_guests_tsc_is_there),
		TEST(base_transitions_follow_the_state_figure),
		TEST(cr8_works_while_the_apic_is_disabled),
		TEST(x2apic_registers_refuse_what_the_sdm_reserves),
		TEST(x2apic_ipis_have_wide_destinations),
		TEST(init_keeps_id_base_and_mode),
		TEST(a_model_without_x2apic_has_none),
		TEST(extint_passes_the_8259s_vector),
		TEST(lint0_can_be_a_fixed_edge),
		TEST(lint0_can_be_a_fixed_level),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
