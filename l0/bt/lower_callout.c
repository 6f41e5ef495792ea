/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Instructions done in C (cpu/insn.h), and the cold parts of a block. */
#include "lower.h"

enum { CALL = 0xe8, JMP = 0xe9 };

/* flags: DESC_END, DESC_STRING */
static void call(struct lower *l, insn_fn *fn, u64 args, u32 flags)
{
	struct emit *e = &l->e;

	emit_mov_imm(e, TI, (u64)fn);
	emit_mov_imm(e, TC, args);
	emit_mov_imm(e, TA, (lower_desc(l) & ~0xfffu) | l->i->length | flags);
	emit_call(e, l->bt->thunk.callout);
}

static void callout(struct lower *l, insn_fn *fn, u64 args, bool end)
{
	call(l, fn, args, end ? DESC_END : 0);
}

static void insn_check_ip(struct vcpu *v, union insn_args a)
{
	(void)a;
	if ((u32)v->scratch[1] > v->seg[CS].limit)
		raise_gp(v, 0);
}

void lower_check_ip(struct lower *l)
{
	callout(l, insn_check_ip, 0, false);
}

static enum sreg sreg_operand(const struct insn *i)
{
	unsigned int k;

	for (k = 0; k < i->z->operand_count; k++)
		if (i->op[k].type == ZYDIS_OPERAND_TYPE_REGISTER && reg_is_segment(i->op[k].reg))
			return (enum sreg)(i->op[k].reg - ZYDIS_REGISTER_ES);
	return ES;
}

static union insn_args args_of(const struct lower *l, const struct operand **memory)
{
	const struct insn *i = l->i;
	const struct decoded *z = i->z;
	union insn_args a = { .raw = 0 };
	unsigned int k;

