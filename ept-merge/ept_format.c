/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ept_format.h"

struct level {
	u32 leaf_needs;
	u64 table_reserved, leaf_reserved;
};

static const struct level levels[EPT_TOP + 1] = {
#define L(number, name, needs, table, leaf) [number] = { needs, table, leaf },
	EPT_LEVELS(L)
#undef L
};

/* one bit for each valid memory type */
static const u8 valid_types =
#define T(name, value) | BIT(value)
	0 EPT_MEMORY_TYPES(T);
#undef T

static u64 beyond_width(const struct ept_format *format)
{
	return EPT_ADDRESS & ~(BIT(format->maxphyaddr) - 1);
}

static bool is_leaf(const struct ept_format *format, const struct level *l, u64 entry)
{
	if (l->leaf_needs == 0)
		return true;
	return l->leaf_needs != EPT_NO_LEAF && (entry & EPT_PS) && (format->features & l->leaf_needs);
}

static enum ept_misconfig misconfigured(const struct ept_format *format, const struct level *l, u64 entry, bool leaf)
{
	if (!(entry & EPT_R) && (entry & EPT_W))
		return EPT_MISCONFIG_WRITE_ONLY;
	/* present and neither readable nor writable: only some kind of execute is left */
	if (!(entry & EPT_R) && !(format->features & EPT_HAS_EXEC_ONLY))
		return EPT_MISCONFIG_EXECUTE_ONLY;
	if (entry & (beyond_width(format) | (leaf ? l->leaf_reserved : l->table_reserved)))
		return EPT_MISCONFIG_RESERVED;
	if (leaf && !(valid_types >> ((entry & EPT_TYPE_MASK) >> EPT_TYPE_SHIFT) & 1))
		return EPT_MISCONFIG_MEMORY_TYPE;
	return EPT_MISCONFIG_NONE;
}

enum ept_kind ept_classify(const struct ept_format *format, unsigned int level, u64 entry, enum ept_misconfig *why)
{
	u64 present = EPT_R | EPT_W | EPT_X | (format->features & EPT_USES_MBEC ? EPT_XU : 0);
	const struct level *l = &levels[level];
	bool leaf = is_leaf(format, l, entry);
	enum ept_misconfig wrong = EPT_MISCONFIG_NONE;

	if (entry & present)
		wrong = misconfigured(format, l, entry, leaf);
	if (why)
		*why = wrong;
	if (!(entry & present))
		return EPT_HOLE;
	if (wrong != EPT_MISCONFIG_NONE)
		return EPT_MISCONFIG;
	return leaf ? EPT_LEAF : EPT_TABLE;
}

const char *ept_misconfig_text(enum ept_misconfig why)
{
	static const char *const texts[] = {
#define M(name, text) text,
		EPT_MISCONFIGS(M)
#undef M
	};

	return (unsigned int)why < sizeof(texts) / sizeof(texts[0]) ? texts[why] : "unknown";
}

bool ept_eptp_valid(const struct ept_format *format, u64 eptp)
{
	u64 type = eptp & EPTP_TYPE, reserved = 0xf80ull | ~(BIT(format->maxphyaddr) - 1);

	if (type != EPT_UC && type != EPT_WB)
		return false;
	if ((eptp & EPTP_LENGTH) >> EPTP_LENGTH_SHIFT != EPT_TOP - 1)
		return false;
	if ((eptp & EPTP_AD) && !(format->features & EPT_HAS_AD))
		return false;
	return !(eptp & reserved);
}
