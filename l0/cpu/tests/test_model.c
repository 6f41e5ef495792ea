/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -cpu, and that what CPUID says agrees with itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "../../devices/irqchip.h"
#include "../control.h"
#include "../fpu.h"
#include "vcpu_bench.h"

enum { EAX, EBX, ECX, EDX };

static struct bench f;

static int setup(void **state)
{
	(void)state;
	bench_init(&f, NULL);
	bench_long_mode(&f);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	bench_destroy(&f);
	return 0;
}

static const u32 *cpuid(u32 leaf, u32 subleaf)
{
	static u32 out[4];

	model_cpuid(f.v, leaf, subleaf, out);
	return out;
}

static int parse(const char *spec, struct cpu_model *m, char error[128])
{
	error[0] = 0;
	return model_parse(m, spec, error, 128);
}

static void models_and_options_are_understood(void **state)
{
	static const char *const good[] = {
		"Skylake-Server",
		"qemu64,+x2apic,+tsc-deadline",
		"qemu64,-x2apic,+tsc-deadline",
		"max",
		"max,host-phys-bits",
		"IvyBridge,phys-bits=36,host-phys-bits=off",
		"host,migratable=no",
		"max,vendor=GenuineIntel",
		"qemu64,+pcid,+invpcid",
		"qemu64,-pcid,+invpcid",
		"qemu64,+umip",
		"kvm64",
		"Opteron_G1,vendor=AuthenticAMD",
		"max,-pku",
		"max,-vmx-mbec",
		"max,tsc_deadline=off,sse4.1=on",
		",-smap",
	};
	struct cpu_model m;
	char error[128];

	(void)state;
	for (unsigned int i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (parse(good[i], &m, error))
			fail_msg("%s: %s", good[i], error);
	parse("IvyBridge,phys-bits=36,host-phys-bits=off", &m, error);
	assert_int_equal(m.phys_bits, 36);
	parse("qemu64,-pcid,+invpcid", &m, error);
	assert_true(model_has(&m, FEATURE_INVPCID) && !model_has(&m, FEATURE_PCID));
	parse("Skylake-Server,-smap", &m, error);
	assert_true(!model_has(&m, FEATURE_SMAP) && model_has(&m, FEATURE_SMEP));
	parse(NULL, &m, error);
	assert_string_equal(m.name, "Skylake-Server");
	parse("max,+la57", &m, error);
	assert_int_equal(m.linear_bits, 57);
}

static void bad_models_and_options_get_one_line(void **state)
{
	static const struct {
		const char *spec, *says;
	} bad[] = {
		{ "486", "unknown model '486'" },
		{ "max,+nonsense", "unknown feature 'nonsense'" },
		{ "max,+svm", "'svm': not yet offered" },
		{ "max,+avx512f", "'avx512f': not yet offered" },
		{ "max,+vmx-page-walk-5", "'vmx-page-walk-5': not yet offered" },
		{ "max,+vmx-nosuch", "unknown feature 'vmx-nosuch'" },
		{ "max,phys-bits=31", "phys-bits" },
		{ "max,phys-bits", "phys-bits" },
		{ "max,phys-bits=4x", "phys-bits" },
		{ "max,vendor=AuthenticAMD", "vendor" },
		{ "max,smap=maybe", "on or off" },
		{ "max,+smap=on", "sign and a value" },
		{ "max,", "empty" },
		{ "max,+", "empty" },
		{ "max,-apic,+x2apic", "'x2apic' needs 'apic'" },
	};
	struct cpu_model m;
	char error[128];

	(void)state;
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(parse(bad[i].spec, &m, error), -EINVAL);
		if (!strstr(error, bad[i].says) || strchr(error, '\n'))
			fail_msg("%s: '%s'", bad[i].spec, error);
	}
}

static void random_numbers_go_for_repeatable_runs(void **state)
{
	struct cpu_model m;
	char error[128];

	(void)state;
	assert_int_equal(parse("max", &m, error), 0);
	model_repeatable(&m);
	assert_false(model_has(&m, FEATURE_RDRAND) || model_has(&m, FEATURE_RDSEED));
	/* a host without it refuses to be asked */
	if (parse("max,+rdrand", &m, error))
		return;
	model_repeatable(&m);
	assert_true(model_has(&m, FEATURE_RDRAND));
	assert_false(model_has(&m, FEATURE_RDSEED));
}

