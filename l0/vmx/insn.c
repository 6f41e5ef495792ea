/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The VMX instructions but VMLAUNCH and VMRESUME: SDM vol. 3, "VMX Instruction Reference". */
#include "internal.h"

#include "../bt/bt.h"

/* #UD where VMX instructions don't exist; then, in L2, the exit; then the privilege. exits: of L1, to be counted */
static void check_insn(struct vcpu *v, u32 reason, union insn_args a, bool memory, bool exits)
{
	if (!v->vmx || !vcpu_protected(v) || vcpu_v8086(v) || (vcpu_long_mode(v) && !vcpu_64bit(v)) || !v->vmx->on)
		raise_ud(v);
	if (memory && a.is_reg)
		raise_ud(v);
	if (v->in_l2)
		vmx_exit_operand(v, reason);
	if (exits)
		vmx_served(v, reason);
	if (v->cpl)
		raise_gp(v, 0);
}

static void check_vmx_insn(struct vcpu *v, u32 reason, union insn_args a, bool memory)
{
	check_insn(v, reason, a, memory, true);
}

static unsigned int operand_bytes(const struct vcpu *v)
{
	return vcpu_64bit(v) ? 8 : 4;
}

static u64 read_pointer(struct vcpu *v, union insn_args a)
{
	return mmu_read(v, segment_linear(v, a.seg, v->ea, 8, ACC_READ), 8, mmu_data(v, ACC_READ));
}

/* A VMCS or VMXON region: aligned and within the physical-address width */
static bool region_ok(const struct vcpu *v, u64 pa)
{
	return !(pa & 4095) && !(pa >> v->vmx->caps.cpu.physical_bits);
}

static u32 region_revision(const struct vcpu *v, u64 pa)
{
	const u32 *page = l1_page(v, pa);

	return page ? *page : UINT32_MAX; /* nobody answers: all ones */
}

void insn_vmxon(struct vcpu *v, union insn_args a)
{
	u64 pa;

	if (!v->vmx || !vcpu_protected(v) || vcpu_v8086(v) || (vcpu_long_mode(v) && !vcpu_64bit(v)) ||
	    !(v->cr4 & CR4_VMXE) || a.is_reg)
		raise_ud(v);
	if (v->vmx->on && v->in_l2)
		vmx_exit_operand(v, EXIT_REASON_VMON);
	vmx_served(v, EXIT_REASON_VMON);
	if (v->vmx->on) {
		if (v->cpl)
			raise_gp(v, 0);
		vmx_fail(v, VMERR_VMXON_IN_ROOT);
		return;
	}
	v->vmx->on = true; /* for the checks of CR0 and CR4 */
	if (v->cpl || !vmx_cr0_allowed(v, v->cr0) || !vmx_cr4_allowed(v, v->cr4)) {
		v->vmx->on = false;
		raise_gp(v, 0);
	}
	v->vmx->on = false;
	pa = read_pointer(v, a);
	if (!region_ok(v, pa) || region_revision(v, pa) != VMCS_REVISION) {
		vmx_fail_invalid(v);
		return;
	}
	v->vmx->on = true;
	v->vmx->vmxon = pa;
	vmx_set_current(v, VMPTR_NONE);
	vmx_succeed(v);
}

void insn_vmxoff(struct vcpu *v, union insn_args a)
{
	check_vmx_insn(v, EXIT_REASON_VMOFF, a, false);
	v->vmx->on = false;
	vmx_set_current(v, VMPTR_NONE);
	vmx_unblock_init(v);
	vmx_succeed(v);
}

