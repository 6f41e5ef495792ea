/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What L1 is told of an exit: SDM vol. 3, "Basic VM-Exit Information", "Information for VM Exits Due to Vectored Events",
 * "Information for VM Exits Due to Instruction Execution".
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "lab.h"

static struct lab l;

static int setup(void **state)
{
	(void)state;
	lab_init(&l, "Skylake-Server,+vmx,+monitor,+rdpid");
	lab_vmcs(&l);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	lab_destroy(&l);
	return 0;
}

#define PORT 0x1234
#define GS_BASE 0x800

/* L2's registers, the same for all rows */
static void known_registers(void)
{
	struct vcpu *v = l.v;

	v->gpr[RAX] = 0xfffe;
	v->gpr[RBX] = LAB_L2_DATA;
	v->gpr[RCX] = 2;
	v->gpr[RDX] = PORT;
	v->gpr[RSI] = LAB_L2_DATA + 0x100;
	v->gpr[RDI] = LAB_L2_DATA + 0x200;
	v->gpr[R8] = v->gpr[R9] = 0;
	l.v12->guest_gs_base = GS_BASE;
	l.v12->guest_rip = LAB_L2_CODE;
	l.v12->guest_rsp = LAB_L2_STACK;
	l.v12->guest_rflags = FLAG_1;
	l.v12->vmx_instruction_info = 0;
	l.v12->exit_qualification = l.v12->guest_linear_address = ~0ull;
}

struct row {
	const char *name;
	u8 code[10], size;
	u32 reason;
	u64 qualification;
	u32 info, mask; /* instruction information, and which of its bits the manual defines */
	u64 linear; /* 0: not looked at */
};

static void exit_of(const struct row *r)
{
	u32 reason;

	known_registers();
	reason = lab_l2(&l, r->code, r->size);
	if (reason != r->reason)
		fail_msg("%s: exit reason %u instead of %u", r->name, reason, r->reason);
	if (l.v12->exit_qualification != r->qualification)
		fail_msg("%s: qualification %#llx instead of %#llx", r->name,
			 (unsigned long long)l.v12->exit_qualification, (unsigned long long)r->qualification);
	if ((l.v12->vmx_instruction_info ^ r->info) & r->mask)
		fail_msg("%s: instruction information %#x instead of %#x", r->name,
			 l.v12->vmx_instruction_info & r->mask, r->info);
	if (r->linear && l.v12->guest_linear_address != r->linear)
		fail_msg("%s: linear address %#llx", r->name, (unsigned long long)l.v12->guest_linear_address);
	if (l.v12->vm_exit_instruction_len != r->size)
		fail_msg("%s: length %u", r->name, l.v12->vm_exit_instruction_len);
	/* nothing of it has been done */
	assert_int_equal(l.v12->guest_rip, LAB_L2_CODE);
	assert_int_equal(l.v12->guest_rsp, LAB_L2_STACK);
	assert_int_equal(l.v->gpr[RSI], LAB_L2_DATA + 0x100);
	assert_int_equal(l.v->gpr[RDI], LAB_L2_DATA + 0x200);
	assert_int_equal(l.v->gpr[RAX], 0xfffe);
	/* and L1 is where it wanted to be */
	assert_int_equal(l.v->gpr[RSP], LAB_STACK);
	assert_int_equal(l.v->rflags, FLAG_1);
}

#define SEG(n) ((u32)(n) << 15)
#define A64 (2u << 7)
#define A32 (1u << 7)
#define IO_MASK 0x38380u /* address size, segment */

