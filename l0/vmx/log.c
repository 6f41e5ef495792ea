/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "log.h"

#include <inttypes.h>

#include "../machine/machine.h"

static const char *exit_name(u32 reason)
{
	const char *name = vmx_exit_name(reason & 0xffff);

	return name ? name : "unknown";
}

static void log_vmcs(struct vcpu *v)
{
	if (vmx_logs(v, TRACE_BIT_vmcs))
		vmx_dump(v, machine_log(v->machine), "vmcs: ");
}

void vmx_log_entry(struct vcpu *v, bool launch)
{
	const struct vmcs *c = &v->vmx->v02;

	if (!vmx_logs(v, TRACE_BIT_vmx))
		return;
	vcpu_fpu_park(v);
	fprintf(machine_log(v->machine),
		"vmx: event=entry insn=%s vmcs=%#" PRIx64 " rip=%#" PRIx64 " cs=%#x cr0=%#" PRIx64 " cr3=%#" PRIx64
		" inject=%#" PRIx32 " insns=%" PRIu64 "\n",
		launch ? "VMLAUNCH" : "VMRESUME", v->vmx->current, v->rip, v->seg[CS].sel, v->cr0, v->cr3,
		c->vm_entry_intr_info_field, vcpu_insns(v));
}

void vmx_log_exit(struct vcpu *v, const struct vmx_exit_info *e)
{
	if (!vmx_logs(v, TRACE_BIT_vmx))
		return;
	vcpu_fpu_park(v);
	fprintf(machine_log(v->machine),
		"vmx: event=exit reason=%s failed_entry=%d qualification=%#" PRIx64 " vmcs=%#" PRIx64 " rip=%#" PRIx64
		" cs=%#x intr_info=%#" PRIx32 " linear=%#" PRIx64 " physical=%#" PRIx64 " insns=%" PRIu64 "\n",
		exit_name(e->reason), !!(e->reason & VM_EXIT_FAILED_ENTRY), e->qualification, v->vmx->current, v->rip,
		v->seg[CS].sel, e->intr_info, e->linear, e->physical, vcpu_insns(v));
}

static void print_check(void *arg, const char *text)
{
	const struct vcpu *v = arg;

	fprintf(machine_log(v->machine), "vmx: event=check vmcs=%#" PRIx64 " rip=%#" PRIx64 " %s\n", v->vmx->current,
		v->rip, text);
}

void vmx_log_check(struct vcpu *v, enum vmx_check check)
{
	if (!vmx_logs(v, TRACE_BIT_vmx) && !vmx_logs(v, TRACE_BIT_vmcs))
		return;
	vcpu_fpu_park(v);
	if (vmx_logs(v, TRACE_BIT_vmx))
		vmx_check_describe(check, &v->vmx->v02, print_check, v);
	log_vmcs(v);
}

void vmx_log_msr(struct vcpu *v, unsigned int number)
{
	const struct vmcs *c = &v->vmx->v02;

	if (!vmx_logs(v, TRACE_BIT_vmx))
		return;
	vcpu_fpu_park(v);
	fprintf(machine_log(v->machine),
		"vmx: event=msr vmcs=%#" PRIx64 " list=%#" PRIx64 " count=%" PRIu32 " entry=%u\n", v->vmx->current,
		c->vm_entry_msr_load_addr, c->vm_entry_msr_load_count, number);
}

void vmx_log_vmfail(struct vcpu *v, unsigned int error)
{
	if (!vmx_logs(v, TRACE_BIT_vmx))
		return;
	vcpu_fpu_park(v);
	fprintf(machine_log(v->machine),
		"vmx: event=vmfail error=%u vmcs=%#" PRIx64 " rip=%#" PRIx64 " insns=%" PRIu64 "\n", error,
		v->vmx->current, v->rip, vcpu_insns(v));
}

void vmx_log_abort(struct vcpu *v, u32 indicator)
{
	if (vmx_logs(v, TRACE_BIT_vmx)) {
		vcpu_fpu_park(v);
		fprintf(machine_log(v->machine), "vmx: event=abort indicator=%" PRIu32 " vmcs=%#" PRIx64 "\n",
			indicator, v->vmx->current);
	}
	log_vmcs(v);
}

struct dump {
	FILE *to;
	const char *prefix;
	const struct vmx_caps *caps;
	int group; /* of the line under way; -1: none is */
};

static void dump_field(void *arg, const struct vmcs_field *field, const char *name, uint64_t value)
{
	struct dump *d = arg;

	if (!vmx_caps_has_field(d->caps, field))
		return;
	if (field->group != d->group)
		fprintf(d->to, "%s%s%s", d->group < 0 ? "" : "\n", d->prefix, vmcs_group_name(field->group));
	d->group = field->group;
	fprintf(d->to, " %s=%#" PRIx64, name, value);
}

void vmx_dump(struct vcpu *v, FILE *to, const char *prefix)
{
	const struct vmx *x = v->vmx;
	struct dump d = { .to = to, .prefix = prefix, .group = -1 };

	if (!x || !x->on)
		return;
	vcpu_fpu_park(v);
	fprintf(to, "%svmxon=%#" PRIx64 " current=%#" PRIx64 " in_l2=%d", prefix, x->vmxon, x->current, v->in_l2);
	if (!x->v12) {
		fprintf(to, " no current VMCS in RAM\n");
		return;
	}
	fprintf(to, " revision=%#" PRIx32 " abort=%" PRIu32 " launched=%" PRIu32 "\n", x->v12->revision, x->v12->abort,
		x->v12->launched);
	d.caps = &x->caps;
	vmcs_dump(x->v12, dump_field, &d);
	fputc('\n', to);
}