void insn_vmclear(struct vcpu *v, union insn_args a)
{
	struct vmcs *page;
	u64 pa;

	check_vmx_insn(v, EXIT_REASON_VMCLEAR, a, true);
	pa = read_pointer(v, a);
	if (!region_ok(v, pa)) {
		vmx_fail(v, VMERR_VMCLEAR_BAD_ADDRESS);
		return;
	}
	if (pa == v->vmx->vmxon) {
		vmx_fail(v, VMERR_VMCLEAR_VMXON_POINTER);
		return;
	}
	page = l1_page(v, pa);
	if (page) {
		/* SDM vol. 3, "Software Use of Virtual-Machine Control Structures": a VMCS is active on one processor, until this */
		GUEST_TAKES(page);
		page->launched = VMCS_CLEAR;
		GUEST_GIVES(page);
	}
	if (pa == v->vmx->current)
		vmx_set_current(v, VMPTR_NONE);
	vmx_succeed(v);
}

void insn_vmptrld(struct vcpu *v, union insn_args a)
{
	u32 revision;
	u64 pa;

	check_vmx_insn(v, EXIT_REASON_VMPTRLD, a, true);
	pa = read_pointer(v, a);
	if (!region_ok(v, pa)) {
		vmx_fail(v, VMERR_VMPTRLD_BAD_ADDRESS);
		return;
	}
	if (pa == v->vmx->vmxon) {
		vmx_fail(v, VMERR_VMPTRLD_VMXON_POINTER);
		return;
	}
	revision = region_revision(v, pa);
	if (vmx_caps_has(&v->vmx->caps, VMX_vmcs_shadowing))
		revision &= ~VMCS_SHADOW_BIT;
	if (revision != VMCS_REVISION) {
		vmx_fail(v, VMERR_VMPTRLD_BAD_REVISION);
		return;
	}
	vmx_set_current(v, pa);
	if (v->vmx->v12)
		GUEST_TAKES(v->vmx->v12);
	/* Its bytes are written behind the translator's back from now on. */
	bt_phys_written(v->machine, pa, PAGE_SIZE);
	vmx_succeed(v);
}

void insn_vmptrst(struct vcpu *v, union insn_args a)
{
	check_vmx_insn(v, EXIT_REASON_VMPTRST, a, true);
	mmu_write(v, segment_linear(v, a.seg, v->ea, 8, ACC_WRITE), v->vmx->current, 8, mmu_data(v, ACC_WRITE));
	vmx_succeed(v);
}

/* The field that VMREAD or VMWRITE means, NULL if this L1 has none of that encoding */
static const struct vmcs_field *field_of(struct vcpu *v, u64 encoding)
{
	const struct vmcs_field *f = vmcs_find(encoding);

	return f && vmx_caps_has_field(&v->vmx->caps, f) ? f : NULL;
}

/* Is VMREAD or VMWRITE in L1 an exit in the chosen mode? */
static bool access_exits(const struct vmx *x, u32 reason, u64 encoding)
{
	if (x->modes.access == VMCS_ACCESS_SHADOW)
		return vmcs_bitmap_exits(reason == EXIT_REASON_VMREAD ? x->vmread_bitmap : x->vmwrite_bitmap, encoding);
	return x->modes.access == VMCS_ACCESS_TRAP;
}

/*
 * The VMCS that VMREAD or VMWRITE works on: the current one; in L2 with VMCS shadowing, the one that the link pointer names, if
 * L1's bitmap lets the field through. SDM vol. 2, "VMREAD".
 */
static struct vmcs *target_vmcs(struct vcpu *v, u32 reason, union insn_args a, u64 encoding)
{
	const struct vmcs *c = &v->vmx->v02;
	const u8 *bitmap;

	if (!v->in_l2 || !has_vmcs_shadowing(c)) {
		check_insn(v, reason, a, false, !v->in_l2 && access_exits(v->vmx, reason, encoding));
		count_one(&v->vmx->rounds.vmcs_callouts);
		return v->vmx->v12;
	}
	if (!vcpu_protected(v) || vcpu_v8086(v) || (vcpu_long_mode(v) && !vcpu_64bit(v)))
		raise_ud(v);
	bitmap = l1_page(v, reason == EXIT_REASON_VMREAD ? c->vmread_bitmap : c->vmwrite_bitmap);
	if (encoding >> 15 || !bitmap || (bitmap[encoding / 8] >> (encoding % 8) & 1))
		vmx_exit_operand(v, reason);
	if (v->cpl)
		raise_gp(v, 0);
	return c->vmcs_link_pointer == VMPTR_NONE ? NULL : l1_page(v, c->vmcs_link_pointer);
}

