/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The experiments. on_exit() is what is measured: one exit, one reason read, one handler, one VMRESUME. Batches end and begin
 * between two exits, so that L2 needs nothing but the one exit that it is about.
 */
#include "shim.h"

#define LAPIC 0xfee00000ull
#define APIC_EOI 0xb0
#define APIC_SPURIOUS 0xf0
#define APIC_ICR_LOW 0x300
#define APIC_ENABLE_FF 0x1ff
#define APIC_TO_SELF 0x44000 /* fixed, assert: SDM vol. 3, "Interrupt Command Register (ICR)" */
#define VECTOR 0x40

/* SDM vol. 3, "VM-Entry Controls for Event Injection": valid, hardware exception, #UD */
#define INJECT_UD 0x80000306

#define INTERRUPTION_VECTOR(info) ((info)&0xff)
#define VECTOR_PF 14
#define IO_PORT(qualification) ((qualification) >> 16 & 0xffff)
#define IO_IN BIT(3)
#define SERIAL 0x3f8

static const char *const exit_names[VM_EXIT_REASONS] = {
#define X(number, name) [number] = #name,
	VM_EXITS(X)
#undef X
};

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

/* The exit has acknowledged the one before: SDM vol. 3, "Acknowledge interrupt on exit". */
void send_next(void)
{
	lapic_write(APIC_EOI, 0);
	lapic_write(APIC_ICR_LOW, APIC_TO_SELF | VECTOR);
}

static _Noreturn void unexpected(u32 reason)
{
	const char *name = (u16)reason < VM_EXIT_REASONS ? exit_names[(u16)reason] : NULL; /* the basic reason */

	say("l1shim: %s: %s %s (0x%lx): qualification 0x%lx, interruption 0x%lx, at 0x%lx\n", shim.payload->name,
	    reason & VM_EXIT_FAILED_ENTRY ? "the entry failed with" : "unexpected exit", name ? name : "unknown",
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

/* Rounds are spread evenly: how many batch number n has */
static u64 rounds_of(u64 n)
{
	u64 rounds = shim.options.rounds ? shim.options.rounds : shim.payload->rounds;

	return rounds / shim.batches + (n < rounds % shim.batches);
}

static void start_batch(void)
{
	shim.left = rounds_of(shim.batch);
	shim.start = rdtsc();
}

/* Returns whether there is another one. */
static bool end_batch(void)
{
	u64 cycles = rdtsc() - shim.start;

	shim.cycles[shim.batch] = cycles / rounds_of(shim.batch);
	return ++shim.batch < shim.batches;
}

static RARELY bool next_batch(void)
{
	bool more = end_batch();

	if (shim.payload->handler == map_page)
		memory_clear_window();
	if (more)
		start_batch();
	return more;
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

/* Until the first one starts */
static void set_batches(const struct payload *p)
{
	u64 rounds = shim.options.rounds ? shim.options.rounds : p->rounds;

	shim.payload = p;
	shim.batch = 0;
	shim.batches = shim.options.batches < rounds ? shim.options.batches : rounds;
	shim.exit = p->handler == map_page && !shim.ept ? EXIT_REASON_EXCEPTION_NMI : p->exit;
	if (p->handler == map_page && rounds_of(0) > WINDOW_PAGES) {
		say("l1shim: %s: a batch has %lu rounds, the window %lu pages: more batches are needed\n", p->name,
		    rounds_of(0), (u64)WINDOW_PAGES);
		end(USAGE);
	}
}

/* "row NAME ROUNDS CYCLES min CYCLES": a round's, the median and the smallest of the complete batches' */
static void report(const char *name, const char *level)
{
	u64 n = shim.batch, rounds = 0;

	for (u64 i = 0; i < n; i++) {
		rounds += rounds_of(i);
		for (u64 j = i; j && shim.cycles[j - 1] > shim.cycles[j]; j--) {
			u64 larger = shim.cycles[j - 1];

			shim.cycles[j - 1] = shim.cycles[j];
			shim.cycles[j] = larger;
		}
	}
	if (n)
		say("row %s%s %lu %lu min %lu\n", name, level, rounds, shim.cycles[n / 2], shim.cycles[0]);
	else
		say("l1shim: %s: halted before its first batch was complete\n", name);
}

/* The same without L2 */
static void work_in_l1(const struct payload *p)
{
	do {
		start_batch();
		do
			p->work(shim.options.steps);
		while (--shim.left);
	} while (end_batch());
	report(p->name, ".l1");
	shim.batch = 0;
}

void experiment(const struct payload *p)
{
	set_batches(p);
	if (p->work)
		work_in_l1(p);
	vmcs_create(p);
	raise_tpr();
	if (p->handler == send_next) {
		lapic_write(APIC_SPURIOUS, APIC_ENABLE_FF);
		lapic_write(APIC_ICR_LOW, APIC_TO_SELF | VECTOR);
	}
	/* L2's copy of all this */
	copy_bytes((void *)(L2_MEMORY + (u64)image_start), image_start, (u64)image_end - (u64)image_start);
	if (p->l2 == l2_module)
		copy_bytes((void *)(L2_MEMORY + PAYLOAD_MODULE), (const void *)shim.module, shim.module_size);
	shim.vmlaunch++;
	start_batch();
	l2_run();
	report(p->name, "");
}

void exits_report(void)
{
	for (unsigned int i = 0; i < VM_EXIT_REASONS; i++)
		if (shim.exits[i])
			say("count l2_exits %s %lu\n", exit_names[i], shim.exits[i]);
	say("count l1_exits VMLAUNCH %lu\ncount l1_exits VMRESUME %lu\n", shim.vmlaunch, shim.vmresume);
	if (!shim.options.counts)
		return;
	for (unsigned int i = 0; i < VMCS_FIELD_COUNT; i++)
		if (shim.vmread[i])
			say("count vmread %s %lu\n", field_name(i), shim.vmread[i]);
	for (unsigned int i = 0; i < VMCS_FIELD_COUNT; i++)
		if (shim.vmwrite[i])
			say("count vmwrite %s %lu\n", field_name(i), shim.vmwrite[i]);
}
