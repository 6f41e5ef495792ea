/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Blocks made from others. A guest's kernel is its hypervisor's, byte for byte but for where they lie; both run the same programs; and what
 * is overwritten often comes again elsewhere. What a block's code depends on is its bytes, where in their page they are, and the mode,
 * of which nearly all code doesn't ask whether it is L1's or a guest's.
 *
 * So a block is looked for by the 16 bytes that it begins with, and if all its bytes are those of another one, it gets the code of that. It is
 * what translating them would give: with the instruction clock there is no difference. Left out are blocks that end because the page's
 * end cuts off the next instruction (how long that is, other bytes say), that know their own number, and that lie at the page's end.
 *
 * The code is moved as it is, but for the displacements that lead from one of its two areas to the other or to the thunks. Where they are was
 * noted when they were emitted, with the guest's bytes, which may be gone. A block that is dropped can still be copied, until its region
 * is emptied. Copies aren't copied.
 *
 *	bt->notes[b->note]	b->leaves places, then the guest's bytes
 */
#include "cache.h"

#include "../cpu/fpu.h"
#include "../cpu/mode.h"

#define KEY_BYTES 16

static bool near_end(u64 phys)
{
	return (phys & 4095) > PAGE_SIZE - KEY_BYTES;
}

static u32 key(const u8 *bytes, u64 phys, u32 mode)
{
	const guest_u64 *word = (const guest_u64 *)bytes;
	u64 h = (word[0] ^ (u64)(mode & ~(u32)MODE_L2) << 20) * 0x9e3779b97f4a7c15ull;

	h = (h ^ h >> 29 ^ word[1] ^ (phys & 4095) << 52) * 0xbf58476d1ce4e5b9ull;
	return (u32)(h >> 32);
}

static u32 *bucket(struct bt *bt, u32 twin)
{
	return &bt->twins[twin >> (32 - TWIN_BITS)];
}

/* For a few */
static void copy_bytes(u8 *to, const u8 *from, u32 n)
{
	u32 k;

	for (k = 0; k + 8 <= n; k += 8)
		*(guest_u64 *)(to + k) = *(const guest_u64 *)(from + k);
	for (; k < n; k++)
		to[k] = from[k];
}

void copy_may(struct bt *bt, struct bt_block *b, const struct emit_leaves *leaves, bool by_level)
{
	const u8 *bytes = memory_host(&bt->machine->memory, b->phys);
	struct bt_region *r = bt->open;
	u32 n = leaves->n + (b->len + 1) / 2, *head;
	u16 *to;

	if (!leaves->n || leaves->n > EMIT_LEAVES_MAX || r->notes + n > r->note_max || near_end(b->phys))
		return;
	b->note = r->first_note + r->notes;
	to = &bt->notes[b->note];
	copy_bytes((u8 *)to, (const u8 *)leaves->at, leaves->n * sizeof(*to));
	copy_bytes((u8 *)(to + leaves->n), bytes, b->len);
	r->notes += n;
	b->leaves = (u16)leaves->n;
	b->by_level = by_level;
	b->twin = key(bytes, b->phys, b->mode);
	head = bucket(bt, b->twin);
	b->twin_next = *head;
	*head = cache_index(bt, b);
}

void copy_no_more(struct bt *bt, struct bt_block *b)
{
	u32 *p, self = cache_index(bt, b);

	if (!b->leaves)
		return;
	for (p = bucket(bt, b->twin); *p != self; p = &bt->blocks[*p].twin_next)
		;
	*p = b->twin_next;
	b->leaves = 0;
}

static bool same_bytes(const u8 *a, const u8 *b, u32 n)
{
	u32 k;

	for (k = 0; k + 8 <= n; k += 8)
		if (*(const guest_u64 *)(a + k) != *(const guest_u64 *)(b + k))
			return false;
	for (; k < n; k++)
		if (a[k] != b[k])
			return false;
	return true;
}

static const struct bt_block *find_twin(struct bt *bt, const u8 *bytes, u64 phys, u32 mode)
{
	u32 twin = key(bytes, phys, mode);

	for (u32 i = *bucket(bt, twin); i != BLOCK_NONE; i = bt->blocks[i].twin_next) {
		const struct bt_block *b = &bt->blocks[i];

		if (b->twin == twin && !((b->phys ^ phys) & (BIT(block_shift(b)) - 1)) &&
		    !((b->mode ^ mode) & ~(u32)MODE_L2) && (b->mode == mode || !b->by_level) &&
		    same_bytes((const u8 *)&bt->notes[b->note + b->leaves], bytes, b->len))
			return b;
	}
	return NULL;
}

