/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every MSR that a guest can see: SDM vol. 4. What isn't listed is #GP(0), as on a CPU without it.
 *
 * How a row is kept:
 *   FIELD(f, bits)   v->f; a write may set `bits` only, any other is #GP
 *   LOW32(f)         v->f, 32 bits wide: the upper half of a write is dropped
 *   ADDRESS(f)       v->f; a non-canonical address is #GP
 *   CONST(x)         reads as x; a write is #GP
 *   CODE(name)       read_<name>() and write_<name>() in msr.c
 * `needs`: the feature without which the MSR doesn't exist; ALWAYS if nothing says so; INTEL, AMD: of that vendor's models.
 */
#ifndef L0_CPU_MSR_H
#define L0_CPU_MSR_H

#include "../../vmcs-shadow/vmx_caps.h"
#include "x86.h"

#define MSR_PLATFORM_ID 0x17
#define MSR_SMI_COUNT 0x34
#define MSR_PLATFORM_INFO 0xce
#define MSR_MTRR_PHYS_FIRST 0x200
#define MSR_MTRR_PHYS_LAST 0x20f
#define MSR_MTRR_FIX64K 0x250
#define MSR_MTRR_FIX16K_FIRST 0x258
#define MSR_MTRR_FIX16K_LAST 0x259
#define MSR_MTRR_FIX4K_FIRST 0x268
#define MSR_MTRR_FIX4K_LAST 0x26f

#define MSR_SYSCFG 0xc0010010 /* AMD: how MTRRs and the memory above 4 GiB work together; nothing to set here */
#define MSR_PERF_FIRST 0xc0010000 /* AMD: four event selects, four counters */
#define MSR_PERF_LAST 0xc0010007

#define MTRR_VARIABLE 8 /* pairs of base and mask */
#define MTRRCAP_FIXED BIT(8)
#define MTRRCAP_WC BIT(10)

#define DEBUGCTL_LBR BIT(0) /* kept; there is no last-branch stack whose top would move */
#define DEBUGCTL_BTF BIT(1)
#define FEATURE_CONTROL_LOCKED BIT(0)
#define FEATURE_CONTROL_VMXON BIT(2) /* outside SMX */
/* IBRS, STIBP; BHI_DIS_S, without which Linux clears the branch history by a loop at each system call and VM exit */
#define SPEC_CTRL_WRITABLE (3ull | BIT(10))

#define MICROCODE_REVISION 0x02007006ull

/*
 * IA32_ARCH_CAPABILITIES: not affected by anything, whatever the host is. L0 re-emits all code, so a guest's mitigations
 * would cost time without giving what they give on hardware; guests here are not protected from their own programs.
 * RDCL_NO, IBRS_ALL, SKIP_L1DFL_VMENTRY, SSB_NO, MDS_NO, IF_PSCHANGE_MC_NO, TAA_NO, SBDR_SSDP_NO, FBSDP_NO, PSDP_NO,
 * BHI_NO, PBRSB_NO, GDS_NO, RFDS_NO, ITS_NO
 */
#define ARCH_CAPABILITIES \
	(BIT(0) | BIT(1) | BIT(3) | BIT(4) | BIT(5) | BIT(6) | BIT(8) | BIT(13) | BIT(14) | BIT(15) | BIT(20) | \
	 BIT(24) | BIT(26) | BIT(27) | BIT(62))

