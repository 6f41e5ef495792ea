/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lowering: one guest instruction to host code. A block is decoded as a whole first, then lowered from front to
 * back; cold parts are remembered and emitted behind it.
 *
 * The rules that make exceptions precise: before the last thing that can fault, no guest register changes and no
 * memory is written; flags change by the guest's own instruction and by nothing else.
 */
#ifndef L0_BT_LOWER_H
#define L0_BT_LOWER_H

#include "../cpu/insn.h"
#include "../cpu/mode.h"
#include "cache.h"
#include "decode.h"

struct lower;

enum cold_kind {
	COLD_ACCESS,
	COLD_CALLOUT,
	COLD_TSC,
	COLD_STI,
	COLD_GROUP,
	COLD_RANGE,
	COLD_BUDGET,
	COLD_BUDGET_AFTER,
	COLD_CHAIN,
	COLD_JUMP,
	COLD_JC_MISS
};

#define SEQ_MAX 4

/* A part that is rarely run. `from`: the jump to it (rel32, or NULL if patched otherwise). */
struct cold {
	enum cold_kind kind;
	u8 *from, *back; /* back: executable address to return to; ACCESS: where the address is used */
	u8 *after; /* ACCESS that writes: behind the instruction's memory operation; CALLOUT, TSC: behind the instruction */
	u8 areg;
	u8 n; /* ACCESS: of seq[]; CALLOUT, TSC: the instruction */
	u8 exit; /* CHAIN, JUMP: which of the block's exits */
	u32 desc;
	u32 span; /* GROUP: bytes, BIT(31): write */
	u8 range; /* RANGE */
	s64 delta; /* JUMP: target - rip_base; RANGE: offset from the segment's base */
	int undo; /* JUMP: lower_jump_cache() */
	struct enc seq[SEQ_MAX];
};

/* Accesses that share a search of the soft TLB: group.c. `at`, lo, hi: bytes from what their base register held at some time */
struct group {
	s32 lo, hi;
	u8 members;
	u8 slot; /* of v->group[] */
	bool write; /* one of them does */
};

/* The access of one instruction that is in a group */
struct group_use {
	s8 group; /* -1: none */
	bool first;
	bool stack; /* the one that lower_stack_address() is asked for, not that of a memory operand */
	s32 at;
};

/* A LOOP whose jump to its cold part has still to be placed: lower_check.c */
#define NEAR_MAX 16
struct near {
	u8 *place; /* of its displacement */
	u16 cold;
};

#define COLD_MAX (BLOCK_MAX_INSNS * 3 + 8)

/* A search of the soft TLB as it was emitted, to be copied: lower_mem.c. length 0: not yet */
#define SEARCH_MAX 64
struct search {
	u8 length, size_at, check_at; /* the places of two bytes: of the size less 1, and of LOOP's displacement */
	u8 code[SEARCH_MAX];
};

/* The same of the jump cache: lower_flow.c. from_at: the place of the jump that is taken on a miss */
#define JUMP_SEARCH_MAX 64
struct jump_search {
	u8 length, from_at;
	u8 code[JUMP_SEARCH_MAX];
};

struct lower {
	struct vcpu *v;
	struct bt *bt;
	struct bt_block *b;
	struct emit e;
	u32 mode;
	bool cs64, step; /* step: exits go to C after one instruction */
	unsigned int count, at; /* instructions in the block, the current one */
	const struct insn *i; /* the current one */
	struct insn insn[BLOCK_MAX_INSNS];
	unsigned int cold_count;
	struct cold cold[COLD_MAX];
	unsigned int near_count;
	struct near near[NEAR_MAX]; /* oldest first */
	bool out_of_reach; /* one couldn't be placed */
	bool no_near; /* for this block: the second try */
	bool own; /* the block's code knows its number, or its end depends on what follows: no other block can have it (copy.c) */
	bool by_level; /* some of it is different for L1 and its guests */
	struct emit_leaves leaves;
	bool ungrouped; /* this block is the other translation of a part of one with groups */
	unsigned int groups;
	struct group group[BLOCK_MAX_INSNS];
	struct group_use use[BLOCK_MAX_INSNS];
	s8 now; /* the group of the access that is being lowered, -1 */
	bool now_first;
	s32 disp; /* of its operand, from the register that lower_linear() or lower_stack_address() has returned */
	int range; /* the access that is being lowered is in this one: lower_range.c; -1 */
	s32 range_at; /* its offset from the segment's base */
	struct search search[TLB_VIEWS][2][16]; /* by who accesses, whether it writes, and the host register with the address */
	struct jump_search jump_search[JC_CLASSES];
	s8 tc_group; /* TC holds the distance of this group as long as nothing has been emitted since: */
	const u8 *tc_at;
};

