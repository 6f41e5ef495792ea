/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is measured: an exit comes, its reason is read, the one handler does its work, on_exit() says VMRESUME. */
#include "shim.h"

#define LAPIC 0xfee00000ull
#define APIC_EOI 0xb0
#define APIC_SPURIOUS 0xf0
#define APIC_ICR_LOW 0x300
#define APIC_ENABLE_FF 0x1ff /* and the spurious vector */
#define APIC_TO_SELF 0x44000 /* fixed, assert: SDM vol. 3, "Interrupt Command Register (ICR)" */
#define VECTOR 0x40

/* SDM vol. 3, "VM-Entry Controls for Event Injection": valid, hardware exception, #UD */
#define INJECT_UD 0x80000306

#define INTERRUPTION_VECTOR(info) ((info)&0xff)
#define VECTOR_PF 14
#define IO_PORT(qualification) ((qualification) >> 16 & 0xffff)
#define IO_IN BIT(3)
#define SERIAL 0x3f8

#define RARELY __attribute__((cold, noinline)) /* so that on_exit() has no register to save */

/* The handlers that payloads.h names: each the least that makes L2 go on */

void step(void)
{
	vmwrite(guest_rip, vmread(guest_rip) + shim.payload->bytes);
}

void go_on(void)
{
}

void map_page(void)
{
	memory_map_window(shim.ept ? vmread(guest_physical_address) : vmread(exit_qualification));
}

void reflect(void)
{
	vmwrite(vm_entry_intr_info_field, INJECT_UD);
}

void raise_tpr(void)
{
	vmcs_set_virtual_tpr(0x10); /* the threshold, in bits 7:4 */
}

static void lapic_write(u32 at, u32 value)
{
	*(volatile u32 *)(LAPIC + at) = value;
}

/* An interrupt to this CPU. The exit has acknowledged the one before: SDM vol. 3, "VM-Exit Controls". */
void send_next(void)
{
	lapic_write(APIC_EOI, 0);
	lapic_write(APIC_ICR_LOW, APIC_TO_SELF | VECTOR);
}

void before_first(void)
{
	raise_tpr();
	if (shim.payload->handler == send_next) {
		lapic_write(APIC_SPURIOUS, APIC_ENABLE_FF);
		send_next();
	}
}

static _Noreturn void unexpected(u32 reason)
{
	say("l1shim: %s: %s %s (0x%lx): qualification 0x%lx, interruption 0x%lx, at 0x%lx\n", shim.payload->name,
	    reason & VM_EXIT_FAILED_ENTRY ? "the entry failed with" : "unexpected exit", exit_name((u16)reason),
	    (u64)reason, vmread(exit_qualification), vmread(vm_exit_intr_info), vmread(guest_rip));
	end(FAILED);
}

void on_failed_entry(void)
{
	vm_failed("VM entry", shim.payload->name);
}

/*
 * Somebody's own program may have others between two rounds: counted and stepped over, touched pages mapped, bytes for
 * the console printed. HLT is its end. Returns whether it goes on.
 */
static RARELY bool other_exit(u32 reason, const struct l2_registers *r)
{
	u64 info;

	if (shim.payload->l2 != l2_module)
		unexpected(reason);
	switch (reason) {
	case EXIT_REASON_HLT:
		shim.exits[reason]++;
		return false;
	case EXIT_REASON_EPT_VIOLATION:
	case EXIT_REASON_EXCEPTION_NMI: /* without EPT: a page fault */
		if (reason == EXIT_REASON_EXCEPTION_NMI &&
		    (shim.ept || INTERRUPTION_VECTOR(vmread(vm_exit_intr_info)) != VECTOR_PF))
			unexpected(reason);
		info = shim.ept ? vmread(guest_physical_address) : vmread(exit_qualification);
		if (info - PAYLOAD_WINDOW >= PAYLOAD_WINDOW_SIZE)
			unexpected(reason);
		shim.exits[reason]++;
		shim.vmresume++;
		memory_map_window(info);
		return true;
	case EXIT_REASON_IO_INSTRUCTION:
		info = vmread(exit_qualification);
		if (IO_PORT(info) == SERIAL && !(info & IO_IN))
			out8(SERIAL, (u8)r->rax);
		break;
	case EXIT_REASON_CPUID:
	case EXIT_REASON_MSR_READ:
	case EXIT_REASON_MSR_WRITE:
		break;
	default:
		unexpected(reason);
	}
	shim.exits[reason]++;
	shim.vmresume++;
	vmwrite(guest_rip, vmread(guest_rip) + vmread(vm_exit_instruction_len));
	return true;
}

static RARELY void waste_time(void)
{
	for (u64 i = 0; i < shim.options.vmreads; i++)
		vmread(exit_qualification);
	for (u64 i = 0; i < shim.options.vmwrites; i++)
		vmwrite(vm_entry_exception_error_code, 0); /* without an event to inject nobody looks at it */
}

bool on_exit(const struct l2_registers *r)
{
	u32 reason = (u32)vmread(vm_exit_reason);

	if (reason != shim.exit)
		return other_exit(reason, r);
	shim.exits[reason]++;
	if (shim.options.vmreads | shim.options.vmwrites)
		waste_time();
	shim.payload->handler();
	if (!--shim.left && !next_batch())
		return false;
	shim.vmresume++;
	return true;
}
