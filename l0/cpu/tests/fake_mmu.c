/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mmu.h over an array: linear addresses are offsets in it, the rest and chosen ranges raise #PF. */
#include <string.h>
#include "fake_vcpu.h"

static struct {
	u64 start, size;
	unsigned int access;
} faults[4];
static unsigned int fault_ranges, hosts;
static bool no_host;

void fault_on(u64 start, u64 size, unsigned int access)
{
	faults[fault_ranges].start = start;
	faults[fault_ranges].size = size;
	faults[fault_ranges++].access = access;
}

void fault_none(void)
{
	fault_ranges = 0;
	hosts = 0;
}

void without_host(bool on)
{
	no_host = on;
}

unsigned int host_count(void)
{
	return hosts;
}

static u8 *at(struct vcpu *v, u64 linear, size_t n, unsigned int access)
{
	u32 error = (access & ACC_WRITE ? PFEC_W : 0) | (access & ACC_USER ? PFEC_U : 0);
	unsigned int i;

	if (linear >= MEM_SIZE)
		raise_page_fault(v, linear, error);
	if (linear + n > MEM_SIZE)
		raise_page_fault(v, MEM_SIZE, error);
	for (i = 0; i < fault_ranges; i++) {
		u64 start = faults[i].start, end = start + faults[i].size;

		if ((access & faults[i].access) && linear < end && linear + n > start)
			raise_page_fault(v, linear > start ? linear : start, error);
	}
	return v->machine->memory.base + linear;
}

void mmu_check(struct vcpu *v, u64 linear, size_t n, unsigned int access)
{
	at(v, linear, n, access);
}

u64 mmu_read(struct vcpu *v, u64 linear, unsigned int size, unsigned int access)
{
	u64 value = 0;

	memcpy(&value, at(v, linear, size, access | ACC_READ), size);
	return value;
}

void mmu_write(struct vcpu *v, u64 linear, u64 value, unsigned int size, unsigned int access)
{
	memcpy(at(v, linear, size, access | ACC_WRITE), &value, size);
}

void mmu_read_bytes(struct vcpu *v, u64 linear, void *to, size_t n, unsigned int access)
{
	memcpy(to, at(v, linear, n, access | ACC_READ), n);
}

void mmu_write_bytes(struct vcpu *v, u64 linear, const void *from, size_t n, unsigned int access)
{
	memcpy(at(v, linear, n, access | ACC_WRITE), from, n);
}

/* page-granular, as the real one: a page with a fault anywhere in it faults at the address asked for */
u8 *mmu_host(struct vcpu *v, u64 linear, unsigned int access)
{
	u8 *host = at(v, linear, 1, access);

	if (no_host)
		return NULL;
	hosts++;
	return host;
}

u8 *mmu_try(struct vcpu *v, u64 linear, unsigned int access)
{
	(void)v, (void)linear, (void)access;
	return NULL;
}

bool mmu_apic_access(struct vcpu *v, u64 linear, size_t n, unsigned int access)
{
	at(v, linear, n, access);
	return false;
}

void mmu_flush_all(struct vcpu *v)
{
	(void)v;
}

void mmu_flush_page(struct vcpu *v, u64 linear)
{
	(void)v;
	(void)linear;
}

void mmu_flush_pcid(struct vcpu *v, u16 pcid)
{
	(void)v;
	(void)pcid;
}

void mmu_flush_pcid_page(struct vcpu *v, u16 pcid, u64 linear)
{
	(void)v;
	(void)pcid;
	(void)linear;
}

void mmu_flush_nonglobal(struct vcpu *v)
{
	(void)v;
}

void mmu_flush_nested(struct vcpu *v, u64 eptp, bool any_eptp, u16 vpid, bool any_vpid)
{
	(void)v;
	(void)eptp;
	(void)any_eptp;
	(void)vpid;
	(void)any_vpid;
}

void mmu_switch(struct vcpu *v, bool flush)
{
	(void)v;
	(void)flush;
}
