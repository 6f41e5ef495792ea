/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The words that the conditions of entry_checks.h are made of. For the files that expand those rows only. */
#ifndef VMCS_SHADOW_ENTRY_RULES_H
#define VMCS_SHADOW_ENTRY_RULES_H

#include "entry_checks.h"

#define IF(condition, then) (!(condition) || (then))

#define CR0_PE (1ull << 0)
#define CR0_PG (1ull << 31)
#define CR4_PAE (1ull << 5)
#define CR4_PCIDE (1ull << 17)
#define EFER_LME (1ull << 8)
#define EFER_LMA (1ull << 10)
#define FLAG_TF (1ull << 8)
#define FLAG_IF (1ull << 9)
#define FLAG_VM (1ull << 17)
#define DEBUGCTL_BTF (1ull << 1)

/* access rights: SDM vol. 3, "Guest Register State"
 *
 *   31       17 16 15 14 13  12 11    8 7 6   5 4 3    0
 *  | reserved  |U |G |D |L |AVL|reserved|P| DPL |S| type |
 */
#define AR_S (1u << 4)
#define AR_P (1u << 7)
#define AR_L (1u << 13)
#define AR_DB (1u << 14)
#define AR_G (1u << 15)
#define AR_UNUSABLE (1u << 16)
#define AR_TYPE(ar) ((ar)&0xf)
#define AR_DPL(ar) ((ar) >> 5 & 3)
#define RPL(selector) ((selector)&3)

/* shorthand for rows: the access rights, and whether the register counts: CS always does */
#define AR(seg) (v->guest_##seg##_ar_bytes)
#define USABLE(seg) (!(AR(seg) & AR_UNUSABLE))
#define COUNTS_cs true
#define COUNTS_tr true
#define COUNTS_ss USABLE(ss)
#define COUNTS_ds USABLE(ds)
#define COUNTS_es USABLE(es)
#define COUNTS_fs USABLE(fs)
#define COUNTS_gs USABLE(gs)
#define COUNTS_ldtr USABLE(ldtr)
#define BASE_COUNTS_tr true
#define BASE_COUNTS_fs true
#define BASE_COUNTS_gs true
#define BASE_COUNTS_ldtr USABLE(ldtr)

/* interruption types: SDM vol. 3, "VM-Entry Controls for Event Injection" */
#define EVENT_VALID (1u << 31)
#define EVENT_ERROR_CODE (1u << 11)
enum {
	EVENT_INTERRUPT = 0,
	EVENT_NMI = 2,
	EVENT_HARD = 3,
	EVENT_SOFT_INT = 4,
	EVENT_PRIVILEGED = 5,
	EVENT_SOFT = 6,
	EVENT_OTHER = 7,
};

/* SDM vol. 3, "Guest Non-Register State" */
enum { ACTIVITY_ACTIVE, ACTIVITY_HLT, ACTIVITY_SHUTDOWN, ACTIVITY_WAIT_FOR_SIPI };
#define BLOCKED_STI (1u << 0)
#define BLOCKED_MOV_SS (1u << 1)
#define BLOCKED_SMI (1u << 2)
#define BLOCKED_NMI (1u << 3)
#define ENCLAVE_INTERRUPTED (1u << 4)
#define PENDING_ENABLED (1ull << 12)
#define PENDING_BS (1ull << 14)
#define PENDING_RTM (1ull << 16)

static inline bool control_fits(const struct vmx_caps *c, unsigned word, uint32_t value)
{
	return !(c->control[word].must & ~value) && !(value & ~c->control[word].may);
}

static inline bool fits_width(const struct vmx_caps *c, uint64_t address)
{
	return !(address >> c->cpu.physical_bits);
}

static inline bool canonical(const struct vmx_caps *c, uint64_t address)
{
	unsigned shift = 64 - c->cpu.linear_bits;

	return (uint64_t)((int64_t)(address << shift) >> shift) == address;
}

/* Unlike in a canonical address, the highest bit that translates is free. */
static inline bool rip_ok(const struct vmx_caps *c, uint64_t rip)
{
	uint64_t high = rip >> c->cpu.linear_bits;

	return !high || high == ~0ull >> c->cpu.linear_bits;
}

static inline bool fixed_ok(uint64_t cr, uint64_t fixed0, uint64_t fixed1)
{
	return !(fixed0 & ~cr) && !(cr & ~fixed1);
}

/* Types 2 and 3 are reserved, and so is all from 8 up. */
static inline bool pat_ok(uint64_t pat)
{
	uint64_t twos = pat >> 1 & 0x0101010101010101;
	uint64_t fours = pat >> 2 & 0x0101010101010101;

	return !(pat & 0xf8f8f8f8f8f8f8f8) && !(twos & ~fours);
}

static inline bool eptp_memory_type_ok(const struct vmx_caps *c, uint64_t eptp)
{
	switch (eptp & 7) {
	case 0:
		return offers_ept_memory_uc(c);
	case 6:
		return offers_ept_memory_wb(c);
	default:
		return false;
	}
}

static inline bool eptp_walk_length_ok(const struct vmx_caps *c, uint64_t eptp)
{
	switch (eptp >> 3 & 7) {
	case 3:
		return offers_ept_page_walk_4(c);
	case 4:
		return offers_ept_page_walk_5(c);
	default:
		return false;
	}
}

