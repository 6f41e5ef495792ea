/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The APIC-access page. The soft TLB never holds it, so every access comes by here. SDM vol. 3, "Virtualizing Memory-Mapped APIC
 * Accesses".
 */
#include "../bt/describe.h"
#include "apic.h"
#include "internal.h"

/* exit qualification: the type of the access */
enum apic_access_type {
	APIC_LINEAR_READ = 0,
	APIC_LINEAR_WRITE = 1,
	APIC_LINEAR_FETCH = 2,
	APIC_LINEAR_EVENT = 3,
	APIC_PHYSICAL_EVENT = 10,
	APIC_PHYSICAL = 15,
};

static _Noreturn void access_exit(struct vcpu *v, enum apic_access_type type, u64 offset)
{
	struct vmx_exit_info e = { .reason = EXIT_REASON_APIC_ACCESS, .qualification = offset | (u64)type << 12 };
	struct bt_description d;

	if (type == APIC_LINEAR_READ || type == APIC_LINEAR_WRITE) {
		vcpu_fpu_park(v);
		bt_describe(v, &d);
		e.insn_len = d.length;
	}
	vmx_exit(v, &e);
}

/*
 * Registers that accesses can be virtualized to: number of the 16-byte block, first and last, and which control it takes to read and
 * to write them beside the TPR shadow. "Virtualizing Reads from the APIC-Access Page", "Determining Whether a Write Access is
 * Virtualized".
 */
#define NONE 0u
#define ALWAYS BIT(0)
#define DELIVERY BIT(1) /* virtual-interrupt delivery; APIC-register virtualization, too */
#define REGISTERS BIT(2) /* APIC-register virtualization */

/* clang-format off */
#define VAPIC_REGISTERS(R) \
	R(0x02, 0x02, REGISTERS, REGISTERS) /* local APIC ID */ \
	R(0x03, 0x03, REGISTERS, NONE)      /* version */ \
	R(0x08, 0x08, ALWAYS,    ALWAYS)    /* TPR */ \
	R(0x0b, 0x0b, DELIVERY,  DELIVERY)  /* EOI */ \
	R(0x0d, 0x0f, REGISTERS, REGISTERS) /* logical destination, destination format, spurious-interrupt vector */ \
	R(0x10, 0x27, REGISTERS, NONE)      /* ISR, TMR, IRR */ \
	R(0x28, 0x28, REGISTERS, REGISTERS) /* error status */ \
	R(0x30, 0x30, DELIVERY,  DELIVERY)  /* interrupt command, low */ \
	R(0x31, 0x31, REGISTERS, REGISTERS) /* and high */ \
	R(0x32, 0x37, REGISTERS, REGISTERS) /* local vector table */ \
	R(0x38, 0x38, REGISTERS, REGISTERS) /* initial count */ \
	R(0x3e, 0x3e, REGISTERS, REGISTERS) /* divide configuration */
/* clang-format on */

static const struct {
	u8 read, write;
} registers[0x100] = {
#define R(first, last, read, write) [first... last] = { read, write },
	VAPIC_REGISTERS(R)
#undef R
};

static bool virtualized(const struct vcpu *v, unsigned int offset, size_t n, bool write)
{
	const struct vmx *x = v->vmx;
	unsigned int need = write ? registers[offset >> 4].write : registers[offset >> 4].read;

	if (!has_tpr_shadow(&x->v02) || n > 4 || (offset & 15) + n > 4)
		return false;
	/* the same operation has written already, and elsewhere */
	if (v->apic_due && (!write || offset != x->apic.offset || n != x->apic.size))
		return false;
	if (has_apic_register_virtualization(&x->v02))
		return need != NONE;
	/* without it, only the register's own offset will do */
	if (offset & 15)
		return false;
	return need == ALWAYS || (need == DELIVERY && has_virtual_interrupt_delivery(&x->v02));
}

void vmx_apic_check(struct vcpu *v, u64 l1pa, size_t n, bool split, unsigned int access)
{
	unsigned int offset = l1pa & 4095;
	bool write = access & ACC_WRITE;

	if (!split && virtualized(v, offset, n, write) && (!(access & ACC_READ) || virtualized(v, offset, n, false)))
		return;
	access_exit(v, v->delivering.valid ? APIC_LINEAR_EVENT : write ? APIC_LINEAR_WRITE : APIC_LINEAR_READ, offset);
}

void vmx_apic_read(struct vcpu *v, u64 l1pa, u8 *to, unsigned int n)
{
	const u8 *page = l1_page(v, v->vmx->v02.virtual_apic_page_addr);
	unsigned int i;

	vmx_apic_check(v, l1pa, n, false, ACC_READ);
	for (i = 0; i < n; i++)
		to[i] = page ? ((const volatile u8 *)page)[(l1pa & 4095) + i] : 0xff;
}

void vmx_apic_write(struct vcpu *v, u64 l1pa, const u8 *from, unsigned int n)
{
	u8 *page = l1_page(v, v->vmx->v02.virtual_apic_page_addr);
	unsigned int i;

	vmx_apic_check(v, l1pa, n, false, ACC_WRITE);
	for (i = 0; page && i < n; i++)
		((volatile u8 *)page)[(l1pa & 4095) + i] = from[i];
	v->vmx->apic.offset = l1pa & 4095;
	v->vmx->apic.size = (u8)n;
	v->apic_due = true;
}

void vmx_apic_fetch(struct vcpu *v, u64 l1pa)
{
	access_exit(v, APIC_LINEAR_FETCH, l1pa & 4095);
}

void vmx_apic_physical(struct vcpu *v)
{
	access_exit(v, v->delivering.valid ? APIC_PHYSICAL_EVENT : APIC_PHYSICAL, 0);
}
