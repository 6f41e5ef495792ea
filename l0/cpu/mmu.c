/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "mmu.h"

#include "../bt/bt.h"
#include "../devices/bus.h"
#include "../devices/irqchip.h"
#include "../machine/machine.h"
#include "fpu.h"
#include "mode.h"
#include "tlb.h"

#include "../vmx/apic.h"
#include "../vmx/vmx.h"

#define APIC_BASE_ENABLE BIT(11)
#define APIC_BASE_X2APIC BIT(10)

/* In IA-32e mode system structures lie anywhere, also while 32-bit code runs: its own operands are cut already. */
static u64 linear_wrap(const struct vcpu *v, u64 linear)
{
	return vcpu_long_mode(v) ? linear : (u32)linear;
}

static bool is_lapic_page(const struct vcpu *v, u64 gpa)
{
	u64 base = lapic_base(v->apic);

	return (base & APIC_BASE_ENABLE) && !(base & APIC_BASE_X2APIC) && (gpa & ~4095ull) == (base & ~4095ull);
}

/* Devices run as ordinary C: the guest's vector state has to be out of the way. */
static u64 device_read(struct vcpu *v, u64 gpa, unsigned int size)
{
	u64 value;

	vmx_served_at(v, EXIT_REASON_EPT_VIOLATION, BIT(0), gpa);
	vcpu_fpu_park(v);
	if (!is_lapic_page(v, gpa))
		return bus_mmio_read(&v->machine->bus, gpa, size);
	value = lapic_mmio_read(v->apic, gpa & 4095);
	bus_trace_private(&v->machine->bus, "lapic", gpa, size, false, value);
	return value;
}

static void device_write(struct vcpu *v, u64 gpa, unsigned int size, u64 value)
{
	vmx_served_at(v, EXIT_REASON_EPT_VIOLATION, BIT(1), gpa);
	vcpu_fpu_park(v);
	if (!is_lapic_page(v, gpa)) {
		bus_mmio_write(&v->machine->bus, gpa, size, value);
		return;
	}
	lapic_mmio_write(v->apic, gpa & 4095, value);
	bus_trace_private(&v->machine->bus, "lapic", gpa, size, true, value);
}

/* SDM vol. 3, "Debug Registers": data breakpoints (R/W 1 and 3) on [linear, linear + n) */
static bool watched(const struct vcpu *v, u64 linear, u64 n)
{
	int i;

	if (!(v->dr[7] & 0xff))
		return false;
	for (i = 0; i < 4; i++) {
		unsigned int type = v->dr[7] >> (16 + 4 * i) & 3, len = v->dr[7] >> (18 + 4 * i) & 3;
		u64 size = len == 2 ? 8 : len + 1, at = v->dr[i] & ~(size - 1);

		if ((v->dr[7] >> (2 * i) & 3) && (type & 1) && linear < at + size && at < linear + n)
			return true;
	}
	return false;
}

/* After an access that may hit data breakpoints: leaves them for the end of the instruction. */
static void note_watched(struct vcpu *v, u64 linear, u64 n, unsigned int access)
{
	int i;

	if (!(v->dr[7] & 0xff) || (access & ACC_IMPLICIT))
		return;
	for (i = 0; i < 4; i++) {
		unsigned int type = v->dr[7] >> (16 + 4 * i) & 3, len = v->dr[7] >> (18 + 4 * i) & 3;
		u64 size = len == 2 ? 8 : len + 1, at = v->dr[i] & ~(size - 1);
		bool wanted = type == 3 || (type == 1 && (access & ACC_WRITE));

		if ((v->dr[7] >> (2 * i) & 3) && wanted && linear < at + size && at < linear + n)
			v->pending_db |= BIT(i);
	}
}

/* From the second level of the TLB, or by a walk that is entered there */
static void walk(struct vcpu *v, u64 linear, unsigned int access, struct mmu_page *page)
{
	unsigned int rights = access & (ACC_READ | ACC_WRITE | ACC_EXEC);
	enum tlb_view view = tlb_view(v, access);
	u32 error;

	if (stlb_find(&v->tlb->second, view, linear, rights, page)) {
		v->stlb_hits++;
		return;
	}
	if (!mmu_walk(v, linear, access, page, &error))
		raise_page_fault(v, linear, error);
	v->tlb->global_in_lower |= page->global && !(linear >> 63);
	stlb_enter(&v->tlb->second, view, linear, page);
}

