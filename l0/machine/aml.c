/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "aml.h"
#include <string.h>

/* ACPI specification, "AML Grammar Definition" */
enum opcode {
	ZERO_OP = 0x00,
	ONE_OP = 0x01,
	NAME_OP = 0x08,
	BYTE_PREFIX = 0x0a,
	WORD_PREFIX = 0x0b,
	DWORD_PREFIX = 0x0c,
	STRING_PREFIX = 0x0d,
	QWORD_PREFIX = 0x0e,
	SCOPE_OP = 0x10,
	BUFFER_OP = 0x11,
	PACKAGE_OP = 0x12,
	EXT_PREFIX = 0x5b,
	DEVICE_OP = 0x82, /* behind EXT_PREFIX */
};

/* tags: bit 7 clear: small, with the length in bits 2:0 */
enum resource {
	RES_IRQ_NO_FLAGS = 0x22,
	RES_IO = 0x47,
	RES_END = 0x79,
	RES_DWORD_SPACE = 0x87,
	RES_WORD_SPACE = 0x88,
};

enum space { SPACE_MEMORY, SPACE_IO, SPACE_BUS };

#define SPACE_FIXED 0x0c /* minimum and maximum can't be moved; positive decode; producer */
#define SPACE_IO_ENTIRE 0x03 /* ISA and non-ISA ranges */
#define SPACE_MEMORY_WRITABLE 0x01
#define SPACE_MEMORY_CACHEABLE 0x02

void aml_init(struct aml *a, void *buffer, size_t size)
{
	*a = (struct aml){ .buffer = buffer, .size = size };
}

static void put(struct aml *a, u64 value, unsigned int bytes)
{
	if (bytes > a->size - a->at) {
		a->overflow = true;
		return;
	}
	for (; bytes; bytes--, value >>= 8)
		a->buffer[a->at++] = (u8)value;
}

static void put_name(struct aml *a, const char *name)
{
	unsigned int n = 0;

	if (*name == '\\')
		put(a, (u8)*name++, 1);
	for (; n < 4 && name[n]; n++)
		put(a, (u8)name[n], 1);
	for (; n < 4; n++)
		put(a, '_', 1);
}

static void begin(struct aml *a)
{
	if (a->depth == AML_DEPTH)
		a->overflow = true;
	else
		a->open[a->depth++] = a->at;
}

/*
 * "Package Length Encoding": the length counts its own bytes. It comes before the contents, so these
 * are moved up when their length is known.
 */
void aml_end(struct aml *a)
{
	size_t start, length, bytes = 1;

	if (a->overflow || !a->depth) {
		a->overflow = true;
		return;
	}
	start = a->open[--a->depth];
	length = a->at - start;
	/* one byte has 6 bits; of more, the first has 4 and each other 8 */
	if (length + 1 > 0x3f)
		for (bytes = 2; length + bytes >= (size_t)1 << (8 * bytes - 4);)
			bytes++;
	if (bytes > 4 || bytes > a->size - a->at) {
		a->overflow = true;
		return;
	}
	memmove(a->buffer + start + bytes, a->buffer + start, length);
	length += bytes;
	a->at = start;
	if (bytes == 1) {
		put(a, length, 1);
	} else {
		put(a, (bytes - 1) << 6 | (length & 0xf), 1);
		put(a, length >> 4, (unsigned int)bytes - 1);
	}
	a->at = start + length;
}

void aml_scope(struct aml *a, const char *name)
{
	put(a, SCOPE_OP, 1);
	begin(a);
	put_name(a, name);
}

void aml_device(struct aml *a, const char *name)
{
	put(a, EXT_PREFIX, 1);
	put(a, DEVICE_OP, 1);
	begin(a);
	put_name(a, name);
}

void aml_name(struct aml *a, const char *name)
{
	put(a, NAME_OP, 1);
	put_name(a, name);
}

void aml_package(struct aml *a, u8 count)
{
	put(a, PACKAGE_OP, 1);
	begin(a);
	put(a, count, 1);
}

