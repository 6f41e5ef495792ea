/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random accesses to a virtual APIC, against a model of it: SDM vol. 3, "APIC Virtualization and Virtual Interrupts" in a hundred
 * lines. L2 has its interrupts off: what is delivered, and when, is test_vmx_apic.c's.
 */
#include "apic_lab.h"

#define STEPS 1500
#define VMCALL 0x0f, 0x01, 0xc1

static struct lab l;

static struct {
	u8 page[4096];
	unsigned int rvi, svi, threshold;
	bool accesses, shadow, registers, delivery, x2apic; /* controls */
	u64 eoi_exits[4];
	/* what the run ends with; VMCALL if nothing exits */
	u32 reason;
	u64 qualification;
	bool fault;
	u64 rax; /* what was loaded */
} m;

static u64 seed = 88172645463325252ull;

static u64 random64(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed * 0x2545f4914f6cdd1d;
}

static unsigned int below(unsigned int n)
{
	return (unsigned int)(random64() >> 33) % n;
}

static unsigned int highest(unsigned int base)
{
	for (unsigned int vector = 256; vector-- > 0;)
		if (m.page[base + vector / 32 * 16 + vector % 32 / 8] >> vector % 8 & 1)
			return vector;
	return 0;
}

static u8 *byte_of(unsigned int base, unsigned int vector)
{
	return &m.page[base + vector / 32 * 16 + vector % 32 / 8];
}

static void ends(u32 reason, u64 qualification)
{
	m.reason = reason;
	m.qualification = qualification;
}

static void ppr(void)
{
	unsigned int tpr = m.page[TPR];

	memset(m.page + PPR, 0, 4);
	m.page[PPR] = (u8)(tpr >> 4 >= m.svi >> 4 ? tpr : m.svi & 0xf0);
}

static void tpr_written(void)
{
	memset(m.page + TPR + 1, 0, 3);
	if (m.delivery)
		ppr();
	else if (m.page[TPR] >> 4 < m.threshold)
		ends(EXIT_REASON_TPR_BELOW_THRESHOLD, 0);
}

static void eoi_written(void)
{
	unsigned int vector = m.svi;

	memset(m.page + EOI, 0, 4);
	*byte_of(ISR, vector) &= (u8) ~(1u << vector % 8);
	m.svi = highest(ISR);
	ppr();
	if (m.eoi_exits[vector / 64] >> vector % 64 & 1)
		ends(EXIT_REASON_EOI_INDUCED, vector);
}

static void self_ipi(unsigned int vector)
{
	*byte_of(IRR, vector) |= (u8)(1u << vector % 8);
	m.rvi = vector > m.rvi ? vector : m.rvi;
}

static void written(unsigned int offset)
{
	const u8 *icr = m.page + ICR;

	if (offset == TPR) {
		tpr_written();
	} else if (offset == EOI && m.delivery) {
		eoi_written();
	} else if (offset == ICR && m.delivery && icr[0] >= 16 && icr[1] >> 4 == 0 && (icr[1] & 7) == 0 &&
		   icr[2] == 4 && icr[3] == 0) {
		self_ipi(icr[0]);
	} else if (offset >= ICR_HIGH && offset < ICR_HIGH + 4) {
		memset(m.page + ICR_HIGH, 0, 3);
	} else {
		ends(EXIT_REASON_APIC_WRITE, offset);
	}
}

/* rAX at an address of the APIC-access page */
static void model_access(unsigned int offset, unsigned int size, bool write, u64 value)
{
	if (!m.shadow || !apic_goes_to_page(offset, size, write, m.delivery, m.registers)) {
		ends(EXIT_REASON_APIC_ACCESS, offset | (write ? WRITE : READ) << 12);
	} else if (write) {
		memcpy(m.page + offset, &value, size);
		written(offset);
	} else {
		m.rax = size == 4 ? 0 : value;
		memcpy(&m.rax, m.page + offset, size);
	}
}

static void model_msr(u32 msr, bool write, u64 value)
{
	unsigned int offset = (msr & 0xff) * 16;
	bool there = m.x2apic && (msr == 0x808 || (write ? m.delivery && (msr == 0x80b || msr == 0x83f) : m.registers));

	if (!there || (write && value >> (msr == 0x80b ? 0 : 8))) {
		m.fault = true;
	} else if (!write) {
		memcpy(&m.rax, m.page + offset, 8);
	} else {
		memset(m.page + offset, 0, 8);
		m.page[offset] = (u8)value;
		if (msr != 0x83f)
			written(offset);
		else if (value >= 16)
			self_ipi((unsigned int)value);
		else
			ends(EXIT_REASON_APIC_WRITE, offset);
	}
}

static void model_cr8(bool write, u64 value)
{
	if (!write) {
		m.rax = m.page[TPR] >> 4;
	} else if (value > 15) {
		m.fault = true;
	} else {
		m.page[TPR] = (u8)(value << 4);
		tpr_written();
	}
}

/* The VM entry: false if nothing of L2 is run. */
static bool model_entry(void)
{
	bool below_threshold = m.shadow && !m.delivery && m.page[TPR] >> 4 < m.threshold;

	ends(EXIT_REASON_VMCALL, 0);
	m.fault = false;
	if (m.delivery)
		ppr();
	if (below_threshold)
		ends(m.accesses ? (u32)EXIT_REASON_TPR_BELOW_THRESHOLD : LAB_FAILED + VMERR_ENTRY_BAD_CONTROLS, 0);
	return !below_threshold;
}