/* Another cold part; what its kind needs is the caller's. */
static inline struct cold *lower_new_cold(struct lower *l, enum cold_kind kind)
{
	struct cold *c = &l->cold[l->cold_count++];

	c->kind = kind;
	return c;
}

typedef void lower_fn(struct lower *l);

#define RULE_END BIT(0) /* the block ends behind this instruction */
#define RULE_NEXT_ENDS BIT(1) /* ... behind the next one (STI) */
#define RULE_OPERAND \
	BIT(3) /* of its accesses, that of the memory operand is one whose address comes from lower_linear() */
#define RULE_STACK BIT(4) /* it pushes or pops: group.c knows what */
#define RULE_WIDE BIT(2) /* callout: operand size from REX.W alone */

struct lower_rule {
	lower_fn *fn;
	insn_fn *callout; /* what lower_callout() calls, or the cold part of a rule that isn't one */
	u8 flags;
};

/* rules.c: the rule for a decoded instruction; never NULL. Checks what the CPU model and the mode offer. */
const struct lower_rule *lower_rule_for(const struct vcpu *v, const struct insn *i);

/* Does what becomes of it depend on MODE_L2? */
bool lower_by_level(const struct insn *i);

/* STI where the next instruction is not in the same block */
const struct lower_rule *lower_rule_sti_alone(void);
/* more than 15 bytes: #GP(0) */
const struct lower_rule *lower_rule_too_long(void);

/* lower_mem.c */

/* desc without size and direction: where the instruction is */
u32 lower_desc(const struct lower *l);
/* Effective address of operand o plus `bias` into a register: offset in its segment. */
u8 lower_offset(struct lower *l, const struct operand *o, s32 bias);
/* The same into host register `to` for good: LEA. bytes: 4 or 8. */
void lower_offset_to(struct lower *l, const struct operand *o, u8 to, unsigned int bytes);
/* The same as linear address; size and rw for the checks of segments that aren't flat. */
u8 lower_linear(struct lower *l, const struct operand *o, s32 bias, unsigned int size, u32 rw);
/* Segment checks don't apply to this operand: flat, or 64-bit mode. */
bool lower_is_flat(const struct lower *l, const struct operand *o);
/* TA holds an offset in `seg`: make it linear. */
void lower_segment(struct lower *l, enum sreg seg, unsigned int size, u32 rw);
/*
 * The access itself: `areg` holds the linear address; seq are the host instructions that use it, with [areg + TC] as
 * memory operand. rw: DESC_READ, DESC_WRITE. TI is lost before seq begins.
 */
void lower_access(struct lower *l, u8 areg, unsigned int size, u32 rw, const struct enc *seq, int n);
bool lower_is_ss(const struct operand *o);
struct mem lower_host_mem(const struct lower *l, u8 areg);
/* host register that holds guest register g, loading `temp` if it lives in memory */
u8 lower_get(struct lower *l, u8 g, u8 temp);
/* bytes: 4 or 8 */
void lower_set(struct lower *l, u8 g, unsigned int bytes, u8 from);

/* group.c: before the block is lowered */
void lower_groups(struct lower *l);
/* lower_mem.c: what has been emitted since `from` leaves TC alone. */
void lower_tc_kept(struct lower *l, const u8 *from);
/* The address that lower_stack_address() and the like begin with: base + disp, 64 bits, in a register that is returned */
u8 lower_group_address(struct lower *l, u8 base, s32 disp);

/*
 * lower_range.c: operand o plus `bias` is found by a range's number. Then lower_host_mem() and lower_access() do as these say, and there is no
 * register with an address.
 */
