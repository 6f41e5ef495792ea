/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmocka_headers.h"
#include <string.h>
#include "fake_vcpu.h"

#define ARGS(...) ((union insn_args){ __VA_ARGS__ })
#define FROM DATA
#define TO (DATA + 0x20000)
#define ADDRESS_16 0
#define ADDRESS_32 1
#define ADDRESS_64 2

/* Run until it is through, as the run loop would; the number of calls. */
static unsigned int run_through(struct vcpu *v, insn_fn *fn, union insn_args a)
{
	unsigned int calls = 0;
	u64 end = v->rip + 2;

	while (v->rip != end) {
		assert_true(run(v, fn, a));
		calls++;
	}
	return calls;
}

static void fill(struct vcpu *v, u32 at, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		put(v, at + i, i * 7 + (i >> 8), 1);
}

static bool equal(struct vcpu *v, u32 a, u32 b, unsigned int n)
{
	u8 *m = v->machine->memory.base;

	return !memcmp(m + a, m + b, n);
}

static void single_elements_move_pointers_by_size_and_direction(void **state)
{
	unsigned int size, down;

	(void)state;
	for (size = 1; size <= 8; size *= 2)
		for (down = 0; down < 2; down++) {
			struct vcpu *v = fake_long(0, false);
			s64 step = down ? -(s64)size : size;

			fill(v, FROM, 8);
			v->rflags |= down ? FLAG_DF : 0;
			v->gpr[RSI] = FROM;
			v->gpr[RDI] = TO;
			v->gpr[RCX] = 5;
			assert_true(run(v, insn_movs, ARGS(.size = size, .asize = ADDRESS_64, .seg = DS)));
			assert_true(equal(v, FROM, TO, size));
			assert_int_equal(get(v, TO + size, 1), 0);
			assert_int_equal(v->gpr[RSI], FROM + step);
			assert_int_equal(v->gpr[RDI], TO + step);
			assert_int_equal(v->gpr[RCX], 5);
			v->gpr[RAX] = 0xffeeddccbbaa9988;
			assert_true(run(v, insn_stos, ARGS(.size = size, .asize = ADDRESS_64)));
			assert_int_equal(get(v, TO + step, size), 0xffeeddccbbaa9988 & (~0ull >> (64 - 8 * size)));
			v->gpr[RSI] = FROM;
			assert_true(run(v, insn_lods, ARGS(.size = size, .asize = ADDRESS_64, .seg = DS)));
			assert_int_equal(v->gpr[RAX] & (~0ull >> (64 - 8 * size)), get(v, FROM, size));
			assert_int_equal(v->gpr[RAX] >> 32, size == 8	? get(v, FROM, 8) >> 32
							    : size == 4 ? 0
									: 0xffeeddcc);
		}
}

static void rep_movs_copies_across_pages_bulk_or_not(void **state)
{
	unsigned int slow, size;

	(void)state;
	for (slow = 0; slow < 2; slow++)
		for (size = 1; size <= 8; size *= 2) {
			struct vcpu *v = fake_long(0, false);
			unsigned int n = 0x3000;

			without_host(slow);
			fill(v, FROM + 5, n);
			v->gpr[RSI] = FROM + 5;
			v->gpr[RDI] = TO + 3;
			v->gpr[RCX] = n / size;
			run_through(v, insn_movs, ARGS(.size = size, .asize = ADDRESS_64, .seg = DS, .rep = 1));
			assert_true(equal(v, FROM + 5, TO + 3, n));
			assert_int_equal(v->gpr[RCX], 0);
			assert_int_equal(v->gpr[RSI], FROM + 5 + n);
			assert_int_equal(v->gpr[RDI], TO + 3 + n);
			assert_int_equal(v->rflags & FLAG_RF, 0);
			assert_int_equal(host_count() > 0, !slow);
			assert_int_equal(get(v, TO + 3 + n, 1), 0);
		}
}

static void overlapping_rep_movs_repeats_its_pattern(void **state)
{
	unsigned int distance, size, i;

	(void)state;
	for (size = 1; size <= 8; size *= 2)
		for (distance = 1; distance <= 16; distance++) {
			struct vcpu *v = fake_long(0, false);
			u8 want[512];
			unsigned int count = 256 / size;

			fill(v, FROM, 512);
			memcpy(want, v->machine->memory.base + FROM, 512);
			for (i = 0; i < count; i++) {
				u64 element;

				memcpy(&element, want + i * size, 8);
				memcpy(want + i * size + distance, &element, size);
			}
			v->gpr[RSI] = FROM;
			v->gpr[RDI] = FROM + distance;
			v->gpr[RCX] = count;
			run_through(v, insn_movs, ARGS(.size = size, .asize = ADDRESS_64, .seg = DS, .rep = 1));
			assert_memory_equal(v->machine->memory.base + FROM, want, 512);
		}
}

