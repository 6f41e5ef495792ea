/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lab.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the above first */
#include <cmocka.h>
#include "../../bt/bt.h"
#include "../../devices/irqchip.h"
#include "../../run/crash.h"

#define OP_HLT 0xf4
#define GATE 0x8e0000000000ull
#define PTE 0xe7u /* present, writable, user, accessed, dirty, large */
#define EFER_LONG (EFER_SCE | EFER_LME | EFER_LMA | EFER_NX)
#define CR0_LONG (CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_MP | CR0_PE)
#define CR4_LONG (CR4_PAE | CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_VMXE | CR4_OSXSAVE)
#define TIMER 20000u

static struct vmx_modes modes; /* of the group under way */

static int at_once(struct vmx_modes m, const char *name, const struct CMUnitTest *tests, size_t n)
{
	modes = m;
	return _cmocka_run_group_tests(name, tests, n, NULL, NULL);
}

int lab_group(const char *name, const struct CMUnitTest *tests, size_t n)
{
	static const struct vmx_modes MODES[] = {
		{ .access = VMCS_ACCESS_REWRITE, .mmu = NESTED_MMU_MERGE },
		{ .access = VMCS_ACCESS_SHADOW, .mmu = NESTED_MMU_WALK },
		{ .access = VMCS_ACCESS_TRAP, .mmu = NESTED_MMU_MERGE, .merge = VMCS_MERGE_FULL },
	};
	int failed = 0;

	for (unsigned int i = 0; i < sizeof(MODES) / sizeof(MODES[0]); i++)
		failed += at_once(MODES[i], name, tests, n);
	return failed;
}

static u64 insns_now(void *source)
{
	const struct vcpu *v = source;

	return vcpu_insns(v) + v->skipped_ns;
}

u64 lab_read(struct lab *l, u64 gpa)
{
	u64 value;

	memcpy(&value, memory_host(&l->machine.memory, gpa), sizeof(value));
	return value;
}

void lab_write(struct lab *l, u64 gpa, u64 value)
{
	memcpy(memory_host(&l->machine.memory, gpa), &value, sizeof(value));
}

static void tables(struct lab *l)
{
	static const u64 GDT[] = { 0,
				   0x00af9b000000ffff,
				   0x00cf93000000ffff,
				   0x00affb000000ffff,
				   0x00cff3000000ffff,
				   0x00cf9b000000ffff,
				   0x00008b0000000067 | LAB_TSS << 16,
				   0 };
	unsigned int i;

	lab_write(l, LAB_TABLES, (LAB_TABLES + 0x1000) | 7);
	for (i = 0; i < 4; i++)
		lab_write(l, LAB_TABLES + 0x1000 + 8 * i, (LAB_TABLES + 0x2000 + 0x1000 * i) | 7);
	for (i = 0; i < 2048; i++)
		lab_write(l, LAB_TABLES + 0x2000 + 8 * i, (u64)i << 21 | PTE);
	for (i = 0; i < 8; i++)
		lab_write(l, LAB_GDT + 8 * i, GDT[i]);
	lab_write(l, LAB_TSS + 4, LAB_STACK);
	for (i = 0; i < 256; i++) {
		u64 l1 = LAB_HANDLERS + 16 * i, l2 = LAB_L2_HANDLERS + 16 * i;

		lab_write(l, LAB_IDT + 16 * i, (l1 & 0xffff) | LAB_CS << 16 | (l1 >> 16) << 48 | GATE);
		lab_write(l, LAB_L2_IDT + 16 * i, (l2 & 0xffff) | LAB_CS << 16 | (l2 >> 16) << 48 | GATE | 3ull << 45);
		lab_write(l, l1, OP_HLT);
		lab_write(l, l2, 0xc1010f); /* VMCALL */
	}
	lab_write(l, LAB_EXIT, OP_HLT);
	lab_write(l, LAB_EPT, (LAB_EPT + 0x1000) | 7);
	lab_write(l, LAB_EPT + 0x1000, (LAB_EPT + 0x2000) | 7);
	for (i = 0; i < LAB_RAM >> 21; i++)
		lab_write(l, LAB_EPT + 0x2000 + 8 * i, (u64)i << 21 | 0xb7);
}

