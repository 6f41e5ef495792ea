/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every CPU feature that a guest may be told of: SDM vol. 2, "CPUID".
 *
 *   id, name as users type it, where CPUID shows it (leaf, subleaf, register, bit), who provides it, models
 *
 * Who provides it, and so what must be there before it can be offered:
 *   HOST      the host's CPU executes it for the guest: it must show the same bit
 *   HOST_AVX  the same, and the host's kernel must have enabled the AVX state
 *   L0        L0 alone: whatever the host, this bit is kept
 *   NOWHERE   known by name, not offered by this build
 *
 * Models that have it: S Skylake-Server, I IvyBridge, Q qemu64, K kvm64, G Opteron_G1,
 * X max (all that can be had).
 * Bits that depend on the vCPU's state (OSXSAVE, OSPKE, HTT) are not features: cpuid.c.
 */
#ifndef L0_CPU_MODEL_FEATURES_H
#define L0_CPU_MODEL_FEATURES_H

#define MODEL_S 1u
#define MODEL_I 2u
#define MODEL_Q 4u
#define MODEL_K 8u
#define MODEL_X 16u
#define MODEL_G 32u
#define MODELS_ALL (MODELS_INTEL | MODEL_G)
#define MODELS_INTEL (MODEL_S | MODEL_I | MODEL_Q | MODEL_K | MODEL_X)
#define MODELS_SIX (MODEL_S | MODEL_I | MODEL_Q | MODEL_X)
#define MODELS_SIX_ (MODEL_S | MODEL_I | MODEL_X)
#define MODELS_SX (MODEL_S | MODEL_X)

