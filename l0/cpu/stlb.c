/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stlb.h"

#include "mmu.h"

#define TAG_VIEW 3ull
#define TAG_RIGHTS_SHIFT 2
#define TAG_SIZE_SHIFT 5
#define TAG_GLOBAL BIT(7)
#define TO_ADDRESS 0x000ffffffffff000ull
#define GENERATIONS 0xfffu
#define PIECE (1ull << 21)

static const u8 sizes[] = { 12, 21, 22, 30 };

static unsigned int size_code(unsigned int shift)
{
	return shift == 12 ? 0 : shift == 21 ? 1 : shift == 22 ? 2 : 3;
}

static struct stlb_entry *small_set(const struct stlb *s, u64 linear)
{
	return (struct stlb_entry *)s->small[(linear >> 12 ^ linear >> 22) % STLB_SMALL_SETS];
}

static struct stlb_entry *large_set(const struct stlb *s, u64 linear)
{
	return (struct stlb_entry *)s->large[(linear >> 21 ^ linear >> 27) % STLB_LARGE_SETS];
}

/* A generation that nobody has; when there is none left, nobody is left. */
static u16 new_generation(struct stlb *s)
{
	u64 *p = &s->small[0][0].tag, n = (sizeof(s->small) + sizeof(s->large)) / 8;

	if (s->last == GENERATIONS) {
		__asm__ volatile("rep stosq" : "+D"(p), "+c"(n) : "a"(0ull) : "memory");
		s->last = 0;
		s->global = s->nonglobal = 0;
	}
	return ++s->last;
}

_Static_assert(offsetof(struct stlb, large) == offsetof(struct stlb, small) + sizeof(((struct stlb *)0)->small),
	       "both arrays are emptied as one");

void stlb_flush(struct stlb *s)
{
	s->global = s->nonglobal = new_generation(s);
}

void stlb_flush_nonglobal(struct stlb *s)
{
	u16 g = new_generation(s);

	if (!s->global) /* all generations have just begun anew */
		s->global = g;
	s->nonglobal = g;
}

static bool lives(const struct stlb *s, const struct stlb_entry *e)
{
	return (e->to & GENERATIONS) == (e->tag & TAG_GLOBAL ? s->global : s->nonglobal);
}

static void drop(struct stlb_entry *set, u64 at)
{
	for (unsigned int i = 0; i < STLB_WAYS; i++)
		if ((set[i].tag & ~4095ull) == at)
			set[i] = (struct stlb_entry){ 0 };
}

void stlb_drop_page(struct stlb *s, u64 page)
{
	drop(small_set(s, page), page);
}

void stlb_drop_piece(struct stlb *s, u64 linear)
{
	drop(large_set(s, linear), linear & ~(PIECE - 1));
}

static const struct stlb_entry *search(const struct stlb *s, const struct stlb_entry *set, u64 at, unsigned int view)
{
	for (unsigned int i = 0; i < STLB_WAYS; i++)
		if ((set[i].tag & (~4095ull | TAG_VIEW)) == (at | view) && lives(s, &set[i]))
			return &set[i];
	return NULL;
}

bool stlb_find(const struct stlb *s, unsigned int view, u64 linear, unsigned int rights, struct mmu_page *page)
{
	const struct stlb_entry *e = search(s, small_set(s, linear), linear & ~4095ull, view);
	u64 inside = 4095;

	if (!e) {
		inside = PIECE - 1;
		e = search(s, large_set(s, linear), linear & ~inside, view);
	}
	if (!e || (rights & ~(e->tag >> TAG_RIGHTS_SHIFT)))
		return false;
	page->gpa = (e->to & TO_ADDRESS) | (linear & inside);
	page->rights = e->tag >> TAG_RIGHTS_SHIFT & (ACC_READ | ACC_WRITE | ACC_EXEC);
	page->shift = sizes[e->tag >> TAG_SIZE_SHIFT & 3];
	page->run = inside == 4095 ? 12 : 21;
	page->global = e->tag & TAG_GLOBAL;
	return true;
}

void stlb_enter(struct stlb *s, unsigned int view, u64 linear, const struct mmu_page *page)
{
	bool large = page->run >= 21;
	u64 inside = large ? PIECE - 1 : 4095;
	u64 at = linear & ~inside;
	struct stlb_entry *set = large ? large_set(s, linear) : small_set(s, linear);
	/* the lower half goes as a whole when the others go: tlb_flush_user() forgets what it holds of it */
	bool global = page->global && linear >> 63;
	unsigned int i, way = s->victim++ % STLB_WAYS;

	for (i = 0; i < STLB_WAYS; i++)
		if ((set[i].tag & (~4095ull | TAG_VIEW)) == (at | view) || !lives(s, &set[i]))
			way = i;
	/* the same page twice would be two answers: the one that is there already goes first */
	for (i = 0; i < STLB_WAYS; i++)
		if ((set[i].tag & (~4095ull | TAG_VIEW)) == (at | view))
			set[i].to = 0;
	set[way] = (struct stlb_entry){
		.tag = at | view | (u64)page->rights << TAG_RIGHTS_SHIFT |
		       (u64)size_code(page->shift) << TAG_SIZE_SHIFT | (global ? TAG_GLOBAL : 0),
		.to = (page->gpa & TO_ADDRESS & ~inside) | (global ? s->global : s->nonglobal),
	};
}
