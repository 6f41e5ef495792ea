/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * FXSAVE, XSAVE and their family: SDM vol. 1, "Managing State Using the XSAVE Feature Set". An image of
 * the guest's state (fpu.h) stands between the host's registers and guest memory.
 *
 * Which bytes of an area an instruction touches is architectural, since guests share pages between such
 * an area and other data. So the area is written in runs:
 *
 *   0..23  x87 control   24..31 MXCSR   32..159 ST/MM   160..415 XMM (0..7 outside 64-bit mode)
 *   512..527 XSTATE_BV, XCOMP_BV   576.. AVX   PKRU
 *
 * x87's FOP, FIP and FDP are saved as 0 (fpu.h), so the formats with and without REX.W are the same bytes. The
 * modified optimization of XSAVEOPT and XSAVES isn't used; the SDM leaves that to the processor.
 */
#include "../vmx/vmx.h"
#include "control.h"
#include "fpu.h"
#include "insn.h"
#include "mmu.h"
#include "model.h"

#define FXSAVE_SIZE 512
#define MXCSR_OFFSET 24
#define ST_OFFSET 32
#define XMM_OFFSET 160
#define HEADER_USED 16 /* XSTATE_BV and XCOMP_BV; the other bytes of the header are never written */

struct area {
	u64 linear;
	u64 rfbm; /* requested-feature bitmap: EDX:EAX and what is enabled */
	u64 xcomp_bv; /* compacted format; 0: standard */
	unsigned int vectors; /* registers that the current mode has: 8 or 16 */
};

static unsigned int vectors(const struct vcpu *v)
{
	return vcpu_64bit(v) ? 16 : 8;
}

static u64 requested(const struct vcpu *v, u64 enabled)
{
	return ((u32)v->gpr[RAX] | v->gpr[RDX] << 32) & enabled;
}

/* bytes from the start of the area; the compacted format leaves out what isn't in XCOMP_BV */
static unsigned int pkru_offset(u64 xcomp_bv)
{
	if (!(xcomp_bv & XCOMP_COMPACTED))
		return XSAVE_PKRU_OFFSET;
	return XSAVE_EXTENDED + (xcomp_bv & XSTATE_AVX ? XSAVE_AVX_SIZE : 0);
}

/* how far `components` reach: what a fault on the area may be about */
static size_t area_size(u64 components, u64 xcomp_bv)
{
	if (components & XSTATE_PKRU)
		return pkru_offset(xcomp_bv) + XSAVE_PKRU_SIZE;
	return XSAVE_EXTENDED + (components & XSTATE_AVX ? XSAVE_AVX_SIZE : 0);
}

static u64 area_linear(struct vcpu *v, union insn_args a, size_t size, unsigned int alignment, unsigned int access)
{
	u64 linear = segment_linear(v, a.seg, v->ea, size, access);

	if (linear & (alignment - 1))
		raise_gp(v, 0);
	mmu_check(v, linear, size, mmu_data(v, access));
	return linear;
}

static void check_fxsave(struct vcpu *v)
{
	if (!model_has(v->model, FEATURE_FXSR))
		raise_ud(v);
	if (v->cr0 & (CR0_EM | CR0_TS))
		raise_exception(v, VEC_NM);
}

static void check_xsave(struct vcpu *v)
{
	if (!(v->cr4 & CR4_OSXSAVE))
		raise_ud(v);
	if (v->cr0 & CR0_TS)
		raise_exception(v, VEC_NM);
}

static void check_feature(struct vcpu *v, enum feature f)
{
	if (!model_has(v->model, f))
		raise_ud(v);
}

static void write_run(struct vcpu *v, const struct area *to, unsigned int offset, const void *from, size_t n)
{
	mmu_write_bytes(v, to->linear + offset, from, n, mmu_data(v, ACC_WRITE));
}

static void read_run(struct vcpu *v, const struct area *from, unsigned int offset, void *to, size_t n)
{
	mmu_read_bytes(v, from->linear + offset, to, n, mmu_data(v, ACC_READ));
}

