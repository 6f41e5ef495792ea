/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -cpu: models by name, features by name. What a guest then reads is cpuid.c. */
#include "model.h"
#include "../../vmcs-shadow/vmx_caps.h"
#include "../vmx/vmx.h"
#include <cpuid.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum provider { HOST, HOST_AVX, L0, NOWHERE };
enum reg { EAX, EBX, ECX, EDX };

static const struct feature_row {
	const char *name;
	u32 leaf;
	u8 subleaf, reg, bit;
	u8 who; /* enum provider */
	u8 models; /* MODEL_* */
} features[FEATURE_COUNT] = {
#define F(id, name_, leaf_, subleaf_, reg_, bit_, who_, models_) \
	[FEATURE_##id] = { name_, leaf_, subleaf_, reg_, bit_, who_, models_ },
	CPU_FEATURES(F)
#undef F
};

static const struct {
	u8 feature, needs;
} needs[] = {
#define D(feature, needed) { FEATURE_##feature, FEATURE_##needed },
	CPU_FEATURE_NEEDS(D)
#undef D
};

/* what else a feature is called: in the kernel, or by its SDM name */
static const struct {
	const char *alias, *name;
} aliases[] = {
	{ "tsc-deadline-timer", "tsc-deadline" },
	{ "sse3", "pni" },
	{ "lzcnt", "abm" },
};

/* clang-format off */
static const struct model_row {
	const char *name;
	u32 models; /* its bit in the feature table */
	u32 signature;
	u8 phys_bits;
	u8 vendor; /* enum cpu_vendor */
	const char *brand, *summary;
} models[] = {
	{ "Skylake-Server", MODEL_S, 0x00050654, 46, VENDOR_INTEL, "Intel Xeon Processor (Skylake)", "default; without AVX-512" },
	{ "IvyBridge",      MODEL_I, 0x000306a9, 40, VENDOR_INTEL, "Intel Xeon E3-12xx v2 (Ivy Bridge)", "" },
	{ "qemu64",         MODEL_Q, 0x00060fb1, 40, VENDOR_INTEL, "Virtual CPU (qemu64)", "" },
	{ "kvm64",          MODEL_K, 0x00000f61, 40, VENDOR_INTEL, "Common 64-bit virtual CPU (kvm64)", "" },
	{ "Opteron_G1",     MODEL_G, 0x00000f61, 40, VENDOR_AMD, "AMD Opteron 240 (Gen 1 Class Opteron)", "AMD's SYSCALL and SYSENTER" },
	{ "max",            MODEL_X, 0x00050654, 46, VENDOR_INTEL, "Virtual CPU with all features", "all that this host and L0 can do" },
	{ "host",           MODEL_X, 0x00050654, 46, VENDOR_INTEL, "Virtual CPU with all features", "the same as max" },
};
/* clang-format on */

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

/* The host's kernel must have turned the AVX state on, not only its CPU have it. */
static bool host_avx_enabled(void)
{
	u32 eax, ebx, ecx, edx, xcr0_low, xcr0_high;

	if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & bit_OSXSAVE))
		return false;
	__asm__("xgetbv" : "=a"(xcr0_low), "=d"(xcr0_high) : "c"(0));
	return (xcr0_low & 6) == 6;
}

static bool host_has(const struct feature_row *f)
{
	u32 out[4];

	if (!__get_cpuid_count(f->leaf, f->subleaf, &out[EAX], &out[EBX], &out[ECX], &out[EDX]))
		return false;
	return out[f->reg] >> f->bit & 1;
}

/* NULL if it can be offered, else why not */
static const char *refusal(const struct feature_row *f)
{
	switch ((enum provider)f->who) {
	case L0:
		return NULL;
	case HOST_AVX:
		if (!host_avx_enabled())
			return "the host doesn't have it";
		return host_has(f) ? NULL : "the host doesn't have it";
	case HOST:
		return host_has(f) ? NULL : "the host doesn't have it";
	case NOWHERE:
		break;
	}
	return "not yet offered by this build";
}

static void set_feature(struct cpu_model *m, unsigned int f, bool on)
{
	if (on)
		m->features[f / 64] |= BIT(f % 64);
	else
		m->features[f / 64] &= ~BIT(f % 64);
}

/* '-', '_' and '.' are the same: the kernel, QEMU and the SDM each prefer another */
static bool same_name(const char *a, const char *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char x = a[i], y = b[i];

		if (x == '_' || x == '.')
			x = '-';
		if (y == '_' || y == '.')
			y = '-';
		if (!y || x != y)
			return false;
	}
	return !b[n];
}

