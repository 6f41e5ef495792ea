/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Registers and structures of the CPU, filled with what makes no sense. */
#include "wild.h"

#define NOWHERE 0xd0000000u

#define CR0_PG 0x80000000u
#define CR0_PE 1u
#define FLAG_TF 0x100u
#define VECTOR_DB 1
#define VECTOR_BP 3

/* The next exception reads the IDT. */
void guest_loads_idt_from_a_device(void)
{
	const struct table_register idtr = { 0xffff, LAPIC };

	__asm__ volatile("lidt %0; int $3" : : "m"(idtr));
}

void guest_loads_gdt_from_nowhere(void)
{
	const struct table_register gdtr = { 0xffff, NOWHERE };

	__asm__ volatile("lgdt %0; mov %1, %%ss" : : "m"(gdtr), "r"(DATA32));
}

static _Noreturn void page_with(u32 directory)
{
	__asm__ volatile("mov %0, %%cr3\n"
			 "mov %%cr0, %%eax\n"
			 "or %1, %%eax\n"
			 "mov %%eax, %%cr0\n"
			 "jmp 1f\n"
			 "1: nop"
			 :
			 : "r"(directory), "i"(CR0_PG)
			 : "eax", "memory");
	fail("there is code in these pages");
}

void guest_pages_with_tables_in_a_device(void)
{
	page_with(LAPIC);
}

/* All ones: present, writable, a large page without CR4.PSE, a table at 0xfffff000. */
void guest_pages_with_tables_in_nowhere(void)
{
	page_with(NOWHERE);
}

void guest_pages_with_tables_that_are_its_code(void)
{
	/* its first entry is the multiboot magic, 0x1badb002: not present */
	page_with(0x100000);
}

/* GDT entry 0x40 is a TSS at 0xd0000000: the task's registers are all ones. */
void guest_switches_to_a_task_in_nowhere(void)
{
	__asm__ volatile("ljmp $0x40, $0");
}

static _Noreturn void stacked(struct frame *f)
{
	(void)f;
	PASS();
}

/* The frame goes to a device and vanishes; the handler uses nothing of it. */
static _Noreturn void pass_entry(void)
{
	__asm__ volatile("mov %0, %%esp" : : "r"(PLAYGROUND + PAGE));
	PASS();
}

static _Noreturn void trap_with_stack(u32 stack)
{
	install_traps(stacked);
	set_gate(VECTOR_BP, pass_entry);
	__asm__ volatile("mov %0, %%esp; push $1; pushf; pop %%eax; pusha; int $3" : : "r"(stack) : "eax", "memory");
	__builtin_unreachable();
}

void guest_stacks_on_a_device(void)
{
	trap_with_stack(LAPIC + 0x2f0);
}

void guest_stacks_on_nothing(void)
{
	trap_with_stack(NOWHERE + 0x100);
}

static volatile u32 traps;

/* All that faults here has two bytes: RDMSR, WRMSR. */
static void skip_two(struct frame *f)
{
	traps++;
	f->eip += 2;
}

void guest_writes_garbage_to_msrs(void)
{
	static const u32 FIRST[] = { 0, 0x40000000, 0xc0000000, 0xc0010000 };

	install_traps(skip_two);
	for (u32 i = 0; i < sizeof(FIRST) / sizeof(FIRST[0]); i++)
		for (u32 msr = FIRST[i]; msr < FIRST[i] + 0x1800; msr++) {
			u32 low = 0, high = 0;

			__asm__ volatile("rdmsr" : "+a"(low), "+d"(high) : "c"(msr));
			/* what it holds, and garbage: some of it is accepted */
			__asm__ volatile("wrmsr" : : "a"(low), "d"(high), "c"(msr));
			__asm__ volatile("wrmsr" : : "a"(garbage()), "d"(garbage()), "c"(msr));
			__asm__ volatile("wrmsr" : : "a"(garbage() & 0xff), "d"(0), "c"(msr));
			__asm__ volatile("wrmsr" : : "a"(low), "d"(high), "c"(msr));
		}
	EXPECT(traps > 1000);
	PASS();
}

/* "mov %eax, %crN": three bytes */
static void skip_three(struct frame *f)
{
	traps++;
	f->eip += 3;
}

void guest_writes_garbage_to_control_registers(void)
{
	u32 cr0, cr4;

	install_traps(skip_three);
	__asm__ volatile("mov %%cr0, %0; mov %%cr4, %1" : "=r"(cr0), "=r"(cr4));
	for (u32 i = 0; i < 100000; i++) {
		u32 bits = garbage(); /* a quarter of CR4's are set */

		/* paging stays off, protection on: this code would be elsewhere */
		__asm__ volatile("mov %0, %%cr0" : : "a"((garbage() & ~CR0_PG) | CR0_PE) : "memory");
		__asm__ volatile("mov %0, %%cr4" : : "a"(bits & garbage()) : "memory");
		__asm__ volatile("mov %0, %%cr3" : : "a"(garbage()) : "memory");
	}
	__asm__ volatile("mov %0, %%cr4" : : "a"(cr4) : "memory");
	__asm__ volatile("mov %0, %%cr0" : : "a"(cr0) : "memory");
	EXPECT(traps);
	PASS();
}

static void count(struct frame *f)
{
	EXPECT(f->vector == VECTOR_DB);
	traps++;
}

void guest_steps_every_instruction(void)
{
	u32 flags, left = 50000;

	install_traps(count);
	__asm__ volatile("pushf; orl %2, (%%esp); popf\n"
			 "1: dec %0; jnz 1b\n"
			 "pushf; pop %1; and %3, %1; push %1; popf"
			 : "+r"(left), "=&r"(flags)
			 : "i"(FLAG_TF), "i"(~FLAG_TF)
			 : "memory", "cc");
	EXPECT(traps >= 100000);
	PASS();
}

void guest_watches_its_own_data(void)
{
	static volatile u32 watched, other;
	u32 dr7 = 0x000d0003; /* breakpoint 0: 4 bytes, data written */

	install_traps(count);
	__asm__ volatile("mov %0, %%dr0; mov %1, %%dr7" : : "r"(&watched), "r"(dr7));
	for (u32 i = 0; i < 20000; i++) {
		watched = i;
		other = i;
	}
	EXPECT(watched == other);
	EXPECT(traps == 20000);
	PASS();
}
