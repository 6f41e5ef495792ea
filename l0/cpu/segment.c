/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Segment registers and descriptors: SDM vol. 3, "Protected-Mode Memory Management", "Protection". */
#include "transfer.h"

#define AR_DATA_RW 0x93u /* present, S, writable data, accessed */
#define AR_DATA_RW_DPL3 0xf3u
#define LIMIT_8086 0xffffu

static bool allowed_by_limit(const struct segment *s, u64 offset, size_t n)
{
	u64 last = offset + n - 1;

	/* the top of a 4 GiB segment doesn't wrap to its bottom */
	if ((s->ar & (AR_S | AR_CODE | AR_EXPAND_DOWN)) == (AR_S | AR_EXPAND_DOWN))
		return offset > s->limit && last <= (s->ar & AR_DB ? 0xffffffffull : 0xffffull);
	return last <= s->limit;
}

static bool allowed_by_type(const struct segment *s, unsigned int access)
{
	if (s->ar & AR_UNUSABLE)
		return false;
	if (access & ACC_WRITE)
		return (s->ar & (AR_CODE | AR_WRITABLE)) == AR_WRITABLE;
	return !(s->ar & AR_CODE) || (s->ar & AR_WRITABLE);
}

bool segment_allows(const struct vcpu *v, const struct segment *s, bool flat64, u64 offset, size_t n,
		    unsigned int access, u64 *linear)
{
	if (flat64) {
		bool based = s == &v->seg[FS] || s == &v->seg[GS];

		*linear = offset + (based ? s->base : 0);
		return mmu_canonical(v, *linear) && mmu_canonical(v, *linear + n - 1);
	}
	*linear = (u32)(s->base + offset);
	if (!vcpu_8086_segments(v) && !allowed_by_type(s, access))
		return false;
	return allowed_by_limit(s, offset, n);
}

u64 segment_linear(struct vcpu *v, enum sreg seg, u64 offset, size_t n, unsigned int access)
{
	u64 linear;

	if (!segment_allows(v, &v->seg[seg], vcpu_64bit(v), offset, n, access, &linear))
		raise_error(v, seg == SS ? VEC_SS : VEC_GP, 0);
	if ((v->mode & MODE_ALIGN) && (n == 2 || n == 4 || n == 8) && (linear & (n - 1)))
		raise_error(v, VEC_AC, 0);
	return linear;
}

void segment_set_null(struct segment *s, u16 selector, unsigned int dpl)
{
	s->sel = selector;
	s->base = 0;
	s->limit = 0xffffffff;
	s->ar = AR_UNUSABLE | AR_G | AR_DB | (u32)dpl << AR_DPL_SHIFT;
}

void segment_set_flat(struct segment *s, u16 selector, u32 type_bits, unsigned int dpl)
{
	s->sel = selector;
	s->base = 0;
	s->limit = 0xffffffff;
	s->ar = AR_G | AR_P | AR_S | AR_ACCESSED | AR_WRITABLE | type_bits | (u32)dpl << AR_DPL_SHIFT;
}

void segment_load_real(struct vcpu *v, enum sreg seg, u16 selector)
{
	struct segment *s = &v->seg[seg];

	s->sel = selector;
	s->base = (u32)selector << 4;
	if (vcpu_v8086(v)) {
		s->limit = LIMIT_8086;
		s->ar = AR_DATA_RW_DPL3;
	} else {
		/* the limit stays what protected mode left: "unreal mode" */
		s->ar = (s->ar & (AR_DB | AR_G)) | AR_DATA_RW;
	}
}

/* Linear address of a descriptor; false if it isn't wholly inside its table. */
static bool descriptor_linear(const struct vcpu *v, u16 selector, unsigned int size, u64 *linear)
{
	u64 base = v->gdtr.base, limit = v->gdtr.limit;
	u32 offset = selector & ~7u;

	if (selector & 4) {
		if (v->seg[LDTR].ar & AR_UNUSABLE)
			return false;
		base = v->seg[LDTR].base;
		limit = v->seg[LDTR].limit;
	}
	*linear = vcpu_long_mode(v) ? base + offset : (u32)(base + offset);
	return offset + size - 1 <= limit;
}

bool descriptor_read(struct vcpu *v, u16 selector, u64 descriptor[2], bool wide)
{
	u64 linear;

	if (!descriptor_linear(v, selector, wide ? 16 : 8, &linear))
		return false;
	descriptor[0] = mmu_read(v, linear, 8, ACC_SYSTEM_READ);
	descriptor[1] = wide ? mmu_read(v, linear + 8, 8, ACC_SYSTEM_READ) : 0;
	return true;
}