/* clang-format off */
#define MSRS(M) \
	/* name              first                 last                  needs              kept */ \
	M(TSC,               MSR_TSC,              MSR_TSC,              TSC,               CODE(tsc)) \
	M(PLATFORM_ID,       MSR_PLATFORM_ID,      MSR_PLATFORM_ID,      INTEL,             CONST(0)) \
	M(APIC_BASE,         MSR_APIC_BASE,        MSR_APIC_BASE,        APIC,              CODE(apic_base)) \
	M(SMI_COUNT,         MSR_SMI_COUNT,        MSR_SMI_COUNT,        INTEL,             CONST(0)) \
	M(FEATURE_CONTROL,   MSR_FEATURE_CONTROL,  MSR_FEATURE_CONTROL,  VMX,               CONST(FEATURE_CONTROL_LOCKED | FEATURE_CONTROL_VMXON)) \
	M(VMX,               MSR_VMX_FIRST,        MSR_VMX_LAST,         VMX,               CODE(vmx)) \
	M(TSC_ADJUST,        MSR_TSC_ADJUST,       MSR_TSC_ADJUST,       TSC_ADJUST,        CODE(tsc_adjust)) \
	M(SPEC_CTRL,         MSR_SPEC_CTRL,        MSR_SPEC_CTRL,        SPEC_CTRL,         FIELD(spec_ctrl, SPEC_CTRL_WRITABLE)) \
	M(PRED_CMD,          MSR_PRED_CMD,         MSR_PRED_CMD,         SPEC_CTRL,         CODE(pred_cmd)) \
	M(BIOS_SIGN_ID,      MSR_BIOS_SIGN_ID,     MSR_BIOS_SIGN_ID,     ALWAYS,            CODE(bios_sign_id)) \
	M(PLATFORM_INFO,     MSR_PLATFORM_INFO,    MSR_PLATFORM_INFO,    INTEL,             CODE(platform_info)) \
	M(MTRRCAP,           MSR_MTRRCAP,          MSR_MTRRCAP,          MTRR,              CONST(MTRR_VARIABLE | MTRRCAP_FIXED | MTRRCAP_WC)) \
	M(ARCH_CAPABILITIES, MSR_ARCH_CAPABILITIES, MSR_ARCH_CAPABILITIES, ARCH_CAPABILITIES, CONST(ARCH_CAPABILITIES)) \
	M(SYSENTER_CS,       MSR_SYSENTER_CS,      MSR_SYSENTER_CS,      SEP,               LOW32(sysenter_cs)) \
	M(SYSENTER_ESP,      MSR_SYSENTER_ESP,     MSR_SYSENTER_ESP,     SEP,               CODE(sysenter)) \
	M(SYSENTER_EIP,      MSR_SYSENTER_EIP,     MSR_SYSENTER_EIP,     SEP,               CODE(sysenter)) \
	M(MCG_CAP,           MSR_MCG_CAP,          MSR_MCG_CAP,          MCA,               CONST(0)) \
	M(MCG_STATUS,        MSR_MCG_STATUS,       MSR_MCG_STATUS,       MCA,               CODE(mcg_status)) \
	M(MISC_ENABLE,       MSR_MISC_ENABLE,      MSR_MISC_ENABLE,      INTEL,             CODE(misc_enable)) \
	M(DEBUGCTL,          MSR_DEBUGCTL,         MSR_DEBUGCTL,         ALWAYS,            FIELD(debugctl, DEBUGCTL_LBR | DEBUGCTL_BTF)) \
	M(MTRR_PHYS,         MSR_MTRR_PHYS_FIRST,  MSR_MTRR_PHYS_LAST,   MTRR,              CODE(mtrr_phys)) \
	M(MTRR_FIX64K,       MSR_MTRR_FIX64K,      MSR_MTRR_FIX64K,      MTRR,              CODE(mtrr_fixed)) \
	M(MTRR_FIX16K,       MSR_MTRR_FIX16K_FIRST, MSR_MTRR_FIX16K_LAST, MTRR,             CODE(mtrr_fixed)) \
	M(MTRR_FIX4K,        MSR_MTRR_FIX4K_FIRST, MSR_MTRR_FIX4K_LAST,  MTRR,              CODE(mtrr_fixed)) \
	M(PAT,               MSR_PAT,              MSR_PAT,              PAT,               CODE(pat)) \
	M(MTRR_DEF_TYPE,     MSR_MTRR_DEF_TYPE,    MSR_MTRR_DEF_TYPE,    MTRR,              CODE(mtrr_def_type)) \
	M(TSC_DEADLINE,      MSR_TSC_DEADLINE,     MSR_TSC_DEADLINE,     TSC_DEADLINE,      CODE(lapic)) \
	M(PKRS,              MSR_PKRS,             MSR_PKRS,             PKS,               CODE(pkrs)) \
	M(X2APIC,            MSR_X2APIC_FIRST,     MSR_X2APIC_LAST,      X2APIC,            CODE(lapic)) \
	M(XSS,               MSR_XSS,              MSR_XSS,              XSAVES,            FIELD(xss, 0)) \
	M(EFER,              MSR_EFER,             MSR_EFER,             ALWAYS,            CODE(efer)) \
	M(STAR,              MSR_STAR,             MSR_STAR,             LM,                FIELD(star, UINT64_MAX)) \
	M(LSTAR,             MSR_LSTAR,            MSR_LSTAR,            LM,                ADDRESS(lstar)) \
	M(CSTAR,             MSR_CSTAR,            MSR_CSTAR,            LM,                ADDRESS(cstar)) \
	M(FMASK,             MSR_FMASK,            MSR_FMASK,            LM,                FIELD(fmask, UINT32_MAX)) \
	M(FS_BASE,           MSR_FS_BASE,          MSR_FS_BASE,          LM,                ADDRESS(seg[FS].base)) \
	M(GS_BASE,           MSR_GS_BASE,          MSR_GS_BASE,          LM,                ADDRESS(seg[GS].base)) \
	M(KERNEL_GS_BASE,    MSR_KERNEL_GS_BASE,   MSR_KERNEL_GS_BASE,   LM,                ADDRESS(kernel_gs_base)) \
	M(TSC_AUX,           MSR_TSC_AUX,          MSR_TSC_AUX,          RDTSCP,            FIELD(tsc_aux, UINT32_MAX)) \
	M(SYSCFG,            MSR_SYSCFG,           MSR_SYSCFG,           AMD,               CONST(0)) \
	M(PERF,              MSR_PERF_FIRST,       MSR_PERF_LAST,        AMD,               CODE(perf))
/* clang-format on */

/* The MSR's name, for dumps and stats; NULL if there is none of that number. */
const char *msr_name(u32 msr);

#endif
