/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cache.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "../machine/machine.h"

#define CACHE_DEFAULT (64u << 20)
#define BLOCKS_PER_BYTE_INV 160 /* host bytes that a block takes at least, roughly: sizes the tables */

static void *table_alloc(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	/* a hint: lookups are all over it, and the host's TLB is small */
	(void)madvise(p, bytes, MADV_HUGEPAGE);
	return p;
}

static void table_free(void *p, size_t bytes)
{
	if (p)
		munmap(p, bytes);
}

static u64 ram_pages(const struct bt *bt)
{
	return (bt->machine->memory.low + bt->machine->memory.high) >> 12;
}

static u32 *page_head(struct bt *bt, u64 phys)
{
	return &bt->page_blocks[memory_flag(&bt->machine->memory, phys) - bt->machine->memory.flags];
}

static u16 *page_slow(struct bt *bt, u64 phys)
{
	return &bt->page_slow_writes[memory_flag(&bt->machine->memory, phys) - bt->machine->memory.flags];
}

struct bt *bt_create(struct machine *m, size_t cache_bytes)
{
	struct bt *bt = calloc(1, sizeof(*bt));

	if (!bt)
		return NULL;
	bt->machine = m;
	bt->fd = -1;
	bt->size = cache_bytes ? cache_bytes : CACHE_DEFAULT;
	bt->block_max = bt->size / BLOCKS_PER_BYTE_INV;
	bt->map_max = bt->block_max * 8;
	bt->fd = memfd_create("turtles-code", MFD_CLOEXEC);
	if (bt->fd < 0 || ftruncate(bt->fd, bt->size) < 0)
		goto fail;
	bt->rw = mmap(NULL, bt->size, PROT_READ | PROT_WRITE, MAP_SHARED, bt->fd, 0);
	bt->rx = mmap(NULL, bt->size, PROT_READ | PROT_EXEC, MAP_SHARED, bt->fd, 0);
	if (bt->rw == MAP_FAILED || bt->rx == MAP_FAILED)
		goto fail;
	bt->blocks = table_alloc(bt->block_max * sizeof(*bt->blocks));
	bt->maps = table_alloc(bt->map_max * sizeof(*bt->maps));
	bt->hash = table_alloc(sizeof(*bt->hash) << HASH_BITS);
	bt->page_blocks = table_alloc(ram_pages(bt) * sizeof(*bt->page_blocks));
	bt->page_slow_writes = table_alloc(ram_pages(bt) * sizeof(*bt->page_slow_writes));
	m->memory.write_index = table_alloc(ram_pages(bt) * sizeof(*m->memory.write_index));
	if (!m->memory.write_index || !bt->blocks || !bt->maps || !bt->hash || !bt->page_blocks || !bt->page_slow_writes)
		goto fail;
	memset(bt->hash, 0xff, sizeof(*bt->hash) << HASH_BITS);
	memset(bt->page_blocks, 0xff, ram_pages(bt) * sizeof(*bt->page_blocks));
	if (translate_create(bt) < 0)
		goto fail;
	thunks_emit(bt);
	return bt;
fail:
	bt_destroy(bt);
	errno = ENOMEM;
	return NULL;
}

void bt_destroy(struct bt *bt)
{
	if (!bt)
		return;
	translate_destroy(bt);
	if (bt->rw && bt->rw != MAP_FAILED)
		munmap(bt->rw, bt->size);
	if (bt->rx && bt->rx != MAP_FAILED)
		munmap(bt->rx, bt->size);
	if (bt->fd >= 0)
		close(bt->fd);
	table_free(bt->blocks, bt->block_max * sizeof(*bt->blocks));
	table_free(bt->maps, bt->map_max * sizeof(*bt->maps));
	table_free(bt->hash, sizeof(*bt->hash) << HASH_BITS);
	table_free(bt->page_blocks, ram_pages(bt) * sizeof(*bt->page_blocks));
	table_free(bt->page_slow_writes, ram_pages(bt) * sizeof(*bt->page_slow_writes));
	table_free(bt->machine->memory.write_index, ram_pages(bt) * sizeof(*bt->machine->memory.write_index));
	bt->machine->memory.write_index = NULL;
	free(bt);
}