/* The parts of the legacy region that are asked for, neighbours in one piece. */
static void write_legacy(struct vcpu *v, const struct area *to, const struct fpu_image *image, bool x87, bool mxcsr,
			 bool sse)
{
	const struct {
		bool wanted;
		u16 start, end;
	} run[] = {
		{ x87, 0, MXCSR_OFFSET },
		{ mxcsr, MXCSR_OFFSET, ST_OFFSET },
		{ x87, ST_OFFSET, XMM_OFFSET },
		{ sse, XMM_OFFSET, XMM_OFFSET + to->vectors * 16 },
	};
	const unsigned int count = sizeof(run) / sizeof(run[0]);

	for (unsigned int i = 0; i < count; i++) {
		unsigned int start = run[i].start;

		if (!run[i].wanted)
			continue;
		while (i + 1 < count && run[i + 1].wanted)
			i++;
		write_run(v, to, start, (const u8 *)image + start, run[i].end - start);
	}
}

static void write_extended(struct vcpu *v, const struct area *to, const struct fpu_image *image, u64 components)
{
	u64 pkru = v->pkru;

	if (components & XSTATE_AVX)
		write_run(v, to, XSAVE_EXTENDED, image->ymm_high, to->vectors * 16);
	if (components & XSTATE_PKRU)
		write_run(v, to, pkru_offset(to->xcomp_bv), &pkru, XSAVE_PKRU_SIZE);
}

static u64 in_use(const struct vcpu *v, const struct fpu_image *image)
{
	return image->xstate_bv | (v->pkru ? XSTATE_PKRU : 0);
}

/* XSAVE, XSAVEOPT: only the bits of XSTATE_BV that are asked for change, and XCOMP_BV doesn't. */
static void save_standard(struct vcpu *v, union insn_args a, bool init_optimization)
{
	struct area to = { .rfbm = requested(v, v->xcr0), .vectors = vectors(v) };
	struct fpu_image image;
	u64 components, xstate_bv;

	to.linear = area_linear(v, a, area_size(to.rfbm, 0), 64, ACC_WRITE);
	fpu_get(v, &image);
	components = to.rfbm;
	if (init_optimization)
		components &= in_use(v, &image);

	read_run(v, &to, XSAVE_HEADER, &xstate_bv, sizeof(xstate_bv));
	xstate_bv = (xstate_bv & ~to.rfbm) | (in_use(v, &image) & to.rfbm);
	write_legacy(v, &to, &image, components & XSTATE_X87, to.rfbm & (XSTATE_SSE | XSTATE_AVX),
		     components & XSTATE_SSE);
	write_extended(v, &to, &image, components);
	write_run(v, &to, XSAVE_HEADER, &xstate_bv, sizeof(xstate_bv));
}

/* XSAVEC, XSAVES: MXCSR belongs to SSE, and components in their initial configuration aren't written. */
static void save_compacted(struct vcpu *v, union insn_args a, u64 enabled)
{
	struct area to = { .rfbm = requested(v, enabled), .vectors = vectors(v) };
	struct fpu_image image;
	u64 components, header[2];

	to.xcomp_bv = to.rfbm | XCOMP_COMPACTED;
	to.linear = area_linear(v, a, area_size(to.rfbm, to.xcomp_bv), 64, ACC_WRITE);
	fpu_get(v, &image);
	components = in_use(v, &image);
	if (image.mxcsr != MXCSR_INIT)
		components |= XSTATE_SSE;
	components &= to.rfbm;

	write_legacy(v, &to, &image, components & XSTATE_X87, components & XSTATE_SSE, components & XSTATE_SSE);
	write_extended(v, &to, &image, components);
	header[0] = components;
	header[1] = to.xcomp_bv;
	write_run(v, &to, XSAVE_HEADER, header, HEADER_USED);
}

