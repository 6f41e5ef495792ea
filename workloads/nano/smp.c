/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A second CPU that halts, and an interrupt for it: SDM vol. 3, "Multiple-Processor (MP) Initialization". */
#include "nano.h"

#define TRAMPOLINE 0x8000ul
#define ICR_INIT 0x4500
#define ICR_STARTUP 0x4600
#define SECOND (1ull << 32) /* its x2APIC ID, as the ICR wants it */
#define PATIENCE 100000000ul

extern const u8 second_code[];
extern const u32 second_code_size;
void second_main(void);
void ipi_entry(void);

volatile u64 ipis; /* that have arrived; counted by ipi_entry */
static volatile bool second_runs;

/* what the other CPU comes to from second_code */
void second_main(void)
{
	idt_prepare();
	apic_prepare();
	second_runs = true;
	for (;;)
		__asm__ volatile("sti\n\thlt");
}

static void wait_for(const volatile u64 *counter, u64 value)
{
	while (*counter != value)
		__asm__ volatile("pause");
}

const char *lacks_second_cpu(void)
{
	if (lacks_x2apic())
		return lacks_x2apic();
	if (second_runs)
		return NULL;
	gate(VECTOR_IPI, ipi_entry);
	for (u64 i = 0; i < second_code_size; i++)
		((volatile u8 *)TRAMPOLINE)[i] = second_code[i];
	wrmsr(MSR_X2APIC_ICR, SECOND | ICR_INIT);
	for (int i = 0; i < 100000; i++)
		__asm__ volatile("pause");
	wrmsr(MSR_X2APIC_ICR, SECOND | ICR_STARTUP | TRAMPOLINE >> 12);
	for (u64 i = 0; i < PATIENCE && !second_runs; i++)
		__asm__ volatile("pause");
	return second_runs ? NULL : "there is no second CPU";
}

/* sent, and seen to have been handled */
void op_ipi(u64 n)
{
	while (n--) {
		u64 seen = ipis;

		wrmsr(MSR_X2APIC_ICR, SECOND | VECTOR_IPI);
		wait_for(&ipis, seen + 1);
	}
}