static void configure(void)
{
	struct vmcs *v = l.v12;

	m.shadow = below(8);
	m.delivery = m.shadow && below(2);
	m.registers = m.shadow && below(2);
	m.x2apic = m.shadow && below(2);
	m.accesses = !m.x2apic && below(8);
	m.threshold = below(3) ? 0 : below(16);
	v->cpu_based_vm_exec_control &= (u32)~CTL_tpr_shadow;
	v->secondary_vm_exec_control = 0;
	v->pin_based_vm_exec_control &= (u32)~CTL_external_interrupt_exiting;
	apic_controls(&l, CTL_msr_bitmaps | (m.shadow ? CTL_tpr_shadow : 0),
		      (m.registers ? CTL_apic_register_virtualization : 0) | (m.x2apic ? CTL_virtualize_x2apic_mode : 0) |
			      (m.accesses ? CTL_virtualize_apic_accesses : 0));
	if (m.delivery)
		apic_delivery(&l);
	v->tpr_threshold = m.threshold;
	m.rvi = below(256);
	m.svi = below(256);
	for (unsigned int i = 0; i < 4096; i++)
		m.page[i] = below(2) ? 0 : (u8)random64();
	for (unsigned int i = 0; i < 4; i++)
		m.eoi_exits[i] = random64();
	v->eoi_exit_bitmap0 = m.eoi_exits[0];
	v->eoi_exit_bitmap1 = m.eoi_exits[1];
	v->eoi_exit_bitmap2 = m.eoi_exits[2];
	v->eoi_exit_bitmap3 = m.eoi_exits[3];
	v->guest_intr_status = (u16)(m.rvi | m.svi << 8);
	memcpy(memory_host(&l.machine.memory, LAB_VAPIC), m.page, 4096);
}

static void compare(u32 reason, bool loads)
{
	const u8 *page = memory_host(&l.machine.memory, LAB_VAPIC);

	assert_int_equal(reason, m.reason);
	if (reason < LAB_FAILED && m.reason != EXIT_REASON_VMCALL && m.reason != EXIT_REASON_TPR_BELOW_THRESHOLD)
		assert_int_equal(l.v12->exit_qualification, m.qualification);
	if (m.reason == EXIT_REASON_VMCALL)
		assert_int_equal(l.v12->guest_rip >= LAB_L2_HANDLERS, m.fault);
	if (m.reason == EXIT_REASON_VMCALL && loads && !m.fault)
		assert_int_equal(l.v->gpr[RAX], m.rax);
	for (unsigned int i = 0; i < 4096; i++)
		if (page[i] != m.page[i])
			fail_msg("byte %#x of the virtual-APIC page: %#x instead of %#x", i, page[i], m.page[i]);
	if (m.delivery && reason < LAB_FAILED)
		assert_int_equal(l.v12->guest_intr_status, m.rvi | m.svi << 8);
}

static u64 some_value(void)
{
	switch (below(5)) {
	case 0:
		return below(256);
	case 1:
		return 0x40000 | below(256); /* an IPI to itself */
	case 3:
		return 0x40051 ^ BIT(below(32)); /* nearly one */
	case 2:
		return 0;
	default:
		return random64();
	}
}

static void step_access(void)
{
	static const u8 BLOCKS[] = { 0x02, 0x03, 0x08, 0x0b, 0x0d, 0x0f, 0x10, 0x27, 0x28, 0x30, 0x31, 0x32, 0x38, 0x3e };
	unsigned int offset = below(3) ? BLOCKS[below(sizeof(BLOCKS))] * 16 : below(0x400), size = 1u << below(4);
	u64 value = some_value();
	bool write = below(2);

	offset += below(3) ? 0 : below(8);
	if (model_entry())
		model_access(offset, size, write, value);
	l.v->gpr[RAX] = value;
	compare((write ? apic_store : apic_load)(&l, APIC_PAGE + offset, size), !write);
}

static void step_msr(void)
{
	static const u16 MSRS[] = { 0x802, 0x808, 0x80b, 0x80f, 0x830, 0x83f };
	u32 msr = below(4) ? MSRS[below(6)] : 0x800 + below(256);
	bool write = below(2);
	u64 value = some_value();

	if (below(2))
		value = (u8)value;
	if (model_entry())
		model_msr(msr, write, value);
	l.v12->guest_rip = LAB_L2_CODE;
	l.v->gpr[RCX] = msr;
	l.v->gpr[RAX] = (u32)value;
	l.v->gpr[RDX] = value >> 32;
	if (write) {
		compare(LAB_L2(&l, 0x0f, 0x30, VMCALL), false);
		return;
	}
	/* rdmsr; shl rdx, 32; or rax, rdx */
	compare(LAB_L2(&l, 0x0f, 0x32, 0x48, 0xc1, 0xe2, 0x20, 0x48, 0x09, 0xd0, VMCALL), true);
}

static void step_cr8(void)
{
	u64 value = below(18);
	bool write = below(2);

	if (model_entry())
		model_cr8(write, value);
	l.v12->guest_rip = LAB_L2_CODE;
	l.v->gpr[RAX] = value;
	compare(write ? LAB_L2(&l, 0x44, 0x0f, 0x22, 0xc0, VMCALL) : LAB_L2(&l, 0x44, 0x0f, 0x20, 0xc0, VMCALL), !write);
}

static void random_accesses_do_what_the_model_does(void **state)
{
	(void)state;
	apic_lab(&l);
	for (unsigned int i = 0; i < STEPS; i++) {
		if (i % 8 == 0)
			configure();
		l.v12->guest_rsp = LAB_L2_STACK;
		l.v12->guest_rflags = FLAG_1;
		if (m.shadow && below(4) == 0)
			step_cr8();
		else if (m.accesses)
			step_access();
		else
			step_msr();
	}
	lab_destroy(&l);
}

int main(void)
{
	static const struct CMUnitTest TESTS[] = {
		cmocka_unit_test(random_accesses_do_what_the_model_does),
	};

	return LAB_GROUP("a model of the virtual APIC", TESTS);
}