/*
 *  63    56 55 54 53 52 51   48 47 46 45 44 43  40 39      16 15       0
 * | base   | G| D| L| A| limit | P| DPL | S| type | base     | limit    |
 */
void descriptor_decode(const u64 descriptor[2], bool wide, u16 selector, struct segment *seg)
{
	u64 d = descriptor[0];
	u32 limit = (d & 0xffff) | (d >> 32 & 0xf0000);

	seg->sel = selector;
	seg->ar = d >> 40 & 0xf0ff;
	seg->limit = seg->ar & AR_G ? limit << 12 | 0xfff : limit;
	seg->base = (d >> 16 & 0xffffff) | (d >> 32 & 0xff000000);
	if (wide)
		seg->base |= descriptor[1] << 32;
}

void descriptor_fetch(struct vcpu *v, u16 selector, bool wide, enum vector vector, struct segment *s)
{
	u64 d[2];

	if (!(selector & ~3u))
		raise_error(v, vector, 0);
	if (!descriptor_read(v, selector, d, wide))
		raise_error(v, vector, selector_error(selector));
	/* the type field of the upper half must be 0: it isn't a descriptor of its own */
	if (wide && (d[1] >> 40 & 0x1f))
		raise_error(v, vector, selector_error(selector));
	descriptor_decode(d, wide, selector, s);
}

void stack_segment_fetch(struct vcpu *v, u16 selector, unsigned int cpl, enum vector vector, struct segment *s)
{
	descriptor_fetch(v, selector, false, vector, s);
	if ((selector & 3u) != cpl || segment_dpl(s) != cpl ||
	    (s->ar & (AR_S | AR_CODE | AR_WRITABLE)) != (AR_S | AR_WRITABLE))
		raise_error(v, vector, selector_error(selector));
	if (!(s->ar & AR_P))
		raise_error(v, VEC_SS, selector_error(selector));
}

void data_segment_fetch(struct vcpu *v, u16 selector, unsigned int cpl, enum vector vector, struct segment *s)
{
	descriptor_fetch(v, selector, false, vector, s);
	if (segment_is_system(s) || (segment_is_code(s) && !(s->ar & AR_WRITABLE)))
		raise_error(v, vector, selector_error(selector));
	if (!segment_is_conforming(s) && (segment_dpl(s) < cpl || segment_dpl(s) < (selector & 3u)))
		raise_error(v, vector, selector_error(selector));
	if (!(s->ar & AR_P))
		raise_error(v, VEC_NP, selector_error(selector));
}

/* The byte of a descriptor that holds its type, changed as by a locked instruction. */
static void descriptor_change_type(struct vcpu *v, u16 selector, u8 clear, u8 set)
{
	u64 linear = 0;
	u8 *host;

	descriptor_linear(v, selector, 8, &linear);
	linear += 5;
	host = mmu_host(v, linear, ACC_SYSTEM_WRITE);
	if (host) {
		if (clear)
			__atomic_fetch_and(host, (u8)~clear, __ATOMIC_SEQ_CST);
		if (set)
			__atomic_fetch_or(host, set, __ATOMIC_SEQ_CST);
	} else {
		u64 type = mmu_read(v, linear, 1, ACC_SYSTEM_READ);

		mmu_write(v, linear, (type & ~(u64)clear) | set, 1, ACC_SYSTEM_WRITE);
	}
}

void descriptor_set_accessed(struct vcpu *v, struct segment *s)
{
	if (s->ar & AR_ACCESSED)
		return;
	descriptor_change_type(v, s->sel, 0, AR_ACCESSED);
	s->ar |= AR_ACCESSED;
}

void descriptor_set_busy(struct vcpu *v, u16 selector, bool busy)
{
	descriptor_change_type(v, selector & ~4u, busy ? 0 : SYS_BUSY, busy ? SYS_BUSY : 0);
}

void segment_load(struct vcpu *v, enum sreg seg, u16 selector)
{
	struct segment s;

	if (vcpu_8086_segments(v)) {
		segment_load_real(v, seg, selector);
		return;
	}
	if (!(selector & ~3u)) {
		/* SDM vol. 2, "MOV": a null SS is for 64-bit mode below CPL 3 */
		if (seg == SS && (!vcpu_64bit(v) || v->cpl == 3 || selector != v->cpl))
			raise_gp(v, 0);
		segment_set_null(&v->seg[seg], selector, seg == SS ? v->cpl : 0);
		return;
	}
	if (seg == SS)
		stack_segment_fetch(v, selector, v->cpl, VEC_GP, &s);
	else
		data_segment_fetch(v, selector, v->cpl, VEC_GP, &s);
	descriptor_set_accessed(v, &s);
	v->seg[seg] = s;
}