static void backward_rep_movs_goes_down(void **state)
{
	struct vcpu *v = fake_protected(0);

	(void)state;
	fill(v, FROM, 0x1800);
	v->rflags |= FLAG_DF;
	v->gpr[RSI] = FROM + 0x17fc;
	v->gpr[RDI] = FROM + 0x17fc + 8;
	v->gpr[RCX] = 0x600;
	fill(v, TO, 0x1800);
	run_through(v, insn_movs, ARGS(.size = 4, .asize = ADDRESS_32, .seg = DS, .rep = 1));
	assert_true(equal(v, FROM + 8, TO, 0x1800));
	assert_int_equal(v->gpr[RSI], FROM - 4);
}

static void fault_in_the_middle_leaves_the_exact_iteration(void **state)
{
	static const struct {
		u32 page;
		unsigned int access;
	} c[] = { { FROM + 0x2000, ACC_READ }, { TO + 0x2000, ACC_WRITE } };
	unsigned int i, slow;

	(void)state;
	for (i = 0; i < 2; i++)
		for (slow = 0; slow < 2; slow++) {
			struct vcpu *v = fake_protected(3);
			u32 done;

			without_host(slow);
			fault_on(c[i].page, 0x1000, c[i].access);
			fill(v, FROM, 0x3000);
			v->gpr[RSI] = FROM + 2;
			v->gpr[RDI] = TO + 1;
			v->gpr[RCX] = 0xc00;
			while (run(v, insn_movs, ARGS(.size = 4, .asize = ADDRESS_32, .seg = DS, .rep = 1)))
				assert_int_equal(v->rip, CODE);
			assert_int_equal(v->event.vector, VEC_PF);
			assert_int_equal(v->event.error, PFEC_U | (i ? PFEC_W : 0));
			assert_int_equal(v->event.address, c[i].page);
			/* the element that would touch the page isn't done, the one before is */
			done = i ? 0x1fff / 4 : 0x1ffe / 4;
			assert_int_equal(v->gpr[RCX], 0xc00 - done);
			assert_int_equal(v->gpr[RSI], FROM + 2 + done * 4);
			assert_int_equal(v->gpr[RDI], TO + 1 + done * 4);
			assert_true(equal(v, FROM + 2, TO + 1, done * 4));
			assert_int_equal(v->rip, CODE);
			fault_none();
			run_through(v, insn_movs, ARGS(.size = 4, .asize = ADDRESS_32, .seg = DS, .rep = 1));
			assert_true(equal(v, FROM + 2, TO + 1, 0x3000));
		}
}

/* SDM vol. 2, "REP": "the EFLAGS value is restored to the state prior to the execution of the instruction" */
static void repeated_comparison_sets_no_flag_before_it_ends(void **state)
{
	const u64 before = FLAG_1 | FLAG_IF | FLAG_CF | FLAG_OF;
	const union insn_args a = ARGS(.size = 1, .asize = ADDRESS_64, .seg = DS, .rep = 1);

	(void)state;
	for (unsigned int slow = 0; slow < 2; slow++) {
		struct vcpu *v = fake_long(3, false);

		without_host(slow);
		fault_on(TO + 0x1000, 0x1000, ACC_READ);
		v->rflags = before;
		v->gpr[RSI] = FROM;
		v->gpr[RDI] = TO;
		v->gpr[RCX] = 0x1002;
		while (run(v, insn_cmps, a))
			assert_int_equal(v->rip, CODE);
		assert_int_equal(v->event.address, TO + 0x1000);
		assert_int_equal(v->gpr[RCX], 2);
		assert_int_equal(v->rflags & ~FLAG_RF, before);
		fault_none();
		run_through(v, insn_cmps, a);
		assert_int_equal(v->rflags, FLAG_1 | FLAG_IF | FLAG_ZF | FLAG_PF);
		/* and a single step between two of its iterations */
		v->rip = CODE;
		v->rflags = before | FLAG_TF;
		v->gpr[RDI] = TO;
		v->gpr[RCX] = 2;
		v->gpr[RAX] = 0;
		assert_true(run(v, insn_scas, a));
		assert_int_equal(v->gpr[RCX], 1);
		assert_int_equal(v->rflags & ~FLAG_RF, before | FLAG_TF);
		assert_true(run(v, insn_scas, a));
		assert_int_equal(v->rflags, FLAG_1 | FLAG_IF | FLAG_TF | FLAG_ZF | FLAG_PF);
	}
}

