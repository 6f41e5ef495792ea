/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One experiment: rounds in batches, each timed by itself. A batch ends and the next one begins between two exits, so that L2
 * needs nothing but the exit that it is about.
 */
#include "shim.h"

static const char *const exit_names[VM_EXIT_REASONS] = {
#define X(number, name) [number] = #name,
	VM_EXITS(X)
#undef X
};

const char *exit_name(unsigned int reason)
{
	const char *name = reason < VM_EXIT_REASONS ? exit_names[reason] : NULL;

	return name ? name : "unknown";
}

static u64 rounds(void)
{
	return shim.options.rounds ? shim.options.rounds : shim.payload->rounds;
}

/* They are spread evenly: how many batch number n has */
static u64 rounds_of(u64 n)
{
	return rounds() / shim.batches + (n < rounds() % shim.batches);
}

static void start_batch(void)
{
	shim.left = rounds_of(shim.batch);
	shim.start = rdtsc();
}

/* Returns whether there is another one. */
static bool end_batch(void)
{
	u64 cycles = rdtsc() - shim.start;

	shim.cycles[shim.batch] = cycles / rounds_of(shim.batch);
	return ++shim.batch < shim.batches;
}

bool next_batch(void)
{
	bool more = end_batch();

	if (shim.payload->handler == map_page)
		memory_clear_window();
	if (more)
		start_batch();
	return more;
}

/* Until the first one starts */
static void set_batches(const struct payload *p)
{
	shim.payload = p;
	shim.batch = 0;
	shim.batches = shim.options.batches < rounds() ? shim.options.batches : rounds();
	shim.exit = p->handler == map_page && !shim.ept ? EXIT_REASON_EXCEPTION_NMI : p->exit;
	if (p->handler == map_page && rounds_of(0) > WINDOW_PAGES) {
		say("l1shim: %s: a batch has %lu rounds, the window %lu pages: more batches are needed\n", p->name,
		    rounds_of(0), (u64)WINDOW_PAGES);
		end(USAGE);
	}
}

/* "row NAME ROUNDS CYCLES min CYCLES": a round's, the median and the smallest of the complete batches' */
static void report(const char *name, const char *level)
{
	u64 n = shim.batch, done = 0;

	for (u64 i = 0; i < n; i++) {
		done += rounds_of(i);
		for (u64 j = i; j && shim.cycles[j - 1] > shim.cycles[j]; j--) {
			u64 larger = shim.cycles[j - 1];

			shim.cycles[j - 1] = shim.cycles[j];
			shim.cycles[j] = larger;
		}
	}
	if (n)
		say("row %s%s %lu %lu min %lu\n", name, level, done, shim.cycles[n / 2], shim.cycles[0]);
	else
		say("l1shim: %s: halted before its first batch was complete\n", name);
}

/* The same without L2 */
static void work_in_l1(const struct payload *p)
{
	do {
		start_batch();
		do
			p->work(shim.options.steps);
		while (--shim.left);
	} while (end_batch());
	report(p->name, ".l1");
	shim.batch = 0;
}

void experiment(const struct payload *p)
{
	set_batches(p);
	if (p->work)
		work_in_l1(p);
	vmcs_create(p);
	before_first();
	/* L2's copy of all this */
	copy_bytes((void *)(L2_MEMORY + (u64)image_start), image_start, (u64)image_end - (u64)image_start);
	if (p->l2 == l2_module)
		copy_bytes((void *)(L2_MEMORY + PAYLOAD_MODULE), (const void *)shim.module, shim.module_size);
	shim.vmlaunch++;
	start_batch();
	l2_run();
	report(p->name, "");
}

void counts_report(void)
{
	for (unsigned int i = 0; i < VM_EXIT_REASONS; i++)
		if (shim.exits[i])
			say("count l2_exits %s %lu\n", exit_name(i), shim.exits[i]);
	say("count l1_exits VMLAUNCH %lu\ncount l1_exits VMRESUME %lu\n", shim.vmlaunch, shim.vmresume);
	if (!shim.options.counts)
		return;
	for (unsigned int i = 0; i < VMCS_FIELD_COUNT; i++)
		if (shim.vmread[i])
			say("count vmread %s %lu\n", field_name(i), shim.vmread[i]);
	for (unsigned int i = 0; i < VMCS_FIELD_COUNT; i++)
		if (shim.vmwrite[i])
			say("count vmwrite %s %lu\n", field_name(i), shim.vmwrite[i]);
}
