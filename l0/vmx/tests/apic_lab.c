/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "apic_lab.h"

#define SVR 0xf0u
#define SVR_ENABLE 0x1ffu
#define SIZE_PREFIX 0x66
#define REX_W 0x48

static struct {
	struct timer timer;
	struct vcpu *v;
	u8 mode, vector;
} later;

void apic_lab(struct lab *l)
{
	lab_init(l, NULL);
	lab_vmcs(l);
	l->v12->apic_access_addr = APIC_PAGE;
	l->v12->posted_intr_desc_addr = APIC_POSTED;
	l->v12->posted_intr_nv = APIC_NOTIFICATION;
	for (unsigned int i = 0; i < 4096; i += 8)
		lab_write(l, APIC_PAGE + i, APIC_MARK);
	lapic_mmio_write(l->v->apic, SVR, SVR_ENABLE);
}

void apic_controls(struct lab *l, u64 primary, u64 secondary)
{
	l->v12->cpu_based_vm_exec_control |= (u32)primary;
	l->v12->secondary_vm_exec_control |= (u32)secondary;
}

void apic_delivery(struct lab *l)
{
	apic_controls(l, CTL_tpr_shadow, CTL_virtual_interrupt_delivery);
	l->v12->pin_based_vm_exec_control |= (u32)CTL_external_interrupt_exiting;
}

u32 vapic(struct lab *l, unsigned int offset)
{
	return (u32)lab_read(l, LAB_VAPIC + offset);
}

void vapic_set(struct lab *l, unsigned int offset, u32 value)
{
	memcpy(memory_host(&l->machine.memory, LAB_VAPIC + offset), &value, sizeof(value));
}

static unsigned int word_of(unsigned int base, u8 vector)
{
	return base + vector / 32u * 16;
}

bool vapic_bit(struct lab *l, unsigned int base, u8 vector)
{
	return vapic(l, word_of(base, vector)) >> vector % 32 & 1;
}

void vapic_set_bit(struct lab *l, unsigned int base, u8 vector)
{
	vapic_set(l, word_of(base, vector), vapic(l, word_of(base, vector)) | (u32)BIT(vector % 32));
}

void apic_status(struct lab *l, u8 rvi, u8 svi)
{
	l->v12->guest_intr_status = (u16)(rvi | svi << 8);
	if (rvi)
		vapic_set_bit(l, IRR, rvi);
	if (svi)
		vapic_set_bit(l, ISR, svi);
}

/* opcode with ModRM [rbx], rAX */
static u32 access_at(struct lab *l, u64 at, unsigned int size, u8 opcode)
{
	u8 code[8];
	unsigned int n = 0;

	if (size == 2)
		code[n++] = SIZE_PREFIX;
	if (size == 8)
		code[n++] = REX_W;
	code[n++] = (u8)(opcode | (size > 1));
	code[n++] = 0x03;
	code[n++] = 0x0f;
	code[n++] = 0x01;
	code[n++] = 0xc1;
	l->v->gpr[RBX] = at;
	l->v12->guest_rip = LAB_L2_CODE;
	return lab_l2(l, code, n);
}

u32 apic_load(struct lab *l, u64 at, unsigned int size)
{
	return access_at(l, at, size, 0x8a);
}

u32 apic_store(struct lab *l, u64 at, unsigned int size)
{
	return access_at(l, at, size, 0x88);
}

/*
 * The registers of the manual's lists, written down a second time: which accesses go to the virtual-APIC page. Rows are offsets, columns
 * what it takes: 0 nothing beside the TPR shadow, 1 virtual-interrupt delivery or APIC-register virtualization, 2 the latter, 3 none.
 */
static unsigned int need(unsigned int offset, bool write)
{
	switch (offset & ~15u) {
	case 0x80:
		return 0;
	case 0xb0:
	case 0x300:
		return 1;
	case 0x20:
	case 0xd0:
	case 0xe0:
	case 0xf0:
	case 0x280:
	case 0x310:
	case 0x320:
	case 0x330:
	case 0x340:
	case 0x350:
	case 0x360:
	case 0x370:
	case 0x380:
	case 0x3e0:
		return 2;
	case 0x30:
		return write ? 3 : 2;
	default:
		return !write && offset >= 0x100 && offset < 0x280 ? 2 : 3;
	}
}

bool apic_goes_to_page(unsigned int offset, unsigned int size, bool write, bool delivery, bool registers)
{
	unsigned int n = need(offset, write);

	if (size > 4 || (offset & 12) || ((offset + size - 1) & 12))
		return false;
	if (registers)
		return n <= 2;
	return !(offset & 3) && (n == 0 || (n == 1 && delivery));
}

void assert_apic_access(struct lab *l, u32 reason, unsigned int type, unsigned int offset, unsigned int n)
{
	assert_int_equal(reason, EXIT_REASON_APIC_ACCESS);
	assert_int_equal(l->v12->exit_qualification, offset | type << 12);
	if (n)
		assert_int_equal(l->v12->vm_exit_instruction_len, n);
	assert_int_equal(l->v12->guest_rip, LAB_L2_CODE);
}

void assert_interrupted(struct lab *l, u32 reason, u8 vector)
{
	assert_int_equal(reason, EXIT_REASON_VMCALL);
	assert_int_equal(l->v12->guest_rip, LAB_L2_HANDLERS + 16u * vector);
}

void apic_message(struct lab *l, unsigned int mode, u8 vector)
{
	lapic_deliver(l->v->apic, (u8)mode, vector, false);
}

static void send_later(void *arg)
{
	(void)arg;
	lapic_deliver(later.v->apic, later.mode, later.vector, false);
}

void apic_message_in(struct lab *l, unsigned int n, unsigned int mode, u8 vector)
{
	struct clock *c = &l->machine.clock;

	later.v = l->v;
	later.mode = (u8)mode;
	later.vector = vector;
	timer_init(&later.timer, send_later, NULL);
	timer_arm(c, &later.timer, clock_ns(c) + n);
}
