/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an entry is: every combination of the low 12 bits at each level, under each set of features. */
#include "ept_bench.h"
#include "naive.h"

static void each_low_bits_are_what_the_manual_says(void **state)
{
	/* upper bits: an aligned address, one in the alignment's bits, one beyond MAXPHYADDR, the ignored ones */
	static const u64 high[] = { 0, 0x40000000, 0x1000, 0x200000, BIT(45), BIT(46), BIT(51), 0xfff0000000000000ull };
	unsigned int level, f, h;
	u64 low, seen[4] = { 0 };

	(void)state;
	for (f = 0; f < 64; f++) {
		struct ept_format format = { f, 46 };

		for (level = 1; level <= 4; level++)
			for (h = 0; h < sizeof(high) / sizeof(high[0]); h++)
				for (low = 0; low < 4096; low++) {
					u64 entry = high[h] | low;
					enum ept_misconfig why;
					enum ept_kind kind = ept_classify(&format, level, entry, &why), want;

					if (!naive_present(&format, entry))
						want = EPT_HOLE;
					else if (naive_misconfigured(&format, level, entry))
						want = EPT_MISCONFIG;
					else
						want = naive_maps_page(&format, level, entry) ? EPT_LEAF : EPT_TABLE;
					if (kind != want)
						fail_msg("features %#x level %u entry %#llx: %d, expected %d", f, level,
							 (unsigned long long)entry, kind, want);
					assert_int_equal(why != EPT_MISCONFIG_NONE, kind == EPT_MISCONFIG);
					seen[kind]++;
				}
	}
	for (f = 0; f < 4; f++)
		assert_true(seen[f] > 0);
}

static void each_kind_of_misconfiguration_has_its_name(void **state)
{
	/* clang-format off */
	static const struct {
		unsigned int level;
		u64 entry;
		u32 features;
		enum ept_kind kind;
		enum ept_misconfig why;
	} rows[] = {
		{ 1, 2,                    0,                 EPT_MISCONFIG, EPT_MISCONFIG_WRITE_ONLY },
		{ 4, 6,                    EPT_HAS_EXEC_ONLY, EPT_MISCONFIG, EPT_MISCONFIG_WRITE_ONLY },
		{ 1, 4,                    0,                 EPT_MISCONFIG, EPT_MISCONFIG_EXECUTE_ONLY },
		{ 4, 4,                    0,                 EPT_MISCONFIG, EPT_MISCONFIG_EXECUTE_ONLY },
		{ 1, 4,                    EPT_HAS_EXEC_ONLY, EPT_LEAF,      EPT_MISCONFIG_NONE },
		{ 1, EPT_XU,               EPT_USES_MBEC,     EPT_MISCONFIG, EPT_MISCONFIG_EXECUTE_ONLY },
		{ 1, EPT_XU,               0,                 EPT_HOLE,      EPT_MISCONFIG_NONE },
		{ 1, EPT_XU | 2,           EPT_USES_MBEC | EPT_HAS_EXEC_ONLY, EPT_MISCONFIG, EPT_MISCONFIG_WRITE_ONLY },
		{ 1, EPT_XU,               EPT_USES_MBEC | EPT_HAS_EXEC_ONLY, EPT_LEAF, EPT_MISCONFIG_NONE },
		{ 4, 7 | EPT_PS,           ALL_FEATURES,      EPT_MISCONFIG, EPT_MISCONFIG_RESERVED },
		{ 4, 7 | 8,                ALL_FEATURES,      EPT_MISCONFIG, EPT_MISCONFIG_RESERVED },
		{ 3, 7 | EPT_IPAT,         ALL_FEATURES,      EPT_MISCONFIG, EPT_MISCONFIG_RESERVED },
		{ 3, 7 | EPT_PS,           0,                 EPT_MISCONFIG, EPT_MISCONFIG_RESERVED },
		{ 3, 7 | EPT_PS | 0x1000,  EPT_HAS_1G,        EPT_MISCONFIG, EPT_MISCONFIG_RESERVED },
		{ 3, 7 | EPT_PS | BIT(29), EPT_HAS_1G,        EPT_MISCONFIG, EPT_MISCONFIG_RESERVED },
		{ 2, 7 | EPT_PS | BIT(20), EPT_HAS_2M,        EPT_MISCONFIG, EPT_MISCONFIG_RESERVED },
		{ 2, 7 | EPT_PS,           EPT_HAS_1G,        EPT_MISCONFIG, EPT_MISCONFIG_RESERVED },
		{ 1, 7 | BIT(46),          0,                 EPT_MISCONFIG, EPT_MISCONFIG_RESERVED },
		{ 1, 7 | EPT_PS,           0,                 EPT_LEAF,      EPT_MISCONFIG_NONE },
		{ 1, 7 | 2 << 3,           0,                 EPT_MISCONFIG, EPT_MISCONFIG_MEMORY_TYPE },
		{ 1, 7 | 3 << 3,           0,                 EPT_MISCONFIG, EPT_MISCONFIG_MEMORY_TYPE },
		{ 2, 7 | EPT_PS | 7 << 3,  EPT_HAS_2M,        EPT_MISCONFIG, EPT_MISCONFIG_MEMORY_TYPE },
		{ 1, ~7ull,                0,                 EPT_HOLE,      EPT_MISCONFIG_NONE },
		{ 1, ~0ull,                ALL_FEATURES,      EPT_MISCONFIG, EPT_MISCONFIG_RESERVED },
	};
	/* clang-format on */
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ept_format format = { rows[i].features, 46 };
		enum ept_misconfig why;

		assert_int_equal(ept_classify(&format, rows[i].level, rows[i].entry, &why), rows[i].kind);
		assert_int_equal(why, rows[i].why);
		assert_int_equal(ept_classify(&format, rows[i].level, rows[i].entry, NULL), rows[i].kind);
	}
	assert_string_equal(ept_misconfig_text(EPT_MISCONFIG_MEMORY_TYPE), "memory type 2, 3 or 7");
	assert_string_equal(ept_misconfig_text((enum ept_misconfig)99), "unknown");
}