/* FEATURE_COUNT if there is none */
static unsigned int find_feature(const char *name, size_t n)
{
	for (unsigned int i = 0; i < ROWS(aliases); i++)
		if (same_name(name, aliases[i].alias, n))
			return find_feature(aliases[i].name, strlen(aliases[i].name));
	for (unsigned int f = 0; f < FEATURE_COUNT; f++)
		if (same_name(name, features[f].name, n))
			return f;
	return FEATURE_COUNT;
}

struct option {
	const char *name, *value; /* value: what follows '=', or NULL */
	size_t name_len, value_len;
	bool on;
};

struct parser {
	struct cpu_model *m;
	char *error;
	size_t error_size;
};

#define REFUSE(p, ...) (snprintf((p)->error, (p)->error_size, __VA_ARGS__), -EINVAL)

static bool option_is(const struct option *o, const char *name)
{
	return same_name(o->name, name, o->name_len);
}

static bool value_is(const struct option *o, const char *value)
{
	return o->value_len == strlen(value) && !strncmp(o->value, value, o->value_len);
}

/* "+x", "-x", "x", "x=on", "x=off", "x=value" */
static int split_option(struct parser *p, const char *text, size_t n, struct option *o)
{
	const char *equals = memchr(text, '=', n);

	*o = (struct option){ .name = text, .name_len = n, .on = true };
	if (n && (*text == '+' || *text == '-')) {
		o->on = *text == '+';
		o->name++;
		o->name_len--;
		if (equals)
			return REFUSE(p, "-cpu: '%.*s' has a sign and a value", (int)n, text);
	} else if (equals) {
		o->name_len = (size_t)(equals - text);
		o->value = equals + 1;
		o->value_len = n - o->name_len - 1;
		o->on = !value_is(o, "off") && !value_is(o, "no") && !value_is(o, "false");
	}
	if (!o->name_len)
		return REFUSE(p, "-cpu: an empty option");
	return 0;
}

/* The controls that QEMU lets one turn off one by one. One that we haven't is off anyway. */
static int apply_vmx_feature(struct parser *p, const struct option *o)
{
	const char *name;

	for (unsigned int f = 0; (name = vmx_feature_name(f, NULL)); f++) {
		if (strlen(name) != o->name_len || strncmp(name, o->name, o->name_len))
			continue;
		if (o->on && !vmx_feature_done(name))
			return REFUSE(p, "-cpu: feature '%s': not yet offered", name);
		if (o->on)
			p->m->vmx_off[f / 64] &= ~BIT(f % 64);
		else
			p->m->vmx_off[f / 64] |= BIT(f % 64);
		return 0;
	}
	return o->on ? REFUSE(p, "-cpu: unknown feature '%.*s'", (int)o->name_len, o->name) : 0;
}

static int apply_feature(struct parser *p, const struct option *o)
{
	unsigned int f = find_feature(o->name, o->name_len);
	const char *why;

	if (o->value && o->on && !value_is(o, "on") && !value_is(o, "yes") && !value_is(o, "true"))
		return REFUSE(p, "-cpu: '%.*s' is on or off, not '%.*s'", (int)o->name_len, o->name, (int)o->value_len,
			      o->value);
	if (f == FEATURE_COUNT && o->name_len > 4 && !strncmp(o->name, "vmx-", 4))
		return apply_vmx_feature(p, o);
	if (f == FEATURE_COUNT)
		return REFUSE(p, "-cpu: unknown feature '%.*s'", (int)o->name_len, o->name);
	why = refusal(&features[f]);
	if (o->on && why)
		return REFUSE(p, "-cpu: feature '%s': %s", features[f].name, why);
	set_feature(p->m, f, o->on);
	if (o->on)
		p->m->asked[f / 64] |= BIT(f % 64);
	else
		p->m->asked[f / 64] &= ~BIT(f % 64);
	return 0;
}

const char *model_vendor(const struct cpu_model *m)
{
	return model_is_amd(m) ? "AuthenticAMD" : "GenuineIntel";
}

static int apply_phys_bits(struct parser *p, const struct option *o)
{
	char *end;
	unsigned long bits = o->value ? strtoul(o->value, &end, 10) : 0;

	if (!o->value || end != o->value + o->value_len || bits < 36 || bits > 52)
		return REFUSE(p, "-cpu: phys-bits is a number from 36 to 52");
	p->m->phys_bits = (u8)bits;
	return 0;
}

static void apply_host_phys_bits(struct parser *p)
{
	u32 eax, ebx, ecx, edx;

	if (__get_cpuid(0x80000008, &eax, &ebx, &ecx, &edx) && (eax & 0xff) >= 36 && (eax & 0xff) <= 52)
		p->m->phys_bits = eax & 0xff;
}