_Static_assert(TLB_ENTRIES < WRITE_INDEX_MANY, "an index + 1 fits");

static void note_writable(struct memory *m, u64 gpa, u64 page)
{
	u16 want = (u16)(tlb_index(page) + 1), known;
	struct write_indexes *w;
	unsigned int k;

	if (!m->writes)
		return;
	w = &m->writes[memory_flag(m, gpa) - m->flags];
	for (k = 0; k < WRITE_INDEXES; k++) {
		known = atomic_load_explicit(&w->at[k], memory_order_relaxed);
		if (!known && atomic_compare_exchange_strong_explicit(&w->at[k], &known, want, memory_order_relaxed,
								      memory_order_relaxed))
			return;
		if (known == want)
			return;
	}
	atomic_store_explicit(&w->at[WRITE_INDEXES - 1], WRITE_INDEX_MANY, memory_order_relaxed);
}

/* Enter what a walk found for the page at `page_linear`; *rights: as entered. False: it may not be accessed directly. */
static bool enter(struct vcpu *v, enum tlb_view view, u64 page_linear, const struct mmu_page *page, unsigned int *rights)
{
	struct memory *m = &v->machine->memory;

	*rights = page->rights;
	if (!memory_is_ram(m, page->gpa) || vmx_apic_page(v, page->gpa) || watched(v, page_linear, PAGE_SIZE))
		return false;
	if (*memory_flag(m, page->gpa) & PAGE_WATCHED)
		*rights &= ~ACC_WRITE;
	if (*rights & ACC_WRITE)
		note_writable(m, page->gpa, page_linear);
	tlb_insert(v->tlb, view, page_linear, m->base + (page->gpa & ~4095ull), *rights, page->shift, page->global);
	return true;
}

/*
 * Who goes through memory from its start to its end misses at every page: the second in a row takes the next ones with it, as far as they need
 * nothing but to be read (SDM vol. 3, "Information Cached in TLBs": also for accesses that never happen). Several streams at a time, for copies.
 */
#define AHEAD 8u

static bool follows(struct tlb *t, enum tlb_view view, u64 page_linear)
{
	struct tlb_streams *s = &t->streams[view];
	unsigned int i;

	for (i = 0; i < TLB_STREAMS && s->next[i] != page_linear; i++)
		;
	if (i == TLB_STREAMS) {
		s->next[s->victim++ % TLB_STREAMS] = page_linear + PAGE_SIZE;
		return false;
	}
	s->next[i] = page_linear + (1 + AHEAD) * PAGE_SIZE;
	return true;
}

/* Pages larger than 4 KiB aren't worth it: the TLB's second level holds them whole. */
static void enter_ahead(struct vcpu *v, enum tlb_view view, u64 page_linear, unsigned int access)
{
	struct mmu_page page;
	unsigned int rights;

	for (unsigned int i = 1; i <= AHEAD; i++) {
		u64 at = page_linear + i * PAGE_SIZE;

		if (!mmu_peek(v, at, access, &page) || !enter(v, view, at, &page, &rights))
			return;
	}
}

/* Walk and fill. Host address of `linear`, NULL if this access must not go directly; *gpa in any case. */
static u8 *fill(struct vcpu *v, u64 linear, unsigned int access, u64 *gpa)
{
	struct memory *m = &v->machine->memory;
	u64 page_linear = linear & ~4095ull;
	enum tlb_view view = tlb_view(v, access);
	struct mmu_page page;
	unsigned int rights;

	/* The kernel's own pages are the same while it reaches for the user's. */
	if (view == TLB_KERNEL_AC && (v->mode & MODE_SMAP)) {
		const struct tlb_arrays *k = &v->tlb->view[TLB_KERNEL];
		unsigned int i = tlb_index(linear);

		if ((access & ACC_WRITE ? k->write[i] : k->read[i]) == tlb_tag(page_linear)) {
			tlb_share_kernel(v->tlb, page_linear);
			*gpa = 0;
			return (u8 *)(k->addend[i] + linear);
		}
	}
	walk(v, linear, access, &page);
	*gpa = page.gpa;
	if (!enter(v, view, page_linear, &page, &rights))
		return NULL;
	if (page.shift == 12 && follows(v->tlb, view, page_linear))
		enter_ahead(v, view, page_linear, access);
	return access & ACC_WRITE && !(rights & ACC_WRITE) ? NULL : m->base + page.gpa;
}