void bt_trace(struct bt *bt, bool on)
{
	bt->trace = on;
}

const struct bt_stats *bt_stats(const struct bt *bt)
{
	return &bt->stats;
}

static u32 hash(u64 phys, u32 mode)
{
	u64 h = (phys ^ (u64)mode << 40) * 0x9e3779b97f4a7c15ull;

	return h >> (64 - HASH_BITS);
}

static u32 block_index(const struct bt *bt, const struct bt_block *b)
{
	return b - bt->blocks;
}

struct bt_block *cache_find(struct bt *bt, u64 phys, u64 phys2, u32 mode)
{
	u32 i;

	for (i = bt->hash[hash(phys, mode)]; i != BLOCK_NONE; i = bt->blocks[i].hash_next) {
		struct bt_block *b = &bt->blocks[i];

		if (b->phys == phys && b->mode == mode && (b->phys2 == UINT64_MAX || b->phys2 == phys2))
			return b;
	}
	return NULL;
}

struct bt_block *cache_new(struct bt *bt)
{
	struct bt_block *b;

	if (bt->block_count == bt->block_max || bt->map_count + BLOCK_MAX_INSNS > bt->map_max)
		return NULL;
	b = &bt->blocks[bt->block_count];
	memset(b, 0, sizeof(*b));
	b->phys2 = UINT64_MAX;
	b->hash_next = b->page_next[0] = b->page_next[1] = b->incoming = BLOCK_NONE;
	b->exit[0].target = b->exit[1].target = BLOCK_NONE;
	b->map = bt->map_count;
	return b;
}

/* From now on stores to the page must be noticed. */
static void watch(struct bt *bt, u64 phys)
{
	struct memory *m = &bt->machine->memory;
	u8 *flag = memory_flag(m, phys);
	u64 *index = &m->write_index[flag - m->flags], known;
	const u8 *host = m->base + (phys & ~4095ull);
	unsigned int i, c;

	*flag |= PAGE_CODE;
	if (!*index)
		return;
	for (i = 0; i < bt->machine->vcpu_count; i++)
		for (c = 0; c < TLB_CONTEXTS; c++) {
			struct tlb *t = &bt->machine->vcpu[i]->tlbs[c];

			if (*index == WRITE_INDEX_MANY) {
				tlb_forbid_write(t, host);
				continue;
			}
			for (known = *index; known; known >>= WRITE_INDEX_BITS)
				tlb_forbid_write_at(t, host, (known & (BIT(WRITE_INDEX_BITS) - 1)) - 1);
		}
	*index = 0;
}

static void page_link(struct bt *bt, struct bt_block *b, int which, u64 phys)
{
	u32 *head = page_head(bt, phys);

	b->page_next[which] = *head;
	*head = block_index(bt, b) * 2 + which;
	watch(bt, phys);
}

void cache_add(struct bt *bt, struct bt_block *b)
{
	u32 *bucket = &bt->hash[hash(b->phys, b->mode)];

	bt->block_count++;
	bt->map_count += b->insns;
	b->valid = true;
	if (!b->single) {
		b->hash_next = *bucket;
		*bucket = block_index(bt, b);
	}
	page_link(bt, b, 0, b->phys);
	if (b->phys2 != UINT64_MAX)
		page_link(bt, b, 1, b->phys2);
}

static void aim(struct bt *bt, u32 patch, u32 target)
{
	/* Naturally aligned or not: only the vCPU's own thread runs this code, and it isn't in it now. */
	u32 rel = target - (patch + 4);

	memcpy(bt->rw + patch, &rel, 4);
}