static void registers(struct lab *l)
{
	struct vcpu *v = l->v;

	vcpu_reset(v, false);
	v->cr0 = CR0_LONG;
	v->cr3 = LAB_TABLES;
	v->cr4 = CR4_LONG;
	v->efer = EFER_LONG;
	v->xcr0 = 7;
	for (unsigned int i = 0; i < 6; i++)
		v->seg[i] = (struct segment){ .limit = ~0u,
					      .ar = i == CS ? 0xa09b : 0xc093,
					      .sel = i == CS ? LAB_CS : LAB_DS };
	v->seg[TR] = (struct segment){ .base = LAB_TSS, .limit = 0x67, .ar = 0x8b, .sel = LAB_TR };
	v->seg[LDTR] = (struct segment){ .ar = AR_UNUSABLE };
	v->gdtr = (struct dtable){ LAB_GDT, 0x3f };
	v->idtr = (struct dtable){ LAB_IDT, 0xfff };
	v->gpr[RSP] = LAB_STACK;
	mmu_switch(v, true);
	vcpu_update_mode(v);
}

/* The vCPU lies in the stack of its thread, which is therefore one and the same for all runs. */
static void *thread(void *arg)
{
	struct lab *l = arg;
	int err;

	err = crash_thread_begin(l->v);
	for (;;) {
		sem_wait(&l->begin);
		if (l->over)
			break;
		if (!err)
			vcpu_loop(&l->thread);
		sem_post(&l->end);
	}
	if (!err)
		crash_thread_end();
	return NULL;
}

void lab_init(struct lab *l, const char *spec)
{
	static const struct devices_config DEVICES = { .no_pit = true };
	struct machine *m = &l->machine;
	char error[256];

	memset(l, 0, sizeof(*l));
	if (model_parse(&l->model, spec ? spec : "Skylake-Server,+vmx", error, sizeof(error)))
		fail_msg("%s", error);
	m->name = "lab";
	m->model = &l->model;
	m->vcpu = l->vcpus;
	m->vcpu_count = 1;
	m->no_reboot = true;
	clock_init(&m->clock, CLOCK_INSNS);
	assert_int_equal(memory_init(&m->memory, LAB_RAM), 0);
	assert_int_equal(devices_create(m, &DEVICES), 0);
	l->model.tsc_hz = m->clock.tsc_hz;
	l->model.vcpus = 1;
	assert_int_equal(vcpu_thread_create(&l->thread, m, 0), 0);
	l->v = l->vcpus[0] = l->thread.v;
	m->clock.source = l->v;
	m->clock.now = insns_now;
	l->v->apic = lapic_create(m, l->v);
	assert_non_null(l->v->apic);
	if (model_has(&l->model, FEATURE_VMX)) {
		vmx_create(l->v, &modes);
		assert_non_null(l->v->vmx);
	}
	m->bt = bt_create(m, 1u << 20);
	assert_non_null(m->bt);
	assert_int_equal(bt_vcpu_create(m->bt, l->v), 0);
	l->v12 = (struct vmcs *)memory_host(&m->memory, LAB_VMCS);
	tables(l);
	registers(l);
	lab_write(l, LAB_VMXON, VMCS_REVISION);
	lab_write(l, LAB_VMCS, VMCS_REVISION);
	lab_write(l, LAB_VMCS2, VMCS_REVISION);
	sem_init(&l->begin, 0, 0);
	sem_init(&l->end, 0, 0);
	assert_int_equal(vcpu_thread_start(&l->thread, thread, l), 0);
}

void lab_destroy(struct lab *l)
{
	struct vcpu *v = l->v;

	l->over = true;
	sem_post(&l->begin);
	pthread_join(l->thread.thread, NULL);
	bt_vcpu_destroy(v);
	bt_destroy(l->machine.bt);
	l->machine.bt = NULL;
	lapic_destroy(v->apic);
	vmx_destroy(v);
	l->vcpus[0] = NULL;
	vcpu_thread_destroy(&l->thread);
	devices_destroy(&l->machine);
	memory_destroy(&l->machine.memory);
}

static int go(struct lab *l, u64 end)
{
	struct vcpu *v = l->v;

	atomic_store(&l->machine.stop, STOP_NONE);
	atomic_store(&l->machine.stop_claim, STOP_NONE);
	v->activity = ACTIVITY_ACTIVE;
	vcpu_update_mode(v);
	crash_install(NULL); /* the host's exceptions are the guest's; cmocka takes them for each test anew */
	sem_post(&l->begin);
	sem_wait(&l->end);
	if (atomic_load(&l->machine.stop) != STOP_HALTED_FOREVER)
		return LAB_STOPPED;
	if (v->rip == end)
		return LAB_DONE;
	if (v->rip == LAB_EXIT + 1)
		return LAB_EXITED;
	assert_in_range(v->rip, LAB_HANDLERS, LAB_HANDLERS + 0xfff);
	return (int)(v->rip - LAB_HANDLERS) / 16;
}

