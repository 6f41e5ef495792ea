/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What CPU a guest sees. A model is a list of features by name (QEMU's and the kernel's spelling) and
 * the identification leaves; what the host's CPU can't execute for the guest is taken out, since the
 * translator runs guest instructions on the host's own units.
 */
#ifndef L0_CPU_MODEL_H
#define L0_CPU_MODEL_H

#include <stdio.h>
#include "types.h"

/* One bit each; the list (model_features.h) holds name, CPUID leaf, subleaf, register and bit. */
#include "model_features.h"

/* What differs by vendor: CPUID's leaves, SYSCALL and SYSENTER, some MSRs. All else is Intel's. */
enum cpu_vendor { VENDOR_INTEL, VENDOR_AMD };

struct cpu_model {
	const char *name, *brand; /* brand: at most 47 characters */
	enum cpu_vendor vendor;
	u32 signature; /* family, model, stepping as CPUID.1:EAX has them */
	u64 features[(FEATURE_COUNT + 63) / 64];
	u64 asked[(FEATURE_COUNT + 63) / 64]; /* those that the user named */
	u64 vmx_off[3]; /* VMX features that the user turned off: bits by vmcs-shadow's numbers */
	u64 tsc_hz; /* model_parse() says 1 GHz and one vCPU; the machine puts in its own */
	unsigned int vcpus;
	u8 phys_bits, linear_bits;
};

/*
 * "NAME[,+feature][,-feature][,feature=on|off]..." as -cpu takes it; NULL: the default. Fills *m. Returns 0, or
 * -EINVAL with one line in `error`: an unknown name, or a feature the user asked for that this host or L0 can't offer.
 * Besides features: phys-bits=N, host-phys-bits[=on|off], vendor=NAME (the model's own), migratable=on|off (no
 * effect).
 */
int model_parse(struct cpu_model *m, const char *spec, char *error, size_t error_size);
/* Take out what gives every run other values (random numbers), unless the user asked for it. */
void model_repeatable(struct cpu_model *m);
/*
 * Take out what the engine can't offer: offered() is asked for each feature that the model has, with its place in CPUID (reg: 0
 * EAX .. 3 EDX). Returns 0, or -EINVAL with one line in `error` if the user asked for it; `why` is the reason.
 */
int model_restrict(struct cpu_model *m,
		   bool (*offered)(void *arg, enum feature f, u32 leaf, u32 subleaf, unsigned int reg, unsigned int bit),
		   void *arg, const char *why, char *error, size_t error_size);
const char *model_default(void); /* its name */
void model_list(FILE *to); /* -cpu help */

static inline bool model_has(const struct cpu_model *m, enum feature f)
{
	return m->features[f / 64] >> (f % 64) & 1;
}

static inline bool model_is_amd(const struct cpu_model *m)
{
	return m->vendor == VENDOR_AMD;
}

/* The 12 characters of CPUID leaf 0: EBX, EDX, ECX */
const char *model_vendor(const struct cpu_model *m);

/* CPUID of leaf/subleaf; dynamic bits (OSXSAVE, OSPKE, APIC ID, XSAVE sizes) come from the vCPU. out: EAX EBX ECX EDX */
struct vcpu;
void model_cpuid(const struct vcpu *v, u32 leaf, u32 subleaf, u32 out[4]);

#endif