static void take_x87(struct fpu_image *image, const struct fpu_image *from)
{
	image->fcw = from->fcw;
	image->fsw = from->fsw;
	image->ftw = from->ftw;
	fpu_move(image->st, from->st, sizeof(image->st));
	image->xstate_bv |= XSTATE_X87;
}

static void init_x87(struct fpu_image *image)
{
	image->fcw = FCW_INIT;
	image->fsw = 0;
	image->ftw = 0;
	fpu_zero(image->st, sizeof(image->st));
	image->xstate_bv &= ~XSTATE_X87;
}

/* The upper half of the registers, which other modes don't reach, stays. */
static void init_vectors(struct fpu_image *image, u8 (*registers)[16], unsigned int count, u64 component)
{
	fpu_zero(registers, count * 16);
	if (count == 16)
		image->xstate_bv &= ~component;
}

static void check_mxcsr(struct vcpu *v, u32 mask, u32 mxcsr)
{
	if (mxcsr & ~mask)
		raise_gp(v, 0);
}

/* All of the state comes from the area or becomes initial: what there is needn't be asked for. */
static void restore_whole(struct vcpu *v, const struct area *from, struct fpu_image *in, u64 load)
{
	u32 mask = fpu_mxcsr_mask_of(v);

	if (!(from->xcomp_bv & XCOMP_COMPACTED) || (load & XSTATE_SSE))
		check_mxcsr(v, mask, in->mxcsr);
	else
		in->mxcsr = MXCSR_INIT;
	if (load & XSTATE_AVX)
		read_run(v, from, XSAVE_EXTENDED, in->ymm_high, XSAVE_AVX_SIZE);
	else
		fpu_zero(in->ymm_high, XSAVE_AVX_SIZE);
	in->mxcsr_mask = mask;
	in->xstate_bv = load & XSTATE_HOST;
	fpu_set(v, in);
}

/* The header is checked before anything is loaded: SDM vol. 1, "Operation of XRSTOR", "Operation of XRSTORS". */
static void check_header(struct vcpu *v, const struct fpu_image *in, u64 enabled, bool only_compacted)
{
	bool bad = false;

	for (unsigned int i = 0; i < 6; i++)
		bad |= in->header[i] && (i == 0 || (in->xcomp_bv & XCOMP_COMPACTED));
	if (in->xcomp_bv & XCOMP_COMPACTED) {
		bad |= !model_has(v->model, FEATURE_XSAVEC);
		bad |= in->xcomp_bv & ~(enabled | XCOMP_COMPACTED);
		bad |= in->xstate_bv & ~(in->xcomp_bv & ~XCOMP_COMPACTED);
	} else {
		bad |= only_compacted || in->xcomp_bv;
		bad |= in->xstate_bv & ~enabled;
	}
	if (bad)
		raise_gp(v, 0);
}

/* Some of it stays. */
static void restore_part(struct vcpu *v, const struct area *from, const struct fpu_image *in, u64 load)
{
	struct fpu_image image;

	fpu_get(v, &image);
	if (from->xcomp_bv & XCOMP_COMPACTED ? load & XSTATE_SSE : from->rfbm & (XSTATE_SSE | XSTATE_AVX)) {
		check_mxcsr(v, image.mxcsr_mask, in->mxcsr);
		image.mxcsr = in->mxcsr;
	} else if (from->rfbm & XSTATE_SSE) {
		image.mxcsr = MXCSR_INIT;
	}
	/* the last that may fault */
	if (load & XSTATE_AVX) {
		read_run(v, from, XSAVE_EXTENDED, image.ymm_high, from->vectors * 16);
		image.xstate_bv |= XSTATE_AVX;
	} else if (from->rfbm & XSTATE_AVX) {
		init_vectors(&image, image.ymm_high, from->vectors, XSTATE_AVX);
	}
	if (load & XSTATE_SSE) {
		fpu_move(image.xmm, in->xmm, from->vectors * 16);
		image.xstate_bv |= XSTATE_SSE;
	} else if (from->rfbm & XSTATE_SSE) {
		init_vectors(&image, image.xmm, from->vectors, XSTATE_SSE);
	}
	if (load & XSTATE_X87)
		take_x87(&image, in);
	else if (from->rfbm & XSTATE_X87)
		init_x87(&image);
	fpu_set(v, &image);
}