static struct bt_exit *exit_of(struct bt *bt, u32 id)
{
	return &bt->blocks[id >> 1].exit[id & 1];
}

void cache_chain(struct bt *bt, u32 id, struct bt_block *to)
{
	struct bt_exit *x = exit_of(bt, id);

	if (!x->patch || x->target != BLOCK_NONE || !to->valid || to->single || to->phys2 != UINT64_MAX)
		return;
	x->target = block_index(bt, to);
	x->prev = BLOCK_NONE;
	x->next = to->incoming;
	if (x->next != BLOCK_NONE)
		exit_of(bt, x->next)->prev = id;
	to->incoming = id;
	aim(bt, x->patch, to->direct);
	bt->stats.chained++;
}

/* The stub is MOV ECX, exit; JMP chain: it becomes MOV ECX, offset in the page; JMP lookup. */
void cache_never_chain(struct bt *bt, u32 id)
{
	const struct bt_block *b = &bt->blocks[id >> 1];
	struct bt_exit *x = exit_of(bt, id);
	enum jc_class class = jc_class_of(b->mode);

	if (!x->patch || class == JC_OTHER)
		return;
	memcpy(bt->rw + x->stub + 1, &x->delta, 4);
	aim(bt, x->stub + 6, (u32)(bt->thunk.lookup[class] - bt->rx));
	x->patch = 0;
}

static void unchain(struct bt *bt, u32 id)
{
	struct bt_exit *x = exit_of(bt, id);

	if (x->target == BLOCK_NONE)
		return;
	if (x->prev != BLOCK_NONE)
		exit_of(bt, x->prev)->next = x->next;
	else
		bt->blocks[x->target].incoming = x->next;
	if (x->next != BLOCK_NONE)
		exit_of(bt, x->next)->prev = x->prev;
	x->target = BLOCK_NONE;
	aim(bt, x->patch, x->stub);
}

static void page_unlink(struct bt *bt, struct bt_block *b, int which, u64 phys)
{
	u32 *p = page_head(bt, phys), id = block_index(bt, b) * 2 + which;

	while (*p != id)
		p = &bt->blocks[*p >> 1].page_next[*p & 1];
	*p = b->page_next[which];
	if (*page_head(bt, phys) == BLOCK_NONE) {
		*memory_flag(&bt->machine->memory, phys) &= ~PAGE_CODE;
		*page_slow(bt, phys) = 0;
	}
}

void cache_drop(struct bt *bt, struct bt_block *b)
{
	u32 *p = &bt->hash[hash(b->phys, b->mode)], self = block_index(bt, b);
	u8 *entry = bt->rw + b->code;
	u32 rel;

	if (!b->valid)
		return;
	b->valid = false;
	if (!b->single) {
		while (*p != self)
			p = &bt->blocks[*p].hash_next;
		*p = b->hash_next;
	}
	while (b->incoming != BLOCK_NONE)
		unchain(bt, b->incoming);
	unchain(bt, self * 2);
	unchain(bt, self * 2 + 1);
	page_unlink(bt, b, 0, b->phys);
	if (b->phys2 != UINT64_MAX)
		page_unlink(bt, b, 1, b->phys2);
	/* xor ecx, ecx would touch flags; the lookup takes desc 0 as "no stack change to undo" */
	entry[0] = 0xb9;
	memset(entry + 1, 0, 4);
	entry[5] = 0xe9;
	rel = (u32)(bt->thunk.jc_miss - (cache_rx(bt, b->code) + 10));
	memcpy(entry + 6, &rel, 4);
	bt->stats.invalidated++;
}

void cache_forget_single(struct bt *bt)
{
	struct bt_block *b;

	if (!bt->block_count)
		return;
	b = &bt->blocks[bt->block_count - 1];
	if (!b->single)
		return;
	cache_drop(bt, b);
	bt->block_count--;
	bt->map_count -= b->insns;
	bt->used = b->code;
}