/* The lab writes as a device would: what was translated there is dropped. */
static void put_code(struct lab *l, u64 at, const void *code, size_t n)
{
	assert_true(machine_write(&l->machine, at, code, n));
}

int lab_run(struct lab *l, const void *code, size_t n)
{
	static const u8 HLT = OP_HLT;

	put_code(l, LAB_CODE, code, n);
	put_code(l, LAB_CODE + n, &HLT, 1);
	l->v->rip = LAB_CODE;
	return go(l, LAB_CODE + n + 1);
}

int lab_outcome(const struct lab *l)
{
	u64 flags = l->v->rflags;

	if (flags & FLAG_CF)
		return LAB_INVALID;
	return flags & FLAG_ZF ? (int)l->v->vmx->v12->vm_instruction_error : 0;
}

static int outcome_of(struct lab *l, int end)
{
	if (end != LAB_DONE)
		fail_msg("a VMX instruction ended with %d", end);
	return lab_outcome(l);
}

/* operand at [rbx] */
static void operand(struct lab *l, u64 low, u64 high)
{
	lab_write(l, LAB_OPERAND, low);
	lab_write(l, LAB_OPERAND + 8, high);
	l->v->gpr[RBX] = LAB_OPERAND;
}

int lab_vmxon(struct lab *l, u64 pa)
{
	operand(l, pa, 0);
	return outcome_of(l, LAB_RUN(l, 0xf3, 0x0f, 0xc7, 0x33));
}

int lab_vmclear(struct lab *l, u64 pa)
{
	operand(l, pa, 0);
	return outcome_of(l, LAB_RUN(l, 0x66, 0x0f, 0xc7, 0x33));
}

int lab_vmptrld(struct lab *l, u64 pa)
{
	operand(l, pa, 0);
	return outcome_of(l, LAB_RUN(l, 0x0f, 0xc7, 0x33));
}

int lab_vmread(struct lab *l, u64 encoding, u64 *value)
{
	int outcome;

	l->v->gpr[RAX] = encoding;
	outcome = outcome_of(l, LAB_RUN(l, 0x0f, 0x78, 0xc1));
	*value = l->v->gpr[RCX];
	return outcome;
}

int lab_vmwrite(struct lab *l, u64 encoding, u64 value)
{
	l->v->gpr[RAX] = encoding;
	l->v->gpr[RCX] = value;
	return outcome_of(l, LAB_RUN(l, 0x0f, 0x79, 0xc1));
}

int lab_invept(struct lab *l, u64 type, u64 eptp)
{
	operand(l, eptp, 0);
	l->v->gpr[RAX] = type;
	return outcome_of(l, LAB_RUN(l, 0x66, 0x0f, 0x38, 0x80, 0x03));
}

int lab_invvpid(struct lab *l, u64 type, u64 vpid, u64 linear)
{
	operand(l, vpid, linear);
	l->v->gpr[RAX] = type;
	return outcome_of(l, LAB_RUN(l, 0x66, 0x0f, 0x38, 0x81, 0x03));
}

static void fill_controls(struct lab *l)
{
	const struct vmx_caps *c = &l->v->vmx->caps;
	struct vmcs *m = l->v12;

	m->pin_based_vm_exec_control = (u32)(c->control[VMX_WORD_PIN].must | CTL_preemption_timer);
	m->cpu_based_vm_exec_control = (u32)(c->control[VMX_WORD_PROC].must | CTL_secondary_controls);
	m->secondary_vm_exec_control = 0;
	m->vm_exit_controls = (u32)(c->control[VMX_WORD_EXIT].must | CTL_host_address_space_size);
	m->vm_entry_controls = (u32)(c->control[VMX_WORD_ENTRY].must | CTL_ia32e_mode_guest);
	m->vmx_preemption_timer_value = TIMER;
	m->ept_pointer = LAB_EPT | 3 << 3 | 6;
	m->virtual_processor_id = 1;
	m->vmcs_link_pointer = ~0ull;
	m->virtual_apic_page_addr = LAB_VAPIC;
	m->vm_exit_msr_store_addr = LAB_LISTS;
	m->vm_exit_msr_load_addr = LAB_LISTS + 0x1000;
	m->vm_entry_msr_load_addr = LAB_LISTS + 0x2000;
	m->io_bitmap_a = LAB_BITMAPS;
	m->io_bitmap_b = LAB_BITMAPS + 0x1000;
	m->msr_bitmap = LAB_BITMAPS + 0x2000;
	m->vmread_bitmap = LAB_BITMAPS + 0x3000;
	m->vmwrite_bitmap = LAB_BITMAPS + 0x4000;
}

