/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "describe.h"

#include "../cpu/mmu.h"
#include "../machine/machine.h"
#include "lower.h"

#define INFO_ASIZE_SHIFT 7
#define INFO_REGISTER BIT(10) /* the r/m operand is a register */
#define INFO_OSIZE32 BIT(11)
#define INFO_OSIZE64 BIT(12) /* RDRAND and RDSEED; undefined for all others */
#define INFO_SEG_SHIFT 15
#define INFO_INDEX_SHIFT 18
#define INFO_NO_INDEX BIT(22)
#define INFO_BASE_SHIFT 23
#define INFO_NO_BASE BIT(27)
#define INFO_REG2_SHIFT 28

static unsigned int fetch(struct vcpu *v, u8 bytes[15])
{
	unsigned int n;

	for (n = 0; n < 15; n++) {
		struct mmu_page page;
		const u8 *host;
		u32 error;

		if (!mmu_probe(v, v->code_base + v->rip + n, mmu_data(v, ACC_EXEC), &page, &error))
			break;
		host = memory_host(&v->machine->memory, page.gpa);
		if (!host)
			break;
		bytes[n] = *host;
	}
	return n;
}

static u32 memory_info(const ZydisDecodedOperand *o)
{
	u32 info = (u32)(o->mem.segment - ZYDIS_REGISTER_ES) << INFO_SEG_SHIFT;

	if (o->mem.index != ZYDIS_REGISTER_NONE)
		info |= (u32)lower_gpr(o->mem.index) << INFO_INDEX_SHIFT | (o->mem.scale == 8 ? 3u : o->mem.scale / 2u);
	else
		info |= INFO_NO_INDEX;
	if (o->mem.base != ZYDIS_REGISTER_NONE && o->mem.base != ZYDIS_REGISTER_RIP && o->mem.base != ZYDIS_REGISTER_EIP)
		info |= (u32)lower_gpr(o->mem.base) << INFO_BASE_SHIFT;
	else
		info |= INFO_NO_BASE;
	return info;
}

bool bt_describe(struct vcpu *v, struct bt_description *d)
{
	ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction z;
	ZydisDecoder decoder;
	unsigned int n, k;
	u8 bytes[15];

	*d = (struct bt_description){ 0 };
	n = fetch(v, bytes);
	if (vcpu_64bit(v))
		ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	else if (v->seg[CS].ar & AR_DB)
		ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
	else
		ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16);
	if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, bytes, n, &z, op)))
		return false;
	d->length = z.length;
	d->info = (z.address_width == 64 ? 2u : z.address_width == 32 ? 1u : 0u) << INFO_ASIZE_SHIFT;
	if (z.operand_width == 32)
		d->info |= INFO_OSIZE32;
	if (z.operand_width == 64)
		d->info |= INFO_OSIZE64;
	if (z.attributes & ZYDIS_ATTRIB_HAS_MODRM) {
		d->info |= (u32)(z.raw.modrm.reg | z.raw.rex.R << 3) << INFO_REG2_SHIFT;
		if (z.raw.modrm.mod == 3) {
			d->info |= INFO_REGISTER | (u32)(z.raw.modrm.rm | z.raw.rex.B << 3) << 3;
			return true;
		}
	}
	for (k = 0; k < z.operand_count_visible; k++)
		if (op[k].type == ZYDIS_OPERAND_TYPE_MEMORY) {
			d->info |= memory_info(&op[k]);
			if (op[k].mem.disp.has_displacement)
				d->displacement = (u64)op[k].mem.disp.value;
			if (op[k].mem.base == ZYDIS_REGISTER_RIP)
				d->displacement += v->rip + z.length;
		}
	return true;
}