static void segment_limit_stops_a_bulk_step_at_the_right_element(void **state)
{
	struct vcpu *v = fake_protected(0);

	(void)state;
	v->seg[ES].base = TO;
	v->seg[ES].limit = 0x1235;
	v->gpr[RDI] = 0x100;
	v->gpr[RCX] = 0x1000;
	while (run(v, insn_stos, ARGS(.size = 4, .asize = ADDRESS_32, .rep = 1)))
		;
	assert_int_equal(fault_of(v), FAULT(VEC_GP, 0));
	assert_int_equal(v->gpr[RDI], 0x1234 - (0x1234 - 0x100) % 4);
	assert_int_equal(v->gpr[RCX], 0x1000 - (0x1234 - 0x100) / 4);
}

static void address_size_16_wraps_and_keeps_the_upper_halves(void **state)
{
	struct vcpu *v = fake_real();

	(void)state;
	v->seg[ES].base = 0x60000;
	v->gpr[RAX] = 0x5a;
	v->gpr[RDI] = 0x9999fff0;
	v->gpr[RCX] = 0x77770020;
	run_through(v, insn_stos, ARGS(.size = 1, .asize = ADDRESS_16, .rep = 1));
	assert_int_equal(v->gpr[RDI], 0x99990010);
	assert_int_equal(v->gpr[RCX], 0x77770000);
	assert_int_equal(get(v, 0x6ffff, 1), 0x5a);
	assert_int_equal(get(v, 0x6000f, 1), 0x5a);
	assert_int_equal(get(v, 0x70000, 1), 0);
}

static void address_size_32_in_64_bit_mode_clears_the_upper_halves(void **state)
{
	struct vcpu *v = fake_long(0, false);

	(void)state;
	v->gpr[RDI] = 0x100000000 | TO;
	v->gpr[RCX] = 0x100000003;
	run_through(v, insn_stos, ARGS(.size = 1, .asize = ADDRESS_32, .rep = 1));
	assert_int_equal(v->gpr[RDI], TO + 3);
	assert_int_equal(v->gpr[RCX], 0);
	v->gpr[RDI] = 0x100000000 | TO;
	v->gpr[RCX] = 0x100000000;
	run_through(v, insn_stos, ARGS(.size = 1, .asize = ADDRESS_32, .rep = 1));
	assert_int_equal(v->gpr[RDI], TO);
	assert_int_equal(v->gpr[RCX], 0);
	v->gpr[RDI] = 0x100000000 | TO;
	v->gpr[RCX] = 0x100000000;
	run_through(v, insn_scas, ARGS(.size = 1, .asize = ADDRESS_32, .rep = 1));
	assert_int_equal(v->gpr[RDI], 0x100000000 | TO);
	assert_int_equal(v->gpr[RCX], 0);
}

/* SUB's flags from the host itself */
static u64 host_compare(u64 a, u64 b, unsigned int size)
{
	u64 flags = 0;

#define COMPARE(type) \
	{ \
		type x = a, y = b; \
		u8 c, p, z, s, o; \
		asm("cmp %6, %5\n\tsetc %0\n\tsetp %1\n\tsetz %2\n\tsets %3\n\tseto %4" \
		    : "=&q"(c), "=&q"(p), "=&q"(z), "=&q"(s), "=&q"(o) \
		    : "r"(x), "r"(y) \
		    : "cc"); \
		flags = (c ? FLAG_CF : 0) | (p ? FLAG_PF : 0) | (z ? FLAG_ZF : 0) | (s ? FLAG_SF : 0) | \
			(o ? FLAG_OF : 0); \
	}
	if (size == 1)
		COMPARE(u8)
	else if (size == 2)
		COMPARE(u16)
	else if (size == 4)
		COMPARE(u32)
	else
		COMPARE(u64)
#undef COMPARE
	return flags | ((a ^ b ^ (a - b)) & FLAG_AF);
}

