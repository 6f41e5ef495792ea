/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * --trace-log's areas vmx and vmcs: lines on stderr about a guest's VMX, "vmx: event=... key=value ...". Each function does nothing
 * unless its area is on, and parks the guest's vector state if it is.
 */
#ifndef L0_VMX_LOG_H
#define L0_VMX_LOG_H

#include <stdio.h>

#include "../../vmcs-shadow/entry_checks.h"
#include "../cli/config.h"
#include "../run/loop.h"
#include "vmx.h"

static inline bool vmx_logs(const struct vcpu *v, enum trace_bit area)
{
	return __builtin_expect(v->thread && (v->thread->trace & BIT(area)), 0);
}

/* L2 is about to run; its state is in *v already. */
void vmx_log_entry(struct vcpu *v, bool launch);
/* L2's state is still in *v. */
void vmx_log_exit(struct vcpu *v, const struct vmx_exit_info *e);
/* A check of VM entry said no: its name, its sentence, its fields with their values; area vmcs: all of the VMCS */
void vmx_log_check(struct vcpu *v, enum vmx_check check);
/* VM entry couldn't load an MSR: the number of its entry in the list, from 1 on */
void vmx_log_msr(struct vcpu *v, unsigned int number);
/* A VMX instruction ended in VMfailInvalid (0) or VMfailValid. */
void vmx_log_vmfail(struct vcpu *v, unsigned int error);
/* SDM vol. 3, "VMX Aborts" */
void vmx_log_abort(struct vcpu *v, u32 indicator);

/*
 * The current VMCS by groups, a line each: the fields that this L1 has. A line begins with `prefix`. Says so if there is none; nothing
 * at all outside VMX operation.
 */
void vmx_dump(struct vcpu *v, FILE *to, const char *prefix);

#endif
