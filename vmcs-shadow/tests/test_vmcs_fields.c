/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of fields against its own columns, lookup by encoding, access, bitmaps. */
#include "cmocka_headers.h"
#include <string.h>
#include "golden.h"
#include "vmcs-shadow/bitmaps.h"

static bool is_field(uint64_t encoding)
{
	for (unsigned id = 0; id < VMCS_FIELD_COUNT; id++) {
		unsigned full = vmcs_fields[id].encoding;

		if (encoding == full || (VMCS_WIDTH(full) == VMCS_64 && encoding == full + 1))
			return true;
	}
	return false;
}

static void each_field_keeps_what_its_width_keeps_and_touches_no_other(void **state)
{
	static struct vmcs v, before;
	const uint64_t value = 0xfedcba9876543210;

	(void)state;
	for (unsigned id = 0; id < VMCS_FIELD_COUNT; id++) {
		const struct vmcs_field *field = &vmcs_fields[id];
		uint64_t mask = field->bytes == 8 ? ~0ull : (1ull << 8 * field->bytes) - 1;

		memset(&v, 0x5a, sizeof(v));
		before = v;
		vmcs_set(&v, field, field->encoding, value);
		assert_int_equal(vmcs_get(&v, field, field->encoding), value & mask);
		assert_memory_equal((char *)&v + field->offset, &value, field->bytes);
		assert_memory_equal(&v, &before, field->offset);
		assert_memory_equal((char *)&v + field->offset + field->bytes,
				    (char *)&before + field->offset + field->bytes,
				    sizeof(v) - field->offset - field->bytes);
	}
}

static void a_high_access_is_bits_63_to_32(void **state)
{
	static struct vmcs v;
	const struct vmcs_field *field = vmcs_find(VMCS_HIGH(VMCS_tsc_offset));

	(void)state;
	assert_ptr_equal(field, vmcs_find(VMCS_tsc_offset));
	v.tsc_offset = 0x1111111122222222;
	assert_int_equal(vmcs_get(&v, field, VMCS_HIGH(VMCS_tsc_offset)), 0x11111111);
	vmcs_set(&v, field, VMCS_HIGH(VMCS_tsc_offset), 0x9999999933333333);
	assert_int_equal(v.tsc_offset, 0x3333333322222222);
	assert_null(vmcs_find(VMCS_HIGH(VMCS_guest_rip)));
	assert_null(vmcs_find(VMCS_HIGH(VMCS_vm_exit_reason)));
	assert_null(vmcs_find(VMCS_HIGH(VMCS_guest_cs_selector)));
}

static void every_encoding_is_a_field_or_refused(void **state)
{
	(void)state;
	for (uint64_t encoding = 0; encoding <= 0xffff; encoding++) {
		const struct vmcs_field *field = vmcs_find(encoding);

		assert_int_equal(field != NULL, is_field(encoding));
		if (field)
			assert_int_equal(field->encoding, encoding & ~1ull);
		assert_int_equal(vmcs_name(encoding) != NULL, field != NULL);
	}
	for (unsigned id = 0; id < VMCS_FIELD_COUNT; id++)
		for (unsigned bit = 15; bit < 64; bit++)
			assert_null(vmcs_find(vmcs_fields[id].encoding | 1ull << bit));
	/* and numbers of all sizes */
	for (unsigned i = 0; i < 100000; i++) {
		uint64_t encoding = (i + 1) * 0x9e3779b97f4a7c15ull >> i % 48;

		if (encoding > 0xffff)
			assert_null(vmcs_find(encoding));
	}
}

static void columns_agree_with_the_encoding(void **state)
{
	(void)state;
	for (unsigned id = 0; id < VMCS_FIELD_COUNT; id++) {
		const struct vmcs_field *field = &vmcs_fields[id];
		static const uint8_t bytes[] = { 2, 8, 4, 8 };

		assert_int_equal(field->bytes, bytes[field->encoding >> 13 & 3]);
		assert_int_equal(vmcs_read_only(field), (field->encoding >> 10 & 3) == 1);
		assert_int_equal(field->rule == EXIT_INFO, vmcs_read_only(field));
		assert_int_equal(field->rule == HOST_12, (field->encoding >> 10 & 3) == 3);
		assert_true(field->need <= VMX_ALWAYS);
		assert_non_null(vmcs_group_name(field->group));
		assert_true(field->offset >= 16 && field->offset % field->bytes == 0);
		assert_true(field->offset + field->bytes <= sizeof(struct vmcs));
	}
	assert_int_equal(offsetof(struct vmcs, revision), 0);
	assert_int_equal(offsetof(struct vmcs, abort), 4);
}