u8 *mmu_try(struct vcpu *v, u64 linear, unsigned int access)
{
	enum tlb_view view = tlb_view(v, access);
	const struct tlb_arrays *a = &v->tlb->view[view];
	unsigned int i = tlb_index(linear), wanted = access & (ACC_READ | ACC_WRITE), rights;
	u64 key = tlb_tag(linear & ~4095ull);
	struct mmu_page page;

	if ((access & ACC_WRITE ? a->write[i] : a->read[i]) == key)
		return (u8 *)(a->addend[i] + linear);
	if (!stlb_find(&v->tlb->second, view, linear, wanted, &page) && !mmu_peek(v, linear, access, &page))
		return NULL;
	if (!enter(v, view, linear & ~4095ull, &page, &rights) || (wanted & ~rights))
		return NULL;
	return v->machine->memory.base + page.gpa;
}

u8 *mmu_host(struct vcpu *v, u64 linear, unsigned int access)
{
	const struct tlb_arrays *a = &v->tlb->view[tlb_view(v, access)];
	unsigned int i = tlb_index(linear);
	u64 gpa, key;

	linear = linear_wrap(v, linear);
	key = tlb_tag(linear & ~4095ull);
	if ((access & ACC_WRITE ? a->write[i] : a->read[i]) == key)
		return (u8 *)(a->addend[i] + linear);
	return fill(v, linear, access, &gpa);
}

/* size 1, 2, 4, 8: one access, so that other vCPUs see it whole where the SDM says so: vol. 3, "Guaranteed Atomic Operations" */
GUEST_RACES static u64 load(const u8 *host, unsigned int size)
{
	switch (size) {
	case 1:
		return *(const volatile u8 *)host;
	case 2:
		return *(const volatile guest_u16 *)host;
	case 4:
		return *(const volatile guest_u32 *)host;
	default:
		return *(const volatile guest_u64 *)host;
	}
}

GUEST_RACES static void store(u8 *host, u64 value, unsigned int size)
{
	switch (size) {
	case 1:
		*(volatile u8 *)host = (u8)value;
		break;
	case 2:
		*(volatile guest_u16 *)host = (u16)value;
		break;
	case 4:
		*(volatile guest_u32 *)host = (u32)value;
		break;
	default:
		*(volatile guest_u64 *)host = value;
	}
}

GUEST_RACES static void copy_out(u8 *to, const u8 *host, unsigned int n)
{
	if (n == 2 || n == 4 || n == 8) {
		store(to, load(host, n), n);
		return;
	}
	for (; n >= 8; n -= 8, to += 8, host += 8) /* XRSTOR reads half a KiB */
		store(to, load(host, 8), 8);
	for (unsigned int i = 0; i < n; i++)
		to[i] = ((const volatile u8 *)host)[i];
}

GUEST_RACES static void copy_in(u8 *host, const u8 *from, unsigned int n)
{
	if (n == 2 || n == 4 || n == 8) {
		store(host, load(from, n), n);
		return;
	}
	for (; n >= 8; n -= 8, host += 8, from += 8)
		store(host, load(from, 8), 8);
	for (unsigned int i = 0; i < n; i++)
		((volatile u8 *)host)[i] = from[i];
}

/* n bytes within one page */
static void read_in_page(struct vcpu *v, u64 linear, u8 *to, unsigned int n, unsigned int access)
{
	struct mmu_page page;
	u8 *host = mmu_host(v, linear, access);
	u64 value;
	unsigned int i;

	if (!host) {
		walk(v, linear, access, &page);
		if (vmx_apic_page(v, page.gpa)) {
			vmx_apic_read(v, page.gpa, to, n);
			note_watched(v, linear, n, access);
			return;
		}
		note_watched(v, linear, n, access);
		host = memory_host(&v->machine->memory, page.gpa);
		if (!host) {
			while (n) {
				unsigned int k = n >= 8 ? 8 : n >= 4 ? 4 : n >= 2 ? 2 : 1;

				if ((page.gpa & (k - 1)) && n != k)
					k = 1;
				value = device_read(v, page.gpa, k);
				for (i = 0; i < k; i++)
					to[i] = value >> 8 * i;
				to += k;
				page.gpa += k;
				n -= k;
			}
			return;
		}
	}
	copy_out(to, host, n);
}