static void io_instructions_say_what_they_would_have_done(void **state)
{
	const u64 dx = (u64)PORT << 16, imm = 0x5aull << 16 | 0x40;
	const struct row ROWS[] = {
		{ "in $0x5a, %al", { 0xe4, 0x5a }, 2, EXIT_REASON_IO_INSTRUCTION, imm | 8, 0, 0, 0 },
		{ "in $0x5a, %eax", { 0xe5, 0x5a }, 2, EXIT_REASON_IO_INSTRUCTION, imm | 0xb, 0, 0, 0 },
		{ "in $0x5a, %ax", { 0x66, 0xe5, 0x5a }, 3, EXIT_REASON_IO_INSTRUCTION, imm | 9, 0, 0, 0 },
		{ "out %al, $0x5a", { 0xe6, 0x5a }, 2, EXIT_REASON_IO_INSTRUCTION, imm, 0, 0, 0 },
		{ "in %dx, %al", { 0xec }, 1, EXIT_REASON_IO_INSTRUCTION, dx | 8, 0, 0, 0 },
		{ "in %dx, %eax with REX.W", { 0x48, 0xed }, 2, EXIT_REASON_IO_INSTRUCTION, dx | 0xb, 0, 0, 0 },
		{ "out %eax, %dx", { 0xef }, 1, EXIT_REASON_IO_INSTRUCTION, dx | 3, 0, 0, 0 },
		{ "out %ax, %dx", { 0x66, 0xef }, 2, EXIT_REASON_IO_INSTRUCTION, dx | 1, 0, 0, 0 },
		{ "insb", { 0x6c }, 1, EXIT_REASON_IO_INSTRUCTION, dx | 0x18, A64, A64 | A32, LAB_L2_DATA + 0x200 },
		{ "rep insl", { 0xf3, 0x6d }, 2, EXIT_REASON_IO_INSTRUCTION, dx | 0x3b, A64, A64 | A32, LAB_L2_DATA + 0x200 },
		{ "addr32 insb", { 0x67, 0x6c }, 2, EXIT_REASON_IO_INSTRUCTION, dx | 0x18, A32, A64 | A32, LAB_L2_DATA + 0x200 },
		{ "outsb", { 0x6e }, 1, EXIT_REASON_IO_INSTRUCTION, dx | 0x10, A64 | SEG(3), IO_MASK, LAB_L2_DATA + 0x100 },
		{ "rep outsw",
		  { 0xf3, 0x66, 0x6f },
		  3,
		  EXIT_REASON_IO_INSTRUCTION,
		  dx | 0x31,
		  A64 | SEG(3),
		  IO_MASK,
		  LAB_L2_DATA + 0x100 },
		{ "gs outsl",
		  { 0x65, 0x6f },
		  2,
		  EXIT_REASON_IO_INSTRUCTION,
		  dx | 0x13,
		  A64 | SEG(5),
		  IO_MASK,
		  LAB_L2_DATA + 0x100 + GS_BASE },
	};

	(void)state;
	l.v12->cpu_based_vm_exec_control |= (u32)CTL_unconditional_io_exiting;
	for (unsigned int i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++)
		exit_of(&ROWS[i]);
}

static void control_register_accesses_say_which_and_how(void **state)
{
	static const struct row ROWS[] = {
		{ "mov %rax, %cr0", { 0x0f, 0x22, 0xc0 }, 3, EXIT_REASON_CR_ACCESS, 0x000, 0, 0, 0 },
		{ "mov %rbx, %cr0", { 0x0f, 0x22, 0xc3 }, 3, EXIT_REASON_CR_ACCESS, 0x300, 0, 0, 0 },
		{ "mov %r8, %cr4", { 0x41, 0x0f, 0x22, 0xe0 }, 4, EXIT_REASON_CR_ACCESS, 0x804, 0, 0, 0 },
		{ "mov %rdi, %cr3", { 0x0f, 0x22, 0xdf }, 3, EXIT_REASON_CR_ACCESS, 0x703, 0, 0, 0 },
		{ "mov %cr3, %rbx", { 0x0f, 0x20, 0xdb }, 3, EXIT_REASON_CR_ACCESS, 0x313, 0, 0, 0 },
		{ "mov %rax, %cr8", { 0x44, 0x0f, 0x22, 0xc0 }, 4, EXIT_REASON_CR_ACCESS, 0x008, 0, 0, 0 },
		{ "mov %cr8, %rcx", { 0x44, 0x0f, 0x20, 0xc1 }, 4, EXIT_REASON_CR_ACCESS, 0x118, 0, 0, 0 },
		{ "clts", { 0x0f, 0x06 }, 2, EXIT_REASON_CR_ACCESS, 0x20, 0, 0, 0 },
		{ "lmsw %ax", { 0x0f, 0x01, 0xf0 }, 3, EXIT_REASON_CR_ACCESS, 0xfffe0030, 0, 0, 0 },
		{ "lmsw (%rbx)", { 0x0f, 0x01, 0x33 }, 3, EXIT_REASON_CR_ACCESS, 0x0e0e0070, 0, 0, LAB_L2_DATA },
		{ "lmsw %gs:(%rbx)", { 0x65, 0x0f, 0x01, 0x33 }, 4, EXIT_REASON_CR_ACCESS, 0x0c0c0070, 0, 0, LAB_L2_DATA + GS_BASE },
	};

	(void)state;
	l.v12->cpu_based_vm_exec_control |= (u32)(CTL_cr3_load_exiting | CTL_cr3_store_exiting | CTL_cr8_load_exiting |
						  CTL_cr8_store_exiting);
	l.v12->cr0_guest_host_mask = l.v12->cr4_guest_host_mask = ~0ull;
	l.v12->cr0_read_shadow = l.v->cr0 | CR0_TS;
	l.v12->cr4_read_shadow = l.v->cr4;
	lab_write(&l, LAB_L2_DATA, 0x0e0e);
	lab_write(&l, LAB_L2_DATA + GS_BASE, 0x0c0c);
	for (unsigned int i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++)
		exit_of(&ROWS[i]);
}