/* Some encodings from the manual's appendix, typed a second time. */
static void well_known_encodings_are_right(void **state)
{
	static const struct {
		unsigned encoding;
		const char *name;
	} rows[] = {
		{ 0x0000, "virtual_processor_id" },
		{ 0x0812, "guest_pml_index" },
		{ 0x0c0c, "host_tr_selector" },
		{ 0x2010, "tsc_offset" },
		{ 0x2011, "tsc_offset" },
		{ 0x201a, "ept_pointer" },
		{ 0x2024, "eptp_list_address" },
		{ 0x202c, "xss_exit_bitmap" },
		{ 0x2032, "tsc_multiplier" },
		{ 0x2400, "guest_physical_address" },
		{ 0x2800, "vmcs_link_pointer" },
		{ 0x2c02, "host_ia32_efer" },
		{ 0x4004, "exception_bitmap" },
		{ 0x401e, "secondary_vm_exec_control" },
		{ 0x4402, "vm_exit_reason" },
		{ 0x4824, "guest_interruptibility_info" },
		{ 0x482e, "vmx_preemption_timer_value" },
		{ 0x4c00, "host_ia32_sysenter_cs" },
		{ 0x6400, "exit_qualification" },
		{ 0x640a, "guest_linear_address" },
		{ 0x6820, "guest_rflags" },
		{ 0x6c16, "host_rip" },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_string_equal(vmcs_name(rows[i].encoding), rows[i].name);
}

static void copying_groups_copies_these_and_no_others(void **state)
{
	static struct vmcs from, to, empty;
	unsigned total = 0;

	(void)state;
	memset(&from, 0xa5, sizeof(from));
	for (unsigned group = 0; group < VMCS_GROUP_COUNT; group++) {
		unsigned members = 0;

		to = empty;
		for (unsigned id = 0; id < VMCS_FIELD_COUNT; id++)
			members += vmcs_fields[id].group == group;
		assert_int_equal(vmcs_copy(&to, &from, 1u << group), members);
		total += members;
		for (unsigned id = 0; id < VMCS_FIELD_COUNT; id++) {
			const struct vmcs_field *field = &vmcs_fields[id];

			assert_int_equal(vmcs_get(&to, field, field->encoding) != 0, field->group == group);
		}
	}
	assert_int_equal(total, VMCS_FIELD_COUNT);
	assert_int_equal(vmcs_copy(&to, &from, VMCS_ALL_GROUPS), VMCS_FIELD_COUNT);
}

struct counted {
	unsigned calls;
	unsigned rows;
	uint64_t sum;
};

static void count_field(void *arg, const struct vmcs_field *field, const char *name, uint64_t value)
{
	struct counted *counted = arg;

	assert_string_equal(name, vmcs_name(field->encoding));
	counted->calls++;
	counted->sum += value;
}

static void count_line(void *arg, const char *text)
{
	struct counted *counted = arg;

	assert_int_equal(text[0], '|');
	assert_int_equal(text[strlen(text) - 1], '|');
	counted->calls++;
	counted->rows += strstr(text, " | 0x") != NULL;
}

static void dump_and_documentation_show_every_field(void **state)
{
	static struct vmcs v;
	struct counted counted = { 0 };

	(void)state;
	v.guest_rip = 5;
	v.vm_exit_reason = 7;
	vmcs_dump(&v, count_field, &counted);
	assert_int_equal(counted.calls, VMCS_FIELD_COUNT);
	assert_int_equal(counted.sum, 12);
	counted = (struct counted){ 0 };
	vmcs_document(count_line, &counted);
	assert_int_equal(counted.rows, VMCS_FIELD_COUNT);
	assert_int_equal(counted.calls, 2 + VMCS_GROUP_COUNT + VMCS_FIELD_COUNT);
}

static bool exists(const void *arg, uint64_t encoding)
{
	return vmx_caps_has_field(arg, vmcs_find(encoding));
}

static void vmread_and_vmwrite_bitmaps_follow_the_shadow_column(void **state)
{
	static uint8_t reads[VMCS_BITMAP_BYTES], writes[VMCS_BITMAP_BYTES];
	static struct golden g;

	(void)state;
	golden_init(&g);
	assert_true(vmx_caps_set(&g.caps, "vmx-preemption-timer", false));
	for (int with_caps = 0; with_caps < 2; with_caps++) {
		vmcs_bitmaps_fill(reads, writes, with_caps ? exists : NULL, &g.caps);
		for (uint64_t encoding = 0; encoding <= 0x7fff; encoding++) {
			const struct vmcs_field *field = vmcs_find(encoding);
			bool there = field && (!with_caps || vmx_caps_has_field(&g.caps, field));

			assert_int_equal(vmcs_bitmap_exits(reads, encoding), !there || field->shadow == SH_NO);
			assert_int_equal(vmcs_bitmap_exits(writes, encoding), !there || field->shadow != SH_RW);
		}
	}
	assert_true(vmcs_bitmap_exits(reads, 0x8000 | VMCS_guest_rip));
	assert_true(vmcs_bitmap_exits(reads, 1ull << 63 | VMCS_guest_rip));
	assert_true(vmcs_bitmap_exits(NULL, VMCS_guest_rip));
}

static void msr_and_io_bitmaps_decide_bit_by_bit(void **state)
{
	static uint8_t page[VMCS_BITMAP_BYTES], other[VMCS_BITMAP_BYTES], merged[VMCS_BITMAP_BYTES];
	static const uint32_t msrs[] = { 0, 0x10, 0x1fff, 0xc0000000, 0xc0000080, 0xc0001fff };

	(void)state;
	for (unsigned i = 0; i < sizeof(msrs) / sizeof(msrs[0]); i++)
		for (unsigned write = 0; write < 2; write++) {
			unsigned bit = (write ? 0x4000 : 0) + (msrs[i] >> 31 ? 0x2000 : 0) + (msrs[i] & 0x1fff);

			memset(page, 0, sizeof(page));
			assert_false(msr_bitmap_exits(page, msrs[i], write));
			page[bit / 8] |= 1 << bit % 8;
			assert_true(msr_bitmap_exits(page, msrs[i], write));
			assert_false(msr_bitmap_exits(page, msrs[i], !write));
		}
	assert_true(msr_bitmap_exits(other, 0x2000, false));
	assert_true(msr_bitmap_exits(other, 0xbfffffff, false));
	assert_true(msr_bitmap_exits(other, 0xc0002000, true));
	assert_true(msr_bitmap_exits(NULL, 0x10, false));

	memset(page, 0, sizeof(page));
	page[0x7f >> 3] = 0x80; /* port 7f of A, port 807f of B */
	assert_true(io_bitmaps_exit(page, other, 0x7f, 1));
	assert_true(io_bitmaps_exit(page, other, 0x7c, 4));
	assert_false(io_bitmaps_exit(page, other, 0x7c, 2));
	assert_true(io_bitmaps_exit(other, page, 0x807e, 2));
	assert_false(io_bitmaps_exit(other, page, 0x7f, 1));
	assert_false(io_bitmaps_exit(other, other, 0x7fff, 2));
	assert_true(io_bitmaps_exit(other, other, 0xffff, 2));
	assert_false(io_bitmaps_exit(other, other, 0xfffe, 2));

	other[0] = 1;
	bitmap_merge(merged, page, other);
	assert_int_equal(merged[0], 1);
	assert_int_equal(merged[0x7f >> 3], 0x80);
	bitmap_merge(merged, NULL, other);
	assert_memory_equal(merged, other, sizeof(merged));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns_agree_with_the_encoding),
		cmocka_unit_test(well_known_encodings_are_right),
		cmocka_unit_test(each_field_keeps_what_its_width_keeps_and_touches_no_other),
		cmocka_unit_test(a_high_access_is_bits_63_to_32),
		cmocka_unit_test(every_encoding_is_a_field_or_refused),
		cmocka_unit_test(copying_groups_copies_these_and_no_others),
		cmocka_unit_test(dump_and_documentation_show_every_field),
		cmocka_unit_test(vmread_and_vmwrite_bitmaps_follow_the_shadow_column),
		cmocka_unit_test(msr_and_io_bitmaps_decide_bit_by_bit),
	};

	return cmocka_run_group_tests_name("vmcs_fields", tests, NULL, NULL);
}
