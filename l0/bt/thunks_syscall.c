/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SYSCALL from CPL 3 and SYSRET to it, both in 64-bit mode, as kernels use them: SDM vol. 2 under each name. Jumped to with what
 * rt_callout() would get, the instruction's desc in RSI; whatever isn't the common case goes on to there, with nothing changed:
 *
 *   both       EFER.SCE is clear
 *   SYSCALL    RFLAGS.AC stays set, with SMAP: that is another view of memory
 *   SYSRET     RCX isn't canonical (Intel's fault of SYSRET itself; 48 bits are all that is looked at); R11 sets TF, AC or IOPL; an interrupt
 *              waits, which IF may let in; CR4.TSD, which makes another mode of CPL 3; CPL 3 is reached for the first time
 *
 * What mode.c would compute anew is known: all that is special about the modes where these rules apply has to be off (rules.c). Who goes
 * this way doesn't look for events, as no other jump does: the next block's budget says so.
 */
#include "thunks.h"

#include "../cpu/insn.h"
#include "../cpu/mode.h"
#include "../cpu/model.h"
#include "../machine/machine.h"

enum { ALU_OR = 1, ALU_AND = 4, ALU_CMP = 7 };
enum { CC_Z = 4, CC_NZ = 5 };

#define AR_FLAT(type, dpl) (AR_G | AR_P | AR_S | AR_ACCESSED | AR_WRITABLE | (type) | (u32)(dpl) << AR_DPL_SHIFT)

/* The jumps to what C does */
struct slow {
	u8 *from[8];
	unsigned int n;
};

static void slow_if(struct emit *e, struct slow *s, u8 cc)
{
	s->from[s->n++] = emit_jcc_fwd(e, cc);
}

static void alu_imm(struct emit *e, u8 op, unsigned int bytes, u8 reg, u32 imm)
{
	emit_enc(e, &(struct enc){ .w = bytes == 8, .op = 0x81, .reg = op, .rm = reg });
	emit32(e, imm);
}

/* 64 bits */
static void shift(struct emit *e, u8 op, u8 reg, u8 count)
{
	emit_enc(e, &(struct enc){ .w = true, .op = 0xc1, .reg = op, .rm = reg, .imm_len = 1, .imm = { count } });
}

static void shl(struct emit *e, u8 reg, u8 count)
{
	shift(e, 4, reg, count);
}

static void shr(struct emit *e, u8 reg, u8 count)
{
	shift(e, 5, reg, count);
}

static void sar(struct emit *e, u8 reg, u8 count)
{
	shift(e, 7, reg, count);
}

static void test_imm(struct emit *e, u8 reg, u32 imm)
{
	emit_enc(e, &(struct enc){ .op = 0xf7, .reg = 0, .rm = reg });
	emit32(e, imm);
}

static void test_mem(struct emit *e, struct mem m, u32 imm)
{
	emit_enc(e, &(struct enc){ .op = 0xf7, .reg = 0, .is_mem = true, .mem = m });
	emit32(e, imm);
}

static void cmp_byte(struct emit *e, struct mem m, u8 imm)
{
	emit_enc(e, &(struct enc){ .op = 0x80, .reg = ALU_CMP, .is_mem = true, .mem = m, .imm_len = 1, .imm = { imm } });
}

static void store_byte(struct emit *e, struct mem m, u8 imm)
{
	emit_enc(e, &(struct enc){ .op = 0xc6, .is_mem = true, .mem = m, .imm_len = 1, .imm = { imm } });
}

/* A field of the vCPU while its flags lie on the stack below it */
static struct mem field(int offset)
{
	return MEM_VCPU(offset + 8);
}

static struct mem seg_field(enum sreg seg, size_t offset)
{
	return field((int)(offsetof(struct vcpu, seg) + seg * sizeof(struct segment) + offset));
}

/* segment_set_flat(), with the selector in a register */
static void set_flat(struct emit *e, enum sreg seg, u8 selector, u32 ar)
{
	emit_store(e, 2, seg_field(seg, offsetof(struct segment, sel)), selector);
	emit_store_imm32(e, 8, seg_field(seg, offsetof(struct segment, base)), 0);
	emit_store_imm32(e, 4, seg_field(seg, offsetof(struct segment, limit)), -1);
	emit_store_imm32(e, 4, seg_field(seg, offsetof(struct segment, ar)), (s32)ar);
}