static inline bool injects(const struct vmcs *v)
{
	return v->vm_entry_intr_info_field & EVENT_VALID;
}

static inline unsigned event_type(const struct vmcs *v)
{
	return v->vm_entry_intr_info_field >> 8 & 7;
}

static inline unsigned event_vector(const struct vmcs *v)
{
	return v->vm_entry_intr_info_field & 0xff;
}

static inline bool injects_type(const struct vmcs *v, unsigned type)
{
	return injects(v) && event_type(v) == type;
}

static inline bool injects_software(const struct vmcs *v)
{
	return injects_type(v, EVENT_SOFT_INT) || injects_type(v, EVENT_PRIVILEGED) || injects_type(v, EVENT_SOFT);
}

static inline bool injects_error(const struct vmcs *v)
{
	return injects(v) && (v->vm_entry_intr_info_field & EVENT_ERROR_CODE);
}

/* #DF, #TS, #NP, #SS, #GP, #PF, #AC */
static inline bool vector_has_error(unsigned vector)
{
	return vector < 32 && (0x00027d00u >> vector & 1);
}

/* In real mode no exception has one. */
static inline bool may_have_error(const struct vmcs *v)
{
	return !has_unrestricted_guest(v) || (v->guest_cr0 & CR0_PE);
}

static inline bool virtual_8086(const struct vmcs *v)
{
	return v->guest_rflags & FLAG_VM;
}

static inline bool cs_type_ok(unsigned type, bool unrestricted)
{
	return (type & 9) == 9 || (type == 3 && unrestricted);
}

static inline bool granularity_bytes_ok(uint32_t ar, uint32_t limit)
{
	return IF((limit & 0xfff) != 0xfff, !(ar & AR_G));
}

static inline bool granularity_pages_ok(uint32_t ar, uint32_t limit)
{
	return IF(limit >> 20, ar & AR_G);
}

static inline bool activity_supported(const struct vmx_caps *c, uint32_t state)
{
	switch (state) {
	case ACTIVITY_HLT:
		return offers_activity_hlt(c);
	case ACTIVITY_SHUTDOWN:
		return offers_activity_shutdown(c);
	case ACTIVITY_WAIT_FOR_SIPI:
		return offers_activity_wait_for_sipi(c);
	default:
		return true;
	}
}

static inline bool activity_allows_event(const struct vmcs *v)
{
	unsigned type = event_type(v);
	unsigned vector = event_vector(v);

	switch (v->guest_activity_state) {
	case ACTIVITY_ACTIVE:
		return true;
	case ACTIVITY_HLT:
		return type == EVENT_INTERRUPT || type == EVENT_NMI ||
		       (type == EVENT_HARD && (vector == 1 || vector == 18)) || (type == EVENT_OTHER && vector == 0);
	case ACTIVITY_SHUTDOWN:
		return type == EVENT_NMI || (type == EVENT_HARD && vector == 18);
	default:
		return false;
	}
}

static inline bool blocked(const struct vmcs *v, uint32_t by)
{
	return v->guest_interruptibility_info & by;
}

/* Where a single-step trap would be pending rather than delivered. */
static inline bool holds_single_step(const struct vmcs *v)
{
	return blocked(v, BLOCKED_STI | BLOCKED_MOV_SS) || v->guest_activity_state == ACTIVITY_HLT;
}

static inline bool single_steps(const struct vmcs *v)
{
	return (v->guest_rflags & FLAG_TF) && !(v->guest_ia32_debugctl & DEBUGCTL_BTF);
}

static inline bool linked(const struct vmcs *v)
{
	return v->vmcs_link_pointer != ~0ull;
}

static inline uint32_t link_word(const struct vmx_entry *e)
{
	return (uint32_t)e->read(e->arg, e->v->vmcs_link_pointer, 4);
}

static inline bool pae_paging(const struct vmcs *v)
{
	return (v->guest_cr0 & CR0_PG) && (v->guest_cr4 & CR4_PAE) && !has_ia32e_mode_guest(v);
}

static inline uint64_t pdpte_in_memory(const struct vmx_entry *e, unsigned n)
{
	return e->read(e->arg, (e->v->guest_cr3 & 0xffffffe0) + 8 * n, 8);
}

/* bits 2:1, 8:5 and those beyond the physical-address width */
static inline bool pdpte_ok(const struct vmx_caps *c, uint64_t pdpte)
{
	return IF(pdpte & 1, !(pdpte & 0x1e6) && fits_width(c, pdpte));
}

/* One function for each section. */
#define S(section, ...) enum vmx_check vmx_check_##section(const struct vmx_entry *e);
VMX_CHECK_SECTIONS(S)
#undef S

#define CHECK_ROW(name, fields, text, ...) \
	if (!(__VA_ARGS__)) \
		return VMX_CHECK_##name;

#define DEFINE_SECTION(section) \
	enum vmx_check vmx_check_##section(const struct vmx_entry *e) \
	{ \
		const struct vmcs *v = e->v; \
		const struct vmx_caps *c = e->caps; \
\
		(void)v; \
		(void)c; \
		CHECKS_##section(CHECK_ROW) return VMX_CHECK_OK; \
	}

#endif