static void instructions_that_exit_by_a_control(void **state)
{
	static const struct {
		struct row row;
		u64 proc, proc2;
	} ROWS[] = {
		{ { "cpuid", { 0x0f, 0xa2 }, 2, EXIT_REASON_CPUID, 0, 0, 0, 0 }, 0, 0 },
		{ { "invd", { 0x0f, 0x08 }, 2, EXIT_REASON_INVD, 0, 0, 0, 0 }, 0, 0 },
		{ { "xsetbv", { 0x0f, 0x01, 0xd1 }, 3, EXIT_REASON_XSETBV, 0, 0, 0, 0 }, 0, 0 },
		{ { "vmcall", { 0x0f, 0x01, 0xc1 }, 3, EXIT_REASON_VMCALL, 0, 0, 0, 0 }, 0, 0 },
		{ { "rdmsr", { 0x0f, 0x32 }, 2, EXIT_REASON_MSR_READ, 0, 0, 0, 0 }, 0, 0 },
		{ { "wrmsr", { 0x0f, 0x30 }, 2, EXIT_REASON_MSR_WRITE, 0, 0, 0, 0 }, 0, 0 },
		{ { "hlt", { 0xf4 }, 1, EXIT_REASON_HLT, 0, 0, 0, 0 }, CTL_hlt_exiting, 0 },
		{ { "rdtsc", { 0x0f, 0x31 }, 2, EXIT_REASON_RDTSC, 0, 0, 0, 0 }, CTL_rdtsc_exiting, 0 },
		{ { "rdtscp", { 0x0f, 0x01, 0xf9 }, 3, EXIT_REASON_RDTSCP, 0, 0, 0, 0 },
		  CTL_rdtsc_exiting,
		  CTL_enable_rdtscp },
		{ { "rdpmc", { 0x0f, 0x33 }, 2, EXIT_REASON_RDPMC, 0, 0, 0, 0 }, CTL_rdpmc_exiting, 0 },
		{ { "pause", { 0xf3, 0x90 }, 2, EXIT_REASON_PAUSE_INSTRUCTION, 0, 0, 0, 0 }, CTL_pause_exiting, 0 },
		{ { "wbinvd", { 0x0f, 0x09 }, 2, EXIT_REASON_WBINVD, 0, 0, 0, 0 }, 0, CTL_wbinvd_exiting },
		{ { "invlpg (%rbx)", { 0x0f, 0x01, 0x3b }, 3, EXIT_REASON_INVLPG, LAB_L2_DATA, 0, 0, 0 },
		  CTL_invlpg_exiting,
		  0 },
		{ { "invlpg %gs:(%rbx)", { 0x65, 0x0f, 0x01, 0x3b }, 4, EXIT_REASON_INVLPG, LAB_L2_DATA + GS_BASE, 0, 0, 0 },
		  CTL_invlpg_exiting,
		  0 },
		{ { "mov %rax, %dr7", { 0x0f, 0x23, 0xf8 }, 3, EXIT_REASON_DR_ACCESS, 7, 0, 0, 0 }, CTL_mov_dr_exiting, 0 },
		{ { "mov %dr6, %r11", { 0x41, 0x0f, 0x21, 0xf3 }, 4, EXIT_REASON_DR_ACCESS, 0xb16, 0, 0, 0 },
		  CTL_mov_dr_exiting,
		  0 },
		{ { "monitor", { 0x0f, 0x01, 0xc8 }, 3, EXIT_REASON_MONITOR_INSTRUCTION, 0, 0, 0, 0 },
		  CTL_monitor_exiting,
		  0 },
		{ { "mwait", { 0x0f, 0x01, 0xc9 }, 3, EXIT_REASON_MWAIT_INSTRUCTION, 0, 0, 0, 0 }, CTL_mwait_exiting, 0 },
	};

	(void)state;
	for (unsigned int i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		const struct row *r = &ROWS[i].row;
		u32 proc = l.v12->cpu_based_vm_exec_control;

		l.v12->cpu_based_vm_exec_control |= (u32)ROWS[i].proc;
		l.v12->secondary_vm_exec_control = (u32)ROWS[i].proc2;
		exit_of(r);
		l.v12->cpu_based_vm_exec_control = proc;
	}
}

