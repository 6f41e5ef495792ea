/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CPUID: SDM vol. 2. Feature bits come from model_features.h; here are the leaves that describe
 * something else, each a function, and the bits that depend on the vCPU's state.
 */
#include "../devices/irqchip.h"
#include "../vmx/vmx.h"
#include "control.h"
#include "fpu.h"
#include "insn.h"
#include "model.h"

#define APIC_BASE_ENABLE BIT(11)

#define MAX_BASIC 0x16u
#define MAX_BASIC_AMD 0xdu
#define MAX_HYPERVISOR 0x40000010u
#define MAX_EXTENDED 0x80000008u

#define CPUID1_ECX_MONITOR 3
#define CPUID1_ECX_OSXSAVE 27
#define CPUID1_EDX_APIC 9
#define CPUID1_EDX_HTT 28
#define CPUID7_ECX_OSPKE 4
#define CPUID80000001_EDX_SYSCALL 11
#define CPUID80000001_EDX_NX 20

enum reg { EAX, EBX, ECX, EDX };

static const struct {
	u32 leaf;
	u8 subleaf, reg, bit;
} bits[FEATURE_COUNT] = {
#define F(id, name, leaf_, subleaf_, reg_, bit_, who, models) [FEATURE_##id] = { leaf_, subleaf_, reg_, bit_ },
	CPU_FEATURES(F)
#undef F
};

static void feature_bits(const struct cpu_model *m, u32 leaf, u32 subleaf, u32 out[4])
{
	for (unsigned int f = 0; f < FEATURE_COUNT; f++)
		if (bits[f].leaf == leaf && bits[f].subleaf == subleaf && model_has(m, f))
			out[bits[f].reg] |= 1u << bits[f].bit;
}

static void keep_bit(u32 *reg, unsigned int bit, bool keep)
{
	if (!keep)
		*reg &= ~(1u << bit);
}

/* the registers of a 12-character signature in the order that leaf 0 and 0x40000000 need */
static u32 text4(const char *s)
{
	return (u8)s[0] | (u32)(u8)s[1] << 8 | (u32)(u8)s[2] << 16 | (u32)(u8)s[3] << 24;
}

static unsigned int log2_up(unsigned int n)
{
	unsigned int bit = 0;

	while (1u << bit < n)
		bit++;
	return bit;
}

static u32 max_basic(const struct cpu_model *m)
{
	return model_is_amd(m) ? MAX_BASIC_AMD : MAX_BASIC;
}

static void vendor_text(const struct cpu_model *m, u32 out[4])
{
	const char *text = model_vendor(m);

	out[EBX] = text4(text);
	out[EDX] = text4(text + 4);
	out[ECX] = text4(text + 8);
}

static void leaf_vendor(const struct vcpu *v, u32 subleaf, u32 out[4])
{
	(void)subleaf;
	out[EAX] = v->misc_enable & MISC_ENABLE_LIMIT_CPUID ? 2 : max_basic(v->model);
	vendor_text(v->model, out);
}

static void leaf_version(const struct vcpu *v, u32 subleaf, u32 out[4])
{
	const struct cpu_model *m = v->model;

	(void)subleaf;
	out[EAX] = m->signature;
	/* line size of CLFLUSH in 8 bytes, logical processors, initial APIC ID */
	out[EBX] = 8 << 8 | (1u << log2_up(m->vcpus) & 0xff) << 16 | (v->index & 0xff) << 24;
	keep_bit(&out[ECX], CPUID1_ECX_MONITOR, v->misc_enable & MISC_ENABLE_MONITOR);
	if (v->cr4 & CR4_OSXSAVE)
		out[ECX] |= 1u << CPUID1_ECX_OSXSAVE;
	if (m->vcpus > 1)
		out[EDX] |= 1u << CPUID1_EDX_HTT;
}

/* caches are in leaf 4 (0xff); 64-byte prefetch (0xf0); one round of the instruction (0x01) */
static void leaf_descriptors(const struct vcpu *v, u32 subleaf, u32 out[4])
{
	(void)v;
	(void)subleaf;
	out[EAX] = 0x00f0ff01;
}

#define CACHE_LINE 64u

