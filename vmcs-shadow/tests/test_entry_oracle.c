/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rows of entry_checks.h against the second reading in oracle.c, on random VMCSs that are nearly valid. */
#include "cmocka_headers.h"
#include <stdlib.h>
#include "golden.h"
#include "oracle.h"

#define CASES 600000

static uint64_t seed;

static uint64_t random64(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed * 0x2545f4914f6cdd1d;
}

static unsigned below(unsigned n)
{
	return (unsigned)(random64() >> 33) % n;
}

/* Every other one is among those that decide what is checked at all. */
static const struct vmcs_field *some_field(void)
{
	static const uint8_t decisive[] = { VMCS_ID_pin_based_vm_exec_control,
					    VMCS_ID_cpu_based_vm_exec_control,
					    VMCS_ID_secondary_vm_exec_control,
					    VMCS_ID_vm_entry_controls,
					    VMCS_ID_vm_exit_controls,
					    VMCS_ID_vm_entry_intr_info_field,
					    VMCS_ID_guest_interruptibility_info,
					    VMCS_ID_guest_rflags,
					    VMCS_ID_guest_cr0,
					    VMCS_ID_guest_cs_ar_bytes };

	if (below(2))
		return &vmcs_fields[decisive[below(sizeof(decisive))]];
	return &vmcs_fields[below(VMCS_FIELD_COUNT)];
}

/* What turns on further checks and is right by itself. */
static void decorate(struct golden *g)
{
	static const uint32_t events[] = { 0x80000030, 0x80000202, 0x80000b0d, 0x80000b0e, 0x80000303, 0x80000306,
					   0x80000301, 0x80000312, 0x80000480, 0x80000501, 0x80000603, 0x80000700 };
	static const uint32_t proc[] = { CTL_interrupt_window_exiting, CTL_nmi_window_exiting, CTL_monitor_trap_flag };
	static const uint32_t proc2[] = { CTL_vmcs_shadowing,
					  CTL_mode_based_execute,
					  CTL_ept_violation_ve,
					  CTL_virtualize_x2apic_mode,
					  CTL_unrestricted_guest,
					  CTL_enable_xsaves,
					  CTL_virtual_interrupt_delivery };
	struct vmcs *v = &g->v;

	switch (below(14)) {
	case 0:
		v->vm_entry_intr_info_field = events[below(12)];
		v->vm_entry_instruction_len = below(16);
		break;
	case 1:
		v->guest_activity_state = below(4);
		break;
	case 2:
		v->guest_interruptibility_info = 1u << below(5);
		break;
	case 3:
		v->guest_pending_dbg_exceptions = below(2) ? 0x4000 : 0x11000;
		break;
	case 4:
		v->vmcs_link_pointer = GOLDEN_LINK;
		g->link ^= (uint32_t)below(2) << 31;
		break;
	case 5:
		v->cpu_based_vm_exec_control |= proc[below(3)];
		break;
	case 6:
		v->secondary_vm_exec_control |= proc2[below(7)];
		if (has_unrestricted_guest(v) && !below(4))
			v->guest_cr0 = 0x30;
		break;
	case 7:
		v->guest_rflags ^= 1ull << (8 + below(2));
		break;
	case 8:
		v->guest_ldtr_ar_bytes = 0x82;
		break;
	case 9:
		*(&v->guest_es_ar_bytes + below(6)) = 0x10000;
		break;
	case 10:
		v->vm_entry_msr_load_count = v->vm_exit_msr_store_count = v->vm_exit_msr_load_count = 1 + below(3);
		v->vm_entry_msr_load_addr = v->vm_exit_msr_store_addr = v->vm_exit_msr_load_addr = (1ull << 40) - 48;
		*(&v->vm_exit_msr_store_count + below(3)) += below(2);
		break;
	case 11:
		v->secondary_vm_exec_control &= ~(uint32_t)(CTL_ept | CTL_pml | CTL_vm_functions);
		break;
	case 12:
		v->vm_entry_controls |= below(2) ? CTL_load_bndcfgs : CTL_entry_load_perf_global_ctrl;
		v->vm_exit_controls |= CTL_exit_load_perf_global_ctrl;
		v->guest_ia32_bndcfgs = below(2) ? 1ull << below(64) : 0;
		break;
	default:
		v->guest_cs_ar_bytes ^= 4;
		v->guest_ds_ar_bytes ^= 8;
		break;
	}
}

/* What may break it. */
static void disturb(struct golden *g)
{
	static const uint64_t interesting[] = { 0,	    1,		0xff,	    0xffff,
						0x10000,    0xffffffff, 1ull << 32, 1ull << 40,
						1ull << 47, 1ull << 48, ~0ull,	    0xffff800000000000,
						0xfffffffff };
	struct vmcs *v = &g->v;
	const struct vmcs_field *field = some_field();
	uint64_t value = vmcs_get(v, field, field->encoding);

	switch (below(8)) {
	case 0:
		value = interesting[below(sizeof(interesting) / sizeof(interesting[0]))];
		break;
	case 1:
		value = random64();
		break;
	case 2: {
		const struct vmcs_field *from = some_field();

		value = vmcs_get(v, from, from->encoding);
		break;
	}
	default:
		value ^= 1ull << below(field->bytes * 8);
		break;
	}
	vmcs_set(v, field, field->encoding, value);
}