#define REG1(n) ((u32)(n) << 3)
#define REG (1u << 10)
#define INDEX(n) ((u32)(n) << 18)
#define NO_INDEX (1u << 22)
#define BASE(n) ((u32)(n) << 23)
#define NO_BASE (1u << 27)
#define REG2(n) ((u32)(n) << 28)
/* what is defined with a memory operand: all but 6:2, 14:11, and scale, index, base where there is none */
#define MEMORY_MASK 0xffff8780u
#define RBX_ONLY (A64 | SEG(3) | NO_INDEX | BASE(3))
#define NO_INDEX_MASK (MEMORY_MASK & ~INDEX(15))
#define REGISTER_MASK (REG1(15) | REG)

static void vmx_instructions_of_l2_say_how_they_address_their_operand(void **state)
{
	static const struct row ROWS[] = {
		{ "vmptrld 0x12345(%rbx,%rcx,4)",
		  { 0x0f, 0xc7, 0xb4, 0x8b, 0x45, 0x23, 0x01, 0x00 },
		  8,
		  EXIT_REASON_VMPTRLD,
		  0x12345,
		  2 | A64 | SEG(3) | INDEX(1) | BASE(3),
		  (MEMORY_MASK | 3) & ~REG2(15),
		  0 },
		{ "vmptrld -8(%r9)",
		  { 0x41, 0x0f, 0xc7, 0x71, 0xf8 },
		  5,
		  EXIT_REASON_VMPTRLD,
		  ~7ull,
		  A64 | SEG(3) | NO_INDEX | BASE(9),
		  NO_INDEX_MASK & ~REG2(15),
		  0 },
		{ "vmptrld 0x100(%rip)",
		  { 0x0f, 0xc7, 0x35, 0x00, 0x01, 0x00, 0x00 },
		  7,
		  EXIT_REASON_VMPTRLD,
		  LAB_L2_CODE + 7 + 0x100,
		  A64 | SEG(3) | NO_INDEX | NO_BASE,
		  NO_INDEX_MASK & ~REG2(15) & ~BASE(15),
		  0 },
		{ "vmclear %gs:(%rbx)",
		  { 0x65, 0x66, 0x0f, 0xc7, 0x33 },
		  5,
		  EXIT_REASON_VMCLEAR,
		  0,
		  A64 | SEG(5) | NO_INDEX | BASE(3),
		  NO_INDEX_MASK & ~REG2(15),
		  0 },
		{ "vmxon (%rbx)", { 0xf3, 0x0f, 0xc7, 0x33 }, 4, EXIT_REASON_VMON, 0, RBX_ONLY, NO_INDEX_MASK & ~REG2(15), 0 },
		{ "vmptrst (%rsp)",
		  { 0x0f, 0xc7, 0x3c, 0x24 },
		  4,
		  EXIT_REASON_VMPTRST,
		  0,
		  A64 | SEG(2) | NO_INDEX | BASE(4),
		  NO_INDEX_MASK & ~REG2(15),
		  0 },
		{ "vmread %rax, %rcx",
		  { 0x0f, 0x78, 0xc1 },
		  3,
		  EXIT_REASON_VMREAD,
		  0,
		  REG1(1) | REG | REG2(0),
		  REGISTER_MASK | REG2(15),
		  0 },
		{ "vmread %r9, (%rbx)",
		  { 0x44, 0x0f, 0x78, 0x0b },
		  4,
		  EXIT_REASON_VMREAD,
		  0,
		  RBX_ONLY | REG2(9),
		  NO_INDEX_MASK,
		  0 },
		{ "vmwrite %r10, %rdx",
		  { 0x41, 0x0f, 0x79, 0xd2 },
		  4,
		  EXIT_REASON_VMWRITE,
		  0,
		  REG1(10) | REG | REG2(2),
		  REGISTER_MASK | REG2(15),
		  0 },
		{ "invept (%rbx), %rdx",
		  { 0x66, 0x0f, 0x38, 0x80, 0x13 },
		  5,
		  EXIT_REASON_INVEPT,
		  0,
		  RBX_ONLY | REG2(2),
		  NO_INDEX_MASK,
		  0 },
		{ "invvpid 4(%rbx), %rsi",
		  { 0x66, 0x0f, 0x38, 0x81, 0x73, 0x04 },
		  6,
		  EXIT_REASON_INVVPID,
		  4,
		  RBX_ONLY | REG2(6),
		  NO_INDEX_MASK,
		  0 },
		{ "vmlaunch", { 0x0f, 0x01, 0xc2 }, 3, EXIT_REASON_VMLAUNCH, 0, 0, 0, 0 },
		{ "vmresume", { 0x0f, 0x01, 0xc3 }, 3, EXIT_REASON_VMRESUME, 0, 0, 0, 0 },
		{ "vmxoff", { 0x0f, 0x01, 0xc4 }, 3, EXIT_REASON_VMOFF, 0, 0, 0, 0 },
	};

	(void)state;
	for (unsigned int i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++)
		exit_of(&ROWS[i]);
}