bool lower_range(struct lower *l, const struct operand *o, s32 bias, unsigned int size);
struct mem lower_range_mem(const struct lower *l);
void lower_range_access(struct lower *l, unsigned int size, u32 rw, const struct enc *seq, int n);
void lower_range_cold(struct lower *l, const struct cold *c);

/* lower_check.c */
/* May the next lower_check() be one of the near forms? */
bool lower_check_near(const struct lower *l);
/* May it be a LOOP? */
bool lower_check_loops(const struct lower *l);
/* In front of a near one, unless RCX is 1 or 0: it goes on if RCX is 1, and not if it is from 2 to 2^RSP_COUNT - 1 */
void lower_check_is_one(struct lower *l);
/* near: it goes on if RCX is 1, else not; without LOOP if it isn't 0, else not. Not near: it goes on if RCX is 0. */
void lower_check(struct lower *l, bool near, struct cold *c);
/* A LOOP that has been emitted already, with its displacement at `place` */
void lower_check_again(struct lower *l, u8 *place, struct cold *c);
/* Before each instruction, and behind the block's last jump: what LOOPs need in their reach */
void lower_check_reach(struct lower *l);
void lower_check_end(struct lower *l);

/* lower_lock.c */
/* A locked instruction whose operand may lie across cache lines, on a host that traps those: such a one is in no group and no range. */
bool lower_must_not_split(const struct lower *l, const struct insn *i);
/* In front of its search. The cold part is completed by lower_same_cold(): it does what the search's does. */
struct cold *lower_check_split(struct lower *l, u8 areg, unsigned int size);
void lower_same_cold(struct cold *to, const struct cold *from);

/* lower_plain.c */
lower_fn lower_plain;
/* lower_fixed.c */
lower_fn lower_mov_imm, lower_mov_moffs, lower_lea, lower_bswap, lower_xchg, lower_inc_dec, lower_bit, lower_shift,
	lower_cmpxchg16, lower_nop, lower_flush, lower_mov, lower_xlat, lower_string_index;
/* lower_vector.c */
lower_fn lower_maskmov_di, lower_vmaskmov, lower_gather;
/* One bit of v->rflags; EFLAGS and all registers but TC are kept. */
void lower_clear_flag(struct lower *l, unsigned int bit);
void lower_set_flag(struct lower *l, unsigned int bit);
/* lower_system.c: each has conditions on the mode, which rules.c knows */
lower_fn lower_cli, lower_sti, lower_cld, lower_std, lower_swapgs, lower_mov_from_sreg, lower_pushf, lower_rdtsc,
	lower_rdtsc_l2, lower_stac_clac;
/* lower_string.c */
lower_fn lower_rep_movs, lower_rep_stos;
/* lower_vmx.c; with a memory operand they are callouts */
lower_fn lower_vmread, lower_vmwrite;
/* lower_flow.c */
/* #GP(0) if scratch[1] isn't within CS' limit */
void lower_check_ip(struct lower *l);
lower_fn lower_jmp, lower_jcc, lower_call, lower_ret, lower_loop, lower_jcxz;
void lower_exit(struct lower *l, int exit, s64 delta);
/* The current instruction is the block's last one: how many bytes its way out takes at the most */
unsigned int lower_exit_bytes(const struct lower *l);
void lower_exit_cold(struct lower *l, struct cold *c);
/*
 * TA = linear address of the target: look it up and go. undo: bytes to add to the stack pointer if the target is bad, or
 * one of UNDO_*.
 */
void lower_jump_cache(struct lower *l, int undo);
/* lower_stack.c */
lower_fn lower_push, lower_pop, lower_leave;
void lower_push_reg(struct lower *l, unsigned int size, u8 value, bool is_imm, s32 imm);
void lower_sp_add(struct lower *l, s32 n);
u8 lower_stack_address(struct lower *l, s32 bias, unsigned int size, u32 rw);
/* lower_callout.c */
lower_fn lower_callout, lower_ud, lower_nm, lower_gp;
/* thunks_syscall.c does it; single instructions are callouts */
lower_fn lower_syscall, lower_sysret;
void lower_cold(struct lower *l);

#endif