static void write_in_page(struct vcpu *v, u64 linear, const u8 *from, unsigned int n, unsigned int access)
{
	struct mmu_page page;
	u8 *host = mmu_host(v, linear, access);
	u64 value;
	unsigned int i;

	if (!host) {
		walk(v, linear, access, &page);
		if (vmx_apic_page(v, page.gpa)) {
			vmx_apic_write(v, page.gpa, from, n);
			note_watched(v, linear, n, access);
			return;
		}
		note_watched(v, linear, n, access);
		host = memory_host(&v->machine->memory, page.gpa);
		if (!host) {
			while (n) {
				unsigned int k = n >= 8 ? 8 : n >= 4 ? 4 : n >= 2 ? 2 : 1;

				if ((page.gpa & (k - 1)) && n != k)
					k = 1;
				for (value = 0, i = 0; i < k; i++)
					value |= (u64)from[i] << 8 * i;
				device_write(v, page.gpa, k, value);
				from += k;
				page.gpa += k;
				n -= k;
			}
			return;
		}
		bt_phys_write_begin(v->machine, page.gpa, n);
		copy_in(host, from, n);
		bt_phys_write_end(v->machine);
		return;
	}
	copy_in(host, from, n);
}

bool mmu_apic_access(struct vcpu *v, u64 linear, size_t n, unsigned int access)
{
	struct mmu_page page;

	linear = linear_wrap(v, linear);
	walk(v, linear, access, &page);
	if (!vmx_apic_page(v, page.gpa))
		return false;
	vmx_apic_check(v, page.gpa, n, false, access);
	return true;
}

static unsigned int in_page(u64 linear, size_t n)
{
	u64 rest = PAGE_SIZE - (linear & 4095);

	return n < rest ? n : rest;
}

u64 mmu_read(struct vcpu *v, u64 linear, unsigned int size, unsigned int access)
{
	u64 value = 0;

	linear = linear_wrap(v, linear);
	if ((linear & 4095) + size <= PAGE_SIZE) {
		u8 *host = mmu_host(v, linear, access);

		if (host)
			return load(host, size);
	}
	mmu_read_bytes(v, linear, &value, size, access);
	return value;
}

void mmu_write(struct vcpu *v, u64 linear, u64 value, unsigned int size, unsigned int access)
{
	linear = linear_wrap(v, linear);
	if ((linear & 4095) + size <= PAGE_SIZE) {
		u8 *host = mmu_host(v, linear, access | ACC_WRITE);

		if (host) {
			store(host, value, size);
			return;
		}
	}
	mmu_write_bytes(v, linear, &value, size, access | ACC_WRITE);
}

void mmu_check(struct vcpu *v, u64 linear, size_t n, unsigned int access)
{
	size_t whole = n;

	linear = linear_wrap(v, linear);
	while (n) {
		unsigned int k = in_page(linear, n);
		struct mmu_page page;

		walk(v, linear, access, &page);
		if (vmx_apic_page(v, page.gpa))
			vmx_apic_check(v, page.gpa, whole, k != whole, access);
		linear = linear_wrap(v, linear + k);
		n -= k;
	}
}

void mmu_read_bytes(struct vcpu *v, u64 linear, void *to, size_t n, unsigned int access)
{
	u8 *p = to;

	linear = linear_wrap(v, linear);
	access |= ACC_READ;
	if (in_page(linear, n) < n)
		mmu_check(v, linear, n, access);
	while (n) {
		unsigned int k = in_page(linear, n);

		read_in_page(v, linear, p, k, access);
		p += k;
		linear = linear_wrap(v, linear + k);
		n -= k;
	}
}

void mmu_write_bytes(struct vcpu *v, u64 linear, const void *from, size_t n, unsigned int access)
{
	const u8 *p = from;

	linear = linear_wrap(v, linear);
	access |= ACC_WRITE;
	if (in_page(linear, n) < n)
		mmu_check(v, linear, n, access);
	while (n) {
		unsigned int k = in_page(linear, n);

		write_in_page(v, linear, p, k, access);
		p += k;
		linear = linear_wrap(v, linear + k);
		n -= k;
	}
}

/*
 * Contexts. key: PCID + 1 (0: free), VPID << 16, level << 32; and the EPT pointer. SDM vol. 3, "Creating and Using Cached
 * Translation Information".
 */
#define KEY_PCID 0xffffull
#define KEY_VPID_SHIFT 16
#define KEY_VPID (0xffffull << KEY_VPID_SHIFT)
#define KEY_L2 BIT(32)