static void descriptor_table_instructions_say_which_they_are(void **state)
{
	static const struct row ROWS[] = {
		{ "sgdt (%rbx)",
		  { 0x0f, 0x01, 0x03 },
		  3,
		  EXIT_REASON_GDTR_IDTR,
		  0,
		  RBX_ONLY | REG2(0),
		  NO_INDEX_MASK & ~REG2(12),
		  0 },
		{ "sidt (%rbx)",
		  { 0x0f, 0x01, 0x0b },
		  3,
		  EXIT_REASON_GDTR_IDTR,
		  0,
		  RBX_ONLY | REG2(1),
		  NO_INDEX_MASK & ~REG2(12),
		  0 },
		{ "lgdt (%rbx)",
		  { 0x0f, 0x01, 0x13 },
		  3,
		  EXIT_REASON_GDTR_IDTR,
		  0,
		  RBX_ONLY | REG2(2),
		  NO_INDEX_MASK & ~REG2(12),
		  0 },
		{ "lidt 8(%rbx)",
		  { 0x0f, 0x01, 0x5b, 0x08 },
		  4,
		  EXIT_REASON_GDTR_IDTR,
		  8,
		  RBX_ONLY | REG2(3),
		  NO_INDEX_MASK & ~REG2(12),
		  0 },
		{ "sldt %r9",
		  { 0x49, 0x0f, 0x00, 0xc1 },
		  4,
		  EXIT_REASON_LDTR_TR,
		  0,
		  REG1(9) | REG | REG2(0),
		  REGISTER_MASK | REG2(3),
		  0 },
		{ "str (%rbx)",
		  { 0x0f, 0x00, 0x0b },
		  3,
		  EXIT_REASON_LDTR_TR,
		  0,
		  RBX_ONLY | REG2(1),
		  NO_INDEX_MASK & ~REG2(12),
		  0 },
		{ "lldt %ax",
		  { 0x0f, 0x00, 0xd0 },
		  3,
		  EXIT_REASON_LDTR_TR,
		  0,
		  REG1(0) | REG | REG2(2),
		  REGISTER_MASK | REG2(3),
		  0 },
		{ "ltr %cx",
		  { 0x0f, 0x00, 0xd9 },
		  3,
		  EXIT_REASON_LDTR_TR,
		  0,
		  REG1(1) | REG | REG2(3),
		  REGISTER_MASK | REG2(3),
		  0 },
	};

	(void)state;
	l.v12->secondary_vm_exec_control = (u32)CTL_descriptor_table_exiting;
	for (unsigned int i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++)
		exit_of(&ROWS[i]);
}

static void random_numbers_and_invpcid_say_their_operands(void **state)
{
	static const struct row ROWS[] = {
		{ "rdrand %rax", { 0x48, 0x0f, 0xc7, 0xf0 }, 4, EXIT_REASON_RDRAND, 0, REG1(0) | 2 << 11, REG1(15) | 3 << 11, 0 },
		{ "rdrand %cx", { 0x66, 0x0f, 0xc7, 0xf1 }, 4, EXIT_REASON_RDRAND, 0, REG1(1), REG1(15) | 3 << 11, 0 },
		{ "rdseed %r9d", { 0x41, 0x0f, 0xc7, 0xf9 }, 4, EXIT_REASON_RDSEED, 0, REG1(9) | 1 << 11, REG1(15) | 3 << 11, 0 },
		{ "invpcid (%rbx), %rdi",
		  { 0x66, 0x0f, 0x38, 0x82, 0x3b },
		  5,
		  EXIT_REASON_INVPCID,
		  0,
		  RBX_ONLY | REG2(7),
		  NO_INDEX_MASK,
		  0 },
	};

	(void)state;
	l.v12->cpu_based_vm_exec_control |= (u32)CTL_invlpg_exiting;
	l.v12->secondary_vm_exec_control = (u32)(CTL_rdrand_exiting | CTL_rdseed_exiting | CTL_enable_invpcid);
	for (unsigned int i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		if (ROWS[i].reason == EXIT_REASON_RDRAND && !model_has(&l.model, FEATURE_RDRAND))
			continue;
		if (ROWS[i].reason == EXIT_REASON_RDSEED && !model_has(&l.model, FEATURE_RDSEED))
			continue;
		exit_of(&ROWS[i]);
	}
}

