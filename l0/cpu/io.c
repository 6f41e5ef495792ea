/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "io.h"
#include "../machine/machine.h"
#include "../vmx/vmx.h"
#include "insn.h"
#include "mmu.h"

#define TSS_IO_MAP_BASE 0x66 /* offset of the 16-bit pointer to the bitmap in a 32-bit or 64-bit TSS */
#define TSS_TYPE_32BIT BIT(3) /* of the descriptor's type: 9, 11; 16-bit: 1, 3 */

/* SDM vol. 1, "I/O Permission Bit Map": two bytes are always read, and both must be within the limit. */
static bool io_bitmap_allows(struct vcpu *v, u16 port, unsigned int size)
{
	const struct segment *tr = &v->seg[TR];
	u32 offset, bits;

	if ((tr->ar & AR_UNUSABLE) || !(tr->ar & AR_P) || !(tr->ar & TSS_TYPE_32BIT))
		return false;
	if (tr->limit < TSS_IO_MAP_BASE + 1)
		return false;
	offset = (u32)mmu_read(v, tr->base + TSS_IO_MAP_BASE, 2, ACC_READ | ACC_IMPLICIT) + port / 8;
	if (tr->limit < offset + 1)
		return false;
	bits = (u32)mmu_read(v, tr->base + offset, 2, ACC_READ | ACC_IMPLICIT);
	return !(bits >> (port % 8) & ((1u << size) - 1));
}

void io_check(struct vcpu *v, u16 port, unsigned int size)
{
	unsigned int iopl = (v->rflags & FLAG_IOPL) >> 12;

	if (!vcpu_protected(v))
		return;
	if (!vcpu_v8086(v) && v->cpl <= iopl)
		return;
	if (!io_bitmap_allows(v, port, size))
		raise_gp(v, 0);
}

u32 io_read(struct vcpu *v, u16 port, unsigned int size)
{
	vcpu_fpu_park(v);
	return bus_pio_read(&v->machine->bus, port, size);
}

void io_write(struct vcpu *v, u16 port, unsigned int size, u32 value)
{
	vcpu_fpu_park(v);
	bus_pio_write(&v->machine->bus, port, size, value);
}

static u16 io_port(const struct vcpu *v, union insn_args a)
{
	return a.is_reg ? a.imm & 0xff : v->gpr[RDX] & 0xffff;
}

/* with a REX.W or not: there is no 64-bit form */
static unsigned int io_size(union insn_args a)
{
	return a.size > 4 ? 4 : a.size;
}

void insn_in(struct vcpu *v, union insn_args a)
{
	u16 port = io_port(v, a);
	unsigned int size = io_size(a);
	u32 value;

	io_check(v, port, size);
	vmx_before_io(v, port, &(struct vmx_io){ .size = (u8)size, .in = true, .immediate = a.is_reg });
	value = io_read(v, port, size);
	switch (size) {
	case 1:
		v->gpr[RAX] = (v->gpr[RAX] & ~0xffull) | (value & 0xff);
		break;
	case 2:
		v->gpr[RAX] = (v->gpr[RAX] & ~0xffffull) | (value & 0xffff);
		break;
	default:
		v->gpr[RAX] = value;
	}
}

void insn_out(struct vcpu *v, union insn_args a)
{
	u16 port = io_port(v, a);
	unsigned int size = io_size(a);
	u64 mask = size == 4 ? 0xffffffffull : (1ull << size * 8) - 1;

	io_check(v, port, size);
	vmx_before_io(v, port, &(struct vmx_io){ .size = (u8)size, .immediate = a.is_reg });
	io_write(v, port, size, v->gpr[RAX] & mask);
}