/* reg: register with the encoding; r/m: destination */
void insn_vmread(struct vcpu *v, union insn_args a)
{
	unsigned int bytes = operand_bytes(v);
	u64 encoding = bytes == 8 ? v->gpr[a.reg] : (u32)v->gpr[a.reg], value;
	const struct vmcs_field *f;
	struct vmcs *m;

	if (!v->vmx || !v->vmx->on)
		raise_ud(v);
	m = target_vmcs(v, EXIT_REASON_VMREAD, a, encoding);
	vmx_trace_field(v, encoding);
	if (!m) {
		vmx_fail_invalid(v);
		return;
	}
	f = field_of(v, encoding);
	if (!f) {
		vmx_fail_valid(v, VMERR_UNSUPPORTED_COMPONENT);
		return;
	}
	value = vmcs_get(m, f, encoding);
	if (!a.is_reg)
		mmu_write(v, segment_linear(v, a.seg, v->ea, bytes, ACC_WRITE), value, bytes, mmu_data(v, ACC_WRITE));
	else
		v->gpr[a.rm] = bytes == 8 ? value : (u32)value;
	if (!v->in_l2)
		vmx_count_access(v, false, f, value);
	vmx_succeed(v);
}

void insn_vmwrite(struct vcpu *v, union insn_args a)
{
	unsigned int bytes = operand_bytes(v);
	u64 encoding = bytes == 8 ? v->gpr[a.reg] : (u32)v->gpr[a.reg], value;
	const struct vmcs_field *f;
	struct vmcs *m;

	if (!v->vmx || !v->vmx->on)
		raise_ud(v);
	m = target_vmcs(v, EXIT_REASON_VMWRITE, a, encoding);
	vmx_trace_field(v, encoding);
	value = a.is_reg ? v->gpr[a.rm]
			 : mmu_read(v, segment_linear(v, a.seg, v->ea, bytes, ACC_READ), bytes, mmu_data(v, ACC_READ));
	if (bytes == 4)
		value = (u32)value;
	if (!m) {
		vmx_fail_invalid(v);
		return;
	}
	f = field_of(v, encoding);
	if (!f) {
		vmx_fail_valid(v, VMERR_UNSUPPORTED_COMPONENT);
		return;
	}
	if (vmcs_read_only(f) && !offers_vmwrite_exit_info(&v->vmx->caps)) {
		vmx_fail_valid(v, VMERR_READ_ONLY_COMPONENT);
		return;
	}
	vmcs_set(m, f, encoding, value);
	if (!v->in_l2) {
		v->vmx->changes.groups |= 1u << f->group;
		vmx_count_access(v, true, f, value);
	}
	vmx_succeed(v);
}

void insn_vmlaunch(struct vcpu *v, union insn_args a)
{
	check_vmx_insn(v, EXIT_REASON_VMLAUNCH, a, false);
	vmx_enter(v, true);
}

void insn_vmresume(struct vcpu *v, union insn_args a)
{
	check_vmx_insn(v, EXIT_REASON_VMRESUME, a, false);
	vmx_enter(v, false);
}

void insn_vmcall(struct vcpu *v, union insn_args a)
{
	(void)a;
	if (!v->vmx || !v->vmx->on)
		raise_ud(v);
	if (v->in_l2)
		vmx_exit_insn(v, EXIT_REASON_VMCALL, 0);
	vmx_served(v, EXIT_REASON_VMCALL);
	if (vcpu_v8086(v) || (vcpu_long_mode(v) && !vcpu_64bit(v)))
		raise_ud(v);
	if (v->cpl)
		raise_gp(v, 0);
	vmx_fail(v, VMERR_VMCALL_IN_ROOT); /* no dual-monitor treatment of SMIs */
}