static void instructions_without_their_control_are_undefined_in_l2(void **state)
{
	static const u8 CODE[][5] = {
		{ 0x0f, 0x01, 0xf9 }, { 0x66, 0x0f, 0x38, 0x82, 0x3b },
		{ 0x0f, 0xc7, 0x2b }, { 0xf3, 0x0f, 0xc7, 0xf8 },
		{ 0x0f, 0x01, 0xd4 },
	};

	(void)state;
	l.v12->exception_bitmap = BIT(VEC_UD);
	for (unsigned int i = 0; i < sizeof(CODE) / sizeof(CODE[0]); i++) {
		known_registers();
		assert_int_equal(lab_l2(&l, CODE[i], sizeof(CODE[i])), EXIT_REASON_EXCEPTION_NMI);
		assert_int_equal(l.v12->vm_exit_intr_info, 0x80000306);
	}
}

static void rdpid_needs_the_control_of_rdtscp(void **state)
{
	(void)state;
	known_registers();
	l.v->tsc_aux = 0x1234;
	l.v12->secondary_vm_exec_control = CTL_enable_rdtscp;
	assert_int_equal(LAB_L2(&l, 0xf3, 0x0f, 0xc7, 0xf8, 0x0f, 0x01, 0xc1), EXIT_REASON_VMCALL);
	assert_int_equal(l.v->gpr[RAX], 0x1234);
}

struct exception {
	const char *name;
	u8 code[8], size;
	u32 info, error;
	u64 qualification;
	int length; /* -1: undefined */
};

static void exceptions_say_what_and_where(void **state)
{
	static const struct exception ROWS[] = {
		{ "ud2", { 0x0f, 0x0b }, 2, 0x80000306, 0, 0, -1 },
		{ "int3", { 0xcc }, 1, 0x80000603, 0, 0, 1 },
		{ "int1", { 0xf1 }, 1, 0x80000501, 0, 0, 1 },
		{ "read of (1 << 40)", { 0x49, 0x8b, 0x00 }, 3, 0x80000b0e, 0, 1ull << 40, -1 },
		{ "write to (1 << 40)", { 0x49, 0x89, 0x00 }, 3, 0x80000b0e, 2, 1ull << 40, -1 },
		{ "read of what is not canonical", { 0x49, 0x8b, 0x01 }, 3, 0x80000b0d, 0, 0, -1 },
		{ "div by 0", { 0x31, 0xc9, 0xf7, 0xf1 }, 4, 0x80000300, 0, 0, -1 },
		{ "lldt of a data segment", { 0x66, 0xb8, 0x10, 0x00, 0x0f, 0x00, 0xd0 }, 7, 0x80000b0d, 0x10, 0, -1 },
	};

	(void)state;
	l.v12->exception_bitmap = ~0u;
	for (unsigned int i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		const struct exception *r = &ROWS[i];

		known_registers();
		l.v->gpr[R8] = 1ull << 40;
		l.v->gpr[R9] = 1ull << 63;
		l.v->cr2 = 0x1234;
		if (lab_l2(&l, r->code, r->size) != EXIT_REASON_EXCEPTION_NMI || l.v12->vm_exit_intr_info != r->info ||
		    ((r->info & INTR_ERROR) && l.v12->vm_exit_intr_error_code != r->error) ||
		    l.v12->exit_qualification != r->qualification)
			fail_msg("%s: reason %u information %#x error %#x qualification %#llx", r->name,
				 l.v12->vm_exit_reason, l.v12->vm_exit_intr_info, l.v12->vm_exit_intr_error_code,
				 (unsigned long long)l.v12->exit_qualification);
		if (r->length >= 0)
			assert_int_equal(l.v12->vm_exit_instruction_len, r->length);
		assert_int_equal(l.v->cr2, 0x1234); /* SDM: an exit isn't a page fault's delivery */
		assert_int_equal(l.v12->idt_vectoring_info_field, 0);
	}
}

static void page_faults_are_chosen_by_their_error_code(void **state)
{
	(void)state;
	for (u32 bit = 0; bit < 2; bit++)
		for (u32 match = 0; match < 2; match++) {
			/* the code is 0: not present, read, supervisor */
			known_registers();
			l.v->gpr[R8] = 1ull << 40;
			l.v12->exception_bitmap = bit << VEC_PF;
			l.v12->page_fault_error_code_mask = 1;
			l.v12->page_fault_error_code_match = match;
			assert_int_equal(LAB_L2(&l, 0x49, 0x8b, 0x00),
					 bit != match ? EXIT_REASON_EXCEPTION_NMI : EXIT_REASON_VMCALL);
			if (bit == match) {
				assert_int_equal(l.v12->guest_rip, LAB_L2_HANDLERS + 16 * VEC_PF);
				assert_int_equal(l.v->cr2, 1ull << 40);
			}
		}
}