static void surroundings(struct golden *g)
{
	static const char *const names[] = { "vmx-ept-uc",	    "vmx-eptad",	"vmx-mtf",
					     "vmx-zero-len-inject", "vmx-activity-hlt", "vmx-unrestricted-guest",
					     "vmx-true-ctls",	    "vmx-any-errcode",	"vmx-vmfunc" };

	switch (below(12)) {
	case 0:
		g->e.long_mode = !g->e.long_mode;
		break;
	case 1:
		g->e.smm = true;
		g->v.guest_interruptibility_info |= 4;
		g->v.vm_entry_controls |= below(2) ? CTL_entry_to_smm : 0;
		g->v.vm_entry_controls |= below(2) ? CTL_deactivate_dual_monitor : 0;
		break;
	case 2:
		g->vtpr = (uint8_t)random64();
		break;
	case 3:
		g->link ^= 1u << below(32);
		break;
	case 4:
		g->pdpte[below(4)] ^= 1ull << below(64);
		break;
	case 5:
		g->caps.cpu.sgx = g->caps.cpu.rtm = g->caps.cpu.sti_blocks_nmi = true;
		g->v.guest_interruptibility_info |= below(2) ? 0x10 : 0;
		break;
	case 6:
	case 7:
		vmx_caps_set(&g->caps, names[below(sizeof(names) / sizeof(names[0]))], false);
		break;
	case 8:
		g->e.current_vmcs = g->v.executive_vmcs_pointer = GOLDEN_LINK;
		break;
	default:
		break;
	}
}

static void random_entry(struct golden *g)
{
	static void (*const variants[])(struct golden *) = { golden_protected,	  golden_pae,	golden_v86,
							     golden_unrestricted, golden_apicv, golden_legacy_host,
							     golden_smm };
	unsigned variant = below(10);

	golden_init(g);
	if (below(2) || variant == 6)
		golden_offer_all(g);
	/* golden_offer_all() allows any error code: both ways have to be seen */
	if (below(2))
		vmx_caps_set(&g->caps, "vmx-any-errcode", false);
	if (variant < 7)
		variants[variant](g);
	for (unsigned n = below(4); n; n--)
		decorate(g);
	for (unsigned n = below(3); n; n--)
		disturb(g);
	surroundings(g);
}

static int result_of(enum vmx_check check)
{
	static const int results[] = {
		[VMX_ENTRY_OK] = 0, [VMX_ENTRY_CONTROLS] = 7, [VMX_ENTRY_HOST] = 8, [VMX_ENTRY_GUEST] = 33
	};

	return results[vmx_check_class(check)];
}

static void print_line(void *arg, const char *text)
{
	(void)arg;
	print_message("  %s\n", text);
}

static void both_readings_agree_on_random_entries(void **state)
{
	static struct golden g;
	static unsigned seen[VMX_CHECK_COUNT];
	unsigned wrong = 0;
	unsigned missed = 0;

	(void)state;
	seed = 20240229;
	for (unsigned i = 0; i < CASES && wrong < 10; i++) {
		enum vmx_check check;
		struct verdict verdict;

		random_entry(&g);
		check = vmx_check_entry(&g.e, VMCS_ALL_GROUPS);
		verdict = oracle(&g.e);
		seen[check]++;
		if (result_of(check) == verdict.result &&
		    vmx_check_qualification(check) == (uint64_t)verdict.qualification)
			continue;
		print_message("case %u: the table says %d, the oracle %d with qualification %d\n", i, result_of(check),
			      verdict.result, verdict.qualification);
		vmx_check_describe(check, &g.v, print_line, NULL);
		wrong++;
	}
	assert_int_equal(wrong, 0);
	for (unsigned check = 1; check < VMX_CHECK_COUNT; check++)
		if (!seen[check]) {
			print_message("never seen: %s\n", vmx_check_name(check));
			missed++;
		}
	print_message("%u of %u cases pass, %u of %u checks never failed\n", seen[0], CASES, missed, VMX_CHECK_COUNT - 1);
	assert_in_range(seen[0], CASES / 5, CASES * 4 / 5);
	/* host_size_32_ia32e_guest can't: one of the two rows about IA-32e mode fails before it */
	assert_int_equal(missed, 1);
}

/* Leaving out what did not change must not change the outcome: a section says truly what it looks at. */
static void checking_only_what_changed_comes_to_the_same(void **state)
{
	static struct golden g;
	unsigned refused = 0;

	(void)state;
	seed = 4711;
	for (unsigned i = 0; i < CASES; i++) {
		const struct vmcs_field *field = some_field();

		random_entry(&g);
		if (vmx_check_entry(&g.e, VMCS_ALL_GROUPS) != VMX_CHECK_OK)
			continue;
		vmcs_set(&g.v, field, field->encoding,
			 vmcs_get(&g.v, field, field->encoding) ^ 1ull << below(field->bytes * 8));
		assert_int_equal(vmx_check_entry(&g.e, 1u << field->group), vmx_check_entry(&g.e, VMCS_ALL_GROUPS));
		refused += vmx_check_entry(&g.e, VMCS_ALL_GROUPS) != VMX_CHECK_OK;
	}
	assert_true(refused > CASES / 20);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_readings_agree_on_random_entries),
		cmocka_unit_test(checking_only_what_changed_comes_to_the_same),
	};

	return cmocka_run_group_tests_name("entry_oracle", tests, NULL, NULL);
}
