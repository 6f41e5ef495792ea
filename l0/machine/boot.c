/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "boot.h"
#include <string.h>
#include "../cpu/mmu.h"
#include "../cpu/model.h"
#include "../devices/irqchip.h"
#include "memory.h"

/* SDM vol. 3, "Segment Descriptor Types" */
#define TYPE_CODE (AR_CODE | AR_WRITABLE | AR_ACCESSED)
#define TYPE_DATA (AR_WRITABLE | AR_ACCESSED)
#define TYPE_TSS_BUSY 0xbu
#define TYPE_LDT 0x2u

/* What the GDT describes is what the hidden parts hold: both come from these rows. */
static struct segment code_segment(enum boot_mode mode)
{
	u32 size = mode == BOOT_LONG ? AR_L : AR_DB;

	return (struct segment){ .limit = 0xffffffff, .ar = TYPE_CODE | AR_S | AR_P | AR_G | size, .sel = BOOT_CS };
}

static struct segment data_segment(void)
{
	return (struct segment){ .limit = 0xffffffff, .ar = TYPE_DATA | AR_S | AR_P | AR_G | AR_DB, .sel = BOOT_DS };
}

/* PVH wants a 32-bit TSS at 0 with this limit; the others don't care. */
static struct segment task_segment(void)
{
	return (struct segment){ .limit = 0x67, .ar = TYPE_TSS_BUSY | AR_P, .sel = BOOT_TR };
}

/* SDM vol. 3, "Segment Descriptors"; base is 0 for all of ours */
static void put_descriptor(u8 *gdt, const struct segment *s)
{
	u32 limit = s->ar & AR_G ? s->limit >> 12 : s->limit;
	u64 d = (limit & 0xffff) | (u64)(s->ar & 0xff) << 40 | (u64)(limit >> 16 & 0xf) << 48 |
		(u64)(s->ar >> 12 & 0xf) << 52;

	memcpy(gdt + (s->sel & ~7u), &d, sizeof(d));
}

void boot_gdt(enum boot_mode mode, u8 gdt[BOOT_GDT_SIZE])
{
	struct segment code = code_segment(mode), data = data_segment(), task = task_segment();

	memset(gdt, 0, BOOT_GDT_SIZE);
	put_descriptor(gdt, &code);
	put_descriptor(gdt, &data);
	put_descriptor(gdt, &task);
}

static void apply_real(const struct boot_state *b, struct vcpu *v)
{
	for (int i = ES; i <= GS; i++) {
		v->seg[i].sel = i == CS ? b->segment : 0;
		v->seg[i].base = (u64)v->seg[i].sel << 4;
		v->seg[i].limit = 0xffff;
		v->seg[i].ar = AR_S | AR_P | TYPE_DATA;
	}
}

static void apply_protected(const struct boot_state *b, struct vcpu *v)
{
	for (int i = ES; i <= GS; i++)
		v->seg[i] = i == CS ? code_segment(b->mode) : data_segment();
	v->seg[TR] = task_segment();
	v->seg[LDTR] = (struct segment){ .ar = TYPE_LDT | AR_UNUSABLE };
	v->gdtr = (struct dtable){ .base = b->gdt, .limit = BOOT_GDT_SIZE - 1 };
	v->cr0 = CR0_PE | CR0_ET;
}

/* SDM vol. 3, "MTRR Memory Types", "IA32_MTRR_DEF_TYPE MSR", "Variable Range MTRRs" */
#define MTRR_WB 6u
#define MTRR_WB_8 0x0606060606060606ull /* a fixed-range register: eight ranges */
#define MTRR_UC 0u
#define MTRR_DEF_FIXED BIT(10)
#define MTRR_DEF_ENABLED BIT(11)
#define MTRR_MASK_VALID BIT(11)
#define MTRR_FIXED_A0000 2 /* mtrr_fixed[]: the display's window */

/* SDM vol. 3, "Local Vector Table", "Spurious Interrupt" */
#define LAPIC_SVR 0xf0u
#define LAPIC_LVT_LINT0 0x350u
#define LAPIC_LVT_LINT1 0x360u
#define SVR_ENABLED 0x1ffu /* with spurious vector 0xff */
#define LVT_EXTINT 0x700u
#define LVT_NMI 0x400u

/*
 * Kernels rely on it: RAM is write-back, devices are not cached (Linux leaves the PAT alone where MTRRs are off), and the 8259s
 * reach the first CPU through its local APIC ("virtual wire mode": Intel MultiProcessor Specification).
 */
void boot_firmware(struct vcpu *v)
{
	for (int i = 0; i < 11; i++)
		v->mtrr_fixed[i] = i == MTRR_FIXED_A0000 ? MTRR_UC : MTRR_WB_8;
	v->mtrr_base[0] = MEMORY_HOLE_START | MTRR_UC;
	v->mtrr_mask[0] = ((BIT(v->model->phys_bits) - 1) & ~(MEMORY_HIGH_START - MEMORY_HOLE_START - 1)) |
			  MTRR_MASK_VALID;
	v->mtrr_def_type = MTRR_DEF_ENABLED | MTRR_DEF_FIXED | MTRR_WB;
	if (v->index)
		return;
	lapic_mmio_write(v->apic, LAPIC_SVR, SVR_ENABLED);
	lapic_mmio_write(v->apic, LAPIC_LVT_LINT0, LVT_EXTINT);
	lapic_mmio_write(v->apic, LAPIC_LVT_LINT1, LVT_NMI);
}

void boot_state_apply(const struct boot_state *b, struct vcpu *v)
{
	boot_firmware(v);
	for (int i = 0; i < 16; i++)
		v->gpr[i] = b->gpr[i];
	v->rip = b->rip;
	v->rflags = FLAG_1;
	v->cpl = 0;
	switch (b->mode) {
	case BOOT_REAL:
		apply_real(b, v);
		break;
	case BOOT_PROTECTED:
		apply_protected(b, v);
		break;
	case BOOT_LONG:
		apply_protected(b, v);
		v->cr4 = CR4_PAE;
		v->cr3 = b->cr3;
		v->efer = EFER_LME | EFER_LMA;
		v->cr0 |= CR0_PG;
		break;
	}
	/* The fields were written behind the TLB's back. */
	mmu_switch(v, true);
	vcpu_update_mode(v);
}
