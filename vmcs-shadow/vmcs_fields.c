/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmcs_fields.h"
#include "text.h"

#define F(name, enc, need, shadow, rule, group) \
	_Static_assert(((enc) & ~0x6ffe) == 0, #name ": reserved bit or high half"); \
	_Static_assert(VMCS_INDEX(enc) < VMCS_INDEX_LIMIT, #name ": index beyond the lookup table"); \
	_Static_assert(((rule) == EXIT_INFO) == (VMCS_TYPE(enc) == VMCS_READ_ONLY), \
		       #name ": exit information <=> read-only type"); \
	_Static_assert(((rule) == HOST_12) == (VMCS_TYPE(enc) == VMCS_HOST), #name ": HOST_12 <=> host-state type"); \
	_Static_assert(((shadow) == SH_RO) == (VMCS_TYPE(enc) == VMCS_READ_ONLY), \
		       #name ": shadowed for reading only <=> read-only type"); \
	_Static_assert((VMCS_GROUP_##group == VMCS_GROUP_HOST) == (VMCS_TYPE(enc) == VMCS_HOST), \
		       #name ": group HOST <=> host-state type"); \
	_Static_assert((VMCS_GROUP_##group >= VMCS_GROUP_EXIT_INFO) == (VMCS_TYPE(enc) == VMCS_READ_ONLY), \
		       #name ": group EXIT_INFO or OTHER_INFO <=> read-only type"); \
	_Static_assert(VMCS_OFFSET(name) % VMCS_BYTES(enc) == 0, #name ": not aligned");
VMCS_FIELDS(F)
#undef F
_Static_assert(VMCS_FIELD_COUNT < UINT8_MAX, "a slot is a byte");
_Static_assert(VMCS_GROUP_COUNT <= 32, "a set of groups is 32 bits");

/* Never called: twin encodings are "duplicate case value" here. */
static inline void __attribute__((unused)) encodings_are_unique(unsigned encoding)
{
	switch (encoding) {
#define F(name, enc, ...) case enc:
		VMCS_FIELDS(F)
#undef F
	default:
		break;
	}
}

const struct vmcs_field vmcs_fields[VMCS_FIELD_COUNT] = {
#define F(name, enc, need, shadow, rule, group) \
	[VMCS_ID_## \
		name] = { (enc), VMCS_OFFSET(name), VMCS_BYTES(enc), VMX_##need, (shadow), (rule), VMCS_GROUP_##group },
	VMCS_FIELDS(F)
#undef F
};

const uint8_t vmcs_slots[4 * 4 * VMCS_INDEX_LIMIT] = {
#define F(name, enc, ...) [VMCS_SLOT(enc)] = VMCS_ID_##name + 1,
	VMCS_FIELDS(F)
#undef F
};

static const char *const names[VMCS_FIELD_COUNT] = {
#define F(name, ...) [VMCS_ID_##name] = #name,
	VMCS_FIELDS(F)
#undef F
};

static const struct {
	const char *name;
	const char *text;
} groups[VMCS_GROUP_COUNT] = {
#define G(F, group, after, text) [VMCS_GROUP_##group] = { #group, text },
	VMCS_GROUPS(G, _)
#undef G
};

static const struct {
	const char *need;
	const char *shadow;
	const char *rule;
} columns[VMCS_FIELD_COUNT] = {
#define F(name, enc, need, shadow, rule, group) [VMCS_ID_##name] = { #need, #shadow, #rule },
	VMCS_FIELDS(F)
#undef F
};

/* The accesses are volatile: an L1 may write to its region from another CPU, and a value that is
 * read twice could be two values. */
static uint64_t load(const void *at, unsigned bytes)
{
	switch (bytes) {
	case 2:
		return *(const volatile uint16_t *)at;
	case 4:
		return *(const volatile uint32_t *)at;
	default:
		return *(const volatile uint64_t *)at;
	}
}

static void store(void *at, unsigned bytes, uint64_t value)
{
	switch (bytes) {
	case 2:
		*(volatile uint16_t *)at = (uint16_t)value;
		break;
	case 4:
		*(volatile uint32_t *)at = (uint32_t)value;
		break;
	default:
		*(volatile uint64_t *)at = value;
		break;
	}
}

uint64_t vmcs_get(const struct vmcs *vmcs, const struct vmcs_field *field, uint64_t encoding)
{
	const uint8_t *at = (const uint8_t *)vmcs + field->offset;

	return encoding & 1 ? load(at + 4, 4) : load(at, field->bytes);
}

void vmcs_set(struct vmcs *vmcs, const struct vmcs_field *field, uint64_t encoding, uint64_t value)
{
	uint8_t *at = (uint8_t *)vmcs + field->offset;

	if (encoding & 1)
		store(at + 4, 4, value);
	else
		store(at, field->bytes, value);
}

#define F(name, enc, ...) \
	to->name = *(const volatile VMCS_C_TYPE(enc) *)&from->name; \
	count++;
#define G(F_, group, after, text) \
	static unsigned copy_##group(struct vmcs *to, const struct vmcs *from) \
	{ \
		unsigned count = 0; \
		VMCS_FIELDS_##group(F, group) return count; \
	}
VMCS_GROUPS(G, _)
#undef G
#undef F

unsigned vmcs_copy(struct vmcs *to, const struct vmcs *from, uint32_t which)
{
	unsigned count = 0;

#define G(F, group, after, text) \
	if (which & VMCS_IN(group)) \
		count += copy_##group(to, from);
	VMCS_GROUPS(G, _)
#undef G
	return count;
}

const char *vmcs_name(uint64_t encoding)
{
	const struct vmcs_field *field = vmcs_find(encoding);

	return field ? names[field - vmcs_fields] : NULL;
}

const char *vmcs_group_name(unsigned group)
{
	return group < VMCS_GROUP_COUNT ? groups[group].name : NULL;
}

const char *vmcs_group_text(unsigned group)
{
	return group < VMCS_GROUP_COUNT ? groups[group].text : NULL;
}

void vmcs_dump(const struct vmcs *vmcs,
	       void (*emit)(void *arg, const struct vmcs_field *field, const char *name, uint64_t value), void *arg)
{
	for (unsigned id = 0; id < VMCS_FIELD_COUNT; id++)
		emit(arg, &vmcs_fields[id], names[id], vmcs_get(vmcs, &vmcs_fields[id], vmcs_fields[id].encoding));
}

void vmcs_document(void (*line)(void *arg, const char *text), void *arg)
{
	struct text t;
	int group = -1;

	line(arg, "| field | encoding | bits | offset | exists with | shadowed | vmcs02 |");
	line(arg, "| --- | --- | --- | --- | --- | --- | --- |");
	for (unsigned id = 0; id < VMCS_FIELD_COUNT; id++) {
		const struct vmcs_field *field = &vmcs_fields[id];

		if (group != field->group) {
			group = field->group;
			text_start(&t);
			text_add(&t, "| *");
			text_add(&t, groups[group].text);
			text_add(&t, "* |||||||");
			line(arg, t.buffer);
		}
		text_start(&t);
		text_add(&t, "| ");
		text_add(&t, names[id]);
		text_add(&t, " | ");
		text_hex(&t, field->encoding);
		text_add(&t, " | ");
		text_decimal(&t, field->bytes * 8);
		text_add(&t, " | ");
		text_decimal(&t, field->offset);
		text_add(&t, " | ");
		text_add(&t, columns[id].need);
		text_add(&t, " | ");
		text_add(&t, columns[id].shadow);
		text_add(&t, " | ");
		text_add(&t, columns[id].rule);
		text_add(&t, " |");
		line(arg, t.buffer);
	}
}
