/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stddef.h>
#include "bitmaps.h"
#include "vmcs_fields.h"

static bool test(const uint8_t *bitmap, unsigned bit)
{
	return bitmap[bit / 8] >> bit % 8 & 1;
}

bool vmcs_bitmap_exits(const uint8_t *bitmap, uint64_t encoding)
{
	/* bits 63:15 of the operand that aren't 0 exit without a look at the bitmap */
	return !bitmap || encoding > 0x7fff || test(bitmap, (unsigned)encoding);
}

void vmcs_bitmaps_fill(uint8_t *vmread, uint8_t *vmwrite, bool (*exists)(const void *arg, uint64_t encoding),
		       const void *arg)
{
	for (unsigned i = 0; i < VMCS_BITMAP_BYTES; i++)
		vmread[i] = vmwrite[i] = 0xff;
	for (unsigned id = 0; id < VMCS_FIELD_COUNT; id++) {
		const struct vmcs_field *field = &vmcs_fields[id];
		/* the two accesses of a 64-bit field are neighbours in one byte: encodings are even */
		uint8_t mask = (uint8_t)((VMCS_WIDTH(field->encoding) == VMCS_64 ? 3u : 1u) << field->encoding % 8);

		if (field->shadow == SH_NO || (exists && !exists(arg, field->encoding)))
			continue;
		vmread[field->encoding / 8] &= (uint8_t)~mask;
		if (field->shadow == SH_RW)
			vmwrite[field->encoding / 8] &= (uint8_t)~mask;
	}
}

bool msr_bitmap_exits(const uint8_t *bitmap, uint32_t msr, bool write)
{
	unsigned base = write ? 2048 * 8 : 0;

	if (!bitmap)
		return true;
	if (msr <= 0x1fff)
		return test(bitmap, base + msr);
	if (msr >= 0xc0000000 && msr <= 0xc0001fff)
		return test(bitmap, base + 1024 * 8 + (msr & 0x1fff));
	return true;
}

bool io_bitmaps_exit(const uint8_t *a, const uint8_t *b, uint16_t port, unsigned bytes)
{
	if (!a || !b || port + bytes > 0x10000)
		return true;
	for (unsigned p = port; p < port + bytes; p++)
		if (test(p < 0x8000 ? a : b, p & 0x7fff))
			return true;
	return false;
}

void bitmap_merge(uint8_t *bitmap02, const uint8_t *bitmap01, const uint8_t *bitmap12)
{
	for (unsigned i = 0; i < VMCS_BITMAP_BYTES; i++)
		bitmap02[i] = (bitmap01 ? bitmap01[i] : 0) | (bitmap12 ? bitmap12[i] : 0);
}