static void features_go_with_what_they_need(void **state)
{
	struct cpu_model m;
	char error[128];

	(void)state;
	assert_int_equal(parse("max,-xsave", &m, error), 0);
	assert_false(model_has(&m, FEATURE_AVX) || model_has(&m, FEATURE_AVX2) || model_has(&m, FEATURE_FMA) ||
		     model_has(&m, FEATURE_XSAVES) || model_has(&m, FEATURE_VAES));
	assert_true(model_has(&m, FEATURE_SSE2) && model_has(&m, FEATURE_AES));
}

static void every_feature_has_a_cpuid_bit_of_its_own(void **state)
{
	static const struct {
		const char *name;
		u32 leaf, subleaf, reg, bit;
	} row[] = {
#define F(id, name, leaf, subleaf, reg, bit, who, models) { name, leaf, subleaf, reg, bit },
		CPU_FEATURES(F)
#undef F
	};

	(void)state;
	f.v->misc_enable = MISC_ENABLE_RESET;
	for (unsigned int i = 0; i < FEATURE_COUNT; i++) {
		memset(f.model.features, 0, sizeof(f.model.features));
		bench_set_feature(&f, i, true);
		/* NPT's leaf is above those that are shown */
		if (i != FEATURE_NPT && !(cpuid(row[i].leaf, row[i].subleaf)[row[i].reg] >> row[i].bit & 1))
			fail_msg("%s doesn't show", row[i].name);
		for (unsigned int j = 0; j < i; j++)
			if (cpuid(row[j].leaf, row[j].subleaf)[row[j].reg] >> row[j].bit & 1)
				fail_msg("%s shows as %s", row[i].name, row[j].name);
	}
}

static void signature_and_strings_are_those_of_the_model(void **state)
{
	char text[49] = { 0 };
	const u32 *r = cpuid(0, 0);

	(void)state;
	assert_memory_equal(&r[EBX], "Genu", 4);
	assert_memory_equal(&r[EDX], "ineI", 4);
	assert_memory_equal(&r[ECX], "ntel", 4);
	assert_int_equal(r[EAX], 0x16);
	assert_int_equal(cpuid(1, 0)[EAX], 0x50654);
	for (u32 i = 0; i < 3; i++)
		memcpy(text + i * 16, cpuid(0x80000002 + i, 0), 16);
	assert_string_equal(text, "Intel Xeon Processor (Skylake)");
	r = cpuid(0x40000000, 0);
	memcpy(text, &r[EBX], 12);
	text[12] = 0;
	assert_string_equal(text, "TurtlesTurtl");
	assert_int_equal(cpuid(0x80000008, 0)[EAX], 46 | 48 << 8);
}

static void an_amd_model_has_amds_leaves(void **state)
{
	const u32 *r;

	(void)state;
	bench_destroy(&f);
	bench_init(&f, "Opteron_G1");
	r = cpuid(0, 0);
	assert_memory_equal(&r[EBX], "Auth", 4);
	assert_memory_equal(&r[EDX], "enti", 4);
	assert_memory_equal(&r[ECX], "cAMD", 4);
	assert_int_equal(r[EAX], 0xd);
	assert_memory_equal(&cpuid(0x80000000, 0)[EBX], "Auth", 4);
	assert_int_equal(cpuid(1, 0)[EAX], 0xf61);
	assert_int_equal(cpuid(0x80000001, 0)[EAX], 0xf61);
	/* leaf 1's features once more, SYSCALL in 32-bit code, too */
	assert_int_equal(cpuid(0x80000001, 0)[EDX] & 0x0183f3ff, cpuid(1, 0)[EDX] & 0x0183f3ff);
	assert_true(cpuid(0x80000001, 0)[EDX] >> 11 & 1);
	assert_int_equal(cpuid(0x80000005, 0)[ECX] >> 24, 64);
	for (u32 leaf = 2; leaf < 0x20; leaf++)
		for (unsigned int reg = 0; leaf != 5 && leaf != 6 && leaf != 7 && reg < 4; reg++)
			assert_int_equal(cpuid(leaf, 0)[reg], 0);
	assert_int_equal(cpuid(0xffffffff, 0)[EAX], 0);
}