static void a_single_step_is_a_debug_exception_behind_the_instruction(void **state)
{
	(void)state;
	known_registers();
	l.v12->exception_bitmap = BIT(VEC_DB);
	l.v12->guest_rflags |= FLAG_TF;
	assert_int_equal(LAB_L2(&l, 0x90, 0x90), EXIT_REASON_EXCEPTION_NMI);
	assert_int_equal(l.v12->vm_exit_intr_info, 0x80000301);
	assert_int_equal(l.v12->exit_qualification, BIT(14));
	assert_int_equal(l.v12->guest_rip, LAB_L2_CODE + 1);
}

static void cr0_and_cr4_are_masked(void **state)
{
	u64 cr0 = l.v->cr0, cr4 = l.v->cr4;

	(void)state;
	known_registers();
	l.v12->cr0_guest_host_mask = CR0_TS | CR0_MP;
	l.v12->cr0_read_shadow = CR0_TS;
	l.v12->cr4_guest_host_mask = CR4_VMXE;
	l.v12->cr4_read_shadow = 0;
	/* mov %cr0, %rax; mov %cr4, %rcx; vmcall */
	assert_int_equal(LAB_L2(&l, 0x0f, 0x20, 0xc0, 0x0f, 0x20, 0xe1, 0x0f, 0x01, 0xc1), EXIT_REASON_VMCALL);
	assert_int_equal(l.v->gpr[RAX], (cr0 & ~(CR0_TS | CR0_MP)) | CR0_TS);
	assert_int_equal(l.v->gpr[RCX], cr4 & ~CR4_VMXE);
	/* what agrees with the shadow is no exit, and what is masked isn't written */
	known_registers();
	l.v->gpr[RAX] = (cr0 & ~(CR0_TS | CR0_MP)) | CR0_TS;
	l.v->gpr[RCX] = (cr4 & ~CR4_VMXE) | CR4_TSD;
	assert_int_equal(LAB_L2(&l, 0x0f, 0x22, 0xc0, 0x0f, 0x22, 0xe1, 0x0f, 0x01, 0xc1), EXIT_REASON_VMCALL);
	assert_int_equal(l.v12->guest_cr0, cr0);
	assert_int_equal(l.v12->guest_cr4, cr4 | CR4_TSD);
}

static void cr3_targets_are_no_exit(void **state)
{
	(void)state;
	l.v12->cpu_based_vm_exec_control |= (u32)CTL_cr3_load_exiting;
	l.v12->cr3_target_count = 2;
	l.v12->cr3_target_value1 = LAB_TABLES;
	l.v12->cr3_target_value2 = LAB_TABLES | 8;
	known_registers();
	l.v->gpr[RAX] = LAB_TABLES;
	assert_int_equal(LAB_L2(&l, 0x0f, 0x22, 0xd8, 0x0f, 0x01, 0xc1), EXIT_REASON_VMCALL);
	known_registers();
	l.v->gpr[RAX] = LAB_TABLES | 8; /* a value, but not one of the first two */
	assert_int_equal(LAB_L2(&l, 0x0f, 0x22, 0xd8, 0x0f, 0x01, 0xc1), EXIT_REASON_CR_ACCESS);
}

/* One bit set in a bitmap of zeros: it alone makes the exit. */
static void a_bit_of_the_io_bitmaps_is_a_port(void **state)
{
	static const u16 PORTS[] = { 0, 0x80, 0x7fff, 0x8000, 0xfff8, 0xffff };

	(void)state;
	l.v12->cpu_based_vm_exec_control |= (u32)(CTL_io_bitmaps | CTL_unconditional_io_exiting);
	for (unsigned int i = 0; i < sizeof(PORTS) / sizeof(PORTS[0]); i++) {
		u8 *byte = memory_host(&l.machine.memory, LAB_BITMAPS + PORTS[i] / 8);

		for (u32 set = 0; set < 2; set++) {
			*byte = (u8)(set << PORTS[i] % 8);
			known_registers();
			l.v->gpr[RDX] = PORTS[i];
			assert_int_equal(LAB_L2(&l, 0xec, 0x0f, 0x01, 0xc1),
					 set ? EXIT_REASON_IO_INSTRUCTION : EXIT_REASON_VMCALL);
		}
		/* a wider access has the port among its own */
		known_registers();
		l.v->gpr[RDX] = PORTS[i] ? PORTS[i] - 1u : 0;
		assert_int_equal(LAB_L2(&l, 0x66, 0xed, 0x0f, 0x01, 0xc1), EXIT_REASON_IO_INSTRUCTION);
		*byte = 0;
	}
	/* over the end of the ports: always */
	known_registers();
	l.v->gpr[RDX] = 0xffff;
	assert_int_equal(LAB_L2(&l, 0x66, 0xed), EXIT_REASON_IO_INSTRUCTION);
}

