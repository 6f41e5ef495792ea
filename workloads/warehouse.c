/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A stand-in for SPECjbb: the business of a wholesaler in memory, without Java. Orders of several lines are taken, paid, looked up and
 * delivered; they live in trees and lists on the heap, so that it is computing, memory and allocation, and hardly a system call or a page
 * fault. Transactions are drawn from a fixed sequence of random numbers.
 *
 * Usage: warehouse [seconds=N] [transactions=N]: for that long (2), or so many, prints
 *   row warehouse NS         wall time of 1000 transactions
 *   row warehouse.cpu NS     CPU time of them
 *   check warehouse HASH     of the first 20000 transactions' results: the same wherever it runs
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ITEMS 20000
#define CUSTOMERS 3000
#define DISTRICTS 10
#define LINES_MAX 15
#define OPEN_MAX 4000 /* orders that aren't delivered */
#define CHECKED 20000
#define BATCH 1000

typedef uint64_t u64;
typedef uint32_t u32;

/* a tree of orders by number: a treap, whose shape depends on the random numbers alone */
struct order {
	u64 number;
	u32 priority, customer, lines, district;
	u64 total;
	struct order *left, *right;
	struct line {
		u32 item, quantity;
		u64 price;
	} line[];
};

static struct {
	u64 price, sold;
	u32 stock;
} items[ITEMS];

static struct {
	u64 balance, last;
	u32 orders;
} customers[CUSTOMERS];

static struct {
	struct order *open; /* tree */
	u64 next, oldest, count;
} districts[DISTRICTS];

static u64 state = 88172645463325252u;

static u32 draw(u32 below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (u32)((state >> 32) * below >> 32);
}

static u64 now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (u64)t.tv_sec * 1000000000u + (u64)t.tv_nsec;
}

static struct order *merge(struct order *a, struct order *b)
{
	if (!a || !b)
		return a ? a : b;
	if (a->priority > b->priority) {
		a->right = merge(a->right, b);
		return a;
	}
	b->left = merge(a, b->left);
	return b;
}

/* *a: numbers below, *b: the others */
static void split(struct order *t, u64 number, struct order **a, struct order **b)
{
	if (!t) {
		*a = *b = NULL;
	} else if (t->number < number) {
		*a = t;
		split(t->right, number, &t->right, b);
	} else {
		*b = t;
		split(t->left, number, a, &t->left);
	}
}

static struct order *find(struct order *t, u64 number)
{
	while (t && t->number != number)
		t = number < t->number ? t->left : t->right;
	return t;
}

static u64 deliver(u32 district)
{
	struct order *first, *rest, *o;
	u64 total;

	split(districts[district].open, districts[district].oldest + 1, &first, &rest);
	districts[district].open = rest;
	districts[district].oldest++;
	o = first;
	if (!o)
		return 0;
	districts[district].count--;
	customers[o->customer].balance += o->total;
	total = o->total;
	free(o);
	return total;
}

static u64 take_order(void)
{
	u32 n = 5 + draw(LINES_MAX - 4), district = draw(DISTRICTS);
	struct order *o = malloc(sizeof(*o) + n * sizeof(o->line[0])), *below, *above;
	u64 total;

	if (!o)
		abort();
	*o = (struct order){ .number = districts[district].next++,
			     .priority = draw(UINT32_MAX),
			     .customer = draw(CUSTOMERS),
			     .lines = n,
			     .district = district };
	for (u32 i = 0; i < n; i++) {
		struct line *l = &o->line[i];

		l->item = draw(ITEMS);
		l->quantity = 1 + draw(10);
		l->price = items[l->item].price * l->quantity;
		if (items[l->item].stock < l->quantity)
			items[l->item].stock += 91;
		items[l->item].stock -= l->quantity;
		items[l->item].sold += l->quantity;
		o->total += l->price;
	}
	total = o->total;
	customers[o->customer].orders++;
	customers[o->customer].last = o->number;
	split(districts[district].open, o->number, &below, &above);
	districts[district].open = merge(merge(below, o), above);
	if (++districts[district].count > OPEN_MAX / DISTRICTS)
		total += deliver(district);
	return total;
}

static u64 pay(void)
{
	u32 c = draw(CUSTOMERS);
	u64 amount = 100 + draw(500000);

	if (customers[c].balance < amount)
		amount = customers[c].balance;
	customers[c].balance -= amount;
	return amount;
}

static u64 look_up(void)
{
	u32 district = draw(DISTRICTS);
	u64 span = districts[district].next - districts[district].oldest;
	const struct order *o = find(districts[district].open, districts[district].oldest + (span ? draw((u32)span) : 0));
	u64 sum = 0;

	for (u32 i = 0; o && i < o->lines; i++)
		sum += o->line[i].price + items[o->line[i].item].stock;
	return sum;
}

static u64 count_stock(void)
{
	u32 start = draw(ITEMS - 200);
	u64 low = 0;

	for (u32 i = start; i < start + 200; i++)
		low += items[i].stock < 20;
	return low;
}

static u64 transaction(void)
{
	u32 which = draw(100);

	return which < 43   ? take_order()
	       : which < 86 ? pay()
	       : which < 90 ? deliver(draw(DISTRICTS))
	       : which < 95 ? look_up()
			    : count_stock();
}

int main(int argc, char **argv)
{
	double seconds = 2;
	u64 most = UINT64_MAX, n = 0, hash = 0xcbf29ce484222325u, start, cpu, wall;

	for (int i = 1; i < argc; i++) {
		unsigned long long value;

		if (sscanf(argv[i], "seconds=%lf", &seconds) == 1)
			continue;
		if (sscanf(argv[i], "transactions=%llu", &value) != 1) {
			fprintf(stderr, "usage: warehouse [seconds=N] [transactions=N]\n");
			return 2;
		}
		most = value;
		seconds = 1e9;
	}
	for (u32 i = 0; i < ITEMS; i++) {
		items[i].price = 100 + draw(10000);
		items[i].stock = 10 + draw(91);
	}
	start = now(CLOCK_MONOTONIC);
	cpu = now(CLOCK_PROCESS_CPUTIME_ID);
	do {
		for (u32 i = 0; i < BATCH; i++, n++) {
			u64 result = transaction();

			if (n < CHECKED)
				hash = (hash ^ result) * 0x100000001b3u;
		}
		wall = now(CLOCK_MONOTONIC) - start;
	} while (n < most && wall < (u64)(seconds * 1e9));
	cpu = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	printf("row warehouse %llu\n", (unsigned long long)(wall * 1000 / n));
	printf("row warehouse.cpu %llu\n", (unsigned long long)(cpu * 1000 / n));
	if (n >= CHECKED)
		printf("check warehouse %016llx\n", (unsigned long long)hash);
	return 0;
}