static void leaves_beyond_the_maximum_show_the_highest_basic_leaf(void **state)
{
	static const u32 beyond[] = { 0x17, 0x1f, 0x3fffffff, 0x40000011, 0x80000009, 0xffffffff };
	u32 last[4];

	(void)state;
	memcpy(last, cpuid(0x16, 0), sizeof(last));
	for (unsigned int i = 0; i < sizeof(beyond) / sizeof(beyond[0]); i++)
		assert_memory_equal(cpuid(beyond[i], 0), last, sizeof(last));
	bench_set_feature(&f, FEATURE_HYPERVISOR, false);
	assert_memory_equal(cpuid(0x40000000, 0), last, sizeof(last));
	assert_int_equal(cpuid(0xa, 0)[EAX], 0);
}

static void state_dependent_bits_follow_the_vcpu(void **state)
{
	struct vcpu *v = f.v;

	(void)state;
	bench_set_feature(&f, FEATURE_XSAVE, true);
	assert_false(cpuid(1, 0)[ECX] >> 27 & 1);
	v->cr4 |= CR4_OSXSAVE | CR4_PKE;
	assert_true(cpuid(1, 0)[ECX] >> 27 & 1);
	assert_true(cpuid(7, 0)[ECX] >> 4 & 1);
	v->cr4 &= ~CR4_PKE;
	assert_false(cpuid(7, 0)[ECX] >> 4 & 1);
	assert_true(cpuid(0x80000001, 0)[EDX] >> 11 & 1);
	bench_set_code64(&f, false);
	assert_false(cpuid(0x80000001, 0)[EDX] >> 11 & 1);
	v->misc_enable |= MISC_ENABLE_XD_DISABLE | MISC_ENABLE_LIMIT_CPUID;
	assert_false(cpuid(0x80000001, 0)[EDX] >> 20 & 1);
	assert_int_equal(cpuid(0, 0)[EAX], 2);
}

static void cpuid_hides_an_apic_that_is_disabled(void **state)
{
	struct vcpu *v = f.v;

	(void)state;
	v->gpr[RAX] = 0xffffffff00000001ull;
	v->gpr[RCX] = ~0ull;
	assert_int_equal(bench_run(&f, insn_cpuid, (union insn_args){ 0 }, NULL), RUNS_OK);
	assert_int_equal(v->gpr[RAX], 0x50654);
	assert_true(v->gpr[RDX] >> 9 & 1);
	assert_true(msr_write(v, MSR_APIC_BASE, 0xfee00100));
	v->gpr[RAX] = 1;
	assert_int_equal(bench_run(&f, insn_cpuid, (union insn_args){ 0 }, NULL), RUNS_OK);
	assert_false(v->gpr[RDX] >> 9 & 1);
}

static void xsave_sizes_cover_every_component(void **state)
{
	static const u64 xcr0[] = { 1, 3, 7, 0x203, 0x207, 0x201 };

	(void)state;
	bench_set_feature(&f, FEATURE_AVX, true);
	for (unsigned int i = 0; i < sizeof(xcr0) / sizeof(xcr0[0]); i++) {
		u32 standard = 576, compacted = 576;

		f.v->xcr0 = xcr0[i];
		for (u32 c = 2; c < 63; c++) {
			const u32 *r = cpuid(0xd, c);

			if (!(xcr0[i] >> c & 1))
				continue;
			assert_true(r[EAX] && r[EBX] >= 576 && !r[ECX]);
			if (r[EBX] + r[EAX] > standard)
				standard = r[EBX] + r[EAX];
			compacted += r[EAX];
		}
		assert_int_equal(cpuid(0xd, 0)[EBX], standard);
		assert_int_equal(cpuid(0xd, 1)[EBX], compacted);
	}
	assert_int_equal(cpuid(0xd, 0)[EAX], 0x207);
	assert_int_equal(cpuid(0xd, 0)[ECX], 840);
	assert_int_equal(cpuid(0xd, 1)[ECX], 0);
	assert_int_equal(cpuid(0xd, 3)[EAX], 0);
}