static void all_ones_are_misconfigured_at_every_level_even_without_reserved_address_bits(void **state)
{
	struct ept_format format = { ALL_FEATURES | EPT_USES_MBEC, 52 };
	unsigned int level;

	(void)state;
	for (level = 1; level <= 4; level++)
		assert_int_equal(ept_classify(&format, level, ~0ull, NULL), EPT_MISCONFIG);
}

static void an_eptp_is_valid_as_the_manual_says(void **state)
{
	/* clang-format off */
	static const struct {
		u64 eptp;
		u32 features;
		bool valid;
	} rows[] = {
		{ 0x1000 | 3 << 3 | 6,          0,          true },
		{ 0x1000 | 3 << 3 | 0,          0,          true },
		{ 0x1000 | 3 << 3 | 1,          0,          false },
		{ 0x1000 | 3 << 3 | 7,          0,          false },
		{ 0x1000 | 4 << 3 | 6,          0,          false }, /* five levels */
		{ 0x1000 | 2 << 3 | 6,          0,          false },
		{ 0x1000 | 3 << 3 | 6 | 0x40,   0,          false },
		{ 0x1000 | 3 << 3 | 6 | 0x40,   EPT_HAS_AD, true },
		{ 0x1000 | 3 << 3 | 6 | 0x80,   EPT_HAS_AD, false },
		{ 0x1000 | 3 << 3 | 6 | 0x800,  EPT_HAS_AD, false },
		{ BIT(45) | 3 << 3 | 6,         0,          true },
		{ BIT(46) | 3 << 3 | 6,         0,          false },
		{ BIT(63) | 3 << 3 | 6,         0,          false },
	};
	/* clang-format on */
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ept_format format = { rows[i].features, 46 };

		assert_int_equal(ept_eptp_valid(&format, rows[i].eptp), rows[i].valid);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_low_bits_are_what_the_manual_says),
		cmocka_unit_test(each_kind_of_misconfiguration_has_its_name),
		cmocka_unit_test(all_ones_are_misconfigured_at_every_level_even_without_reserved_address_bits),
		cmocka_unit_test(an_eptp_is_valid_as_the_manual_says),
	};

	return cmocka_run_group_tests_name("ept_format", tests, NULL, NULL);
}