static u8 *begin(struct emit *e, struct slow *s)
{
	u8 *entry = thunk_begin(e);

	s->n = 0;
	emit_store(e, 8, MEM_VCPU(OFF_GPR(RAX)), H_RAX);
	emit8(e, 0x9c); /* pushfq */
	test_mem(e, field(OFF(efer)), EFER_SCE);
	slow_if(e, s, CC_Z);
	return entry;
}

/* As it was, to C */
static void finish_slow(struct emit *e, const struct slow *s, insn_fn *fn, const struct thunks *t)
{
	for (unsigned int i = 0; i < s->n; i++)
		emit_patch32(e, s->from[i]);
	emit8(e, 0x9d); /* popfq */
	emit_load(e, 8, H_RAX, MEM_VCPU(OFF_GPR(RAX)));
	emit_mov_imm(e, TI, (u64)fn);
	emit_mov_imm(e, TC, (union insn_args){ .size = 8 }.raw);
	emit_call(e, t->callout);
}

static void change_mode(struct emit *e, u32 clear, u32 set)
{
	emit_load(e, 4, H_RAX, field(OFF(mode)));
	alu_imm(e, ALU_AND, 4, H_RAX, ~clear);
	alu_imm(e, ALU_OR, 4, H_RAX, set);
	emit_store(e, 4, field(OFF(mode)), H_RAX);
}

/* RCX = RFLAGS, RSI = RIP: there, by the jump cache of the mode that is entered */
static void go(struct emit *e, const struct bt *bt, enum jc_class class)
{
	/* as load_flags() in thunks.c does it */
	emit_enc(e, &(struct enc){ .op = 0x8a, .reg = 0, .rm = 5 }); /* mov al, ch */
	emit8(e, 0x24); /* and al, 8 */
	emit8(e, 8);
	emit8(e, 0x04); /* add al, 0x78 */
	emit8(e, 0x78);
	emit_enc(e, &(struct enc){ .op = 0x8a, .reg = 4, .rm = 1 }); /* mov ah, cl */
	emit8(e, 0x9e); /* sahf */
	emit_lea(e, 8, H_RSP, MEM_STACK(8));
	emit_load(e, 8, H_RAX, MEM_VCPU(OFF_GPR(RAX)));
	emit_patch32(e, emit_jump_cache(e, class, bt->loops));
	emit_mov_imm(e, TC, UNDO_FALLS + 2048);
	emit_jmp(e, bt->thunk.jc_miss[class]);
}

static u8 *emit_syscall(struct emit *e, const struct bt *bt, enum jc_class class)
{
	struct slow s;
	u8 *entry = begin(e, &s);

	/* RAX = RFLAGS as it is, RCX = as it will be */
	emit_load(e, 8, TC, MEM_STACK(0));
	alu_imm(e, ALU_AND, 4, TC, FLAG_ARITH);
	emit_load(e, 8, H_RAX, field(OFF(rflags)));
	alu_imm(e, ALU_AND, 4, H_RAX, ~(u32)(FLAG_ARITH | FLAG_RF));
	emit_op_rr(e, 0x09, 8, TC, H_RAX); /* or rax, rcx */
	emit_load(e, 8, TC, field(OFF(fmask)));
	emit_enc(e, &(struct enc){ .w = true, .op = 0xf7, .reg = 2, .rm = TC }); /* not rcx */
	emit_op_rr(e, 0x21, 8, H_RAX, TC); /* and rcx, rax */
	alu_imm(e, ALU_OR, 4, TC, FLAG_1);
	if (class == JC_KERNEL64) {
		test_imm(e, TC, FLAG_AC);
		slow_if(e, &s, CC_NZ);
	}
	emit_store(e, 8, field(OFF_GPR(R11)), H_RAX);
	emit_store(e, 8, field(OFF(rflags)), TC);

	/* RCX of the guest: behind the instruction */
	emit_mov_rr(e, 4, H_RAX, TA);
	shr(e, H_RAX, 12);
	alu_imm(e, ALU_AND, 4, H_RAX, 4095);
	alu_imm(e, ALU_AND, 4, TA, 15);
	emit_lea(e, 8, guest_reg_home[RCX], MEM_BASE_INDEX(H_RAX, TA, 0));
	emit_op_rm(e, 0x03, 8, guest_reg_home[RCX], field(OFF(rip_base))); /* add */

	emit_load(e, 2, H_RAX, field(OFF(star) + 4));
	alu_imm(e, ALU_AND, 4, H_RAX, ~3u);
	set_flat(e, CS, H_RAX, AR_FLAT(AR_CODE | AR_L, 0));
	emit_lea(e, 4, H_RAX, MEM_BASE(H_RAX, 8));
	set_flat(e, SS, H_RAX, AR_FLAT(AR_DB, 0));
	store_byte(e, field(OFF(cpl)), 0);
	store_byte(e, field(OFF(kernel_seen)), 1);
	change_mode(e, MODE_CPL3 | MODE_VIEW_MASK | MODE_TSD | MODE_ALIGN | MODE_SLOW_IF, (u32) class << MODE_VIEW_SHIFT);
	emit_load(e, 8, TA, field(OFF(lstar)));
	go(e, bt, class);
	finish_slow(e, &s, insn_syscall, &bt->thunk);
	return entry;
}