/* of the real one; what a guest does with it is to choose sizes for its own loops */
static const struct cache {
	u8 type; /* 1 data, 2 instructions, 3 unified */
	u8 level;
	u8 ways;
	bool shared; /* by all cores of the package */
	u32 sets;
} caches[] = {
	{ 1, 1, 8, false, 64 },
	{ 2, 1, 8, false, 64 },
	{ 3, 2, 16, false, 1024 },
	{ 3, 3, 11, true, 32768 },
};

static void leaf_caches(const struct vcpu *v, u32 subleaf, u32 out[4])
{
	u32 cores = (1u << log2_up(v->model->vcpus)) - 1;
	const struct cache *c;

	if (subleaf >= sizeof(caches) / sizeof(caches[0]))
		return;
	c = &caches[subleaf];
	out[EAX] = c->type | (u32)c->level << 5 | 1u << 8 | (c->shared ? cores & 0xfff : 0) << 14 | (cores & 0x3f) << 26;
	out[EBX] = (CACHE_LINE - 1) | (c->ways - 1u) << 22;
	out[ECX] = c->sets - 1;
}

static void leaf_monitor(const struct vcpu *v, u32 subleaf, u32 out[4])
{
	(void)subleaf;
	if (model_has(v->model, FEATURE_MONITOR))
		out[EAX] = out[EBX] = CACHE_LINE;
}

static void leaf_features(const struct vcpu *v, u32 subleaf, u32 out[4])
{
	if (subleaf)
		return;
	out[EAX] = 2; /* last subleaf */
	if ((v->cr4 & CR4_PKE) && model_has(v->model, FEATURE_PKU))
		out[ECX] |= 1u << CPUID7_ECX_OSPKE;
}

/* a package of cores with one thread each */
static void leaf_topology(const struct vcpu *v, u32 subleaf, u32 out[4])
{
	out[ECX] = subleaf & 0xff;
	out[EDX] = v->index;
	if (subleaf == 0) {
		out[EBX] = 1;
		out[ECX] |= 1 << 8; /* SMT */
	} else if (subleaf == 1) {
		out[EAX] = log2_up(v->model->vcpus);
		out[EBX] = v->model->vcpus;
		out[ECX] |= 2 << 8; /* core */
	}
}

/* both formats put AVX at 576; then PKRU follows at 832, unless the compacted format leaves AVX out */
static u32 xsave_size(u64 components, bool compacted)
{
	u32 size = XSAVE_EXTENDED;

	if (components & XSTATE_AVX)
		size += XSAVE_AVX_SIZE;
	if (components & XSTATE_PKRU)
		size = (compacted ? size : XSAVE_PKRU_OFFSET) + XSAVE_PKRU_SIZE;
	return size;
}

static void leaf_xsave(const struct vcpu *v, u32 subleaf, u32 out[4])
{
	u64 offered = control_xcr0_offered(v->model);

	if (!model_has(v->model, FEATURE_XSAVE))
		return;
	switch (subleaf) {
	case 0:
		out[EAX] = (u32)offered;
		out[EBX] = xsave_size(v->xcr0, false);
		out[ECX] = xsave_size(offered, false);
		break;
	case 1:
		if (model_has(v->model, FEATURE_XSAVEC))
			out[EBX] = xsave_size(v->xcr0 | v->xss, true);
		break;
	case 2:
		if (offered & XSTATE_AVX) {
			out[EAX] = XSAVE_AVX_SIZE;
			out[EBX] = XSAVE_EXTENDED;
		}
		break;
	case 9:
		if (offered & XSTATE_PKRU) {
			out[EAX] = XSAVE_PKRU_SIZE;
			out[EBX] = XSAVE_PKRU_OFFSET;
		}
		break;
	}
}

/*
 * TSC = crystal * EBX / EAX. Guests compute that in kHz and in 32 bits, so the ratio has few digits and the crystal
 * takes up the rest: it is within 1/2000 of LAPIC_TIMER_HZ for a TSC of 1 GHz or more, and the TSC's frequency is exact to one in a million.
 */
static void leaf_tsc(const struct vcpu *v, u32 subleaf, u32 out[4])
{
	u64 tsc = v->model->tsc_hz;
	u32 denominator = tsc < 4000000000 ? 1000 : 500;
	u64 step = LAPIC_TIMER_HZ / denominator;
	u32 numerator = (u32)((tsc + step / 2) / step);

	(void)subleaf;
	if (!numerator)
		return;
	out[EAX] = denominator;
	out[EBX] = numerator;
	out[ECX] = (u32)((tsc * denominator / numerator + 500) / 1000 * 1000);
}