	*memory = NULL;
	a.size = i->rule->flags & RULE_WIDE ? (z->rex_w ? 8 : 4) : z->operand_width / 8;
	a.asize = z->address_width == 64 ? 2 : z->address_width == 32 ? 1 : 0;
	a.rep = z->attributes & ZYDIS_ATTRIB_HAS_REPNE				 ? 2
		: z->attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE) ? 1
										 : 0;
	a.seg = DS;
	if (z->attributes & ZYDIS_ATTRIB_HAS_MODRM) {
		a.reg = z->reg | z->rex_r << 3;
		if (z->mod == 3 || (z->opcode_map == ZYDIS_OPCODE_MAP_0F && z->opcode >= 0x20 && z->opcode <= 0x23)) {
			a.is_reg = 1;
			a.rm = z->rm | z->rex_b << 3;
		}
	}
	for (k = 0; k < z->operand_count; k++) {
		const struct operand *o = &i->op[k];

		switch (o->type) {
		case ZYDIS_OPERAND_TYPE_IMMEDIATE:
			a.imm = (u64)insn_constant(i, o);
			if (!(z->attributes & ZYDIS_ATTRIB_HAS_MODRM))
				a.is_reg = 1; /* IN, OUT: the port is the immediate */
			break;
		case ZYDIS_OPERAND_TYPE_POINTER:
			a.is_reg = 1;
			a.imm = (u64)insn_constant(i, o);
			a.reg = o->segment & 255;
			a.rm = o->segment >> 8;
			break;
		case ZYDIS_OPERAND_TYPE_MEMORY:
			if (o->visibility == ZYDIS_OPERAND_VISIBILITY_EXPLICIT)
				*memory = o;
			/* string instructions: the segment that can be overridden */
			if (o->base != ZYDIS_REGISTER_RDI && o->base != ZYDIS_REGISTER_EDI && o->base != ZYDIS_REGISTER_DI)
				a.seg = o->segment - ZYDIS_REGISTER_ES;
			break;
		default:
			break;
		}
	}
	if (*memory)
		a.seg = (*memory)->segment - ZYDIS_REGISTER_ES;
	switch (z->mnemonic) {
	case ZYDIS_MNEMONIC_MOV: /* to or from a segment register */
	case ZYDIS_MNEMONIC_PUSH:
	case ZYDIS_MNEMONIC_POP:
		if (!(z->opcode_map == ZYDIS_OPCODE_MAP_0F && z->opcode >= 0x20 && z->opcode <= 0x23))
			a.reg = sreg_operand(i);
		break;
	case ZYDIS_MNEMONIC_LDS:
		a.imm = DS;
		break;
	case ZYDIS_MNEMONIC_LES:
		a.imm = ES;
		break;
	case ZYDIS_MNEMONIC_LSS:
		a.imm = SS;
		break;
	case ZYDIS_MNEMONIC_LFS:
		a.imm = FS;
		break;
	case ZYDIS_MNEMONIC_LGS:
		a.imm = GS;
		break;
	case ZYDIS_MNEMONIC_ENTER:
		a.imm = (u64)i->imm[0] | (u64)i->imm[1] << 16;
		break;
	case ZYDIS_MNEMONIC_MOVSB:
	case ZYDIS_MNEMONIC_CMPSB:
	case ZYDIS_MNEMONIC_STOSB:
	case ZYDIS_MNEMONIC_LODSB:
	case ZYDIS_MNEMONIC_SCASB:
	case ZYDIS_MNEMONIC_INSB:
	case ZYDIS_MNEMONIC_OUTSB:
		a.size = 1;
		break;
	case ZYDIS_MNEMONIC_IN:
	case ZYDIS_MNEMONIC_OUT:
		a.size = z->opcode & 1 ? (z->operand_width == 16 ? 2 : 4) : 1;
		break;
	case ZYDIS_MNEMONIC_INSD:
	case ZYDIS_MNEMONIC_OUTSD:
		a.size = 4;
		break;
	case ZYDIS_MNEMONIC_LGDT:
	case ZYDIS_MNEMONIC_LIDT:
	case ZYDIS_MNEMONIC_SGDT:
	case ZYDIS_MNEMONIC_SIDT:
		if (l->cs64)
			a.size = 8;
		break;
	case ZYDIS_MNEMONIC_IRET:
		a.size = 2;
		break;
	case ZYDIS_MNEMONIC_IRETD:
		a.size = 4;
		break;
	case ZYDIS_MNEMONIC_IRETQ:
		a.size = 8;
		break;
	default:
		break;
	}
	return a;
}

/* What the translator puts in the way of an instruction because of the mode: #NM, #UD */
static void insn_nm(struct vcpu *v, union insn_args a)
{
	(void)a;
	raise_exception(v, VEC_NM);
}

static void insn_gp(struct vcpu *v, union insn_args a)
{
	(void)a;
	raise_gp(v, 0);
}

void lower_gp(struct lower *l)
{
	callout(l, insn_gp, 0, true);
}

void lower_callout(struct lower *l)
{
	const struct operand *memory;
	union insn_args a = args_of(l, &memory);

	if (memory) {
		u8 r = lower_offset(l, memory, 0);

		emit_store(&l->e, 8, MEM_VCPU(OFF(ea)), r);
	}
	callout(l, l->i->rule->callout, a.raw, l->i->rule->flags & RULE_END);
}

/* What gets the same as rt_callout(), and knows the function and its arguments */
static void by_thunk(struct lower *l, const u8 *thunk)
{
	struct emit *e = &l->e;

	if (l->step) {
		lower_callout(l);
		return;
	}
	emit_mov_imm(e, TA, (lower_desc(l) & ~0xfffu) | l->i->length | DESC_END);
	emit_jmp(e, thunk);
}

void lower_syscall(struct lower *l)
{
	by_thunk(l, l->bt->thunk.syscall[l->mode & MODE_SMAP ? JC_KERNEL64 : JC_KERNEL_AC64]);
}

void lower_sysret(struct lower *l)
{
	by_thunk(l, l->bt->thunk.sysret);
}

void lower_ud(struct lower *l)
{
	callout(l, insn_ud, 0, true);
}

void lower_nm(struct lower *l)
{
	callout(l, insn_nm, 0, true);
}