/* clang-format off */
#define CPU_FEATURES(F) \
	/* id               name                  leaf        sub reg  bit  who       models */ \
	F(FPU,              "fpu",                0x1,        0,  EDX,  0,  HOST,     MODELS_ALL) \
	F(VME,              "vme",                0x1,        0,  EDX,  1,  L0,       MODELS_SIX_ | MODEL_G) \
	F(DE,               "de",                 0x1,        0,  EDX,  2,  L0,       MODELS_ALL) \
	F(PSE,              "pse",                0x1,        0,  EDX,  3,  L0,       MODELS_ALL) \
	F(TSC,              "tsc",                0x1,        0,  EDX,  4,  L0,       MODELS_ALL) \
	F(MSR,              "msr",                0x1,        0,  EDX,  5,  L0,       MODELS_ALL) \
	F(PAE,              "pae",                0x1,        0,  EDX,  6,  L0,       MODELS_ALL) \
	F(MCE,              "mce",                0x1,        0,  EDX,  7,  L0,       MODELS_ALL) \
	F(CX8,              "cx8",                0x1,        0,  EDX,  8,  HOST,     MODELS_ALL) \
	F(APIC,             "apic",               0x1,        0,  EDX,  9,  L0,       MODELS_ALL) \
	F(SEP,              "sep",                0x1,        0,  EDX, 11,  L0,       MODELS_ALL) \
	F(MTRR,             "mtrr",               0x1,        0,  EDX, 12,  L0,       MODELS_ALL) \
	F(PGE,              "pge",                0x1,        0,  EDX, 13,  L0,       MODELS_ALL) \
	F(MCA,              "mca",                0x1,        0,  EDX, 14,  L0,       MODELS_ALL) \
	F(CMOV,             "cmov",               0x1,        0,  EDX, 15,  HOST,     MODELS_ALL) \
	F(PAT,              "pat",                0x1,        0,  EDX, 16,  L0,       MODELS_ALL) \
	F(PSE36,            "pse36",              0x1,        0,  EDX, 17,  L0,       MODELS_ALL) \
	F(CLFLUSH,          "clflush",            0x1,        0,  EDX, 19,  HOST,     MODELS_ALL) \
	F(MMX,              "mmx",                0x1,        0,  EDX, 23,  HOST,     MODELS_ALL) \
	F(FXSR,             "fxsr",               0x1,        0,  EDX, 24,  L0,       MODELS_ALL) \
	F(SSE,              "sse",                0x1,        0,  EDX, 25,  HOST,     MODELS_ALL) \
	F(SSE2,             "sse2",               0x1,        0,  EDX, 26,  HOST,     MODELS_ALL) \
	F(SS,               "ss",                 0x1,        0,  EDX, 27,  L0,       MODEL_X) \
	F(PNI,              "pni",                0x1,        0,  ECX,  0,  HOST,     MODELS_ALL) \
	F(PCLMULQDQ,        "pclmulqdq",          0x1,        0,  ECX,  1,  HOST,     MODELS_SIX_) \
	F(MONITOR,          "monitor",            0x1,        0,  ECX,  3,  L0,       0) \
	F(VMX,              "vmx",                0x1,        0,  ECX,  5,  L0,       0) \
	F(SSSE3,            "ssse3",              0x1,        0,  ECX,  9,  HOST,     MODELS_SIX_) \
	F(FMA,              "fma",                0x1,        0,  ECX, 12,  HOST_AVX, MODELS_SX) \
	F(CX16,             "cx16",               0x1,        0,  ECX, 13,  HOST,     MODELS_INTEL) \
	F(PDCM,             "pdcm",               0x1,        0,  ECX, 15,  NOWHERE,  0) \
	F(PCID,             "pcid",               0x1,        0,  ECX, 17,  L0,       MODELS_SIX_) \
	F(SSE4_1,           "sse4_1",             0x1,        0,  ECX, 19,  HOST,     MODELS_SIX_) \
	F(SSE4_2,           "sse4_2",             0x1,        0,  ECX, 20,  HOST,     MODELS_SIX_) \
	F(X2APIC,           "x2apic",             0x1,        0,  ECX, 21,  L0,       MODELS_SIX) \
	F(MOVBE,            "movbe",              0x1,        0,  ECX, 22,  HOST,     MODELS_SX) \
	F(POPCNT,           "popcnt",             0x1,        0,  ECX, 23,  HOST,     MODELS_SIX_) \
	F(TSC_DEADLINE,     "tsc-deadline",       0x1,        0,  ECX, 24,  L0,       MODELS_SIX_) \
	F(AES,              "aes",                0x1,        0,  ECX, 25,  HOST,     MODELS_SIX_) \
	F(XSAVE,            "xsave",              0x1,        0,  ECX, 26,  HOST,     MODELS_SIX_) \
	F(AVX,              "avx",                0x1,        0,  ECX, 28,  HOST_AVX, MODELS_SIX_) \
	F(F16C,             "f16c",               0x1,        0,  ECX, 29,  HOST_AVX, MODELS_SIX_) \
	F(RDRAND,           "rdrand",             0x1,        0,  ECX, 30,  HOST,     MODELS_SIX_) \
	F(HYPERVISOR,       "hypervisor",         0x1,        0,  ECX, 31,  L0,       MODELS_ALL) \
	F(ARAT,             "arat",               0x6,        0,  EAX,  2,  L0,       MODELS_SIX_) \
	F(FSGSBASE,         "fsgsbase",           0x7,        0,  EBX,  0,  L0,       MODELS_SIX_) \
	F(TSC_ADJUST,       "tsc_adjust",         0x7,        0,  EBX,  1,  L0,       MODELS_SX) \
	F(SGX,              "sgx",                0x7,        0,  EBX,  2,  NOWHERE,  0) \
	F(BMI1,             "bmi1",               0x7,        0,  EBX,  3,  HOST,     MODELS_SX) \
	F(HLE,              "hle",                0x7,        0,  EBX,  4,  NOWHERE,  0) \
	F(AVX2,             "avx2",               0x7,        0,  EBX,  5,  HOST_AVX, MODELS_SX) \
	F(FDP_EXCPTN_ONLY,  "fdp-excptn-only",    0x7,        0,  EBX,  6,  L0,       MODELS_SX) \
	F(SMEP,             "smep",               0x7,        0,  EBX,  7,  L0,       MODELS_SIX_) \
	F(BMI2,             "bmi2",               0x7,        0,  EBX,  8,  HOST,     MODELS_SX) \
	F(ERMS,             "erms",               0x7,        0,  EBX,  9,  L0,       MODELS_SIX_) \
	F(INVPCID,          "invpcid",            0x7,        0,  EBX, 10,  L0,       MODELS_SX) \
	F(RTM,              "rtm",                0x7,        0,  EBX, 11,  NOWHERE,  0) \
	F(ZERO_FCS_FDS,     "zero-fcs-fds",       0x7,        0,  EBX, 13,  L0,       MODELS_SX) \
	F(MPX,              "mpx",                0x7,        0,  EBX, 14,  NOWHERE,  0) \
	F(AVX512F,          "avx512f",            0x7,        0,  EBX, 16,  NOWHERE,  0) \
	F(RDSEED,           "rdseed",             0x7,        0,  EBX, 18,  HOST,     MODELS_SX) \
	F(ADX,              "adx",                0x7,        0,  EBX, 19,  HOST,     MODELS_SX) \
	F(SMAP,             "smap",               0x7,        0,  EBX, 20,  L0,       MODELS_SX) \
	F(CLFLUSHOPT,       "clflushopt",         0x7,        0,  EBX, 23,  HOST,     MODELS_SX) \
	F(CLWB,             "clwb",               0x7,        0,  EBX, 24,  HOST,     MODELS_SX) \
	F(SHA_NI,           "sha-ni",             0x7,        0,  EBX, 29,  HOST,     MODEL_X) \
	F(UMIP,             "umip",               0x7,        0,  ECX,  2,  L0,       MODELS_SX) \
	F(PKU,              "pku",                0x7,        0,  ECX,  3,  L0,       MODELS_SX) \
	F(GFNI,             "gfni",               0x7,        0,  ECX,  8,  HOST,     MODEL_X) \
	F(VAES,             "vaes",               0x7,        0,  ECX,  9,  HOST_AVX, MODEL_X) \
	F(VPCLMULQDQ,       "vpclmulqdq",         0x7,        0,  ECX, 10,  HOST_AVX, MODEL_X) \
	F(LA57,             "la57",               0x7,        0,  ECX, 16,  L0,       0) \
	F(RDPID,            "rdpid",              0x7,        0,  ECX, 22,  L0,       MODEL_X) \
	F(PKS,              "pks",                0x7,        0,  ECX, 31,  L0,       MODEL_X) \
	F(FSRM,             "fsrm",               0x7,        0,  EDX,  4,  L0,       MODELS_SX) \
	F(SPEC_CTRL,        "spec-ctrl",          0x7,        0,  EDX, 26,  L0,       MODELS_SX) \
	F(ARCH_CAPABILITIES,"arch-capabilities",  0x7,        0,  EDX, 29,  L0,       MODELS_SX) \
	F(AVX_VNNI,         "avx-vnni",           0x7,        1,  EAX,  4,  HOST_AVX, MODEL_X) \
	F(BHI_CTRL,         "bhi-ctrl",           0x7,        2,  EDX,  4,  L0,       MODELS_SX) \
	F(XSAVEOPT,         "xsaveopt",           0xd,        1,  EAX,  0,  L0,       MODELS_SIX_) \
	F(XSAVEC,           "xsavec",             0xd,        1,  EAX,  1,  L0,       MODELS_SX) \
	F(XGETBV1,          "xgetbv1",            0xd,        1,  EAX,  2,  L0,       MODELS_SX) \
	F(XSAVES,           "xsaves",             0xd,        1,  EAX,  3,  L0,       MODELS_SX) \
	F(LAHF_LM,          "lahf_lm",            0x80000001, 0,  ECX,  0,  HOST,     MODELS_SIX) \
	F(SVM,              "svm",                0x80000001, 0,  ECX,  2,  NOWHERE,  0) \
	F(ABM,              "abm",                0x80000001, 0,  ECX,  5,  HOST,     MODELS_SX) \
	F(PREFETCHW,        "3dnowprefetch",      0x80000001, 0,  ECX,  8,  HOST,     MODELS_SX) \
	F(SKINIT,           "skinit",             0x80000001, 0,  ECX, 12,  NOWHERE,  0) \
	F(SYSCALL,          "syscall",            0x80000001, 0,  EDX, 11,  L0,       MODELS_ALL) \
	F(NX,               "nx",                 0x80000001, 0,  EDX, 20,  L0,       MODELS_ALL) \
	F(PDPE1GB,          "pdpe1gb",            0x80000001, 0,  EDX, 26,  L0,       MODELS_SX) \
	F(RDTSCP,           "rdtscp",             0x80000001, 0,  EDX, 27,  L0,       MODELS_SIX_) \
	F(LM,               "lm",                 0x80000001, 0,  EDX, 29,  L0,       MODELS_ALL) \
	F(INVTSC,           "invtsc",             0x80000007, 0,  EDX,  8,  L0,       MODELS_SX) \
	F(NPT,              "npt",                0x8000000a, 0,  EDX,  0,  NOWHERE,  0)

/* feature, what it can't be without: taken out with it */
#define CPU_FEATURE_NEEDS(D) \
	D(X2APIC, APIC) D(TSC_DEADLINE, APIC) D(ARAT, APIC) \
	D(XSAVEOPT, XSAVE) D(XSAVEC, XSAVE) D(XGETBV1, XSAVE) D(XSAVES, XSAVEC) \
	D(AVX, XSAVE) D(FMA, AVX) D(F16C, AVX) D(AVX2, AVX) D(VAES, AVX) D(VPCLMULQDQ, AVX) D(AVX_VNNI, AVX2) \
	D(SSE2, SSE) D(PDPE1GB, LM) D(PCID, LM) D(LA57, LM) D(PKS, LM) D(SYSCALL, LM) D(FSGSBASE, LM) \
	D(RDPID, RDTSCP) D(BHI_CTRL, SPEC_CTRL)
/* clang-format on */

enum feature {
#define F(id, name, leaf, subleaf, reg, bit, who, models) FEATURE_##id,
	CPU_FEATURES(F)
#undef F
		FEATURE_COUNT
};

#endif
