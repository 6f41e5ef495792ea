/* SPDX-License-Identifier: GPL-2.0-or-later */
/* L2's physical addresses: through L1's EPT (EPT12). What EPT01 says is the layout of L1's RAM: machine/memory.h. */
#include "internal.h"

#include "../../ept-merge/ept_walk.h"

bool vmx_uses_ept(const struct vcpu *v)
{
	return v->in_l2 && has_ept(&v->vmx->v02);
}

static u64 *table(void *ctx, u64 pa, bool write, u32 *refs)
{
	const struct vcpu *v = ctx;

	(void)write;
	(void)refs;
	return l1_page(v, pa);
}

/* SDM vol. 3, "Page-Modification Logging": 512 entries, filled from the last to the first */
static bool pml_ready(void *ctx)
{
	const struct vcpu *v = ctx;

	return v->vmx->v02.guest_pml_index < 512;
}

static void pml_log(void *ctx, u64 from)
{
	struct vcpu *v = ctx;
	struct vmcs *c = &v->vmx->v02;
	u64 *page = l1_page(v, c->pml_address);

	if (page)
		page[c->guest_pml_index] = from & ~4095ull;
	c->guest_pml_index--;
}

static struct ept_format offered_format(const struct vcpu *v)
{
	const struct vmx_caps *caps = &v->vmx->caps;

	return (struct ept_format){
		.features = (offers_ept_execute_only(caps) ? EPT_HAS_EXEC_ONLY : 0) |
			    (offers_ept_2mb(caps) ? EPT_HAS_2M : 0) | (offers_ept_1gb(caps) ? EPT_HAS_1G : 0) |
			    (offers_ept_accessed_dirty(caps) ? EPT_HAS_AD : 0),
		.maxphyaddr = caps->cpu.physical_bits,
	};
}

bool vmx_eptp_valid(const struct vcpu *v, u64 eptp)
{
	struct ept_format f = offered_format(v);

	return ept_eptp_valid(&f, eptp);
}

static struct ept_space space_of(struct vcpu *v)
{
	const struct vmcs *c = &v->vmx->v02;

	return (struct ept_space){ .format = ept_format_of(offered_format(v), c->ept_pointer, false),
				   .root = c->ept_pointer & EPT_ADDRESS,
				   .ctx = v,
				   .table = table,
				   .pml_ready = has_pml(c) ? pml_ready : NULL,
				   .pml_log = has_pml(c) ? pml_log : NULL };
}

bool vmx_nested_walk(struct vcpu *v, u64 address, unsigned int access, u64 linear, bool final, bool probe,
		     struct nested_page *page)
{
	struct ept_space s = space_of(v);
	struct ept_walk w;
	u32 how = EPT_ACC_LINEAR | (final ? EPT_ACC_FINAL : 0) | (probe ? EPT_ACC_PROBE : 0);

	if (access & ACC_WRITE)
		how |= EPT_ACC_WRITE | (access & ACC_READ ? EPT_ACC_READ : 0);
	else
		how |= access & ACC_EXEC ? EPT_ACC_EXEC : EPT_ACC_READ;
	switch (ept_walk(&s, address, how, &w)) {
	case EPT_WALK_OK:
		page->l1pa = w.to;
		page->shift = w.shift;
		page->rights = (u8)((w.rights & EPT_RIGHT_R ? ACC_READ : 0) |
				    ((w.rights & EPT_RIGHT_W) && w.dirty ? ACC_WRITE : 0) |
				    (w.rights & EPT_RIGHT_XS ? ACC_EXEC : 0));
		return true;
	case EPT_WALK_PML_FULL:
		if (probe)
			return false;
		vmx_exit(v, &(struct vmx_exit_info){ .reason = EXIT_REASON_PML_FULL });
	case EPT_WALK_MISCONFIG:
		if (probe)
			return false;
		vmx_exit(v, &(struct vmx_exit_info){ .reason = EXIT_REASON_EPT_MISCONFIG, .physical = address });
	default:
		if (probe)
			return false;
		vmx_exit(v, &(struct vmx_exit_info){ .reason = EXIT_REASON_EPT_VIOLATION,
						     .qualification = w.qualification,
						     .linear = linear,
						     .physical = address });
	}
}