static void cold_access(struct lower *l, struct cold *c)
{
	struct emit *e = &l->e;
	int k;

	emit_mov_rr(e, 8, TA, c->areg);
	emit_mov_imm(e, TC, c->desc);
	emit_rel32(e, CALL, l->bt->thunk.miss);
	emit_rel32(e, JMP, c->back);
	if (!(c->desc & DESC_WRITE)) {
		/* a bounced load: the same way back */
		return;
	}
	/* 5 bytes behind the call: the access goes through the bounce buffer */
	for (k = 0; k < c->n; k++)
		emit_enc(e, &c->seq[k]);
	emit_call(e, l->bt->thunk.commit);
	emit_jmp(e, c->after);
}

/* A REP that the host hasn't begun, all of it; an RDTSC, after what lower_rdtsc_l2() has put aside is back; STI */
static void cold_callout(struct lower *l, const struct cold *c)
{
	bool string = c->kind == COLD_CALLOUT;
	const struct operand *memory;
	union insn_args a;

	l->at = c->n;
	l->i = &l->insn[l->at];
	a = args_of(l, &memory);
	if (string) {
		a.imm = (u32)(l->b - l->bt->blocks);
		l->own = true;
	} else if (c->kind == COLD_TSC) {
		emit_mov_rr(&l->e, 8, H_RAX, TA);
		emit_mov_rr(&l->e, 8, H_RDX, TI);
	}
	call(l, c->kind == COLD_STI ? insn_sti : l->i->rule->callout, a.raw, string ? DESC_STRING : 0);
	emit_jmp(&l->e, c->after);
	l->at = l->count - 1;
	l->i = &l->insn[l->at];
}

void lower_cold(struct lower *l)
{
	struct emit *e = &l->e;
	unsigned int k;

	/* A cold part may add others (a jump's cache miss). */
	for (k = 0; k < l->cold_count; k++) {
		struct cold *c = &l->cold[k];

		emit_patch32_there(e, c->from);
		switch (c->kind) {
		case COLD_ACCESS:
			cold_access(l, c);
			break;
		case COLD_RANGE:
			lower_range_cold(l, c);
			break;
		case COLD_CALLOUT:
		case COLD_TSC:
		case COLD_STI:
			cold_callout(l, c);
			break;
		case COLD_GROUP:
			emit_mov_rr(e, 8, TA, c->areg);
			emit_mov_imm(e, TC, c->desc);
			emit_mov_imm(e, TI, c->span);
			emit_call(e, l->bt->thunk.group);
			emit_jmp(e, c->back);
			break;
		case COLD_BUDGET:
			emit_mov_imm(e, TA, l->insn[0].offset);
			emit_mov_imm(e, TI, l->count);
			emit_jmp(e, l->bt->thunk.budget);
			break;
		case COLD_BUDGET_AFTER:
			/* the flags are gone: run the instruction that makes new ones, then leave behind it */
			l->at = l->b->check_at;
			l->i = &l->insn[l->at];
			l->i->rule->fn(l);
			emit_mov_imm(e, TA, l->i->offset + l->i->length);
			emit_mov_imm(e, TI, l->count - l->at - 1);
			emit_jmp(e, l->bt->thunk.budget);
			l->at = l->count - 1;
			l->i = &l->insn[l->at];
			break;
		case COLD_CHAIN:
			l->b->exit[c->exit].stub = (u16)(e->p - l->bt->rw - l->b->cold);
			emit_mov_imm(e, TC, (u32)(l->b - l->bt->blocks) * 2 + c->exit); /* cache_never_chain() changes it */
			emit_rel32(e, JMP, l->bt->thunk.chain);
			break;
		case COLD_JUMP:
			lower_exit_cold(l, c);
			break;
		case COLD_JC_MISS:
			emit_mov_imm(e, TC, c->desc);
			emit_rel32(e, JMP, l->bt->thunk.jc_miss[jc_class_of(l->mode)]);
			break;
		}
	}
}