/* Whether [gpa, gpa + n), within one page, meets the bytes of b that lie in the page where it is linked as `which`. */
static bool overlaps(const struct bt_block *b, int which, u64 gpa, u64 n)
{
	u64 first = b->phys, len = b->len, in_page = PAGE_SIZE - (b->phys & 4095);

	if (b->phys2 != UINT64_MAX) {
		if (which) {
			first = b->phys2 & ~4095ull;
			len -= in_page;
		} else {
			len = in_page;
		}
	}
	return gpa < first + len && first < gpa + n;
}

/* A page whose data keeps being written beside its code loses the code: stores must become fast again. */
#define SLOW_WRITES_MAX 32

bool cache_written(struct bt *bt, u64 gpa, u64 n, const struct bt_block *current)
{
	bool hit_current = false;

	while (n) {
		u64 in_page = PAGE_SIZE - (gpa & 4095), k = n < in_page ? n : in_page;

		if (memory_is_ram(&bt->machine->memory, gpa) && (*memory_flag(&bt->machine->memory, gpa) & PAGE_CODE)) {
			u32 *p = page_head(bt, gpa);
			bool all = ++*page_slow(bt, gpa) > SLOW_WRITES_MAX;

			bt->stats.code_writes++;
			while (*p != BLOCK_NONE) {
				struct bt_block *b = &bt->blocks[*p >> 1];
				int which = *p & 1;

				/* The running block stays if its bytes do: it would only be translated again. */
				if (overlaps(b, which, gpa, k) || (all && b != current)) {
					hit_current |= b == current;
					cache_drop(bt, b);
					p = page_head(bt, gpa);
				} else {
					p = &b->page_next[which];
				}
			}
		}
		gpa += k;
		n -= k;
	}
	return hit_current;
}

void bt_phys_written(struct machine *m, u64 gpa, u64 n)
{
	if (m->bt)
		cache_written(m->bt, gpa, n, NULL);
}

void cache_flush(struct bt *bt)
{
	u64 page, pages = ram_pages(bt);
	unsigned int i, c;

	for (page = 0; page < pages; page++)
		if (bt->page_blocks[page] != BLOCK_NONE) {
			bt->page_blocks[page] = BLOCK_NONE;
			bt->page_slow_writes[page] = 0;
			bt->machine->memory.flags[page] &= ~PAGE_CODE;
		}
	memset(bt->hash, 0xff, sizeof(*bt->hash) << HASH_BITS);
	bt->block_count = 0;
	bt->map_count = 0;
	bt->used = bt->thunks_end;
	for (i = 0; i < bt->machine->vcpu_count; i++)
		for (c = 0; c < TLB_CONTEXTS; c++)
			tlb_flush_code(&bt->machine->vcpu[i]->tlbs[c]);
	bt->stats.cache_flushes++;
}

struct bt_block *cache_by_host(struct bt *bt, u64 host_pc)
{
	u64 offset = host_pc - (u64)bt->rx;
	u32 lo = 0, hi = bt->block_count;

	if (offset >= bt->used)
		return NULL;
	while (lo < hi) {
		u32 mid = (lo + hi) / 2;

		if (bt->blocks[mid].end <= offset)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == bt->block_count || offset < bt->blocks[lo].code)
		return NULL;
	return &bt->blocks[lo];
}

u32 cache_insn_at(const struct bt *bt, const struct bt_block *b, u64 host_pc)
{
	u64 offset = host_pc - (u64)bt->rx - b->direct;
	u32 i = 0;

	while (i + 1 < b->insns && bt->maps[b->map + i + 1].host <= offset)
		i++;
	return i;
}

/* Translated code uses these beyond x86-64's base. */
const char *bt_host_missing(void)
{
	__builtin_cpu_init();
	if (!__builtin_cpu_supports("bmi2"))
		return "BMI2 (PEXT, RORX)";
	if (!__builtin_cpu_supports("avx2"))
		return "AVX2";
	return NULL;
}
