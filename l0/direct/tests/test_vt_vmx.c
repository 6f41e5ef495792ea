/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is written to the host's VMCS: all of it, or what has changed since L2 has run with it. The VMCS is an array here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../../vmx/vmx.h"
#include "../vt.h"

#define FIELDS 0x8000u /* encodings are below */

static struct {
	struct vcpu v;
	struct vmx x;
	struct vt_cpu cpu;
	struct vt_exchange exchange;
	struct vt_vmx t;
	struct vt_wishes wishes;
	u8 private[16 * TABLE_SIZE];
	u64 vmcs[FIELDS];
} * all;

static int setup(void **state)
{
	size_t size = (sizeof(*all) + 63) & ~63ul;

	(void)state;
	all = aligned_alloc(64, size);
	assert_non_null(all);
	memset(all, 0, size);
	all->v.vmx = &all->x;
	all->v.rflags = FLAG_1;
	all->cpu = (struct vt_cpu){ .exchange = &all->exchange,
				    .tables = { .base = all->private, .gpa = VT_GPA, .count = 16 } };
	for (unsigned int i = 0; i < VT_CAPS; i++)
		all->cpu.caps[i] = UINT64_MAX << 32; /* any control may be 0 or 1 */
	all->cpu.caps[0] = CTL_true_controls;
	assert_null(vt_backend_vmx.begin(&all->cpu, &all->t));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(all);
	return 0;
}

static void give(u64 rip)
{
	all->v.rip = rip;
	vt_backend_vmx.give(&all->cpu, &all->t, &all->v, &all->wishes);
}

/* As the code of vt_stub.S does: so many of the fields are written before it is interrupted, or all, and L2 runs until `rip`. */
static void write_fields(u64 count)
{
	for (u64 i = 0; i < count; i++) {
		assert_true(all->exchange.write[i].encoding < FIELDS);
		all->vmcs[all->exchange.write[i].encoding] = all->exchange.write[i].value;
	}
}

static void run_until(u64 rip)
{
	struct vt_exit e;

	write_fields(all->exchange.write_count);
	all->vmcs[VMCS_guest_rip] = rip;
	all->vmcs[VMCS_vm_exit_reason] = EXIT_REASON_CPUID;
	for (u64 i = 0; i < all->exchange.read_count; i++)
		all->exchange.read[i].value = all->vmcs[all->exchange.read[i].encoding];
	vt_backend_vmx.left(&all->cpu, &all->t, &e);
	assert_int_equal(e.kind, VT_EXIT_INSN);
	assert_int_equal(e.reason, EXIT_REASON_CPUID);
}

static void what_has_not_changed_is_not_written(void **state)
{
	u64 all_fields;

	(void)state;
	give(0x1000);
	all_fields = all->exchange.write_count;
	assert_true(all_fields > 80);
	run_until(0x2000);
	give(0x2000);
	assert_int_equal(all->exchange.write_count, 0);
	run_until(0x3000);
	give(0x4000);
	assert_int_equal(all->exchange.write_count, 1);
	assert_int_equal(all->exchange.write[0].encoding, VMCS_guest_rip);
	run_until(0x5000);
	vt_backend_vmx.take(&all->cpu, &all->t, &all->v);
	assert_int_equal(all->v.rip, 0x5000);
}

/* L2 can't have run: a timer is due, say. The VMCS holds what it held, or some of what it was to hold. */
static void a_run_that_did_not_come_to_l2_has_written_nothing_that_counts(void **state)
{
	(void)state;
	for (u64 written = 0; written < 2; written++) {
		give(0x1000);
		run_until(0x2000);
		give(0x7000);
		write_fields(written);
		give(0x7000);
		write_fields(all->exchange.write_count);
		assert_int_equal(all->vmcs[VMCS_guest_rip], 0x7000);
		give(0x8000);
		write_fields(written);
		vt_backend_vmx.go_on(&all->cpu, &all->t, &all->wishes);
		write_fields(all->exchange.write_count);
		assert_int_equal(all->vmcs[VMCS_guest_rip], 0x8000);
		run_until(0x9000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_has_not_changed_is_not_written, setup, teardown),
		cmocka_unit_test_setup_teardown(a_run_that_did_not_come_to_l2_has_written_nothing_that_counts, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
