/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "entry_rules.h"
#include "text.h"

#define FIELDS_PER_CHECK 5

/* The rows' field lists, ON1() to ON5(), as field ids + 1: 0 ends a list. */
#define ID(field) (VMCS_ID_##field + 1)
#define ON1(a) \
	{ \
		ID(a) \
	}
#define ON2(a, b) \
	{ \
		ID(a), ID(b) \
	}
#define ON3(a, b, c) \
	{ \
		ID(a), ID(b), ID(c) \
	}
#define ON4(a, b, c, d) \
	{ \
		ID(a), ID(b), ID(c), ID(d) \
	}
#define ON5(a, b, c, d, e) \
	{ \
		ID(a), ID(b), ID(c), ID(d), ID(e) \
	}

static const struct {
	const char *name;
	const char *text;
	const char *condition;
	uint8_t fields[FIELDS_PER_CHECK];
} checks[VMX_CHECK_COUNT] = {
#define C(name, on, text, ...) [VMX_CHECK_##name] = { #name, text, #__VA_ARGS__, on },
#define S(section, ...) CHECKS_##section(C)
	VMX_CHECK_SECTIONS(S)
#undef S
#undef C
};
_Static_assert(VMCS_FIELD_COUNT < UINT8_MAX, "a field id is a byte");

#undef ON1
#undef ON2
#undef ON3
#undef ON4
#undef ON5

/* The same lists as sets of groups. */
enum {
#define F(name, enc, need, shadow, rule, group) IN_##name = 1 << VMCS_GROUP_##group,
	VMCS_FIELDS(F)
#undef F
};
#define ON1(a) IN_##a
#define ON2(a, b) IN_##a | IN_##b
#define ON3(a, b, c) IN_##a | IN_##b | IN_##c
#define ON4(a, b, c, d) IN_##a | IN_##b | IN_##c | IN_##d
#define ON5(a, b, c, d, e) IN_##a | IN_##b | IN_##c | IN_##d | IN_##e

/* What each section looks at, and its first row: the rows of a section follow each other in enum vmx_check. */
enum {
#define C(name, on, text, ...) | on
#define S(section, ...) LOOKS_AT_##section = 0 CHECKS_##section(C),
	VMX_CHECK_SECTIONS(S)
#undef S
#undef C
};
enum {
	BEFORE_ROWS,
#define C(name, ...) ROW_##name,
#define S(section, ...) FIRST_##section, REWIND_##section = FIRST_##section - 1, CHECKS_##section(C)
	VMX_CHECK_SECTIONS(S)
#undef S
#undef C
};

enum when { CHANGED, ALWAYS };

static const struct section {
	enum vmx_check (*run)(const struct vmx_entry *e);
	const char *title;
	uint32_t groups;
	uint16_t first;
	uint8_t class;
	uint8_t qualification;
	uint8_t when;
} sections[] = {
#define S(section, class, qualification, when, title) \
	{ vmx_check_##section, title, LOOKS_AT_##section, FIRST_##section, VMX_ENTRY_##class, qualification, when },
	VMX_CHECK_SECTIONS(S)
#undef S
};
#define SECTIONS (sizeof(sections) / sizeof(sections[0]))

enum vmx_check vmx_check_entry(const struct vmx_entry *e, uint32_t changed)
{
#define S(section, class, qualification, when, title) \
	if ((when) == ALWAYS || (changed & LOOKS_AT_##section)) { \
		enum vmx_check check = vmx_check_##section(e); \
\
		if (check != VMX_CHECK_OK) \
			return check; \
	}
	VMX_CHECK_SECTIONS(S)
#undef S
	return VMX_CHECK_OK;
}

static bool is_row(enum vmx_check check)
{
	return check > VMX_CHECK_OK && check < VMX_CHECK_COUNT;
}

static const struct section *section_of(enum vmx_check check)
{
	const struct section *found = &sections[0];

	for (unsigned i = 0; i < SECTIONS && sections[i].first <= check; i++)
		found = &sections[i];
	return found;
}

enum vmx_check_class vmx_check_class(enum vmx_check check)
{
	return is_row(check) ? (enum vmx_check_class)section_of(check)->class : VMX_ENTRY_OK;
}

uint64_t vmx_check_qualification(enum vmx_check check)
{
	return is_row(check) ? section_of(check)->qualification : 0;
}

const char *vmx_check_name(enum vmx_check check)
{
	return is_row(check) ? checks[check].name : NULL;
}

const char *vmx_check_section(enum vmx_check check)
{
	return is_row(check) ? section_of(check)->title : NULL;
}

const char *vmx_check_text(enum vmx_check check)
{
	return is_row(check) ? checks[check].text : NULL;
}

const char *vmx_check_condition(enum vmx_check check)
{
	return is_row(check) ? checks[check].condition : NULL;
}

uint32_t vmx_check_groups(enum vmx_check check)
{
	uint32_t groups = 0;

	for (unsigned i = 0; is_row(check) && i < FIELDS_PER_CHECK && checks[check].fields[i]; i++)
		groups |= 1u << vmcs_fields[checks[check].fields[i] - 1].group;
	return groups;
}

void vmx_check_fields(enum vmx_check check, const struct vmcs *v,
		      void (*emit)(void *arg, const char *name, uint64_t value), void *arg)
{
	for (unsigned i = 0; is_row(check) && i < FIELDS_PER_CHECK && checks[check].fields[i]; i++) {
		const struct vmcs_field *field = &vmcs_fields[checks[check].fields[i] - 1];

		emit(arg, vmcs_name(field->encoding), vmcs_get(v, field, field->encoding));
	}
}

static void add_field(void *arg, const char *name, uint64_t value)
{
	struct text *t = arg;

	text_char(t, ' ');
	text_add(t, name);
	text_char(t, '=');
	text_hex(t, value);
}

void vmx_check_describe(enum vmx_check check, const struct vmcs *v, void (*line)(void *arg, const char *text), void *arg)
{
	struct text t;

	if (!is_row(check))
		return;
	text_start(&t);
	text_add(&t, checks[check].name);
	text_add(&t, ": ");
	text_add(&t, checks[check].text);
	text_char(&t, ':');
	vmx_check_fields(check, v, add_field, &t);
	line(arg, t.buffer);
}
