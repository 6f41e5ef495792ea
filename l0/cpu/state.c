/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SDM vol. 3, "Processor State After Reset". */
#include "../devices/irqchip.h"
#include "control.h"
#include "fpu.h"
#include "model.h"
#include "transfer.h"

#include "../vmx/vmx.h"

#define CR0_RESET (CR0_CD | CR0_NW | CR0_ET)
#define PAT_RESET 0x0007040600070406ull
#define FCW_RESET 0x40
#define DR6_RESET DR6_FIXED
#define AR_RESET_LDT 0x82u
#define AR_RESET_TSS 0x8bu
#define AR_RESET_DATA 0x93u

static void reset_segments(struct vcpu *v)
{
	unsigned int i;

	for (i = 0; i < SREG_COUNT; i++)
		v->seg[i] = (struct segment){ .limit = 0xffff, .ar = AR_RESET_DATA };
	v->seg[LDTR].ar = AR_RESET_LDT;
	v->seg[TR].ar = AR_RESET_TSS;
	v->seg[CS].sel = 0xf000;
	v->seg[CS].base = 0xffff0000;
	v->gdtr = (struct dtable){ .limit = 0xffff };
	v->idtr = (struct dtable){ .limit = 0xffff };
}

static void reset_registers(struct vcpu *v)
{
	u32 leaf[4] = { 0, 0, 0, 0 };
	unsigned int i;

	for (i = RAX; i <= R15; i++)
		v->gpr[i] = 0;
	if (v->model)
		model_cpuid(v, 1, 0, leaf);
	v->gpr[RDX] = leaf[0]; /* family, model, stepping */
	v->rip = 0xfff0;
	v->next_rip = 0xfff0;
	v->rflags = FLAG_1;
	for (i = 0; i < 8; i++)
		v->dr[i] = 0;
	v->dr[6] = DR6_RESET;
	v->dr[7] = DR7_FIXED;
	v->cr2 = 0;
	v->cr3 = 0;
	v->cr4 = 0;
	v->efer = 0;
	v->cpl = 0;
}

/* x87 as after power-up, not as after FNINIT; XMM and YMM zero */
static void reset_fpu(struct vcpu *v)
{
	struct fpu_image *image = (struct fpu_image *)v->xsave;
	unsigned int i;

	for (i = 0; i < sizeof(v->xsave) / 8; i++)
		__atomic_store_n((u64 *)v->xsave + i, 0, __ATOMIC_RELAXED);
	image->fcw = FCW_RESET;
	image->ftw = 0xff; /* every register valid, holding +0.0 */
	image->mxcsr = MXCSR_INIT;
	image->xstate_bv = XSTATE_X87 | XSTATE_SSE;
}

/* The TSC is not set back: vCPUs that come out of reset one after the other would disagree on the time. */
static void reset_msrs(struct vcpu *v)
{
	unsigned int i;

	v->star = v->lstar = v->cstar = v->fmask = v->kernel_gs_base = 0;
	v->sysenter_cs = v->sysenter_esp = v->sysenter_eip = 0;
	v->pat = PAT_RESET;
	v->tsc_aux = v->tsc_adjust = v->tsc_offset = 0;
	v->misc_enable = MISC_ENABLE_RESET;
	v->xss = v->spec_ctrl = 0;
	v->xcr0 = XSTATE_X87;
	v->pkru = v->pkrs = 0;
	v->mtrr_def_type = 0;
	for (i = 0; i < 11; i++)
		v->mtrr_fixed[i] = 0;
	for (i = 0; i < 8; i++)
		v->mtrr_base[i] = v->mtrr_mask[i] = 0;
}

void vcpu_reset(struct vcpu *v, bool init)
{
	/* with the vector state parked, the compiler may call memset() */
	vcpu_fpu_park(v);
	vmx_reset(v);
	reset_segments(v);
	reset_registers(v);
	/* INIT leaves the caches as they are: SDM's footnote on CD and NW */
	v->cr0 = init ? (v->cr0 & (CR0_CD | CR0_NW)) | CR0_ET : CR0_RESET;
	v->debugctl = 0;
	if (!init) {
		reset_fpu(v);
		reset_msrs(v);
	}
	v->activity = v->index ? ACTIVITY_WAIT_SIPI : ACTIVITY_ACTIVE;
	v->intr_shadow = 0;
	v->intr_wait = v->nmi_blocked = false;
	v->nmi_wait = 0;
	v->pending_db = 0;
	v->event.valid = false;
	v->delivering.valid = false;
	/* whoever posts a start-up IPI or a stop still wants it seen */
	atomic_store(&v->nmis, 0);
	atomic_fetch_and(&v->events, ~(u32)(EV_INTR | EV_NMI | EV_INIT));
	if (v->apic)
		lapic_reset(v->apic, init);
	mmu_flush_all(v);
	mmu_switch(v, true);
	vcpu_update_mode(v);
}