static u8 *emit_sysret(struct emit *e, const struct bt *bt)
{
	bool amd = model_is_amd(bt->machine->model);
	u8 target = guest_reg_home[RCX];
	struct slow s;
	u8 *entry = begin(e, &s);

	test_mem(e, field(OFF(cr4)), CR4_TSD);
	slow_if(e, &s, CC_NZ);
	cmp_byte(e, field(OFF(user_seen)), 0);
	slow_if(e, &s, CC_Z);
	cmp_byte(e, field(OFF(intr_wait)), 0);
	slow_if(e, &s, CC_NZ);
	if (!amd) {
		emit_mov_rr(e, 8, H_RAX, target);
		shl(e, H_RAX, 16);
		sar(e, H_RAX, 16);
		emit_op_rr(e, 0x3b, 8, H_RAX, target);
		slow_if(e, &s, CC_NZ);
	}
	emit_load(e, 8, TC, field(OFF_GPR(R11)));
	test_imm(e, TC, FLAG_TF | FLAG_AC | FLAG_IOPL);
	slow_if(e, &s, CC_NZ);

	alu_imm(e, ALU_AND, 4, TC, SYSRET_FLAGS);
	alu_imm(e, ALU_OR, 4, TC, FLAG_1);
	emit_store(e, 8, field(OFF(rflags)), TC);
	emit_load(e, 2, H_RAX, field(OFF(star) + 6));
	emit_lea(e, 4, TA, MEM_BASE(H_RAX, 16));
	alu_imm(e, ALU_OR, 4, TA, 3);
	set_flat(e, CS, TA, AR_FLAT(AR_CODE | AR_L, 3));
	emit_lea(e, 4, H_RAX, MEM_BASE(H_RAX, 8));
	if (amd) {
		/* the rest of SS stays; its DPL stands for CPL here */
		emit_store(e, 2, seg_field(SS, offsetof(struct segment, sel)), H_RAX);
		emit_load(e, 4, H_RAX, seg_field(SS, offsetof(struct segment, ar)));
		alu_imm(e, ALU_OR, 4, H_RAX, 3u << AR_DPL_SHIFT);
		emit_store(e, 4, seg_field(SS, offsetof(struct segment, ar)), H_RAX);
	} else {
		alu_imm(e, ALU_OR, 4, H_RAX, 3);
		set_flat(e, SS, H_RAX, AR_FLAT(AR_DB, 3));
	}
	store_byte(e, field(OFF(cpl)), 3);
	change_mode(e, MODE_VIEW_MASK, MODE_CPL3 | MODE_SLOW_IF | TLB_USER << MODE_VIEW_SHIFT);
	emit_mov_rr(e, 8, TA, target);
	go(e, bt, JC_USER64);
	finish_slow(e, &s, insn_sysret, &bt->thunk);
	return entry;
}

void thunks_emit_syscall(struct emit *e, struct bt *bt)
{
	bt->thunk.syscall[JC_KERNEL64] = emit_syscall(e, bt, JC_KERNEL64);
	bt->thunk.syscall[JC_KERNEL_AC64] = emit_syscall(e, bt, JC_KERNEL_AC64);
	bt->thunk.sysret = emit_sysret(e, bt);
}
