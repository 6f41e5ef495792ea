/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fpu.h"

FPU_MAY_BE_LIVE static void host_xsave(void *area, u64 mask)
{
	__asm__ volatile("xsave64 (%0)" : : "r"(area), "a"((u32)mask), "d"((u32)(mask >> 32)) : "memory");
}

FPU_MAY_BE_LIVE static void host_xrstor(const void *area, u64 mask)
{
	__asm__ volatile("xrstor64 (%0)" : : "r"(area), "a"((u32)mask), "d"((u32)(mask >> 32)) : "memory");
}

/* XSTATE_BV is 0, so XRSTOR makes everything initial; MXCSR alone is loaded from memory. */
static const struct fpu_image initial = { .fcw = FCW_INIT, .mxcsr = MXCSR_INIT };

FPU_MAY_BE_LIVE void vcpu_fpu_park(struct vcpu *v)
{
	if (!v->fpu_live)
		return;
	host_xsave(v->xsave, XSTATE_HOST);
	host_xrstor(&initial, XSTATE_HOST);
	v->fpu_live = false;
}

FPU_MAY_BE_LIVE void vcpu_fpu_load_now(struct vcpu *v)
{
	if (v->fpu_live)
		return;
	host_xrstor(v->xsave, XSTATE_HOST);
	v->fpu_live = true;
}

static void image_init_x87(struct fpu_image *i)
{
	i->fcw = FCW_INIT;
	i->fsw = 0;
	i->ftw = 0;
	fpu_zero(i->st, sizeof(i->st));
}

void fpu_get(const struct vcpu *v, struct fpu_image *image)
{
	if (v->fpu_live) {
		fpu_zero(&image->xstate_bv, XSAVE_EXTENDED - XSAVE_HEADER);
		host_xsave(image, XSTATE_HOST);
	} else {
		fpu_move(image, v->xsave, sizeof(*image));
	}
	image->xstate_bv &= XSTATE_HOST;
	if (!(image->xstate_bv & XSTATE_X87))
		image_init_x87(image);
	if (!(image->xstate_bv & XSTATE_SSE))
		fpu_zero(image->xmm, sizeof(image->xmm));
	if (!(image->xstate_bv & XSTATE_AVX))
		fpu_zero(image->ymm_high, sizeof(image->ymm_high));
	image->reserved = 0;
	image->fop = 0;
	image->fip = 0;
	image->fdp = 0;
	if (!image->mxcsr_mask)
		image->mxcsr_mask = fpu_mxcsr_mask();
}

void fpu_set(struct vcpu *v, struct fpu_image *image)
{
	image->xstate_bv &= XSTATE_HOST;
	image->xcomp_bv = 0;
	fpu_zero(image->header, sizeof(image->header));
	image->fop = 0;
	image->fip = 0;
	image->fdp = 0;
	if (v->fpu_live)
		host_xrstor(image, XSTATE_HOST);
	else
		fpu_move(v->xsave, image, sizeof(*image));
}

u32 fpu_mxcsr_mask(void)
{
	struct fpu_image image;

	image.mxcsr_mask = 0;
	__asm__ volatile("fxsave64 (%0)" : : "r"(&image) : "memory");
	return image.mxcsr_mask ? image.mxcsr_mask : 0xffbf; /* the SDM's default for CPUs that show none */
}

u32 fpu_mxcsr_mask_of(const struct vcpu *v)
{
	u32 mask = ((const struct fpu_image *)v->xsave)->mxcsr_mask;

	return mask ? mask : fpu_mxcsr_mask();
}