static void a_bit_of_the_msr_bitmap_is_an_msr(void **state)
{
	static const struct {
		u32 msr;
		u16 read; /* offset of its bit for RDMSR */
	} ROWS[] = { { 0x174, 0x174 }, { 0xc0000082, 0x2082 } };

	(void)state;
	l.v12->cpu_based_vm_exec_control |= (u32)CTL_msr_bitmaps;
	for (unsigned int i = 0; i < 2; i++)
		for (u32 write = 0; write < 2; write++) {
			u8 *byte = memory_host(&l.machine.memory,
					       LAB_BITMAPS + 0x2000 + ROWS[i].read / 8 + (write ? 0x800 : 0));
			u8 op = write ? 0x30 : 0x32;

			for (u32 set = 0; set < 2; set++) {
				*byte = (u8)(set << ROWS[i].read % 8);
				known_registers();
				l.v->gpr[RCX] = ROWS[i].msr;
				l.v->gpr[RDX] = 0;
				assert_int_equal(LAB_L2(&l, 0x0f, op, 0x0f, 0x01, 0xc1), !set	 ? EXIT_REASON_VMCALL
											 : write ? EXIT_REASON_MSR_WRITE
												 : EXIT_REASON_MSR_READ);
			}
			*byte = 0;
		}
	/* neither half has it: an exit, whatever the bitmap says */
	known_registers();
	l.v->gpr[RCX] = 0x2000;
	assert_int_equal(LAB_L2(&l, 0x0f, 0x32), EXIT_REASON_MSR_READ);
	known_registers();
	l.v->gpr[RCX] = 0x40000000;
	assert_int_equal(LAB_L2(&l, 0x0f, 0x30), EXIT_REASON_MSR_WRITE);
}

static void privilege_comes_before_the_exit_but_not_for_cpuid(void **state)
{
	(void)state;
	l.v12->exception_bitmap = BIT(VEC_GP);
	l.v12->cpu_based_vm_exec_control |= (u32)(CTL_hlt_exiting | CTL_rdtsc_exiting);
	l.v12->guest_cs_selector = LAB_CS3;
	l.v12->guest_cs_ar_bytes = 0xa0fb;
	l.v12->guest_ss_selector = l.v12->guest_ds_selector = l.v12->guest_es_selector = LAB_DS3;
	l.v12->guest_fs_selector = l.v12->guest_gs_selector = LAB_DS3;
	l.v12->guest_ss_ar_bytes = l.v12->guest_ds_ar_bytes = l.v12->guest_es_ar_bytes = 0xc0f3;
	l.v12->guest_fs_ar_bytes = l.v12->guest_gs_ar_bytes = 0xc0f3;
	known_registers();
	assert_int_equal(LAB_L2(&l, 0xf4), EXIT_REASON_EXCEPTION_NMI);
	assert_int_equal(l.v12->vm_exit_intr_info, 0x80000b0d);
	assert_int_equal(LAB_L2(&l, 0x0f, 0x32), EXIT_REASON_EXCEPTION_NMI);
	assert_int_equal(LAB_L2(&l, 0x0f, 0xa2), EXIT_REASON_CPUID);
	assert_int_equal(LAB_L2(&l, 0x0f, 0x31), EXIT_REASON_RDTSC);
	assert_int_equal(LAB_L2(&l, 0x0f, 0x01, 0xc1), EXIT_REASON_VMCALL);
	assert_int_equal(LAB_L2(&l, 0x0f, 0x01, 0xc2), EXIT_REASON_VMLAUNCH);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(io_instructions_say_what_they_would_have_done),
		T(control_register_accesses_say_which_and_how),
		T(instructions_that_exit_by_a_control),
		T(vmx_instructions_of_l2_say_how_they_address_their_operand),
		T(descriptor_table_instructions_say_which_they_are),
		T(random_numbers_and_invpcid_say_their_operands),
		T(instructions_without_their_control_are_undefined_in_l2),
		T(rdpid_needs_the_control_of_rdtscp),
		T(exceptions_say_what_and_where),
		T(page_faults_are_chosen_by_their_error_code),
		T(a_single_step_is_a_debug_exception_behind_the_instruction),
		T(cr0_and_cr4_are_masked),
		T(cr3_targets_are_no_exit),
		T(a_bit_of_the_io_bitmaps_is_a_port),
		T(a_bit_of_the_msr_bitmap_is_an_msr),
		T(privilege_comes_before_the_exit_but_not_for_cpuid),
	};

	return LAB_GROUP("VM exits", tests);
}