/* SDM vol. 3, "EPTP Switching": VM function 0 */
void insn_vmfunc(struct vcpu *v, union insn_args a)
{
	struct vmcs *c;
	const u64 *list;
	u64 eptp;

	(void)a;
	if (!v->vmx || !v->in_l2 || !has_vm_functions(&v->vmx->v02))
		raise_ud(v);
	c = &v->vmx->v02;
	if ((u32)v->gpr[RAX] > 63 || !(c->vm_function_control >> ((u32)v->gpr[RAX] & 63) & 1) || (u32)v->gpr[RCX] >= 512)
		vmx_exit_insn(v, EXIT_REASON_VMFUNC, 0);
	list = l1_page(v, c->eptp_list_address);
	eptp = list ? list[(u32)v->gpr[RCX]] : UINT64_MAX;
	if (!vmx_eptp_valid(v, eptp))
		vmx_exit_insn(v, EXIT_REASON_VMFUNC, 0);
	c->ept_pointer = v->vmx->v12->ept_pointer = eptp;
	vmx_mmu_select(v);
	mmu_switch(v, !has_vpid(c));
}

/* reg: register with the type; memory: descriptor of 16 bytes */
void insn_invept(struct vcpu *v, union insn_args a)
{
	u64 type, eptp, at;

	if (v->vmx && v->vmx->on && !offers_invept(&v->vmx->caps))
		raise_ud(v);
	check_vmx_insn(v, EXIT_REASON_INVEPT, a, true);
	type = vcpu_64bit(v) ? v->gpr[a.reg] : (u32)v->gpr[a.reg];
	at = segment_linear(v, a.seg, v->ea, 16, ACC_READ);
	eptp = mmu_read(v, at, 8, mmu_data(v, ACC_READ));
	mmu_read(v, at + 8, 8, mmu_data(v, ACC_READ));
	/* of a single context: an EPTP with which VM entry wouldn't fail */
	if (!((type == 1 && offers_invept_single_context(&v->vmx->caps) && vmx_eptp_valid(v, eptp)) ||
	      (type == 2 && offers_invept_all_context(&v->vmx->caps)))) {
		vmx_fail(v, VMERR_BAD_INVEPT_INVVPID);
		return;
	}
	vmx_mmu_invalidate(v, eptp, type == 2);
	mmu_flush_nested(v, type == 1 ? eptp & ~4095ull : 0, type == 2, 0, true);
	vmx_succeed(v);
}

static bool invvpid_offered(const struct vmx_caps *caps, u64 type)
{
	switch (type) {
	case 0:
		return offers_invvpid_single_address(caps);
	case 1:
		return offers_invvpid_single_context(caps);
	case 2:
		return offers_invvpid_all_context(caps);
	case 3:
		return offers_invvpid_retaining_globals(caps);
	default:
		return false;
	}
}

void insn_invvpid(struct vcpu *v, union insn_args a)
{
	u64 type, vpid, linear, at;

	if (v->vmx && v->vmx->on && !offers_invvpid(&v->vmx->caps))
		raise_ud(v);
	check_vmx_insn(v, EXIT_REASON_INVVPID, a, true);
	type = vcpu_64bit(v) ? v->gpr[a.reg] : (u32)v->gpr[a.reg];
	at = segment_linear(v, a.seg, v->ea, 16, ACC_READ);
	vpid = mmu_read(v, at, 8, mmu_data(v, ACC_READ));
	linear = mmu_read(v, at + 8, 8, mmu_data(v, ACC_READ));
	if (!invvpid_offered(&v->vmx->caps, type) || (vpid >> 16) || (type != 2 && !vpid) ||
	    (type == 0 && !mmu_canonical(v, linear))) {
		vmx_fail(v, VMERR_BAD_INVEPT_INVVPID);
		return;
	}
	mmu_flush_nested(v, 0, true, type == 2 ? 0 : (u16)vpid, type == 2);
	vmx_succeed(v);
}
