/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which instruction sets the fuzzer uses, and the CPUID bit that both sides must show for it: SDM vol. 2, "CPUID".
 * A set that stands here with leaf 0 is always there in a CPU with 64-bit mode.
 */
#ifndef L0_BT_TESTS_FUZZ_ISA_H
#define L0_BT_TESTS_FUZZ_ISA_H

enum { FUZZ_EAX, FUZZ_EBX, FUZZ_ECX, FUZZ_EDX };

/* clang-format off */
#define FUZZ_ISA_SETS(X) /* Zydis' ISA set, leaf, subleaf, register, bit */ \
	X(I86,          0,          0, EAX, 0) \
	X(I186,         0,          0, EAX, 0) \
	X(I286PROTECTED, 0,         0, EAX, 0) \
	X(I286REAL,     0,          0, EAX, 0) \
	X(I386,         0,          0, EAX, 0) \
	X(I486,         0,          0, EAX, 0) \
	X(I486REAL,     0,          0, EAX, 0) \
	X(PENTIUMREAL,  0,          0, EAX, 0) \
	X(PPRO,         0,          0, EAX, 0) \
	X(LONGMODE,     0,          0, EAX, 0) \
	X(FAT_NOP,      0,          0, EAX, 0) \
	X(PREFETCH_NOP, 0,          0, EAX, 0) \
	X(PAUSE,        0,          0, EAX, 0) \
	X(X87,          1,          0, EDX, 0) \
	X(CMOV,         1,          0, EDX, 15) \
	X(FCMOV,        1,          0, EDX, 15) \
	X(CLFSH,        1,          0, EDX, 19) \
	X(PENTIUMMMX,   1,          0, EDX, 23) \
	X(FXSAVE,       1,          0, EDX, 24) \
	X(FXSAVE64,     1,          0, EDX, 24) \
	X(SSE,          1,          0, EDX, 25) \
	X(SSEMXCSR,     1,          0, EDX, 25) \
	X(SSE_PREFETCH, 1,          0, EDX, 25) \
	X(SSE2,         1,          0, EDX, 26) \
	X(SSE2MMX,      1,          0, EDX, 26) \
	X(SSE3,         1,          0, ECX, 0) \
	X(SSE3X87,      1,          0, ECX, 0) \
	X(PCLMULQDQ,    1,          0, ECX, 1) \
	X(SSSE3,        1,          0, ECX, 9) \
	X(SSSE3MMX,     1,          0, ECX, 9) \
	X(FMA,          1,          0, ECX, 12) \
	X(CMPXCHG16B,   1,          0, ECX, 13) \
	X(SSE4,         1,          0, ECX, 19) \
	X(SSE42,        1,          0, ECX, 20) \
	X(MOVBE,        1,          0, ECX, 22) \
	X(POPCNT,       1,          0, ECX, 23) \
	X(AES,          1,          0, ECX, 25) \
	X(AVXAES,       1,          0, ECX, 25) \
	X(AVX,          1,          0, ECX, 28) \
	X(F16C,         1,          0, ECX, 29) \
	X(RDWRFSGS,     7,          0, EBX, 0) \
	X(BMI1,         7,          0, EBX, 3) \
	X(AVX2,         7,          0, EBX, 5) \
	X(AVX2GATHER,   7,          0, EBX, 5) \
	X(BMI2,         7,          0, EBX, 8) \
	X(ADOX_ADCX,    7,          0, EBX, 19) \
	X(CLFLUSHOPT,   7,          0, EBX, 23) \
	X(CLWB,         7,          0, EBX, 24) \
	X(SHA,          7,          0, EBX, 29) \
	X(XSAVE,        1,          0, ECX, 27) /* OSXSAVE */ \
	X(GFNI,         7,          0, ECX, 8) \
	X(AVX_GFNI,     7,          0, ECX, 8) \
	X(VAES,         7,          0, ECX, 9) \
	X(VPCLMULQDQ,   7,          0, ECX, 10) \
	X(MOVDIR,       7,          0, ECX, 27) \
	X(AVX_VNNI,     7,          1, EAX, 4) \
	X(LAHF,         0x80000001, 0, ECX, 0) \
	X(LZCNT,        0x80000001, 0, ECX, 5)

/*
 * Instructions that are left out, and why the two sides could differ without either being wrong. What a set that is
 * not listed above contains is left out anyway.
 */
#define FUZZ_LEFT_OUT(X) \
	X(CPUID,    "the guest's CPU model is not the host's") \
	X(RDTSC,    "time") \
	X(RDPMC,    "counts of the host; CR4.PCE is the host kernel's choice") \
	X(SYSCALL,  "leaves user mode without an exception") \
	X(SYSENTER, "leaves user mode; AMD: #UD in long mode") \
	X(SYSEXIT,  "AMD: #UD in long mode, Intel: #GP") \
	X(SGDT,     "UMIP: Linux emulates it for user mode") \
	X(SIDT,     "UMIP, as above") \
	X(SLDT,     "UMIP, as above") \
	X(STR,      "UMIP, as above") \
	X(SMSW,     "UMIP, as above") \
	X(LAR,      "shows the host kernel's GDT") \
	X(LSL,      "shows the host kernel's GDT") \
	X(VERR,     "shows the host kernel's GDT") \
	X(VERW,     "shows the host kernel's GDT") \
	X(ARPL,     "compares selectors only, but AMD and Intel disagree about its flags on a fault") \
	X(LDS,      "loads a segment register: depends on the host kernel's GDT") \
	X(LES,      "as above") \
	X(LSS,      "as above") \
	X(LFS,      "as above") \
	X(LGS,      "as above") \
	X(FNSTENV,  "stores FIP and FDP, which are not compared: made by fuzz_gen.c, which clears them") \
	X(FNSAVE,   "as above") \
	X(FXSAVE,   "as above") \
	X(FXSAVE64, "as above") \
	X(XSAVE,    "as above, and saves components that the guest doesn't have if told so") \
	X(XSAVE64,  "as above") \
	X(XRSTOR,   "what the memory holds is hardly ever accepted") \
	X(XRSTOR64, "as above") \
	X(XGETBV,   "the guest's XCR0 is not the host's") \
	X(XSETBV,   "as above") \
	X(UD0,      "AMD: no ModRM byte, so another fault may come first") \
	X(UD1,      "as above") \
	X(JMP,      "control flow is made by fuzz_gen.c") \
	X(IRETQ,    "far transfer") \
	X(IRETD,    "far transfer") \
	X(IRET,     "far transfer") \
	X(SALC,     "undocumented") \
	X(FSTPNCE,  "undocumented") \
	X(FENI8087_NOP, "undocumented since the 80287") \
	X(FDISI8087_NOP, "undocumented since the 80287") \
	X(FSETPM287_NOP, "undocumented since the 80387")
/* clang-format on */

#endif
