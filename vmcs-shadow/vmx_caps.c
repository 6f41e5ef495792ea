/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmx_caps.h"

enum setting { ONE, ZERO };
enum { NO, YES };

/* the needs column as two features in one number */
#define NEED2_(a, b) ((a) | (b) << 8)
#define NEED0 NEED2_(VMX_ALWAYS, VMX_ALWAYS)
#define NEED1(a) NEED2_(VMX_##a, VMX_ALWAYS)
#define NEED2(a, b) NEED2_(VMX_##a, VMX_##b)

struct feature {
	const char *name;
	uint8_t word;
	uint8_t bit;
	uint8_t setting;
	uint8_t offered;
	uint16_t needs;
};

static const struct feature features[VMX_FEATURES] = {
#define C(word, token, bit, setting, offer, merge, needs, name) \
	[VMX_##token] = { name, VMX_WORD_##word, bit, setting, offer, needs },
#define A(word, token, bit, offer, needs, name) [VMX_##token] = { name, VMX_WORD_##word, bit, ONE, offer, needs },
	VMX_CONTROLS(C) VMX_ABILITIES(A)
#undef A
#undef C
};
_Static_assert(VMX_FEATURES < UINT8_MAX, "a feature is a byte");

static const uint32_t default1[VMX_CONTROL_WORD_COUNT] = {
#define W(word, field, ones) [VMX_WORD_##word] = (ones),
	VMX_CONTROL_WORDS(W)
#undef W
};

/* A bit that appears twice in a word is "duplicate case value", a ZERO row outside the default1 class (or a ONE row
 * inside) a failed assertion. Never called. */
static inline void __attribute__((unused)) bits_are_unique(unsigned word_bit)
{
	switch (word_bit) {
#define C(word, token, bit, ...) case VMX_WORD_##word * 64 + (bit):
		VMX_CONTROLS(C)
		VMX_ABILITIES(C)
#undef C
	default:
		break;
	}
}

enum {
#define W(word, field, ones) DEFAULT1_##word = (ones),
	VMX_CONTROL_WORDS(W)
#undef W
};
#define C(word, token, bit, setting, ...) \
	_Static_assert(((setting) == ZERO) == ((uint32_t)DEFAULT1_##word >> (bit)&1), \
		       #token ": ZERO <=> of the default1 " \
			      "class");
VMX_CONTROLS(C)
#undef C

static bool bit_of(const uint64_t *set, unsigned feature)
{
	return feature == VMX_ALWAYS || (set[feature / 64] >> feature % 64 & 1);
}

/* What the word itself needs: its MSR does not exist without. */
static unsigned word_needs(unsigned word)
{
	switch (word) {
	case VMX_WORD_PROC2:
		return VMX_secondary_controls;
	case VMX_WORD_VMFUNC:
		return VMX_vm_functions;
	default:
		return VMX_ALWAYS;
	}
}

/* Drop features until nothing lacks what it needs. */
static void settle(struct vmx_caps *caps)
{
	bool dropped = true;

	for (unsigned i = 0; i < VMX_FEATURE_WORDS; i++)
		caps->on[i] = caps->wanted[i];
	while (dropped) {
		dropped = false;
		for (unsigned f = 0; f < VMX_FEATURES; f++) {
			const struct feature *row = &features[f];

			if (!bit_of(caps->on, f) ||
			    (bit_of(caps->on, row->needs & 0xff) && bit_of(caps->on, row->needs >> 8) &&
			     bit_of(caps->on, word_needs(row->word))))
				continue;
			caps->on[f / 64] &= ~(1ull << f % 64);
			dropped = true;
		}
	}
}

/* SDM vol. 3, "Basic VMX Information" */
#define BASIC_REGION ((uint64_t)VMCS_REGION << 32)
#define BASIC_WRITE_BACK (6ull << 50)
/* SDM vol. 3, "Miscellaneous Data": CR3 targets in bits 24:16; lists of 512 MSRs are bits 27:25 = 0 */
#define MISC_CR3_TARGETS (4ull << 16)

static void build(struct vmx_caps *caps)
{
	uint64_t words[VMX_WORD_COUNT] = { 0 };
	uint64_t highest = 0;

	settle(caps);
	for (unsigned f = 0; f < VMX_FEATURES; f++)
		if (bit_of(caps->on, f))
			words[features[f].word] |= 1ull << features[f].bit;

	for (unsigned word = 0; word < VMX_CONTROL_WORD_COUNT; word++) {
		/* bits of the default1 class may be 1 always; a ZERO feature says that they may be 0 */
		caps->control[word].must = default1[word] & ~(uint32_t)words[word];
		caps->control[word].may = (uint32_t)words[word] | default1[word];
	}
	caps->basic = caps->cpu.revision | BASIC_REGION | BASIC_WRITE_BACK | words[VMX_WORD_BASIC];
	caps->misc = (caps->cpu.timer_shift & 0x1f) | MISC_CR3_TARGETS | words[VMX_WORD_MISC];
	caps->ept_vpid = words[VMX_WORD_EPT_VPID];
	caps->vmfunc = words[VMX_WORD_VMFUNC];

	/* SDM vol. 3, "Restrictions on VMX Operation": PE, NE, PG and VMXE are 1 */
	caps->cr0_fixed0 = 0x80000021;
	caps->cr0_fixed1 = 0xffffffff;
	caps->cr4_fixed0 = 0x2000;
	caps->cr4_fixed1 = caps->cpu.cr4_allowed | caps->cr4_fixed0;

	for (unsigned id = 0; id < VMCS_FIELD_COUNT; id++) {
		uint64_t index = VMCS_INDEX(vmcs_fields[id].encoding);

		if (vmx_caps_has_field(caps, &vmcs_fields[id]) && index > highest)
			highest = index;
	}
	caps->vmcs_enum = highest << 1;
}

void vmx_caps_init(struct vmx_caps *caps, const struct vmx_cpu *cpu)
{
	caps->cpu = *cpu;
	for (unsigned i = 0; i < VMX_FEATURE_WORDS; i++)
		caps->wanted[i] = 0;
	for (unsigned f = 0; f < VMX_FEATURES; f++)
		if (features[f].offered)
			caps->wanted[f / 64] |= 1ull << f % 64;
	build(caps);
}

static bool same(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

bool vmx_caps_set(struct vmx_caps *caps, const char *name, bool on)
{
	for (unsigned f = 0; f < VMX_FEATURES; f++) {
		if (!same(features[f].name, name))
			continue;
		if (on && !features[f].offered)
			return false;
		if (on)
			caps->wanted[f / 64] |= 1ull << f % 64;
		else
			caps->wanted[f / 64] &= ~(1ull << f % 64);
		build(caps);
		return true;
	}
	return false;
}

const char *vmx_feature_name(unsigned feature, bool *offered)
{
	if (feature >= VMX_FEATURES)
		return NULL;
	if (offered)
		*offered = features[feature].offered;
	return features[feature].name;
}

static uint64_t control_msr(const struct vmx_caps *caps, unsigned word, bool exact)
{
	uint32_t must = exact ? caps->control[word].must : caps->control[word].must | default1[word];

	return (uint64_t)caps->control[word].may << 32 | must;
}

bool vmx_caps_msr(const struct vmx_caps *caps, uint32_t msr, uint64_t *value)
{
	if (msr >= MSR_VMX_TRUE_PINBASED_CTLS && msr <= MSR_VMX_TRUE_ENTRY_CTLS && !offers_true_controls(caps))
		return false;
	switch (msr) {
	case MSR_VMX_BASIC:
		*value = caps->basic;
		return true;
	case MSR_VMX_PINBASED_CTLS:
	case MSR_VMX_TRUE_PINBASED_CTLS:
		*value = control_msr(caps, VMX_WORD_PIN, msr == MSR_VMX_TRUE_PINBASED_CTLS);
		return true;
	case MSR_VMX_PROCBASED_CTLS:
	case MSR_VMX_TRUE_PROCBASED_CTLS:
		*value = control_msr(caps, VMX_WORD_PROC, msr == MSR_VMX_TRUE_PROCBASED_CTLS);
		return true;
	case MSR_VMX_EXIT_CTLS:
	case MSR_VMX_TRUE_EXIT_CTLS:
		*value = control_msr(caps, VMX_WORD_EXIT, msr == MSR_VMX_TRUE_EXIT_CTLS);
		return true;
	case MSR_VMX_ENTRY_CTLS:
	case MSR_VMX_TRUE_ENTRY_CTLS:
		*value = control_msr(caps, VMX_WORD_ENTRY, msr == MSR_VMX_TRUE_ENTRY_CTLS);
		return true;
	case MSR_VMX_MISC:
		*value = caps->misc;
		return true;
	case MSR_VMX_CR0_FIXED0:
		*value = caps->cr0_fixed0;
		return true;
	case MSR_VMX_CR0_FIXED1:
		*value = caps->cr0_fixed1;
		return true;
	case MSR_VMX_CR4_FIXED0:
		*value = caps->cr4_fixed0;
		return true;
	case MSR_VMX_CR4_FIXED1:
		*value = caps->cr4_fixed1;
		return true;
	case MSR_VMX_VMCS_ENUM:
		*value = caps->vmcs_enum;
		return true;
	case MSR_VMX_PROCBASED_CTLS2:
		*value = control_msr(caps, VMX_WORD_PROC2, true);
		return offers_secondary_controls(caps);
	case MSR_VMX_EPT_VPID_CAP:
		*value = caps->ept_vpid;
		return offers_ept(caps) || offers_vpid(caps);
	case MSR_VMX_VMFUNC:
		*value = caps->vmfunc;
		return offers_vm_functions(caps);
	default:
		return false;
	}
}