static void fill_host(struct lab *l)
{
	const struct vcpu *v = l->v;
	struct vmcs *m = l->v12;

	m->host_cr0 = v->cr0;
	m->host_cr3 = v->cr3;
	m->host_cr4 = v->cr4;
	m->host_cs_selector = LAB_CS;
	m->host_ss_selector = m->host_ds_selector = m->host_es_selector = LAB_DS;
	m->host_fs_selector = m->host_gs_selector = LAB_DS;
	m->host_tr_selector = LAB_TR;
	m->host_tr_base = LAB_TSS;
	m->host_gdtr_base = LAB_GDT;
	m->host_idtr_base = LAB_IDT;
	m->host_ia32_efer = v->efer;
	m->host_ia32_pat = v->pat;
	m->host_rsp = LAB_STACK;
	m->host_rip = LAB_EXIT;
}

static void fill_guest(struct lab *l)
{
	const struct vcpu *v = l->v;
	struct vmcs *m = l->v12;

	m->guest_cr0 = v->cr0;
	m->guest_cr3 = v->cr3;
	m->guest_cr4 = v->cr4;
	m->guest_ia32_efer = v->efer;
	m->guest_ia32_pat = v->pat;
	m->guest_dr7 = 0x400;
#define DATA(name) \
	m->guest_##name##_selector = LAB_DS; \
	m->guest_##name##_limit = ~0u; \
	m->guest_##name##_ar_bytes = 0xc093;
	DATA(es)
	DATA(ss)
	DATA(ds)
	DATA(fs)
	DATA(gs)
#undef DATA
	m->guest_cs_selector = LAB_CS;
	m->guest_cs_limit = ~0u;
	m->guest_cs_ar_bytes = 0xa09b;
	m->guest_tr_selector = LAB_TR;
	m->guest_tr_base = LAB_TSS;
	m->guest_tr_limit = 0x67;
	m->guest_tr_ar_bytes = 0x8b;
	m->guest_ldtr_ar_bytes = AR_UNUSABLE;
	m->guest_gdtr_base = LAB_GDT;
	m->guest_gdtr_limit = 0x3f;
	m->guest_idtr_base = LAB_L2_IDT;
	m->guest_idtr_limit = 0xfff;
	m->guest_rip = LAB_L2_CODE;
	m->guest_rsp = LAB_L2_STACK;
	m->guest_rflags = FLAG_1;
}

void lab_vmcs(struct lab *l)
{
	assert_int_equal(lab_vmxon(l, LAB_VMXON), 0);
	assert_int_equal(lab_vmclear(l, LAB_VMCS), 0);
	assert_int_equal(lab_vmptrld(l, LAB_VMCS), 0);
	fill_controls(l);
	fill_host(l);
	fill_guest(l);
}

void lab_ept(struct lab *l)
{
	lab_vmcs(l);
	l->v12->secondary_vm_exec_control |= (u32)CTL_ept;
}

static u32 enter(struct lab *l, int end)
{
	switch (end) {
	case LAB_EXITED:
		return l->v12->vm_exit_reason;
	case LAB_DONE:
		return (u32)(LAB_FAILED + lab_outcome(l));
	default:
		fail_msg("VM entry ended with %d: %s", end, end == LAB_STOPPED ? l->machine.stop_text : "");
		return 0;
	}
}

u32 lab_l2(struct lab *l, const void *code, size_t n)
{
	if (n)
		put_code(l, l->v12->guest_rip, code, n);
	l->v12->launched = VMCS_CLEAR;
	vmcs02_all_changed(&l->v->vmx->changes); /* tests write fields without VMWRITE */
	return enter(l, LAB_RUN(l, 0x0f, 0x01, 0xc2));
}

u32 lab_resume(struct lab *l)
{
	vmcs02_all_changed(&l->v->vmx->changes);
	return enter(l, LAB_RUN(l, 0x0f, 0x01, 0xc3));
}