/* base and maximum frequency, bus: MHz */
static void leaf_frequency(const struct vcpu *v, u32 subleaf, u32 out[4])
{
	(void)subleaf;
	out[EAX] = out[EBX] = (u32)((v->model->tsc_hz + 500000) / 1000000) & 0xffff;
	out[ECX] = 100;
}

static void leaf_hypervisor(const struct vcpu *v, u32 subleaf, u32 out[4])
{
	(void)v;
	(void)subleaf;
	out[EAX] = MAX_HYPERVISOR;
	out[EBX] = text4("Turt");
	out[ECX] = text4("lesT");
	out[EDX] = text4("urtl");
}

/* TSC and local APIC timer in kHz, as other hypervisors have them in this leaf */
static void leaf_hypervisor_time(const struct vcpu *v, u32 subleaf, u32 out[4])
{
	(void)subleaf;
	out[EAX] = (u32)(v->model->tsc_hz / 1000);
	out[EBX] = LAPIC_TIMER_HZ / 1000;
}

static void leaf_extended(const struct vcpu *v, u32 subleaf, u32 out[4])
{
	(void)subleaf;
	out[EAX] = MAX_EXTENDED;
	if (model_is_amd(v->model))
		vendor_text(v->model, out);
}

/* AMD repeats leaf 1's signature and those of its features that it had first, and shows SYSCALL in every mode. */
#define CPUID80000001_EDX_OF_LEAF_1 0x0183f3ffu

static void leaf_extended_features(const struct vcpu *v, u32 subleaf, u32 out[4])
{
	u32 version[4] = { 0, 0, 0, 0 };

	(void)subleaf;
	if (model_is_amd(v->model)) {
		feature_bits(v->model, 1, 0, version);
		out[EAX] = v->model->signature;
		out[EDX] |= version[EDX] & CPUID80000001_EDX_OF_LEAF_1;
		return;
	}
	keep_bit(&out[EDX], CPUID80000001_EDX_SYSCALL, vcpu_64bit(v));
	keep_bit(&out[EDX], CPUID80000001_EDX_NX, !(v->misc_enable & MISC_ENABLE_XD_DISABLE));
}

static void brand(const struct cpu_model *m, unsigned int part, u32 out[4])
{
	char text[48] = { 0 };

	for (unsigned int i = 0; i < sizeof(text) - 1 && m->brand && m->brand[i]; i++)
		text[i] = m->brand[i];
	for (unsigned int i = 0; i < 4; i++)
		out[i] = text4(text + part * 16 + i * 4);
}

static void leaf_brand1(const struct vcpu *v, u32 subleaf, u32 out[4])
{
	(void)subleaf;
	brand(v->model, 0, out);
}

static void leaf_brand2(const struct vcpu *v, u32 subleaf, u32 out[4])
{
	(void)subleaf;
	brand(v->model, 1, out);
}

static void leaf_brand3(const struct vcpu *v, u32 subleaf, u32 out[4])
{
	(void)subleaf;
	brand(v->model, 2, out);
}

/* TLBs for large and small pages: ways, entries. Data and instruction cache: KiB, ways, lines per tag, line size */
static void leaf_l1_amd(const struct vcpu *v, u32 subleaf, u32 out[4])
{
	(void)v;
	(void)subleaf;
	out[EAX] = 0xff08ff08;
	out[EBX] = 0xff20ff20;
	out[ECX] = out[EDX] = 64u << 24 | 2 << 16 | 1 << 8 | CACHE_LINE;
}

/* L2: line size, 16 ways (coded 8), KiB */
static void leaf_l2(const struct vcpu *v, u32 subleaf, u32 out[4])
{
	const struct cache *l2 = &caches[2];

	(void)v;
	(void)subleaf;
	out[ECX] = CACHE_LINE | 8 << 12 | (CACHE_LINE * l2->ways * l2->sets / 1024) << 16;
}

