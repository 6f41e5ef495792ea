/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * --vmcs-access rewrite: L1's VMREAD and VMWRITE as a load from and a store to vmcs12.
 *
 * Where a field lies and how wide it is follows from its encoding, which hypervisors write as a constant: compilers load it
 * into a register right before the instruction, so it is found in the same block. An encoding that isn't, a
 * field that this L1 doesn't have, and the absence of a current VMCS (vmcs_direct is NULL) are for the C function.
 */
#include "lower.h"

#include "../vmx/vmx.h"

static ZydisRegister whole(ZydisRegister r)
{
	return reg_is_gpr(r) ? (ZydisRegister)(ZYDIS_REGISTER_RAX + lower_gpr(r)) : r;
}

static bool writes(const struct insn *i, ZydisRegister r)
{
	unsigned int k;

	for (k = 0; k < i->z->operand_count; k++)
		if (i->op[k].type == ZYDIS_OPERAND_TYPE_REGISTER &&
		    (i->op[k].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) && whole(i->op[k].reg) == r)
			return true;
	return false;
}

/* The value of 64-bit register r at the current instruction, if an instruction of this block has made it a constant */
static bool constant(const struct lower *l, ZydisRegister r, u64 *value)
{
	unsigned int k = l->at;

	while (k--) {
		const struct insn *i = &l->insn[k];

		if (!writes(i, r))
			continue;
		if (i->z->operand_width < 32 || i->op[0].type != ZYDIS_OPERAND_TYPE_REGISTER)
			return false;
		if (i->z->mnemonic == ZYDIS_MNEMONIC_MOV && i->op[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
			*value = i->z->operand_width == 32 ? (u32)i->imm[0] : (u64)i->imm[0];
			return true;
		}
		*value = 0;
		return i->z->mnemonic == ZYDIS_MNEMONIC_XOR && i->op[1].type == ZYDIS_OPERAND_TYPE_REGISTER &&
		       i->op[0].reg == i->op[1].reg;
	}
	return false;
}

/* The part of vmcs12 that the instruction means; NULL: only C can tell */
static const struct vmcs_field *field(const struct lower *l, const struct operand *o, struct mem *m, unsigned int *bytes)
{
	const struct vmx *x = l->v->vmx;
	const struct vmcs_field *f;
	u64 encoding;

	if (x->modes.access != VMCS_ACCESS_REWRITE || !l->cs64 || l->step || (l->mode & (MODE_CPL3 | MODE_L2)) ||
	    !constant(l, o->reg, &encoding))
		return NULL;
	f = vmcs_find(encoding);
	if (!f || !vmx_caps_has_field(&x->caps, f))
		return NULL;
	*bytes = encoding & 1 ? 4 : f->bytes;
	*m = MEM_BASE(TC, (s32)f->offset + (encoding & 1 ? 4 : 0));
	return f;
}

/* A counter of struct vmx goes up; all registers but TC are kept, flags aren't. */
static void count(struct lower *l, size_t offset)
{
	struct emit *e = &l->e;

	emit_load(e, 8, TC, MEM_VCPU(OFF(vmx)));
	emit_enc(e, &(struct enc){ .w = true, .op = 0xff, .reg = 0, .is_mem = true, .mem = MEM_BASE(TC, (s32)offset) });
}

/* SDM vol. 3, "VMsucceed": the six flags are 0, as after 0 + 1 */
static void succeed(struct lower *l)
{
	struct emit *e = &l->e;

	emit_mov_imm(e, TC, 0);
	emit_enc(e, &(struct enc){ .op = 0x83, .reg = 0, .rm = TC, .imm_len = 1, .imm = { 1 } });
}

/* The C function where there is no VMCS to go to directly. */
static void otherwise(struct lower *l, u8 *slow)
{
	u8 *done = emit_jmp_fwd(&l->e);

	emit_patch8(&l->e, slow);
	lower_callout(l);
	emit_patch32(&l->e, done);
}

void lower_vmread(struct lower *l)
{
	const struct operand *o = l->i->op;
	const struct vmcs_field *f;
	struct emit *e = &l->e;
	unsigned int bytes;
	struct mem m;
	u8 *slow;

	f = field(l, &o[1], &m, &bytes);
	if (!f || o[0].type != ZYDIS_OPERAND_TYPE_REGISTER) {
		lower_callout(l);
		return;
	}
	emit_load(e, 8, TC, MEM_VCPU(OFF(vmcs_direct)));
	slow = emit_jrcxz_fwd(e);
	emit_load(e, bytes, TI, m);
	lower_set(l, lower_gpr(o[0].reg), 8, TI);
	count(l, offsetof(struct vmx, rounds.vmread) + (size_t)(f - vmcs_fields) * 8);
	succeed(l);
	otherwise(l, slow);
}

void lower_vmwrite(struct lower *l)
{
	const struct operand *o = l->i->op;
	const struct vmcs_field *f;
	struct emit *e = &l->e;
	unsigned int bytes;
	struct mem m;
	u8 *slow;

	f = field(l, &o[0], &m, &bytes);
	if (!f || o[1].type != ZYDIS_OPERAND_TYPE_REGISTER ||
	    (vmcs_read_only(f) && !offers_vmwrite_exit_info(&l->v->vmx->caps))) {
		lower_callout(l);
		return;
	}
	emit_load(e, 8, TC, MEM_VCPU(OFF(vmcs_direct)));
	slow = emit_jrcxz_fwd(e);
	emit_store(e, bytes, m, lower_get(l, lower_gpr(o[1].reg), TI));
	count(l, offsetof(struct vmx, rounds.vmwrite) + (size_t)(f - vmcs_fields) * 8);
	/* TC is struct vmx: or dword [changes], group */
	emit_enc(e,
		 &(struct enc){ .op = 0x81,
				.reg = 1,
				.is_mem = true,
				.mem = MEM_BASE(TC, (s32)offsetof(struct vmx, changes.groups)),
				.imm_len = 4,
				.imm = { (u8)(1u << f->group), (u8)(1u << f->group >> 8), (u8)(1u << f->group >> 16) } });
	succeed(l);
	otherwise(l, slow);
}