static void cmps_and_scas_set_the_flags_of_cmp(void **state)
{
	static const u64 values[] = { 0,
				      1,
				      0x7f,
				      0x80,
				      0xff,
				      0x7fff,
				      0x8000,
				      0xffff,
				      0x7fffffff,
				      0x80000000,
				      0xffffffff,
				      0x7fffffffffffffff,
				      0x8000000000000000,
				      0xffffffffffffffff,
				      0x123456789abcdef0 };
	const unsigned int n = sizeof(values) / sizeof(values[0]);
	struct vcpu *v = fake_long(0, false);
	unsigned int i, k, size, rep;

	(void)state;
	for (i = 0; i < n; i++)
		for (k = 0; k < n; k++)
			for (size = 1; size <= 8; size *= 2)
				for (rep = 0; rep < 3; rep++) {
					u64 want = host_compare(values[i], values[k], size);
					union insn_args a = ARGS(.size = size, .asize = ADDRESS_64, .seg = DS,
								 .rep = rep);

					put(v, FROM, values[i], 8);
					put(v, TO, values[k], 8);
					v->gpr[RSI] = FROM;
					v->gpr[RDI] = TO;
					v->gpr[RCX] = 1;
					v->rflags = FLAG_1 | FLAG_IF;
					run_through(v, insn_cmps, a);
					assert_int_equal(v->rflags, want | FLAG_1 | FLAG_IF);
					v->gpr[RDI] = TO;
					v->gpr[RCX] = 1;
					v->gpr[RAX] = values[i];
					v->rflags = FLAG_1 | FLAG_IF;
					run_through(v, insn_scas, a);
					assert_int_equal(v->rflags, want | FLAG_1 | FLAG_IF);
				}
}

static void repe_cmps_and_repne_scas_stop_behind_the_deciding_element(void **state)
{
	unsigned int slow, size;

	(void)state;
	for (slow = 0; slow < 2; slow++)
		for (size = 1; size <= 8; size *= 2) {
			struct vcpu *v = fake_long(0, false);
			u32 odd = 0x1230 / size;

			without_host(slow);
			put(v, TO + odd * size, 0x80, 1);
			v->gpr[RSI] = FROM;
			v->gpr[RDI] = TO;
			v->gpr[RCX] = 0x2000 / size;
			run_through(v, insn_cmps, ARGS(.size = size, .asize = ADDRESS_64, .seg = DS, .rep = 1));
			assert_int_equal(v->gpr[RSI], FROM + (odd + 1) * size);
			assert_int_equal(v->gpr[RDI], TO + (odd + 1) * size);
			assert_int_equal(v->gpr[RCX], 0x2000 / size - odd - 1);
			assert_int_equal(v->rflags & FLAG_ARITH, host_compare(0, 0x80, size));

			v->gpr[RAX] = 0x80;
			v->gpr[RDI] = TO;
			v->gpr[RCX] = 0x2000 / size;
			run_through(v, insn_scas, ARGS(.size = size, .asize = ADDRESS_64, .rep = 2));
			assert_int_equal(v->gpr[RDI], TO + (odd + 1) * size);
			assert_int_equal(v->rflags & FLAG_ARITH, FLAG_ZF | FLAG_PF);

			/* never found: the count runs out */
			v->gpr[RAX] = 0x81;
			v->gpr[RDI] = TO;
			v->gpr[RCX] = 0x2000 / size;
			run_through(v, insn_scas, ARGS(.size = size, .asize = ADDRESS_64, .rep = 2));
			assert_int_equal(v->gpr[RCX], 0);
			assert_int_equal(v->gpr[RDI], TO + 0x2000);
			assert_int_equal(v->rflags & FLAG_ZF, 0);
		}
}

static void empty_rep_changes_no_flag_and_no_memory(void **state)
{
	struct vcpu *v = fake_long(0, false);

	(void)state;
	v->rflags |= FLAG_CF | FLAG_ZF;
	v->gpr[RSI] = v->gpr[RDI] = ~0ull;
	assert_true(run(v, insn_cmps, ARGS(.size = 8, .asize = ADDRESS_64, .seg = DS, .rep = 1)));
	assert_int_equal(v->rip, CODE + 2);
	assert_int_equal(v->rflags, FLAG_1 | FLAG_IF | FLAG_CF | FLAG_ZF);
	assert_int_equal(v->gpr[RSI], ~0ull);
}

