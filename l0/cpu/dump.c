/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a vCPU looks like, for people: one group a line, key=value, numbers in hexadecimal. */
#include <inttypes.h>
#include <stdio.h>
#include "fpu.h"
#include "insn.h"

static const char *const gpr_names[16] = { "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
					   "r8",  "r9",	 "r10", "r11", "r12", "r13", "r14", "r15" };
static const char *const sreg_names[SREG_COUNT] = { "es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr" };
static const char *const activity_names[] = {
	[ACTIVITY_ACTIVE] = "active",
	[ACTIVITY_HLT] = "hlt",
	[ACTIVITY_SHUTDOWN] = "shutdown",
	[ACTIVITY_WAIT_SIPI] = "wait-sipi",
};

static const char *mode_name(const struct vcpu *v)
{
	if (!vcpu_protected(v))
		return "real";
	if (vcpu_v8086(v))
		return "virtual-8086";
	if (vcpu_64bit(v))
		return "64-bit";
	return vcpu_long_mode(v) ? "compatibility" : "protected";
}

static void dump_event(FILE *to, const char *name, const struct event *e)
{
	if (!e->valid)
		return;
	fprintf(to, "%s vector=%u", name, e->vector);
	if (e->has_error)
		fprintf(to, " error=%" PRIx32, e->error);
	fprintf(to, " software=%d\n", e->software);
}

void vcpu_dump(struct vcpu *v, FILE *to)
{
	struct fpu_image image;

	vcpu_fpu_park(v);
	fprintf(to, "vcpu=%u mode=%s cpl=%u activity=%s insns=%" PRIu64 "\n", v->index, mode_name(v), v->cpl,
		activity_names[v->activity], v->insns);
	for (unsigned int i = 0; i < 16; i++)
		fprintf(to, "%s=%016" PRIx64 "%c", gpr_names[i], v->gpr[i], i % 4 == 3 ? '\n' : ' ');
	fprintf(to, "rip=%016" PRIx64 " rflags=%08" PRIx64 "\n", v->rip, v->rflags);
	for (unsigned int i = 0; i < SREG_COUNT; i++)
		fprintf(to, "%s sel=%04x base=%016" PRIx64 " limit=%08" PRIx32 " ar=%05" PRIx32 "\n", sreg_names[i],
			v->seg[i].sel, v->seg[i].base, v->seg[i].limit, v->seg[i].ar);
	fprintf(to, "gdtr base=%016" PRIx64 " limit=%04x\n", v->gdtr.base, v->gdtr.limit);
	fprintf(to, "idtr base=%016" PRIx64 " limit=%04x\n", v->idtr.base, v->idtr.limit);
	fprintf(to, "cr0=%08" PRIx64 " cr2=%016" PRIx64 " cr3=%016" PRIx64 " cr4=%08" PRIx64 "\n", v->cr0, v->cr2,
		v->cr3, v->cr4);
	fprintf(to, "efer=%04" PRIx64 " xcr0=%" PRIx64 " pkru=%08" PRIx32 " pkrs=%08" PRIx32 "\n", v->efer, v->xcr0,
		v->pkru, v->pkrs);
	fprintf(to,
		"dr0=%" PRIx64 " dr1=%" PRIx64 " dr2=%" PRIx64 " dr3=%" PRIx64 " dr6=%08" PRIx64 " dr7=%08" PRIx64 "\n",
		v->dr[0], v->dr[1], v->dr[2], v->dr[3], v->dr[6], v->dr[7]);
	fprintf(to, "star=%016" PRIx64 " lstar=%016" PRIx64 " fmask=%" PRIx64 " kernel_gs_base=%016" PRIx64 "\n",
		v->star, v->lstar, v->fmask, v->kernel_gs_base);
	fpu_get(v, &image);
	fprintf(to, "fcw=%04x fsw=%04x ftw=%02x mxcsr=%08" PRIx32 "\n", image.fcw, image.fsw, image.ftw, image.mxcsr);
	fprintf(to, "intr_shadow=%d nmi_blocked=%d events=%" PRIx32 " tsc_offset=%" PRIx64 "\n", v->intr_shadow,
		v->nmi_blocked, (u32)v->events, v->tsc_offset);
	dump_event(to, "event", &v->event);
	dump_event(to, "delivering", &v->delivering);
}
