/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vector.h"

#include "../cpu/fpu.h"
#include "../cpu/mmu.h"
#include "../cpu/mode.h"

/* byte i of YMM register r in an image */
static u8 *byte_of(struct fpu_image *f, unsigned int r, unsigned int i)
{
	return i < 16 ? &f->xmm[r][i] : &f->ymm_high[r][i - 16];
}

static u64 get(struct fpu_image *f, unsigned int r, unsigned int at, unsigned int size)
{
	u64 x = 0;
	unsigned int i;

	for (i = 0; i < size; i++)
		x |= (u64)*byte_of(f, r, at + i) << 8 * i;
	return x;
}

static void put(struct fpu_image *f, unsigned int r, unsigned int at, unsigned int size, u64 x)
{
	unsigned int i;

	for (i = 0; i < size; i++)
		*byte_of(f, r, at + i) = x >> 8 * i;
}

static bool masked_in(struct fpu_image *f, union vector_args a, unsigned int i)
{
	return *byte_of(f, a.mask, (i + 1) * a.element - 1) >> 7;
}

/* SDM vol. 2, "VMASKMOV", "VPGATHERDD": these never raise #AC, which segment_linear() does */
static u64 element_linear(struct vcpu *v, enum sreg seg, u64 offset, unsigned int n, unsigned int access)
{
	u32 mode = v->mode;
	u64 linear;

	v->mode &= ~MODE_ALIGN;
	linear = segment_linear(v, seg, offset, n, access);
	v->mode = mode;
	return linear;
}

void vector_maskmov(struct vcpu *v, union insn_args args)
{
	union vector_args a = { .raw = args.raw };
	struct fpu_image f;
	u64 value[8], at;
	unsigned int i;

	fpu_get(v, &f);
	if (a.store) {
		/* every check before the first store */
		for (i = 0; i < a.count; i++)
			if (masked_in(&f, a, i)) {
				at = element_linear(v, a.seg, v->ea + i * a.element, a.element, ACC_WRITE);
				mmu_check(v, at, a.element, mmu_data(v, ACC_WRITE));
			}
		for (i = 0; i < a.count; i++)
			if (masked_in(&f, a, i)) {
				at = element_linear(v, a.seg, v->ea + i * a.element, a.element, ACC_WRITE);
				mmu_write(v, at, get(&f, a.reg, i * a.element, a.element), a.element,
					  mmu_data(v, ACC_WRITE));
			}
		return;
	}
	for (i = 0; i < a.count; i++) {
		value[i] = 0;
		if (masked_in(&f, a, i)) {
			at = element_linear(v, a.seg, v->ea + i * a.element, a.element, ACC_READ);
			value[i] = mmu_read(v, at, a.element, mmu_data(v, ACC_READ));
		}
	}
	fpu_get(v, &f); /* a device may have parked the state */
	for (i = 0; i < a.count; i++)
		put(&f, a.reg, i * a.element, a.element, value[i]);
	for (i = a.count * a.element; i < 32; i++)
		*byte_of(&f, a.reg, i) = 0;
	f.xstate_bv |= XSTATE_SSE | XSTATE_AVX;
	fpu_set(v, &f);
}

/* SDM vol. 2, "VPGATHERDD": elements complete from the least significant on; a fault leaves those done and their mask clear */
void vector_gather(struct vcpu *v, union insn_args args)
{
	union vector_args a = { .raw = args.raw };
	unsigned int i;
	struct fpu_image f;

	fpu_get(v, &f);
	f.xstate_bv |= XSTATE_SSE | XSTATE_AVX;
	for (i = 0; i < a.count; i++) {
		u64 index, offset, at;
		struct mmu_page page;
		u32 error;

		if (!masked_in(&f, a, i))
			continue;
		index = get(&f, a.index, i * a.index_size, a.index_size);
		if (a.index_size == 4)
			index = (u64)(s64)(s32)index;
		offset = v->ea + index * a.scale;
		if (a.addr32)
			offset = (u32)offset;
		fpu_set(v, &f); /* what a fault finds */
		at = element_linear(v, a.seg, offset, a.element, ACC_READ);
		if (!mmu_walk(v, at, mmu_data(v, ACC_READ), &page, &error))
			raise_page_fault(v, at, error);
		index = mmu_read(v, at, a.element, mmu_data(v, ACC_READ));
		put(&f, a.reg, i * a.element, a.element, index);
		put(&f, a.mask, i * a.element, a.element, 0);
	}
	for (i = a.count * a.element; i < 32; i++)
		*byte_of(&f, a.reg, i) = 0;
	for (i = 0; i < 32; i++)
		*byte_of(&f, a.mask, i) = 0;
	fpu_set(v, &f);
}