static void restore(struct vcpu *v, union insn_args a, u64 enabled, bool only_compacted)
{
	struct area from = { .rfbm = requested(v, enabled), .vectors = vectors(v) };
	struct fpu_image in;
	u64 load, pkru = 0;
	size_t size = XSAVE_EXTENDED;

	from.linear = area_linear(v, a, size, 64, ACC_READ);
	read_run(v, &from, 0, &in, XSAVE_EXTENDED);
	check_header(v, &in, enabled, only_compacted);
	from.xcomp_bv = in.xcomp_bv;
	load = from.rfbm & in.xstate_bv;
	if (load & ~(XSTATE_X87 | XSTATE_SSE))
		area_linear(v, a, area_size(load, in.xcomp_bv), 64, ACC_READ);

	if (load & XSTATE_PKRU)
		read_run(v, &from, pkru_offset(in.xcomp_bv), &pkru, XSAVE_PKRU_SIZE);
	if (from.vectors == 16 && (from.rfbm & XSTATE_HOST) == XSTATE_HOST)
		restore_whole(v, &from, &in, load);
	else
		restore_part(v, &from, &in, load);
	if (from.rfbm & XSTATE_PKRU)
		control_set_pkru(v, (u32)pkru);
}

void insn_fxsave(struct vcpu *v, union insn_args a)
{
	struct area to = { .vectors = vectors(v) };
	struct fpu_image image;

	check_fxsave(v);
	to.linear = area_linear(v, a, FXSAVE_SIZE, 16, ACC_WRITE);
	fpu_get(v, &image);
	write_legacy(v, &to, &image, true, true, true);
}

void insn_fxrstor(struct vcpu *v, union insn_args a)
{
	struct area from = { .vectors = vectors(v) };
	struct fpu_image in, image;

	check_fxsave(v);
	from.linear = area_linear(v, a, FXSAVE_SIZE, 16, ACC_READ);
	read_run(v, &from, 0, &in, FXSAVE_SIZE);
	fpu_get(v, &image);
	check_mxcsr(v, image.mxcsr_mask, in.mxcsr);
	take_x87(&image, &in);
	image.mxcsr = in.mxcsr;
	fpu_move(image.xmm, in.xmm, from.vectors * 16);
	image.xstate_bv |= XSTATE_SSE;
	fpu_set(v, &image);
}

void insn_xsave(struct vcpu *v, union insn_args a)
{
	check_xsave(v);
	save_standard(v, a, false);
}

void insn_xsaveopt(struct vcpu *v, union insn_args a)
{
	check_feature(v, FEATURE_XSAVEOPT);
	check_xsave(v);
	save_standard(v, a, true);
}

void insn_xsavec(struct vcpu *v, union insn_args a)
{
	check_feature(v, FEATURE_XSAVEC);
	check_xsave(v);
	save_compacted(v, a, v->xcr0);
}

void insn_xsaves(struct vcpu *v, union insn_args a)
{
	check_feature(v, FEATURE_XSAVES);
	check_xsave(v);
	if (v->cpl)
		raise_gp(v, 0);
	if (v->in_l2)
		vmx_on_insn(v, VMX_INSN_XSAVES);
	save_compacted(v, a, v->xcr0 | v->xss);
}

void insn_xrstor(struct vcpu *v, union insn_args a)
{
	check_xsave(v);
	restore(v, a, v->xcr0, false);
}

void insn_xrstors(struct vcpu *v, union insn_args a)
{
	check_feature(v, FEATURE_XSAVES);
	check_xsave(v);
	if (v->cpl)
		raise_gp(v, 0);
	if (v->in_l2)
		vmx_on_insn(v, VMX_INSN_XRSTORS);
	restore(v, a, v->xcr0 | v->xss, true);
}
