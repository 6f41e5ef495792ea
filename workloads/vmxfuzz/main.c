/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The loop: something random, a VM entry, what came of it. */
#include "vmxfuzz.h"

#define SERIAL 0x3f8
#define SERIAL_LSR 5
#define LSR_THR_EMPTY 0x20
#define ROUNDS 2000
#define EXIT_REASONS 80

static inline void out8(u16 port, u8 value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline u8 in8(u16 port)
{
	u8 value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

void finish(u8 value)
{
	__asm__ volatile("outl %0, %1" : : "a"((u32)value), "Nd"((u16)VMXFUZZ_DEBUG_EXIT));
	for (;;)
		__asm__ volatile("cli; hlt");
}

void print(const char *text)
{
	for (; *text; text++) {
		while (!(in8(SERIAL + SERIAL_LSR) & LSR_THR_EMPTY))
			;
		out8(SERIAL, (u8)*text);
	}
}

void print_hex(u64 value, unsigned int digits)
{
	char text[2] = { 0, 0 };

	while (digits--) {
		text[0] = "0123456789abcdef"[value >> 4 * digits & 15];
		print(text);
	}
}

void print_number(u64 value)
{
	char text[2] = { 0, 0 };

	if (value >= 10)
		print_number(value / 10);
	text[0] = (char)('0' + value % 10);
	print(text);
}

bool brutal, tidy;
static u64 seed;

/* Marsaglia, "Xorshift RNGs" */
u64 random64(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed * 0x2545f4914f6cdd1dull;
}

u32 below(u32 n)
{
	return (u32)(random64() >> 33) % n;
}

/* What start.S pushes. */
struct frame {
	u64 gpr[15];
	u64 vector, error;
	u64 rip, cs, rflags, rsp, ss;
};
void trap_c(struct frame *f);

static u64 interrupts, nmis;

void trap_c(struct frame *f)
{
	if (f->vector == 2) {
		nmis++;
		return;
	}
	if (f->vector >= 32) {
		interrupts++;
		*(volatile u32 *)(LAPIC + 0xb0) = 0;
		out8(0x20, 0x20);
		return;
	}
	if (trap_recover) {
		trap_vector = f->vector + 1;
		f->rip = trap_recover;
		return;
	}
	print("L1 is harmed: vector ");
	print_number(f->vector);
	print(" rip ");
	print_hex(f->rip, 16);
	print("\n");
	finish(VMXFUZZ_HARMED);
}

static struct __attribute__((packed)) gate {
	u16 low, selector, type, middle;
	u32 high, reserved;
} idt[256];
extern u8 trap_stubs[];

static struct __attribute__((packed)) {
	u16 limit;
	u64 base;
} idtr = { sizeof(idt) - 1, (u64)idt };
u8 *l1_idt = (u8 *)idt;

static void install_traps(void)
{
	for (u32 i = 0; i < 256; i++) {
		u64 to = (u64)trap_stubs + i * 16;

		idt[i] = (struct gate){ (u16)to, L1_CODE, 0x8e00, (u16)(to >> 16), (u32)(to >> 32), 0 };
	}
	__asm__ volatile("lidt %0" : : "m"(idtr));
}

/* The local APIC's timer, as an interrupt, and the PIT, as an NMI: both find L2 at work. */
static void start_timers(void)
{
	volatile u32 *lapic = (volatile u32 *)LAPIC, *ioapic = (volatile u32 *)IOAPIC;

	out8(0x21, 0xff);
	out8(0xa1, 0xff);
	lapic[0xf0 / 4] = 0x1ff;
	lapic[0x3e0 / 4] = 0xb;
	lapic[0x320 / 4] = 0x20000 | (0x30 + below(0x40));
	lapic[0x380 / 4] = 20000 + below(400000);
	ioapic[0] = 0x10 + 2 * 2 + 1;
	ioapic[4] = 0;
	ioapic[0] = 0x10 + 2 * 2;
	ioapic[4] = 0x400;
	out8(0x43, 0x34);
	out8(0x40, 0);
	out8(0x40, 1 + (u8)below(8));
}

static u64 reasons[EXIT_REASONS], failed_entries, hash = 0xcbf29ce484222325ull;

static void mix(u64 value)
{
	hash = (hash ^ value) * 0x100000001b3ull;
	hash ^= hash >> 29;
}

static void look(void)
{
	static const u16 FIELDS[] = { VMCS_exit_qualification,
				      VMCS_guest_linear_address,
				      VMCS_guest_physical_address,
				      VMCS_vm_exit_intr_info,
				      VMCS_vm_exit_intr_error_code,
				      VMCS_idt_vectoring_info_field,
				      VMCS_vm_exit_instruction_len,
				      VMCS_vmx_instruction_info,
				      VMCS_guest_rip,
				      VMCS_guest_rflags,
				      VMCS_guest_interruptibility_info,
				      VMCS_guest_pending_dbg_exceptions,
				      VMCS_guest_activity_state,
				      VMCS_guest_cr0 };
	u64 reason = vmget(VMCS_vm_exit_reason);

	mix(reason);
	for (u32 i = 0; i < sizeof(FIELDS) / sizeof(FIELDS[0]); i++)
		mix(vmget(FIELDS[i]));
	for (u32 i = 0; i < 16; i++)
		mix(l2_gpr[i]);
	if (reason >> 31)
		failed_entries++;
	else if ((u16)reason < EXIT_REASONS)
		reasons[(u16)reason]++;
}

/* Behind the instruction that exited, or back to the beginning, or just again. */
static void go_on(void)
{
	u64 rip = vmget(VMCS_guest_rip), length = vmget(VMCS_vm_exit_instruction_len),
	    word = vmget(VMCS_idt_vectoring_info_field);

	if (chance(3, 4))
		vmwrite(VMCS_guest_rip, rip + (length ? length : below(16)));
	if (word >> 31 && chance(3, 4)) {
		vmwrite(VMCS_vm_entry_intr_info_field, word);
		vmwrite(VMCS_vm_entry_exception_error_code, vmget(VMCS_idt_vectoring_error_code));
		vmwrite(VMCS_vm_entry_instruction_len, length);
	}
	if (chance(1, 8))
		vmwrite(VMCS_guest_activity_state, 0);
	if (chance(1, 8))
		vmwrite(VMCS_guest_interruptibility_info, 0);
}

static void accept_interrupts(void)
{
	volatile u32 *lapic = (volatile u32 *)LAPIC;

	lapic[0x80 / 4] = 0; /* L2 may have raised it */
	lapic[0xb0 / 4] = 0; /* "acknowledge interrupt on exit" leaves the rest to L1 */
	__asm__ volatile("sti; nop; nop; cli" : : : "memory");
}

/* A VMCS of our own is current, with something in it that may work; true: it has been launched */
static bool have_vmcs(u32 failures, enum l2_mode *mode)
{
	static u64 current;
	static bool launched;
	u64 region;

	if (!failures && current && chance(5, 6) && (is_current(current) || vmptrld(current) == OK))
		return launched = true;
	launched = false;
	current = region = (u64)arena->vmcs[below(VMCS_COUNT)];
	*(u32 *)region = (u32)rdmsr(0x480, 0) & 0x7fffffff;
	if (vmclear(region) == OK && vmptrld(region) == OK) {
		*mode = build();
		return false;
	}
	/* outside VMX operation, or a region has become the VMXON region */
	current = (u64)arena->vmxon;
	vmxon(&current);
	current = 0;
	return false;
}

static void report(void)
{
	print("exits:");
	for (u32 i = 0; i < EXIT_REASONS; i++)
		if (reasons[i]) {
			print(" ");
			print_number(i);
			print("=");
			print_number(reasons[i]);
		}
	print("\nfailed entries ");
	print_number(failed_entries);
	print(", instructions done ");
	print_number(op_counts[0]);
	print(" invalid ");
	print_number(op_counts[1]);
	print(" valid ");
	print_number(op_counts[2]);
	print(" faulted ");
	print_number(op_counts[3]);
	print("\ninterrupts ");
	print_number(interrupts);
	print(", NMIs ");
	print_number(nmis);
	print(", hash ");
	print_hex(hash, 16);
	print("\n");
}

static u64 number(const char **text)
{
	u64 n = 0;

	for (; **text >= '0' && **text <= '9'; (*text)++)
		n = n * 10 + (u64)(**text - '0');
	return n;
}

_Noreturn void guest_main(const char *line);

/* line: the image's path, the seed, perhaps a comma and the number of rounds */
_Noreturn void guest_main(const char *line)
{
	u32 failures = 0, rounds = ROUNDS;
	enum l2_mode mode = LONG;
	u64 region = (u64)arena->vmxon;

	while (*line && *line != ' ')
		line++;
	while (*line == ' ')
		line++;
	seed = number(&line);
	brutal = seed % 4 == 0;
	tidy = seed % 4 == 1;
	seed = (seed + 1) * 0x9e3779b97f4a7c15ull;
	if (*line == ',') {
		line++;
		rounds = (u32)number(&line);
	}
	install_traps();
	start_timers();
	for (u64 i = 0; i < sizeof(struct pages) / 8; i++)
		((u64 *)ARENA)[i] = 0;
	*(u32 *)arena->vmxon = (u32)rdmsr(0x480, 0) & 0x7fffffff;
	if (vmxon(&region) != OK) {
		print("VMXON fails\n");
		finish(VMXFUZZ_HARMED);
	}
	build_tables();
	for (u32 i = 0; i < rounds; i++) {
		bool launched;
		u32 result;

		if (chance(1, 32))
			start_timers(); /* L2 or an operand of VMX may have stopped them */
		while (chance(1, 4))
			random_op();
		launched = have_vmcs(failures, &mode);
		if (chance(1, 3))
			build_code(mode);
		for (u32 n = below(3); n; n--)
			mutate_field();
		if (chance(1, 4))
			mutate_memory();
		if (chance(1, 4))
			inject();
		if (chance(7, 8))
			accept_interrupts(); /* otherwise the entry is seldom more than the exit for one */
		watchdog();
		if (tidy)
			invalidate();
		result = enter_l2(!(chance(1, 32) ? !launched : launched));
		mix(result);
		if (result == OK) {
			look();
			failures = vmget(VMCS_vm_exit_reason) >> 31 ? 1 : 0;
			if ((u16)vmget(VMCS_vm_exit_reason) == 1 || chance(1, 16))
				accept_interrupts();
			go_on();
		} else {
			mix(vmget(VMCS_vm_instruction_error));
			failures++;
		}
		if (chance(1, 24)) {
			build_tables();
			failures = 1;
		}
	}
	report();
	finish(VMXFUZZ_DONE);
}
