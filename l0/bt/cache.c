/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cache.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include "../direct/direct.h"
#include "../machine/machine.h"
#include "feed.h"

#define HOT_PERCENT 74 /* of a region: as much as blocks have of it */
#define BLOCKS_PER_BYTE_INV \
	208 /* host bytes that a block takes, or a bit less: sizes the tables. A kernel's boot has 240 */

static u64 now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

/* One that is filled from front to back */
static void *table_filled(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static void *table_alloc(size_t bytes)
{
	void *p = table_filled(bytes);

	/* a hint: lookups are all over it, and the host's TLB is small */
	if (p)
		(void)madvise(p, bytes, MADV_HUGEPAGE);
	return p;
}

/* One that is used all over, and soon: the host gives its memory now. */
static void *table_touched(size_t bytes)
{
	void *p = table_alloc(bytes);

	if (p)
		(void)madvise(p, bytes, MADV_POPULATE_WRITE);
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

static struct bt_page *page_of(struct bt *bt, u64 phys)
{
	return &bt->pages[memory_flag(&bt->machine->memory, phys) - bt->machine->memory.flags];
}

static u32 *page_head(struct bt *bt, u64 phys)
{
	return &page_of(bt, phys)->blocks;
}

/* AMD's CPUs do LOOP as they do JRCXZ, Intel's take several times as long. */
static bool host_loops(void)
{
	__builtin_cpu_init();
	return __builtin_cpu_is("amd");
}

static void clear_region(struct bt_region *r)
{
	r->blocks = r->maps = 0;
	r->notes = 0;
	r->hot.used = r->hot.start;
	r->cold.used = r->cold.start;
}

/*
 * Behind the thunks, which end at cache offset `at`: places for the vCPUs' single instructions, the first blocks there are; then the
 * regions. Blocks are in the order of their addresses.
 */
static void divide(struct bt *bt, u64 at)
{
	u32 vcpus = bt->machine->vcpu_count, first = vcpus + 1, blocks, maps;
	u64 start, bytes;

	bt->singles = (at + 15) & ~15ull;
	start = bt->singles + vcpus * SINGLE_ROOM;
	bt->regions = bt->size / REGION_MIN > REGIONS_MAX ? REGIONS_MAX
		      : bt->size < REGION_MIN		  ? 1
							  : bt->size / REGION_MIN;
	bytes = ((bt->size - start) / bt->regions) & ~15ull;
	blocks = (bt->block_max - first) / bt->regions;
	maps = (bt->map_max - vcpus) / bt->regions;
	for (u32 i = 0; i < bt->regions; i++) {
		struct bt_region *r = &bt->region[i];

		r->hot.start = start + i * bytes;
		r->hot.end = r->cold.start = r->hot.start + (bytes * HOT_PERCENT / 100 & ~15ull);
		r->cold.end = r->hot.start + bytes;
		clear_region(r);
		r->first_block = first + i * blocks;
		r->block_max = blocks;
		r->first_map = vcpus + i * maps;
		r->map_max = maps;
		r->first_note = i * (bt->note_max / bt->regions);
		r->note_max = bt->note_max / bt->regions;
	}
	bt->open = &bt->region[0];
	bt->random = 1;
}

struct bt *bt_create(struct machine *m, size_t cache_bytes)
{
	struct bt *bt = calloc(1, sizeof(*bt));

	if (!bt)
		return NULL;
	bt->machine = m;
	bt->fd = -1;
	bt->start_ns = now_ns();
	bt->start_tsc = __builtin_ia32_rdtsc();
	bt->size = cache_bytes ? cache_bytes : CODE_CACHE_DEFAULT;
	bt->block_max = bt->size / BLOCKS_PER_BYTE_INV;
	bt->map_max = bt->block_max * 8;
	bt->note_max = bt->block_max * 24;
	bt->fd = memfd_create("turtles-code", MFD_CLOEXEC);
	if (bt->fd < 0 || ftruncate(bt->fd, bt->size) < 0)
		goto fail;
	bt->rw = mmap(NULL, bt->size, PROT_READ | PROT_WRITE, MAP_SHARED, bt->fd, 0);
	bt->rx = mmap(NULL, bt->size, PROT_READ | PROT_EXEC, MAP_SHARED, bt->fd, 0);
	if (bt->rw == MAP_FAILED || bt->rx == MAP_FAILED)
		goto fail;
	bt->blocks = table_alloc(bt->block_max * sizeof(*bt->blocks));
	bt->maps = table_filled(bt->map_max * sizeof(*bt->maps));
	bt->notes = table_filled(bt->note_max * sizeof(*bt->notes));
	bt->hash = table_touched(sizeof(*bt->hash) << HASH_BITS);
	bt->twins = table_touched(sizeof(*bt->twins) << TWIN_BITS);
	bt->pages = table_alloc(ram_pages(bt) * sizeof(*bt->pages));
	m->memory.writes = table_alloc(ram_pages(bt) * sizeof(*m->memory.writes));
	if (!m->memory.writes || !bt->blocks || !bt->maps || !bt->notes || !bt->hash || !bt->twins || !bt->pages)
		goto fail;
	if (translate_create(bt) < 0)
		goto fail;
	bt->loops = host_loops();
	bt->split_locks_trap = bt_host_split_locks_trap();
	bt->gs_way = gs_base_way();
	bt->nowhere = mmap(NULL, sizeof(struct tlb), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (bt->nowhere == MAP_FAILED)
		goto fail;
	divide(bt, thunks_emit(bt));
	bt->feed = feed_create(bt);
	feed_next(bt->feed);
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
	feed_destroy(bt->feed);
	translate_destroy(bt);
	if (bt->rw && bt->rw != MAP_FAILED)
		munmap(bt->rw, bt->size);
	if (bt->rx && bt->rx != MAP_FAILED)
		munmap(bt->rx, bt->size);
	if (bt->fd >= 0)
		close(bt->fd);
	if (bt->nowhere && bt->nowhere != MAP_FAILED)
		munmap((void *)bt->nowhere, sizeof(struct tlb));
	table_free(bt->blocks, bt->block_max * sizeof(*bt->blocks));
	table_free(bt->maps, bt->map_max * sizeof(*bt->maps));
	table_free(bt->notes, bt->note_max * sizeof(*bt->notes));
	table_free(bt->hash, sizeof(*bt->hash) << HASH_BITS);
	table_free(bt->twins, sizeof(*bt->twins) << TWIN_BITS);
	table_free(bt->pages, ram_pages(bt) * sizeof(*bt->pages));
	table_free(bt->machine->memory.writes, ram_pages(bt) * sizeof(*bt->machine->memory.writes));
	bt->machine->memory.writes = NULL;
	free(bt);
}

void bt_trace(struct bt *bt, bool on)
{
	bt->trace = on;
}

COUNTERS_RACE void bt_stats(const struct bt *bt, struct bt_stats *to)
{
	u64 tsc = __builtin_ia32_rdtsc() - bt->start_tsc, ns = now_ns() - bt->start_ns;

	*to = bt->stats;
	to->translate_ns = tsc ? (u64)((unsigned __int128)bt->translate_tsc * ns / tsc) : 0;
	for (unsigned int i = 0; i < bt->machine->vcpu_count; i++) {
		const struct vcpu *v = bt->machine->vcpu[i];

		if (!v || !v->bt)
			continue;
#define S(name, kind, text) to->name += v->bt->stats.name;
		BT_STATS(S)
#undef S
	}
}

static u32 hash(u64 phys, u32 mode)
{
	u64 h = (phys ^ (u64)mode << 40) * 0x9e3779b97f4a7c15ull;

	return h >> (64 - HASH_BITS);
}

struct bt_block *cache_find(struct bt *bt, u64 phys, u64 phys2, u32 mode)
{
	u32 i = __atomic_load_n(&bt->hash[hash(phys, mode)], __ATOMIC_ACQUIRE);

	for (; i != BLOCK_NONE; i = __atomic_load_n(&bt->blocks[i].hash_next, __ATOMIC_ACQUIRE)) {
		struct bt_block *b = &bt->blocks[i];

		if (b->phys == phys && b->mode == mode && (!block_crosses(b) || b->page2 == (u32)(phys2 >> 12)))
			return b;
	}
	return NULL;
}

static void clear(struct bt_block *b, u32 map)
{
	memset(b, 0, sizeof(*b));
	b->page2 = PAGE2_NONE;
	b->map = map;
}

bool cache_is_half_full(struct bt *bt)
{
	struct bt_region *r = bt->open;

	if (r->was_half_full || r->hot.used < (r->hot.start + r->hot.end) / 2)
		return false;
	r->was_half_full = true;
	return true;
}

struct bt_block *cache_new(struct bt *bt)
{
	struct bt_region *r = bt->open;
	struct bt_block *b;

	if (r->blocks == r->block_max || r->maps + BLOCK_MAX_INSNS > r->map_max)
		return NULL;
	b = &bt->blocks[r->first_block + r->blocks];
	clear(b, r->first_map + r->maps);
	return b;
}

struct bt_block *cache_new_single(struct bt *bt, unsigned int vcpu)
{
	struct bt_block *b = &bt->blocks[1 + vcpu];

	cache_drop(bt, b);
	clear(b, vcpu);
	b->code = bt->singles + vcpu * SINGLE_ROOM;
	return b;
}

static void forbid_writes(struct bt *bt, u64 phys)
{
	struct memory *m = &bt->machine->memory;
	const _Atomic u8 *flag = memory_flag(m, phys);
	struct write_indexes *w = &m->writes[flag - m->flags];
	const u8 *host = m->base + (phys & ~4095ull);
	unsigned int i, c;

	if (bt->machine->direct)
		direct_page_watched(bt->machine, phys);
	if (!w->at[0])
		return;
	for (i = 0; i < bt->machine->vcpu_count; i++)
		for (c = 0; c < bt->machine->vcpu[i]->tlb_count; c++) {
			struct tlb *t = &bt->machine->vcpu[i]->tlbs[c];

			if (w->at[WRITE_INDEXES - 1] == WRITE_INDEX_MANY)
				tlb_forbid_write(t, host);
			else
				tlb_forbid_write_at(t, host, w);
		}
	for (i = 0; i < WRITE_INDEXES; i++)
		w->at[i] = 0;
}

void cache_watch(struct bt *bt, u64 phys)
{
	*memory_flag(&bt->machine->memory, phys) |= PAGE_CODE;
	forbid_writes(bt, phys);
	bt->watched++;
}

void bt_forbid_writes(struct machine *m, u64 gpa)
{
	forbid_writes(m->bt, gpa);
}

size_t bt_block_starts(const struct bt *bt, u64 gpa, u16 *offsets, size_t max)
{
	u32 id = *page_head((struct bt *)bt, gpa);
	size_t n = 0;

	for (; id != BLOCK_NONE && n < max; id = bt->blocks[id >> 1].page_next[id & 1])
		if (!(id & 1))
			offsets[n++] = (u16)(bt->blocks[id >> 1].phys & 4095);
	return n;
}

static void page_link(struct bt *bt, struct bt_block *b, int which, u64 phys)
{
	u32 *head = page_head(bt, phys);

	b->page_next[which] = *head;
	*head = cache_index(bt, b) * 2 + which;
	/* With several threads it is watched already. */
	if (!(*memory_flag(&bt->machine->memory, phys) & PAGE_CODE))
		cache_watch(bt, phys);
}

void cache_add(struct bt *bt, struct bt_block *b)
{
	u32 *bucket = &bt->hash[hash(b->phys, b->mode)];
	struct bt_region *r = bt->open;

	b->valid = true;
	bt->stats.host_bytes += b->size + b->cold_size;
	bt->stats.blocks++;
	bt->stats.insns += b->insns;
	bt->stats.guest_bytes += b->len;
	page_link(bt, b, 0, b->phys);
	if (block_crosses(b))
		page_link(bt, b, 1, (u64)b->page2 << 12);
	if (b->single)
		return;
	r->hot.used = (block_end(b) + 15) & ~15ull;
	r->cold.used = block_cold_end(b);
	r->maps += b->insns;
	b->hash_next = *bucket;
	atomic_store_explicit(&r->blocks, r->blocks + 1, memory_order_release);
	__atomic_store_n(bucket, cache_index(bt, b), __ATOMIC_RELEASE);
}

void cache_aim(struct bt *bt, u32 patch, u32 target)
{
	guest_u32 *rel = (guest_u32 *)(bt->rw + patch);

	/* One store: emit_jmp_patched(). The C11 kind is for objects that are aligned to their size. */
	__asm__ volatile("movl %1, %0" : "=m"(*rel) : "r"(target - (patch + 4)) : "memory");
}

static struct bt_exit *exit_of(struct bt *bt, u32 id)
{
	return &bt->blocks[id >> 1].exit[id & 1];
}

void cache_chain(struct bt *bt, u32 id, struct bt_block *to)
{
	struct bt_exit *x = exit_of(bt, id);

	if (!x->patch || x->target != BLOCK_NONE || !to->valid || to->single)
		return;
	x->target = cache_index(bt, to);
	x->prev = BLOCK_NONE;
	x->next = to->incoming;
	if (x->next != BLOCK_NONE)
		exit_of(bt, x->next)->prev = id;
	to->incoming = id;
	cache_aim(bt, exit_patch(&bt->blocks[id >> 1], id & 1), x->delta == EXIT_FAR ? to->code : block_direct(to));
	bt->stats.chained++;
}

/* Another stub: MOV ECX, offset in the page; JMP lookup. It is no block's. */
void cache_never_chain(struct bt *bt, u32 id, u32 mode)
{
	struct bt_block *b = &bt->blocks[id >> 1];
	struct bt_region *r = bt->open;
	struct emit e = { .p = bt->rw + r->hot.used, .end = bt->rw + r->hot.end, .delta = bt->rx - bt->rw };
	struct bt_exit *x = exit_of(bt, id);
	enum jc_class class = jc_class_of(mode);

	/* The stub goes with its region, so that has to be the block's. Nearly always it is: exits are taken soon. */
	if (x->delta == EXIT_FAR && class != JC_OTHER) {
		cache_aim(bt, exit_patch(b, id & 1), (u32)(bt->thunk.lookup_far[class] - bt->rx));
		x->patch = 0;
		return;
	}
	if (!x->patch || class == JC_OTHER || b->code - r->hot.start >= r->hot.end - r->hot.start)
		return;
	emit8(&e, 0xb8 | TC);
	emit32(&e, (u32)x->delta);
	emit_jmp(&e, bt->thunk.lookup[class]);
	if (e.full)
		return;
	cache_aim(bt, exit_patch(b, id & 1), (u32)r->hot.used);
	r->hot.used = (u64)(e.p - bt->rw + 15) & ~15ull;
	x->patch = 0;
	b->looked_up = true;
}

static void unchain(struct bt *bt, u32 id)
{
	const struct bt_block *b = &bt->blocks[id >> 1];
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
	cache_aim(bt, exit_patch(b, id & 1), exit_stub(b, id & 1));
}

static void page_unlink(struct bt *bt, struct bt_block *b, int which, u64 phys)
{
	u32 *p = page_head(bt, phys), id = cache_index(bt, b) * 2 + which;

	while (*p != id)
		p = &bt->blocks[*p >> 1].page_next[*p & 1];
	*p = b->page_next[which];
	if (*page_head(bt, phys) == BLOCK_NONE) {
		*memory_flag(&bt->machine->memory, phys) &= ~PAGE_CODE;
		page_of(bt, phys)->slow_writes = 0;
	}
}

void cache_drop(struct bt *bt, struct bt_block *b)
{
	u32 *p = &bt->hash[hash(b->phys, b->mode)], self = cache_index(bt, b), rel;
	u64 *entry;

	if (!b->valid)
		return;
	b->valid = false;
	if (!b->single) {
		while (*p != self)
			p = &bt->blocks[*p].hash_next;
		__atomic_store_n(p, b->hash_next, __ATOMIC_RELEASE);
	}
	while (b->incoming != BLOCK_NONE)
		unchain(bt, b->incoming);
	unchain(bt, self * 2);
	unchain(bt, self * 2 + 1);
	page_unlink(bt, b, 0, b->phys);
	if (block_crosses(b))
		page_unlink(bt, b, 1, (u64)b->page2 << 12);
	/* The first instruction is longer than this jump: prologue(). */
	entry = (u64 *)(bt->rw + b->code);
	rel = (u32)(bt->thunk.dropped - (cache_rx(bt, b->code) + 5));
	__atomic_store_n(entry, (*entry & ~0xffffffffffull) | (u64)rel << 8 | 0xe9, __ATOMIC_RELEASE);
	bt->stats.invalidated++;
}

/* Whether [gpa, gpa + n), within one page, meets the bytes of b that lie in the page where it is linked as `which`. */
static bool overlaps(const struct bt_block *b, int which, u64 gpa, u64 n)
{
	u64 first = b->phys, len = b->len, in_page = PAGE_SIZE - (b->phys & 4095);

	if (block_crosses(b)) {
		if (which) {
			first = (u64)b->page2 << 12;
			len -= in_page;
		} else {
			len = in_page;
		}
	}
	return gpa < first + len && first < gpa + n;
}

/* A page whose data keeps being written beside its code loses the code: stores must become fast again. */
#define SLOW_WRITES_MAX 32

static bool is_at(const struct bt *bt, const struct bt_block *b, u64 host_pc)
{
	u64 offset = host_pc - (u64)bt->rx;

	return offset - b->code < b->size || offset - b->cold < b->cold_size;
}

bool cache_written(struct bt *bt, u64 gpa, u64 n, u64 host_pc)
{
	bool hit_current = false;

	while (n) {
		u64 in_page = PAGE_SIZE - (gpa & 4095), k = n < in_page ? n : in_page;

		if (memory_is_ram(&bt->machine->memory, gpa) && (*memory_flag(&bt->machine->memory, gpa) & PAGE_SCANNED))
			direct_page_written(bt->machine, gpa);
		if (memory_is_ram(&bt->machine->memory, gpa) && (*memory_flag(&bt->machine->memory, gpa) & PAGE_CODE)) {
			u32 *p = page_head(bt, gpa);
			bool all = ++page_of(bt, gpa)->slow_writes > SLOW_WRITES_MAX;

			bt->stats.code_writes++;
			while (*p != BLOCK_NONE) {
				struct bt_block *b = &bt->blocks[*p >> 1];
				int which = *p & 1;

				/* The running block stays if its bytes do: it would only be translated again. */
				if (overlaps(b, which, gpa, k) || (all && !is_at(bt, b, host_pc))) {
					hit_current |= is_at(bt, b, host_pc);
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
	if (!m->bt)
		return;
	bt_lock(m->bt);
	cache_written(m->bt, gpa, n, 0);
	bt_unlock(m->bt);
}

void bt_phys_write_begin(struct machine *m, u64 gpa, u64 n)
{
	if (!m->bt)
		return;
	bt_lock(m->bt);
	cache_written(m->bt, gpa, n, 0);
}

void bt_phys_write_end(struct machine *m)
{
	if (m->bt)
		bt_unlock(m->bt);
}

/* Jump caches may lead to blocks that aren't there any more, and others may remember numbers of blocks. */
static void forget_code(struct bt *bt)
{
	for (unsigned int i = 0; i < bt->machine->vcpu_count; i++)
		for (unsigned int c = 0; c < bt->machine->vcpu[i]->tlb_count; c++)
			tlb_flush_code(&bt->machine->vcpu[i]->tlbs[c]);
	bt->emptied++;
}

/* Marsaglia, "Xorshift RNGs" */
static u64 random_number(struct bt *bt)
{
	bt->random ^= bt->random << 13;
	bt->random ^= bt->random >> 7;
	bt->random ^= bt->random << 17;
	return bt->random;
}

void cache_make_room(struct bt *bt)
{
	struct bt_region *r = bt->open + 1;
	u64 invalidated = bt->stats.invalidated;

	if (r == bt->region + bt->regions || r->blocks) {
		unsigned int others = bt->regions - 1;

		/* not the one that has just been filled */
		r = bt->open;
		if (others)
			r = &bt->region[((u64)(r - bt->region) + 1 + random_number(bt) % others) % bt->regions];
	}
	bt->open = r;
	if (!r->blocks)
		return;
	for (u32 i = 0; i < r->blocks; i++) {
		cache_drop(bt, &bt->blocks[r->first_block + i]);
		copy_no_more(bt, &bt->blocks[r->first_block + i]);
	}
	bt->stats.invalidated = invalidated; /* their code was not written */
	clear_region(r);
	forget_code(bt);
	bt->stats.evictions++;
}

void cache_flush(struct bt *bt)
{
	u64 page, pages = ram_pages(bt);
	unsigned int i;

	for (page = 0; page < pages; page++)
		if (bt->pages[page].blocks != BLOCK_NONE) {
			bt->pages[page] = (struct bt_page){ .blocks = BLOCK_NONE };
			bt->machine->memory.flags[page] &= ~PAGE_CODE;
		}
	memset(bt->hash, 0, sizeof(*bt->hash) << HASH_BITS);
	memset(bt->twins, 0, sizeof(*bt->twins) << TWIN_BITS);
	for (i = 0; i < bt->machine->vcpu_count; i++)
		bt->blocks[1 + i].valid = false;
	for (i = 0; i < bt->regions; i++)
		clear_region(&bt->region[i]);
	bt->open = &bt->region[0];
	forget_code(bt);
}

void bt_clock_moved(struct bt *bt)
{
	cache_flush(bt);
}

struct bt_block *cache_by_host(struct bt *bt, u64 host_pc)
{
	u64 offset = host_pc - (u64)bt->rx, first = bt->region[0].hot.start, n;
	const struct bt_region *r;
	struct bt_block *b;
	u32 lo, hi, end;
	bool cold;

	/* another vCPU may be making its single instruction now: those aren't searched */
	if (offset >= bt->singles && offset < first)
		return &bt->blocks[1 + (offset - bt->singles) / SINGLE_ROOM];
	n = (offset - first) / (bt->region[0].cold.end - first);
	if (offset < first || n >= bt->regions)
		return NULL;
	r = &bt->region[n];
	lo = r->first_block;
	hi = end = lo + atomic_load_explicit(&r->blocks, memory_order_acquire);
	cold = offset >= r->cold.start;
	while (lo < hi) {
		u32 mid = (lo + hi) / 2;

		if ((cold ? block_cold_end(&bt->blocks[mid]) : block_end(&bt->blocks[mid])) <= offset)
			lo = mid + 1;
		else
			hi = mid;
	}
	b = &bt->blocks[lo];
	if (lo == end || offset < (cold ? b->cold : b->code))
		return NULL;
	return b;
}

u32 cache_insn_at(const struct bt *bt, const struct bt_block *b, u64 host_pc)
{
	u64 offset = host_pc - (u64)bt->rx - block_direct(b);
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
	if (gs_base_way() == GS_BASE_NONE)
		return "a way to set the GS base (arch_prctl(2))";
	return NULL;
}