/* How far b's areas are from those of the block that it is made from: modulo 2^32, as the numbers are */
struct moved {
	u32 hot, cold;
};

static void move_leaves(struct bt *bt, const struct bt_block *b, const struct bt_block *from, struct moved by)
{
	const u16 *place = &bt->notes[from->note];

	for (u32 k = 0; k < from->leaves; k++) {
		bool cold = place[k] & EMIT_SECOND;
		u32 at = (u32)(place[k] & ~EMIT_SECOND) + (cold ? b->cold : b->code);
		guest_u32 *rel = (guest_u32 *)(bt->rw + at);
		u32 target = at - (cold ? by.cold : by.hot) + 4 + *rel;

		/* What is in neither is a thunk; or a block that `from` is chained to, but exits are dealt with below. */
		if (target - from->code <= from->size)
			target += by.hot;
		else if (target - from->cold <= from->cold_size)
			target += by.cold;
		*rel = target - (at + 4);
	}
}

static void move_exits(struct bt *bt, struct bt_block *b, const struct bt_block *from)
{
	for (u32 k = 0; k < 2; k++) {
		const struct bt_exit *f = &from->exit[k];
		struct bt_exit *x = &b->exit[k];

		if (!f->patch)
			continue;
		x->patch = f->patch;
		x->stub = f->stub;
		x->delta = f->delta;
		/* MOV ECX, the exit's number: lower_cold() */
		*(guest_u32 *)(bt->rw + exit_stub(b, k) + 1) = cache_index(bt, b) * 2 + k;
		cache_aim(bt, exit_patch(b, k), exit_stub(b, k));
	}
}

/*
 * Looking takes two misses of the host's caches, and while a first kernel boots 97 of 100 times in vain; for a second one it finds 9 of 10. So
 * after many in vain only some are looked for, until one is there.
 */
#define VAIN_MANY 32
#define VAIN_EACH 8

static bool worth_looking(struct bt *bt)
{
	return bt->vain < VAIN_MANY || !(++bt->not_looked % VAIN_EACH);
}

struct bt_block *copy_block(struct bt *bt, u64 phys, u32 mode)
{
	const u8 *bytes = memory_host(&bt->machine->memory, phys);
	const struct bt_region *r = bt->open;
	const struct bt_block *from;
	struct moved by;
	struct bt_block *b;
	u32 hot, cold;

	if (!bytes || near_end(phys) || bt->trace || !worth_looking(bt))
		return NULL;
	/* Only who is alone can have the page watched, and whoever translates sees to that. */
	if (bt->machine->parallel && !(*memory_flag(&bt->machine->memory, phys) & PAGE_CODE))
		return NULL;
	from = find_twin(bt, bytes, phys, mode);
	/* An exit that is never chained leads to what its region alone has. */
	if (!from || from->looked_up) {
		bt->vain += bt->vain < VAIN_MANY;
		return NULL;
	}
	bt->vain = 0;
	hot = from->size;
	cold = from->cold_size;
	b = cache_new(bt);
	if (!b || r->hot.end - r->hot.used < hot + 16 || r->cold.end - r->cold.used < cold)
		return NULL;
	by = (struct moved){ .hot = (u32)r->hot.used - from->code, .cold = (u32)r->cold.used - from->cold };
	b->phys = phys;
	b->mode = mode;
	b->len = from->len;
	b->insns = from->insns;
	b->check_at = from->check_at;
	b->code = from->code + by.hot;
	b->direct = from->direct;
	b->size = from->size;
	b->cold = from->cold + by.cold;
	b->cold_size = from->cold_size;
	copy_bytes(bt->rw + b->code, bt->rw + from->code, hot);
	copy_bytes(bt->rw + b->cold, bt->rw + from->cold, cold);
	cache_entry(bt->rw + b->code, phys & 4095);
	move_leaves(bt, b, from, by);
	move_exits(bt, b, from);
	for (u32 k = 0; k < b->insns; k++)
		bt->maps[b->map + k] = bt->maps[from->map + k];
	cache_add(bt, b);
	bt->stats.copied++;
	return b;
}
