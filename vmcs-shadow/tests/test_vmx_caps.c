/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The capability MSRs: consistent with each other and with what was switched off. */
#include "cmocka_headers.h"
#include <string.h>
#include "golden.h"

static uint64_t msr(const struct vmx_caps *caps, uint32_t index)
{
	uint64_t value = 0x5a5a5a5a5a5a5a5a;

	assert_true(vmx_caps_msr(caps, index, &value));
	return value;
}

/* plain and TRUE MSR of a control word, the manual's default1 class */
static const struct {
	uint32_t plain, exact, default1;
} words[] = {
	{ 0x481, 0x48d, 0x00000016 },
	{ 0x482, 0x48e, 0x0401e172 },
	{ 0x483, 0x48f, 0x00036dff },
	{ 0x484, 0x490, 0x000011ff },
};

static void check_consistency(const struct vmx_caps *caps)
{
	uint64_t basic = msr(caps, 0x480);
	uint64_t unused;

	assert_int_equal(basic & 0xffffffff, GOLDEN_REVISION);
	assert_int_equal(basic >> 32 & 0x1fff, 4096);
	assert_int_equal(basic >> 50 & 0xf, 6);
	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		uint64_t plain = msr(caps, words[i].plain);
		uint32_t must = (uint32_t)plain;
		uint32_t may = plain >> 32;

		assert_int_equal(must & ~may, 0);
		assert_int_equal(must, words[i].default1);
		if (!(basic >> 55 & 1)) {
			assert_false(vmx_caps_msr(caps, words[i].exact, &unused));
			assert_int_equal(caps->control[i == 0 ? 0 : i == 1 ? 1 : i + 1].must, must);
			continue;
		}
		assert_int_equal(msr(caps, words[i].exact) >> 32, may);
		assert_int_equal((uint32_t)msr(caps, words[i].exact) & ~must, 0);
	}
	if (vmx_caps_msr(caps, 0x48b, &unused))
		assert_int_equal((uint32_t)unused, 0);
	assert_int_equal(msr(caps, 0x486) & ~msr(caps, 0x487), 0);
	assert_int_equal(msr(caps, 0x488) & ~msr(caps, 0x489), 0);
	assert_int_equal(msr(caps, 0x486), 0x80000021);
	assert_true(msr(caps, 0x488) & 0x2000);
}

static void the_whole_offer_is_consistent(void **state)
{
	static struct golden g;

	(void)state;
	golden_init(&g);
	check_consistency(&g.caps);
	assert_int_equal((uint32_t)msr(&g.caps, 0x48e), 0x04006172);
	assert_int_equal((uint32_t)msr(&g.caps, 0x48f), 0x00036dfb);
	assert_int_equal((uint32_t)msr(&g.caps, 0x490), 0x000011fb);
	assert_int_equal(msr(&g.caps, 0x48a), 0x19 << 1); /* tsc_multiplier has the highest index */
	assert_int_equal(msr(&g.caps, 0x485) & 0x1f, 5);
	assert_int_equal(msr(&g.caps, 0x485) >> 16 & 0x1ff, 4);
	assert_int_equal(msr(&g.caps, 0x491), 1);
	golden_offer_all(&g);
	check_consistency(&g.caps);
}

static void msrs_outside_the_range_do_not_exist(void **state)
{
	static struct golden g;
	uint64_t value;

	(void)state;
	golden_init(&g);
	assert_false(vmx_caps_msr(&g.caps, 0x47f, &value));
	assert_false(vmx_caps_msr(&g.caps, 0x492, &value));
	assert_int_equal(MSR_VMX_LAST, 0x491);
}