static u64 key_of(const struct vcpu *v, u64 pcid)
{
	const struct vmcs *c;

	if (!v->in_l2)
		return pcid + 1;
	c = &v->vmx->v02;
	return (pcid + 1) | KEY_L2 | (has_vpid(c) ? (u64)c->virtual_processor_id << KEY_VPID_SHIFT : 0);
}

static u64 current_key(const struct vcpu *v)
{
	return key_of(v, v->cr4 & CR4_PCIDE ? v->cr3 & 0xfff : 0);
}

/* Bit 0: mode-based execute control, which changes what the tables mean */
static u64 current_eptp(const struct vcpu *v)
{
	const struct vmcs *c;

	if (!vmx_uses_ept(v))
		return 0;
	c = &v->vmx->v02;
	return (c->ept_pointer & ~4095ull) | has_mode_based_execute(c);
}

void mmu_switch(struct vcpu *v, bool flush)
{
	u64 key = current_key(v), eptp = current_eptp(v);
	struct tlb *t, *victim = NULL;
	unsigned int i;

	for (i = 0; i < v->tlb_count; i++) {
		t = &v->tlbs[i];
		if (t->key == key && t->eptp == eptp) {
			if (flush) {
				tlb_flush_user(t);
				v->tlb_flushes++;
			}
			goto found;
		}
		if (!victim || t->used < victim->used)
			victim = t;
	}
	if (v->tlb_count < TLB_CONTEXTS) {
		t = &v->tlbs[v->tlb_count++];
		tlb_init(t);
	} else {
		t = victim;
		tlb_flush(t);
	}
	v->tlb_flushes++;
	t->key = key;
	t->eptp = eptp;
	if (v->tlb && v->tlb != t && (v->tlb->key & ~KEY_PCID) == (key & ~KEY_PCID) && v->tlb->eptp == eptp)
		tlb_inherit(t, v->tlb);
found:
	t->used = ++v->tlb_switches;
	v->tlb = t;
}

void mmu_flush_all(struct vcpu *v)
{
	unsigned int i;

	for (i = 0; i < v->tlb_count; i++)
		tlb_flush(&v->tlbs[i]);
	v->tlb_flushes++;
}

/*
 * Does INVLPG have to look at this context? The current PCID's and global translations of any PCID must go, and only those of the current
 * VPID (SDM vol. 3, "Operations that Invalidate Cached Mappings"). Contexts lie far from each other in the host's caches.
 */
static bool holds_page(const struct vcpu *v, const struct tlb *t, u64 linear)
{
	u64 differs = t->key ^ v->tlb->key;

	if (!t->key || (differs & KEY_VPID))
		return false;
	return !(differs & KEY_PCID) || linear >> 63 || t->global_in_lower;
}

void mmu_flush_page(struct vcpu *v, u64 linear)
{
	unsigned int i;

	for (i = 0; i < v->tlb_count; i++)
		if (holds_page(v, &v->tlbs[i], linear))
			tlb_flush_page(&v->tlbs[i], linear);
}

void mmu_flush_pcid(struct vcpu *v, u16 pcid)
{
	unsigned int i;

	for (i = 0; i < v->tlb_count; i++)
		if (v->tlbs[i].key == key_of(v, pcid))
			tlb_flush_user(&v->tlbs[i]);
	v->tlb_flushes++;
}

void mmu_flush_pcid_page(struct vcpu *v, u16 pcid, u64 linear)
{
	unsigned int i;

	for (i = 0; i < v->tlb_count; i++)
		if (v->tlbs[i].key == key_of(v, pcid))
			tlb_flush_page(&v->tlbs[i], linear);
}

void mmu_flush_nonglobal(struct vcpu *v)
{
	unsigned int i;

	for (i = 0; i < v->tlb_count; i++)
		tlb_flush_user(&v->tlbs[i]);
	v->tlb_flushes++;
}

void mmu_flush_nested(struct vcpu *v, u64 eptp, bool any_eptp, u16 vpid, bool any_vpid)
{
	unsigned int i;

	for (i = 0; i < v->tlb_count; i++) {
		struct tlb *t = &v->tlbs[i];

		if ((t->key & KEY_L2) && (any_eptp || (t->eptp & ~1ull) == eptp) &&
		    (any_vpid || (u16)(t->key >> KEY_VPID_SHIFT) == vpid))
			tlb_flush(t);
	}
	v->tlb_flushes++;
}