static void long_rep_stops_now_and_then_with_rf_set(void **state)
{
	struct vcpu *v = fake_long(0, false);
	union insn_args a = ARGS(.size = 1, .asize = ADDRESS_64, .rep = 1);

	(void)state;
	v->gpr[RDI] = TO;
	v->gpr[RCX] = 0x18000 - 1;
	assert_true(run(v, insn_stos, a));
	assert_int_equal(v->rip, CODE);
	assert_int_equal(v->gpr[RDI], TO + 0x10000);
	assert_int_equal(v->rflags & FLAG_RF, FLAG_RF);
	run_through(v, insn_stos, a);
	assert_int_equal(v->rflags & FLAG_RF, 0);

	/* something waits: at most one page, or 64 plain elements */
	v->gpr[RDI] = TO + 1;
	v->gpr[RCX] = 0x8000;
	atomic_store(&v->events, EV_INTR);
	assert_true(run(v, insn_stos, a));
	assert_int_equal(v->gpr[RDI], TO + 0x1000);
	without_host(true);
	v->rip = CODE;
	assert_true(run(v, insn_stos, a));
	assert_int_equal(v->gpr[RDI], TO + 0x1040);
}

static void single_step_stops_after_each_iteration(void **state)
{
	struct vcpu *v = fake_long(0, false);

	(void)state;
	v->gpr[RDI] = TO;
	v->gpr[RCX] = 3;
	v->rflags |= FLAG_TF;
	assert_int_equal(run_through(v, insn_stos, ARGS(.size = 2, .asize = ADDRESS_64, .rep = 1)), 3);
}

struct port {
	unsigned int reads;
	u32 written;
};

static u64 port_read(void *dev, u64 offset, unsigned int size)
{
	struct port *p = dev;

	(void)offset;
	(void)size;
	return 0x40 + p->reads++;
}

static void port_write(void *dev, u64 offset, unsigned int size, u64 value)
{
	struct port *p = dev;

	(void)offset;
	p->written = p->written << 8 * size | value;
}

static void rep_ins_reads_no_device_for_an_element_that_faults(void **state)
{
	static const struct bus_ops ops = { .read = port_read, .write = port_write };
	struct vcpu *v = fake_protected(0);
	struct port port = { 0, 0 };

	(void)state;
	bus_add_pio(&v->machine->bus, 0x1f0, 4, &ops, &port, "port");
	fault_on(TO + 0x1000, 0x1000, ACC_WRITE);
	v->gpr[RDX] = 0x1f0;
	v->gpr[RDI] = TO + 0xffc;
	v->gpr[RCX] = 8;
	while (run(v, insn_ins, ARGS(.size = 2, .asize = ADDRESS_32, .rep = 1)))
		;
	assert_int_equal(v->event.vector, VEC_PF);
	assert_int_equal(port.reads, 2);
	assert_int_equal(v->gpr[RCX], 6);
	assert_int_equal(get(v, TO + 0xffc, 4), 0x00410040);

	put(v, FROM, 0x44332211, 4);
	v->gpr[RSI] = FROM;
	v->gpr[RCX] = 4;
	run_through(v, insn_outs, ARGS(.size = 1, .asize = ADDRESS_32, .seg = DS, .rep = 1));
	assert_int_equal(port.written, 0x11223344);
	v = fake_protected(3);
	v->gpr[RSI] = FROM;
	assert_false(run(v, insn_outs, ARGS(.size = 1, .asize = ADDRESS_32, .seg = DS)));
	assert_int_equal(fault_of(v), FAULT(VEC_GP, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(single_elements_move_pointers_by_size_and_direction),
		cmocka_unit_test(rep_movs_copies_across_pages_bulk_or_not),
		cmocka_unit_test(overlapping_rep_movs_repeats_its_pattern),
		cmocka_unit_test(backward_rep_movs_goes_down),
		cmocka_unit_test(fault_in_the_middle_leaves_the_exact_iteration),
		cmocka_unit_test(repeated_comparison_sets_no_flag_before_it_ends),
		cmocka_unit_test(segment_limit_stops_a_bulk_step_at_the_right_element),
		cmocka_unit_test(address_size_16_wraps_and_keeps_the_upper_halves),
		cmocka_unit_test(address_size_32_in_64_bit_mode_clears_the_upper_halves),
		cmocka_unit_test(cmps_and_scas_set_the_flags_of_cmp),
		cmocka_unit_test(repe_cmps_and_repne_scas_stop_behind_the_deciding_element),
		cmocka_unit_test(empty_rep_changes_no_flag_and_no_memory),
		cmocka_unit_test(long_rep_stops_now_and_then_with_rf_set),
		cmocka_unit_test(single_step_stops_after_each_iteration),
		cmocka_unit_test(rep_ins_reads_no_device_for_an_element_that_faults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
