/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The format of EPT paging-structure entries: SDM vol. 3, "The Extended Page-Table Mechanism (EPT)".
 *
 *  63   62..52    51..N      N-1..12      11  10  9 8 7  6    5..3  2 1 0
 * +---+---------+----------+------------+----+---+-+-+--+----+------+-+-+-+
 * |SVE| ignored | reserved |  address   |ign |XU |D|A|PS|IPAT| type |X|W|R|   N = MAXPHYADDR
 * +---+---------+----------+------------+----+---+-+-+--+----+------+-+-+-+
 *  SVE  suppress #VE, in leaves and in entries that aren't present
 *  XU   execute for user-mode linear addresses, only with mode-based execute control; X is then for supervisor mode
 *  D    in leaves; A, D only if bit 6 of the EPTP is set
 *  PS   a leaf, in PDPTEs and PDEs; ignored in PTEs, reserved in PML4Es
 *  IPAT, type  in leaves; reserved in tables
 *
 * An entry is exactly one of TABLE, LEAF, HOLE, MISCONFIG.
 */
#ifndef EPT_MERGE_EPT_FORMAT_H
#define EPT_MERGE_EPT_FORMAT_H

#include "ept_types.h"

#define EPT_PAGE_SIZE 4096ull
#define EPT_ENTRIES 512u
#define EPT_TOP 4 /* levels; five-level EPT isn't offered */
#define EPT_ADDRESS_BITS 48 /* guest-physical addresses that four levels translate */

#define EPT_R BIT(0)
#define EPT_W BIT(1)
#define EPT_X BIT(2) /* with mode-based execute control: supervisor-mode linear addresses only */
#define EPT_TYPE_SHIFT 3
#define EPT_TYPE_MASK (7ull << EPT_TYPE_SHIFT)
#define EPT_IPAT BIT(6)
#define EPT_PS BIT(7)
#define EPT_A BIT(8)
#define EPT_D BIT(9)
#define EPT_XU BIT(10)
#define EPT_SUPPRESS_VE BIT(63)
#define EPT_ADDRESS 0x000ffffffffff000ull

/* name, encoding */
/* clang-format off */
#define EPT_MEMORY_TYPES(T) \
	T(UC, 0)            \
	T(WC, 1)            \
	T(WT, 4)            \
	T(WP, 5)            \
	T(WB, 6)
/* clang-format on */

enum ept_type {
#define T(name, value) EPT_##name = (value),
	EPT_MEMORY_TYPES(T)
#undef T
};

/* The extended-page-table pointer: SDM vol. 3, "Extended-Page-Table Pointer (EPTP)" */
#define EPTP_TYPE 7ull /* of the tables themselves: UC or WB */
#define EPTP_LENGTH_SHIFT 3 /* page-walk length minus 1 */
#define EPTP_LENGTH (7ull << EPTP_LENGTH_SHIFT)
#define EPTP_AD BIT(6)

/* What a processor offers of EPT (IA32_VMX_EPT_VPID_CAP), and what is in use with a table. */
enum ept_feature {
	EPT_HAS_EXEC_ONLY = BIT(0),
	EPT_HAS_2M = BIT(1),
	EPT_HAS_1G = BIT(2),
	EPT_HAS_AD = BIT(3),
	EPT_HAS_ADVANCED_INFO = BIT(4), /* bits 11:9 of the exit qualification */
	EPT_USES_MBEC = BIT(5), /* the VM-execution control "mode-based execute control for EPT" is 1 */
	EPT_USES_AD = BIT(6), /* bit 6 of the EPTP is 1 */
};

struct ept_format {
	u32 features; /* enum ept_feature */
	u8 maxphyaddr; /* width of the addresses in entries, bits: 32..52 */
};

/*
 * level, what its leaves need (0: always a leaf; EPT_NO_LEAF: never), bits reserved in a table, bits reserved in a leaf.
 * A bit 7 that makes no leaf is reserved like the others of 7:3. Bits 51:MAXPHYADDR come on top everywhere.
 */
#define EPT_NO_LEAF 0xffffffffu
/* clang-format off */
#define EPT_LEVELS(L) \
	L(1, PTE,   0,           0,    0)                                  \
	L(2, PDE,   EPT_HAS_2M,  0xf8, EPT_ADDRESS & (BIT(21) - 1))        \
	L(3, PDPTE, EPT_HAS_1G,  0xf8, EPT_ADDRESS & (BIT(30) - 1))        \
	L(4, PML4E, EPT_NO_LEAF, 0xf8, 0)
/* clang-format on */

/* bits of a guest-physical address below an entry of `level`: 12, 21, 30, 39 */
static inline unsigned int ept_shift(unsigned int level)
{
	return 12 + 9 * (level - 1);
}

static inline unsigned int ept_index(u64 address, unsigned int level)
{
	return address >> ept_shift(level) & (EPT_ENTRIES - 1);
}

/* Why an entry is misconfigured: SDM vol. 3, "EPT Misconfigurations" */
/* clang-format off */
#define EPT_MISCONFIGS(M) \
	M(NONE,         "no misconfiguration")                               \
	M(WRITE_ONLY,   "writable but not readable")                         \
	M(EXECUTE_ONLY, "execute-only, which the processor doesn't support") \
	M(RESERVED,     "a reserved bit is set")                             \
	M(MEMORY_TYPE,  "memory type 2, 3 or 7")
/* clang-format on */

enum ept_misconfig {
#define M(name, text) EPT_MISCONFIG_##name,
	EPT_MISCONFIGS(M)
#undef M
};

enum ept_kind { EPT_HOLE, EPT_TABLE, EPT_LEAF, EPT_MISCONFIG };

/* What `entry` is in a table of `level` (1..4). *why, if given, is set for every kind. */
enum ept_kind ept_classify(const struct ept_format *format, unsigned int level, u64 entry, enum ept_misconfig *why);

const char *ept_misconfig_text(enum ept_misconfig why);

/*
 * May VM entry load this EPTP? SDM vol. 3, "VM-Execution Control Fields" (of the checks on VMX controls): memory type UC or
 * WB, four levels, A/D only if offered, no reserved bit. Of format->features EPT_HAS_AD counts here.
 */
bool ept_eptp_valid(const struct ept_format *format, u64 eptp);

/* The format of the table that `eptp` points to: EPT_USES_AD follows bit 6, EPT_USES_MBEC the control. */
static inline struct ept_format ept_format_of(struct ept_format offered, u64 eptp, bool mbec)
{
	offered.features &= ~(u32)(EPT_USES_AD | EPT_USES_MBEC);
	if (eptp & EPTP_AD)
		offered.features |= EPT_USES_AD;
	if (mbec)
		offered.features |= EPT_USES_MBEC;
	return offered;
}

/*
 * What an entry allows, independent of mode-based execute control: without it XS and XU are the same bit.
 * In this order bits 6:3 of an exit qualification are rights << 3.
 */
#define EPT_RIGHT_R BIT(0)
#define EPT_RIGHT_W BIT(1)
#define EPT_RIGHT_XS BIT(2)
#define EPT_RIGHT_XU BIT(3)
#define EPT_RIGHTS_ALL 15u

static inline u32 ept_rights(const struct ept_format *format, u64 entry)
{
	u32 xu = format->features & EPT_USES_MBEC ? entry >> 10 & 1 : entry >> 2 & 1;

	return (entry & 7) | xu << 3;
}

#endif
