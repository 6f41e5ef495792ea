/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmcs02.h"

enum control_merge { CONTROL_EITHER, CONTROL_BOTH, CONTROL_FROM_12, CONTROL_FROM_01 };

/* The bits of a word that are merged in one way: the compiler folds this to a constant. */
static inline uint32_t bits_of(unsigned in_word, enum control_merge kind)
{
	uint32_t bits = 0;

#define C(word, token, bit, setting, offer, merge, needs, name) \
	if (VMX_WORD_##word == in_word && CONTROL_##merge == kind) \
		bits |= 1u << (bit);
	VMX_CONTROLS(C)
#undef C
	return bits;
}

/* Bits without a row are those of the default1 class, 1 in both, or reserved, 0 in both. */
static inline uint32_t merge_word(unsigned word, uint32_t w01, uint32_t w12)
{
	uint32_t both = bits_of(word, CONTROL_BOTH);
	uint32_t from_12 = bits_of(word, CONTROL_FROM_12);
	uint32_t from_01 = bits_of(word, CONTROL_FROM_01);

	return ((w01 | w12) & ~(both | from_12 | from_01)) | (w01 & w12 & both) | (w12 & from_12) | (w01 & from_01);
}

static uint64_t merge_pin_based_vm_exec_control(const struct vmcs *v01, const struct vmcs *v12)
{
	return merge_word(VMX_WORD_PIN, vmcs_word_PIN(v01), vmcs_word_PIN(v12));
}

/* "Unconditional I/O exiting" counts only without bitmaps. */
static bool all_io_exits(const struct vmcs *v)
{
	return has_unconditional_io_exiting(v) && !has_io_bitmaps(v);
}

static uint64_t merge_cpu_based_vm_exec_control(const struct vmcs *v01, const struct vmcs *v12)
{
	uint32_t word = merge_word(VMX_WORD_PROC, vmcs_word_PROC(v01), vmcs_word_PROC(v12));

	if (all_io_exits(v01) || all_io_exits(v12))
		word &= ~(uint32_t)CTL_io_bitmaps;
	else
		word &= ~(uint32_t)CTL_unconditional_io_exiting;
	return word;
}

static uint64_t merge_secondary_vm_exec_control(const struct vmcs *v01, const struct vmcs *v12)
{
	return merge_word(VMX_WORD_PROC2, vmcs_word_PROC2(v01), vmcs_word_PROC2(v12));
}

/* With both levels looping for PAUSE the one that notices first is the one to notice. */
static uint64_t merge_ple_gap(const struct vmcs *v01, const struct vmcs *v12)
{
	if (!has_pause_loop_exiting(v01))
		return v12->ple_gap;
	if (!has_pause_loop_exiting(v12))
		return v01->ple_gap;
	return v01->ple_gap > v12->ple_gap ? v01->ple_gap : v12->ple_gap;
}

static uint64_t merge_ple_window(const struct vmcs *v01, const struct vmcs *v12)
{
	if (!has_pause_loop_exiting(v01))
		return v12->ple_window;
	if (!has_pause_loop_exiting(v12))
		return v01->ple_window;
	return v01->ple_window < v12->ple_window ? v01->ple_window : v12->ple_window;
}

static uint64_t merge_encls_exiting_bitmap(const struct vmcs *v01, const struct vmcs *v12)
{
	return (has_encls_exiting(v01) ? v01->encls_exiting_bitmap : 0) |
	       (has_encls_exiting(v12) ? v12->encls_exiting_bitmap : 0);
}

/* XSAVES works in L2 only if both levels enable it, so both bitmaps count whenever this is looked at. */
static uint64_t merge_xss_exit_bitmap(const struct vmcs *v01, const struct vmcs *v12)
{
	return v01->xss_exit_bitmap | v12->xss_exit_bitmap;
}

/* Targets are L1's. An L0 that wants to see loads of CR3 has to see them all. */
static uint64_t merge_cr3_target_count(const struct vmcs *v01, const struct vmcs *v12)
{
	return has_cr3_load_exiting(v01) ? 0 : v12->cr3_target_count;
}

/* What a level asks for page faults. SDM vol. 3, "Exception Bitmap": a fault exits if bit 14 equals
 * (error code & mask) == match. */
#define PF_BIT (1u << 14)

static bool no_page_fault_exits(const struct vmcs *v)
{
	/* can the comparison come out true, can it come out false? */
	bool never_equal = v->page_fault_error_code_match & ~v->page_fault_error_code_mask;
	bool always_equal = !v->page_fault_error_code_mask && !v->page_fault_error_code_match;

	return v->exception_bitmap & PF_BIT ? never_equal : always_equal;
}

static bool same_page_fault_exits(const struct vmcs *v01, const struct vmcs *v12)
{
	return !((v01->exception_bitmap ^ v12->exception_bitmap) & PF_BIT) &&
	       v01->page_fault_error_code_mask == v12->page_fault_error_code_mask &&
	       v01->page_fault_error_code_match == v12->page_fault_error_code_match;
}

/* The level whose filter serves for both; NULL where only "every page fault" does, and who wants it is asked then. */
static const struct vmcs *page_fault_filter(const struct vmcs *v01, const struct vmcs *v12)
{
	if (no_page_fault_exits(v01) || same_page_fault_exits(v01, v12))
		return v12;
	return no_page_fault_exits(v12) ? v01 : NULL;
}

static uint64_t merge_exception_bitmap(const struct vmcs *v01, const struct vmcs *v12)
{
	const struct vmcs *filter = page_fault_filter(v01, v12);
	uint32_t others = (v01->exception_bitmap | v12->exception_bitmap) & ~PF_BIT;

	return others | (filter ? filter->exception_bitmap & PF_BIT : PF_BIT);
}

static uint64_t merge_page_fault_error_code_mask(const struct vmcs *v01, const struct vmcs *v12)
{
	const struct vmcs *filter = page_fault_filter(v01, v12);

	return filter ? filter->page_fault_error_code_mask : 0;
}

static uint64_t merge_page_fault_error_code_match(const struct vmcs *v01, const struct vmcs *v12)
{
	const struct vmcs *filter = page_fault_filter(v01, v12);

	return filter ? filter->page_fault_error_code_match : 0;
}

uint64_t vmcs_scale_tsc(uint64_t tsc, uint64_t multiplier)
{
	return (uint64_t)(((unsigned __int128)tsc * multiplier) >> 48);
}

/* Scaling counts only with offsetting. */
static uint64_t multiplier_of(const struct vmcs *v)
{
	return has_tsc_offsetting(v) && has_tsc_scaling(v) ? v->tsc_multiplier : TSC_ONE;
}

static uint64_t offset_of(const struct vmcs *v)
{
	return has_tsc_offsetting(v) ? v->tsc_offset : 0;
}

/* L1's TSC is T*m01 + o01, and L2's that times m12 plus o12: T*(m01*m12) + (o01*m12 + o12), o01 being signed. */
static uint64_t merge_tsc_offset(const struct vmcs *v01, const struct vmcs *v12)
{
	uint64_t o01 = offset_of(v01);
	uint64_t m12 = multiplier_of(v12);
	uint64_t scaled = (int64_t)o01 < 0 ? -vmcs_scale_tsc(-o01, m12) : vmcs_scale_tsc(o01, m12);

	return scaled + offset_of(v12);
}

static uint64_t merge_tsc_multiplier(const struct vmcs *v01, const struct vmcs *v12)
{
	return vmcs_scale_tsc(multiplier_of(v01), multiplier_of(v12));
}

static uint64_t merge_cr0_guest_host_mask(const struct vmcs *v01, const struct vmcs *v12)
{
	return v01->cr0_guest_host_mask | v12->cr0_guest_host_mask;
}

static uint64_t merge_cr4_guest_host_mask(const struct vmcs *v01, const struct vmcs *v12)
{
	return v01->cr4_guest_host_mask | v12->cr4_guest_host_mask;
}

uint64_t vmcs12_visible_cr0(const struct vmcs *v12)
{
	return (v12->guest_cr0 & ~v12->cr0_guest_host_mask) | (v12->cr0_read_shadow & v12->cr0_guest_host_mask);
}

uint64_t vmcs12_visible_cr4(const struct vmcs *v12)
{
	return (v12->guest_cr4 & ~v12->cr4_guest_host_mask) | (v12->cr4_read_shadow & v12->cr4_guest_host_mask);
}

/* A bit that only L0 owns reads as L1 set it, not as L0 runs with it. */
static uint64_t merge_cr0_read_shadow(const struct vmcs *v01, const struct vmcs *v12)
{
	(void)v01;
	return vmcs12_visible_cr0(v12);
}

static uint64_t merge_cr4_read_shadow(const struct vmcs *v01, const struct vmcs *v12)
{
	(void)v01;
	return vmcs12_visible_cr4(v12);
}

/* SDM vol. 3, "Loading Guest Control Registers, Debug Registers, and MSRs": what the entry doesn't load stays L1's. */
static uint64_t merge_guest_ia32_debugctl(const struct vmcs *v01, const struct vmcs *v12)
{
	return has_load_debug_controls(v12) ? v12->guest_ia32_debugctl : v01->guest_ia32_debugctl;
}

static uint64_t merge_guest_dr7(const struct vmcs *v01, const struct vmcs *v12)
{
	return has_load_debug_controls(v12) ? v12->guest_dr7 : v01->guest_dr7;
}

static uint64_t merge_guest_ia32_pat(const struct vmcs *v01, const struct vmcs *v12)
{
	return has_entry_load_pat(v12) ? v12->guest_ia32_pat : v01->guest_ia32_pat;
}

static uint64_t merge_guest_ia32_perf_global_ctrl(const struct vmcs *v01, const struct vmcs *v12)
{
	return has_entry_load_perf_global_ctrl(v12) ? v12->guest_ia32_perf_global_ctrl : v01->guest_ia32_perf_global_ctrl;
}

static uint64_t merge_guest_ia32_bndcfgs(const struct vmcs *v01, const struct vmcs *v12)
{
	return has_load_bndcfgs(v12) ? v12->guest_ia32_bndcfgs : v01->guest_ia32_bndcfgs;
}

#define CR0_PG (1ull << 31)
#define EFER_LME (1ull << 8)
#define EFER_LMA (1ull << 10)

/* Without "load IA32_EFER" the entry sets LMA to "IA-32e mode guest", and LME as well if paging is on. */
static uint64_t merge_guest_ia32_efer(const struct vmcs *v01, const struct vmcs *v12)
{
	uint64_t touched = v12->guest_cr0 & CR0_PG ? EFER_LMA | EFER_LME : EFER_LMA;

	if (has_entry_load_efer(v12))
		return v12->guest_ia32_efer;
	return (v01->guest_ia32_efer & ~touched) | (has_ia32e_mode_guest(v12) ? touched : 0);
}

/* The rules. Each counts what it writes. */
#define FILL_FROM_12(n, enc) \
	v02->n = v12->n; \
	count++;
#define FILL_MERGE(n, enc) \
	v02->n = (VMCS_C_TYPE(enc))merge_##n(v01, v12); \
	count++;
#define FILL_OURS(n, enc) \
	v02->n = v01->n; \
	count++;
#define FILL_EXIT_INFO(n, enc) /* written by the exit, never by the entry */
#define FILL_HOST_12(n, enc) /* becomes L1's state at the exit */

#define F(name, enc, need, shadow, rule, group) FILL_##rule(name, enc)
#define G(F_, group, after, text) \
	static unsigned fill_##group(struct vmcs *v02, const struct vmcs *v01, const struct vmcs *v12) \
	{ \
		unsigned count = 0; \
		(void)v02; \
		(void)v01; \
		(void)v12; \
		VMCS_FIELDS_##group(F, group) return count; \
	}
VMCS_GROUPS(G, _)
#undef G
#undef F

uint32_t vmcs02_groups_after(uint32_t groups)
{
	uint32_t all = groups;

#define G(F, group, after, text) \
	if (groups & (after)) \
		all |= VMCS_IN(group);
	VMCS_GROUPS(G, _)
#undef G
	return all;
}

/* One look at the direct dependents is enough: no group that another one depends on depends on a third. */
#define G(F, group, after, text) | (after)
#define ALL_AFTER (0 VMCS_GROUPS(G, _))
enum { GROUPS_DEPENDED_ON = ALL_AFTER };
#undef G
#define G(F, group, after, text) \
	_Static_assert(!(after) || !(GROUPS_DEPENDED_ON & VMCS_IN(group)), #group ": a dependency of a dependency");
VMCS_GROUPS(G, _)
#undef G

unsigned vmcs02_fill(struct vmcs *v02, const struct vmcs *v01, const struct vmcs *v12, struct vmcs02_changes *changes,
		     enum vmcs02_mode mode)
{
	uint32_t groups = mode == VMCS02_FULL ? VMCS_ALL_GROUPS : vmcs02_groups_after(changes->groups);
	unsigned count = 0;

#define G(F, group, after, text) \
	if (groups & VMCS_IN(group)) \
		count += fill_##group(v02, v01, v12);
	VMCS_GROUPS(G, _)
#undef G
	changes->groups = 0;
	return count;
}