static int apply_option(struct parser *p, const struct option *o)
{
	if (option_is(o, "phys-bits"))
		return apply_phys_bits(p, o);
	if (option_is(o, "host-phys-bits")) {
		if (o->on)
			apply_host_phys_bits(p);
		return 0;
	}
	if (option_is(o, "vendor")) {
		if (!o->value || !value_is(o, model_vendor(p->m)))
			return REFUSE(p, "-cpu: the vendor of %s is %s", p->m->name, model_vendor(p->m));
		return 0;
	}
	if (option_is(o, "migratable")) /* guests aren't migrated: no feature depends on it */
		return 0;
	return apply_feature(p, o);
}

/* A feature whose need was taken out goes, too; unless the user asked for it. */
static int resolve_needs(struct parser *p)
{
	bool again;

	do {
		again = false;
		for (unsigned int i = 0; i < ROWS(needs); i++) {
			unsigned int f = needs[i].feature;

			if (!model_has(p->m, f) || model_has(p->m, needs[i].needs))
				continue;
			if (p->m->asked[f / 64] >> (f % 64) & 1)
				return REFUSE(p, "-cpu: feature '%s' needs '%s'", features[f].name,
					      features[needs[i].needs].name);
			set_feature(p->m, f, false);
			again = true;
		}
	} while (again);
	return 0;
}

static int parse_model(struct parser *p, const char *name, size_t n)
{
	for (unsigned int i = 0; i < ROWS(models); i++) {
		const struct model_row *row = &models[i];

		if (n && !same_name(name, row->name, n))
			continue;
		*p->m = (struct cpu_model){
			.name = row->name,
			.brand = row->brand,
			.vendor = row->vendor,
			.signature = row->signature,
			.tsc_hz = 1000000000,
			.vcpus = 1,
			.phys_bits = row->phys_bits,
		};
		for (unsigned int f = 0; f < FEATURE_COUNT; f++)
			set_feature(p->m, f, (features[f].models & row->models) && !refusal(&features[f]));
		return 0;
	}
	return REFUSE(p, "-cpu: unknown model '%.*s'; -cpu help lists them", (int)n, name);
}

int model_parse(struct cpu_model *m, const char *spec, char *error, size_t error_size)
{
	struct parser p = { .m = m, .error = error, .error_size = error_size };
	struct option o;
	size_t n;
	int ret;

	if (!spec)
		spec = "";
	n = strcspn(spec, ",");
	ret = parse_model(&p, spec, n);
	while (!ret && spec[n]) {
		spec += n + 1;
		n = strcspn(spec, ",");
		ret = split_option(&p, spec, n, &o);
		if (!ret)
			ret = apply_option(&p, &o);
	}
	if (!ret)
		ret = resolve_needs(&p);
	m->linear_bits = model_has(m, FEATURE_LA57) ? 57 : 48;
	return ret;
}

const char *model_default(void)
{
	return models[0].name;
}

void model_repeatable(struct cpu_model *m)
{
	static const u8 RANDOM[] = { FEATURE_RDRAND, FEATURE_RDSEED };

	for (unsigned int i = 0; i < ROWS(RANDOM); i++)
		if (!(m->asked[RANDOM[i] / 64] >> (RANDOM[i] % 64) & 1))
			set_feature(m, RANDOM[i], false);
}

int model_restrict(struct cpu_model *m,
		   bool (*offered)(void *arg, enum feature f, u32 leaf, u32 subleaf, unsigned int reg, unsigned int bit),
		   void *arg, const char *why, char *error, size_t error_size)
{
	struct parser p = { .m = m, .error = error, .error_size = error_size };
	int ret;

	for (unsigned int f = 0; f < FEATURE_COUNT; f++) {
		const struct feature_row *row = &features[f];

		if (!model_has(m, f) || offered(arg, f, row->leaf, row->subleaf, row->reg, row->bit))
			continue;
		if (m->asked[f / 64] >> (f % 64) & 1)
			return REFUSE(&p, "-cpu: feature '%s': %s", row->name, why);
		set_feature(m, f, false);
	}
	ret = resolve_needs(&p);
	m->linear_bits = model_has(m, FEATURE_LA57) ? 57 : 48;
	return ret;
}

void model_list(FILE *to)
{
	fprintf(to, "Models:\n");
	for (unsigned int i = 0; i < ROWS(models); i++)
		fprintf(to, "  %-16s %s%s%s\n", models[i].name, models[i].brand, *models[i].summary ? "; " : "",
			models[i].summary);
	fprintf(to, "Features:\n");
	for (unsigned int f = 0; f < FEATURE_COUNT; f++) {
		const char *why = refusal(&features[f]);

		fprintf(to, "  %-20s%s%s\n", features[f].name, why ? " " : "", why ? why : "");
	}
	fprintf(to, "Options: phys-bits=N host-phys-bits[=on|off] vendor=NAME migratable=on|off\n");
}