static void what_goes_takes_along_what_needs_it_and_brings_it_back(void **state)
{
	static struct golden g;
	struct vmx_caps before;
	uint64_t value;

	(void)state;
	golden_init(&g);
	before = g.caps;
	assert_true(vmx_caps_set(&g.caps, "vmx-ept", false));
	assert_false(offers_ept(&g.caps));
	assert_false(offers_unrestricted_guest(&g.caps));
	assert_false(offers_pml(&g.caps));
	assert_false(offers_mode_based_execute(&g.caps));
	assert_false(offers_eptp_switching(&g.caps));
	assert_false(offers_invept(&g.caps));
	assert_true(offers_vpid(&g.caps));
	assert_int_equal((uint32_t)msr(&g.caps, 0x48c), 0); /* all of EPT, none of VPID */
	assert_int_equal(msr(&g.caps, 0x48b) >> 33 & 1, 0);
	assert_false(vmx_caps_has_field(&g.caps, vmcs_find(VMCS_ept_pointer)));
	assert_false(vmx_caps_has_field(&g.caps, vmcs_find(VMCS_guest_physical_address)));
	assert_true(vmx_caps_has_field(&g.caps, vmcs_find(VMCS_guest_rip)));
	assert_true(vmx_caps_set(&g.caps, "vmx-ept", true));
	assert_memory_equal(&g.caps, &before, sizeof(before));

	assert_true(vmx_caps_set(&g.caps, "vmx-secondary-ctls", false));
	assert_false(vmx_caps_msr(&g.caps, 0x48b, &value));
	assert_false(vmx_caps_msr(&g.caps, 0x48c, &value));
	assert_false(vmx_caps_msr(&g.caps, 0x491, &value));
	assert_false(vmx_caps_has_field(&g.caps, vmcs_find(VMCS_secondary_vm_exec_control)));
	assert_int_equal(msr(&g.caps, 0x48a), 0x17 << 1); /* now vmx_preemption_timer_value */
}

static void without_true_controls_the_default1_class_is_1(void **state)
{
	static struct golden g;

	(void)state;
	golden_init(&g);
	assert_true(vmx_caps_set(&g.caps, "vmx-true-ctls", false));
	check_consistency(&g.caps);
	assert_false(offers_cr3_load_exiting(&g.caps));
	assert_false(offers_load_debug_controls(&g.caps));
}

static void every_name_is_accepted_and_every_offer_stays_consistent(void **state)
{
	static struct golden g;
	bool offered;

	(void)state;
	for (unsigned feature = 0; feature < VMX_FEATURES; feature++) {
		const char *name = vmx_feature_name(feature, &offered);

		golden_init(&g);
		assert_int_equal(strncmp(name, "vmx-", 4), 0);
		assert_true(vmx_caps_set(&g.caps, name, false));
		assert_false(vmx_caps_has(&g.caps, feature));
		check_consistency(&g.caps);
		assert_int_equal(vmx_caps_set(&g.caps, name, true), offered);
		assert_int_equal(vmx_caps_has(&g.caps, feature), offered);
		for (unsigned other = 0; other < feature; other++)
			assert_string_not_equal(vmx_feature_name(other, NULL), name);
	}
	assert_null(vmx_feature_name(VMX_FEATURES, NULL));
	assert_false(vmx_caps_set(&g.caps, "vmx-no-such-thing", false));
	assert_false(vmx_caps_set(&g.caps, "vmx-ep", false));
	assert_false(vmx_caps_set(&g.caps, "", true));
}

static void what_is_not_offered_has_no_field_and_no_bit(void **state)
{
	static struct golden g;

	(void)state;
	golden_init(&g);
	assert_false(vmx_caps_has_field(&g.caps, vmcs_find(VMCS_encls_exiting_bitmap)));
	assert_false(vmx_caps_has_field(&g.caps, vmcs_find(VMCS_guest_ia32_bndcfgs)));
	assert_int_equal(msr(&g.caps, 0x48b) >> 32 & CTL_encls_exiting, 0);
	assert_int_equal(msr(&g.caps, 0x484) >> 32 & CTL_entry_to_smm, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_whole_offer_is_consistent),
		cmocka_unit_test(msrs_outside_the_range_do_not_exist),
		cmocka_unit_test(what_goes_takes_along_what_needs_it_and_brings_it_back),
		cmocka_unit_test(without_true_controls_the_default1_class_is_1),
		cmocka_unit_test(every_name_is_accepted_and_every_offer_stays_consistent),
		cmocka_unit_test(what_is_not_offered_has_no_field_and_no_bit),
	};

	return cmocka_run_group_tests_name("vmx_caps", tests, NULL, NULL);
}