static void leaf_address_sizes(const struct vcpu *v, u32 subleaf, u32 out[4])
{
	(void)subleaf;
	out[EAX] = v->model->phys_bits | (u32)v->model->linear_bits << 8;
	if (model_is_amd(v->model))
		out[ECX] = v->model->vcpus - 1;
}

#define ONLY_INTEL BIT(VENDOR_INTEL)
#define ONLY_AMD BIT(VENDOR_AMD)
#define BOTH (ONLY_INTEL | ONLY_AMD)

/* Leaves that aren't here have no more than their feature bits, or are all zero. */
static const struct {
	u32 leaf;
	bool subleaves; /* ECX counts */
	u8 vendors; /* BIT(enum cpu_vendor) */
	void (*fn)(const struct vcpu *v, u32 subleaf, u32 out[4]);
} leaves[] = {
	{ 0x0, false, BOTH, leaf_vendor },
	{ 0x1, false, BOTH, leaf_version },
	{ 0x2, false, ONLY_INTEL, leaf_descriptors },
	{ 0x4, true, ONLY_INTEL, leaf_caches },
	{ 0x5, false, BOTH, leaf_monitor },
	{ 0x7, true, BOTH, leaf_features },
	{ 0xb, true, ONLY_INTEL, leaf_topology },
	{ 0xd, true, BOTH, leaf_xsave },
	{ 0x15, false, ONLY_INTEL, leaf_tsc },
	{ 0x16, false, ONLY_INTEL, leaf_frequency },
	{ 0x40000000, false, BOTH, leaf_hypervisor },
	{ 0x40000010, false, BOTH, leaf_hypervisor_time },
	{ 0x80000000, false, BOTH, leaf_extended },
	{ 0x80000001, false, BOTH, leaf_extended_features },
	{ 0x80000002, false, BOTH, leaf_brand1 },
	{ 0x80000003, false, BOTH, leaf_brand2 },
	{ 0x80000004, false, BOTH, leaf_brand3 },
	{ 0x80000005, false, ONLY_AMD, leaf_l1_amd },
	{ 0x80000006, false, BOTH, leaf_l2 },
	{ 0x80000008, false, BOTH, leaf_address_sizes },
};

#define LEAF_NONE UINT32_MAX

/* "If a value entered for CPUID.EAX is higher than the maximum, the data for the highest basic leaf is returned." AMD: zeros. */
static u32 leaf_shown(const struct cpu_model *m, u32 leaf)
{
	if (leaf <= max_basic(m))
		return leaf;
	if (leaf >= 0x40000000 && leaf <= MAX_HYPERVISOR && model_has(m, FEATURE_HYPERVISOR))
		return leaf;
	if (leaf >= 0x80000000 && leaf <= MAX_EXTENDED)
		return leaf;
	return model_is_amd(m) ? LEAF_NONE : MAX_BASIC;
}

void model_cpuid(const struct vcpu *v, u32 leaf, u32 subleaf, u32 out[4])
{
	const struct cpu_model *m = v->model;

	leaf = leaf_shown(m, leaf);
	out[EAX] = out[EBX] = out[ECX] = out[EDX] = 0;
	for (unsigned int i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++) {
		if (leaves[i].leaf != leaf || !(leaves[i].vendors & BIT(m->vendor)))
			continue;
		if (!leaves[i].subleaves)
			subleaf = 0;
		feature_bits(m, leaf, subleaf, out);
		leaves[i].fn(v, subleaf, out);
		return;
	}
	feature_bits(m, leaf, 0, out);
}

void insn_cpuid(struct vcpu *v, union insn_args a)
{
	u32 leaf = (u32)v->gpr[RAX], out[4];

	(void)a;
	if (v->in_l2)
		vmx_on_insn(v, VMX_INSN_CPUID);
	vmx_served(v, EXIT_REASON_CPUID);
	model_cpuid(v, leaf, (u32)v->gpr[RCX], out);
	if (leaf == 1) { /* IA32_APIC_BASE hides the APIC that it disables */
		vcpu_fpu_park(v);
		keep_bit(&out[EDX], CPUID1_EDX_APIC, lapic_base(v->apic) & APIC_BASE_ENABLE);
	}
	v->gpr[RAX] = out[EAX];
	v->gpr[RBX] = out[EBX];
	v->gpr[RCX] = out[ECX];
	v->gpr[RDX] = out[EDX];
}