static void topology_counts_the_vcpus(void **state)
{
	(void)state;
	f.model.vcpus = 6;
	f.v->index = 5;
	assert_int_equal(cpuid(1, 0)[EBX] >> 24, 5);
	assert_int_equal(cpuid(1, 0)[EBX] >> 16 & 0xff, 8);
	assert_true(cpuid(1, 0)[EDX] >> 28 & 1);
	assert_int_equal(cpuid(0xb, 0)[EBX], 1);
	assert_int_equal(cpuid(0xb, 0)[ECX], 0x100);
	assert_int_equal(cpuid(0xb, 1)[EAX], 3);
	assert_int_equal(cpuid(0xb, 1)[EBX], 6);
	assert_int_equal(cpuid(0xb, 1)[ECX], 0x201);
	assert_int_equal(cpuid(0xb, 2)[ECX], 2);
	assert_int_equal(cpuid(0xb, 2)[EDX], 5);
	f.model.vcpus = 1;
	assert_false(cpuid(1, 0)[EDX] >> 28 & 1);
}

static void cache_sizes_agree_between_leaves(void **state)
{
	u32 size[4] = { 0 };

	(void)state;
	for (u32 i = 0; i < 4; i++) {
		const u32 *r = cpuid(4, i);

		size[i] = ((r[EBX] >> 22) + 1) * ((r[EBX] & 0xfff) + 1) * (r[ECX] + 1) / 1024;
	}
	assert_int_equal(cpuid(4, 4)[EAX] & 31, 0);
	assert_int_equal(size[0], 32);
	assert_int_equal(size[2], cpuid(0x80000006, 0)[ECX] >> 16);
}

/* as a 32-bit computation in kHz, which is what a guest's kernel does */
static void tsc_frequency_comes_out_of_leaf_15(void **state)
{
	static const u64 hz[] = { 1000000000, 2596192000, 2100000000, 2999999000, 3000100000, 4700000000, 1999876543 };

	(void)state;
	for (unsigned int i = 0; i < sizeof(hz) / sizeof(hz[0]); i++) {
		u32 khz, crystal;
		const u32 *r;
		s64 off;

		f.model.tsc_hz = hz[i];
		r = cpuid(0x15, 0);
		crystal = r[ECX] / 1000;
		assert_true((u64)crystal * r[EBX] <= UINT32_MAX);
		khz = crystal * r[EBX] / r[EAX];
		off = (s64)khz - (s64)(hz[i] / 1000);
		if (off < -4 || off > 4)
			fail_msg("%llu Hz: %u kHz", (unsigned long long)hz[i], khz);
		assert_in_range(r[ECX], LAPIC_TIMER_HZ - LAPIC_TIMER_HZ / 2000, LAPIC_TIMER_HZ + LAPIC_TIMER_HZ / 2000);
	}
	f.model.tsc_hz = 1000000000; /* the instruction clock: exact */
	assert_int_equal(cpuid(0x15, 0)[EAX], cpuid(0x15, 0)[EBX]);
	assert_int_equal(cpuid(0x15, 0)[ECX], 1000000000);
	assert_int_equal(cpuid(0x16, 0)[EAX], 1000);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(models_and_options_are_understood),
		cmocka_unit_test(bad_models_and_options_get_one_line),
		cmocka_unit_test(features_go_with_what_they_need),
		cmocka_unit_test(random_numbers_go_for_repeatable_runs),
		T(every_feature_has_a_cpuid_bit_of_its_own),
		T(signature_and_strings_are_those_of_the_model),
		T(an_amd_model_has_amds_leaves),
		T(leaves_beyond_the_maximum_show_the_highest_basic_leaf),
		T(state_dependent_bits_follow_the_vcpu),
		T(cpuid_hides_an_apic_that_is_disabled),
		T(xsave_sizes_cover_every_component),
		T(topology_counts_the_vcpus),
		T(cache_sizes_agree_between_leaves),
		T(tsc_frequency_comes_out_of_leaf_15),
	};
#undef T

	return cmocka_run_group_tests(tests, NULL, NULL);
}
