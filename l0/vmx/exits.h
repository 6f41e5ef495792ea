/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VM exits: basic reason (SDM vol. 3, "VMX Basic Exit Reasons"), name as the Linux kernel's VMX_EXIT_REASONS spells it.
 */
#ifndef L0_VMX_EXITS_H
#define L0_VMX_EXITS_H

/* clang-format off */
#define VM_EXITS(X) \
	X( 0, EXCEPTION_NMI)        X( 1, EXTERNAL_INTERRUPT)  X( 2, TRIPLE_FAULT)         X( 3, INIT_SIGNAL) \
	X( 4, SIPI_SIGNAL)          X( 7, INTERRUPT_WINDOW)    X( 8, NMI_WINDOW)           X( 9, TASK_SWITCH) \
	X(10, CPUID)                X(12, HLT)                 X(13, INVD)                 X(14, INVLPG) \
	X(15, RDPMC)                X(16, RDTSC)               X(18, VMCALL)               X(19, VMCLEAR) \
	X(20, VMLAUNCH)             X(21, VMPTRLD)             X(22, VMPTRST)              X(23, VMREAD) \
	X(24, VMRESUME)             X(25, VMWRITE)             X(26, VMOFF)                X(27, VMON) \
	X(28, CR_ACCESS)            X(29, DR_ACCESS)           X(30, IO_INSTRUCTION)       X(31, MSR_READ) \
	X(32, MSR_WRITE)            X(33, INVALID_STATE)       X(34, MSR_LOAD_FAIL)        X(36, MWAIT_INSTRUCTION) \
	X(37, MONITOR_TRAP_FLAG)    X(39, MONITOR_INSTRUCTION) X(40, PAUSE_INSTRUCTION)    X(41, MCE_DURING_VMENTRY) \
	X(43, TPR_BELOW_THRESHOLD)  X(44, APIC_ACCESS)         X(45, EOI_INDUCED)          X(46, GDTR_IDTR) \
	X(47, LDTR_TR)              X(48, EPT_VIOLATION)       X(49, EPT_MISCONFIG)        X(50, INVEPT) \
	X(51, RDTSCP)               X(52, PREEMPTION_TIMER)    X(53, INVVPID)              X(54, WBINVD) \
	X(55, XSETBV)               X(56, APIC_WRITE)          X(57, RDRAND)               X(58, INVPCID) \
	X(59, VMFUNC)               X(60, ENCLS)               X(61, RDSEED)               X(62, PML_FULL) \
	X(63, XSAVES)               X(64, XRSTORS)
/* clang-format on */

#define VM_EXIT_REASONS 65
#define VM_EXIT_FAILED_ENTRY 0x80000000u /* bit 31 of the exit reason */

enum vm_exit {
#define X(number, name) EXIT_REASON_##name = (number),
	VM_EXITS(X)
#undef X
};

#endif