void aml_integer(struct aml *a, u64 value)
{
	if (value <= 1) {
		put(a, value ? ONE_OP : ZERO_OP, 1);
	} else if (value <= UINT8_MAX) {
		put(a, BYTE_PREFIX, 1);
		put(a, value, 1);
	} else if (value <= UINT16_MAX) {
		put(a, WORD_PREFIX, 1);
		put(a, value, 2);
	} else if (value <= UINT32_MAX) {
		put(a, DWORD_PREFIX, 1);
		put(a, value, 4);
	} else {
		put(a, QWORD_PREFIX, 1);
		put(a, value, 8);
	}
}

void aml_string(struct aml *a, const char *s)
{
	put(a, STRING_PREFIX, 1);
	do
		put(a, (u8)*s, 1);
	while (*s++);
}

static unsigned int hex(char c)
{
	return (unsigned int)(c <= '9' ? c - '0' : c - 'A' + 10);
}

/* "_HID (Hardware ID)": three letters of 5 bits and four hexadecimal digits, big-endian */
void aml_eisa_id(struct aml *a, const char *id)
{
	u32 v = (u32)(id[0] - '@') << 26 | (u32)(id[1] - '@') << 21 | (u32)(id[2] - '@') << 16 | hex(id[3]) << 12 |
		hex(id[4]) << 8 | hex(id[5]) << 4 | hex(id[6]);

	put(a, DWORD_PREFIX, 1);
	put(a, __builtin_bswap32(v), 4);
}

/* Buffer (count) { descriptors }: the count is a word constant, filled in at the end */
void aml_resources(struct aml *a)
{
	put(a, BUFFER_OP, 1);
	begin(a);
	put(a, WORD_PREFIX, 1);
	a->resources = a->at;
	put(a, 0, 2);
}

void aml_resources_end(struct aml *a)
{
	size_t count;

	put(a, RES_END, 1);
	put(a, 0, 1); /* checksum: 0 counts as right */
	count = a->at - (a->resources + 2);
	if (!a->overflow)
		memcpy(a->buffer + a->resources, &count, 2);
	aml_end(a);
}

void aml_res_io(struct aml *a, u16 port, u8 count)
{
	put(a, RES_IO, 1);
	put(a, 1, 1); /* decodes 16 bits */
	put(a, port, 2);
	put(a, port, 2);
	put(a, 1, 1); /* alignment */
	put(a, count, 1);
}

void aml_res_irq(struct aml *a, u8 irq)
{
	put(a, RES_IRQ_NO_FLAGS, 1);
	put(a, BIT(irq), 2);
}

/* "Address Space Resource Descriptors": `bytes` is the width of their five addresses */
static void put_space(struct aml *a, enum resource tag, unsigned int bytes, enum space type, u8 flags, u64 first, u64 last)
{
	put(a, tag, 1);
	put(a, 3 + 5 * bytes, 2);
	put(a, type, 1);
	put(a, SPACE_FIXED, 1);
	put(a, flags, 1);
	put(a, 0, bytes); /* granularity */
	put(a, first, bytes);
	put(a, last, bytes);
	put(a, 0, bytes); /* no translation */
	put(a, last - first + 1, bytes);
}

void aml_res_bus_window(struct aml *a, u16 first, u16 last)
{
	put_space(a, RES_WORD_SPACE, 2, SPACE_BUS, 0, first, last);
}

void aml_res_io_window(struct aml *a, u16 first, u16 last)
{
	put_space(a, RES_WORD_SPACE, 2, SPACE_IO, SPACE_IO_ENTIRE, first, last);
}

void aml_res_memory_window(struct aml *a, u32 first, u32 last, bool cacheable)
{
	put_space(a, RES_DWORD_SPACE, 4, SPACE_MEMORY, SPACE_MEMORY_WRITABLE | (cacheable ? SPACE_MEMORY_CACHEABLE : 0),
		  first, last);
}
