/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The three ways to the host's GS base give a guest the same. That a kernel loses the base when another thread had the CPU is played by a signal
 * handler, at whatever host instruction the timer finds.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "../../cpu/fpu.h"
#include "../../run/crash.h"
#include "../gs_base.h"
#include "bt_bench.h"

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

#define CODE 0x10000u
#define COUNTER 0x20000u
#define SLICE 1000000
#define SLICES 20
#define INSNS_A_ROUND 4
#define LOSE_EVERY_NS 50000

static struct bt_bench b;

/* add qword [rdi], 1; mov rbx, [rdi]; inc rax; jmp back */
static const u8 COUNTS[] = { 0x48, 0x83, 0x07, 0x01, 0x48, 0x8b, 0x1f, 0x48, 0xff, 0xc0, 0xeb, 0xf4 };

static void lose(int signal)
{
	(void)signal;
	__asm__ volatile("wrgsbase %0" : : "r"(b.bt->nowhere));
}

static void *run(void *arg)
{
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1 };
	struct itimerspec every = { { .tv_nsec = LOSE_EVERY_NS }, { .tv_nsec = LOSE_EVERY_NS } };
	const bool *loses = arg;
	timer_t timer;

	if (crash_thread_begin(b.v))
		return arg;
	bt_resumed(b.v);
	if (*loses) {
		event.sigev_notify_thread_id = gettid();
		if (timer_create(CLOCK_MONOTONIC, &event, &timer) || timer_settime(timer, 0, &every, NULL))
			return arg;
	}
	for (int i = 0; i < SLICES; i++) {
		b.v->slice = SLICE;
		vcpu_set_budget(b.v, SLICE - 1);
		bt_run(b.v);
	}
	if (*loses)
		timer_delete(timer);
	vcpu_fpu_park(b.v);
	crash_thread_end();
	return NULL;
}

static void counts(enum gs_base_way way, bool loses)
{
	struct sigaction sa = { .sa_handler = lose, .sa_flags = SA_ONSTACK | SA_RESTART };
	void *failed;
	u64 rounds;

	crash_install(NULL); /* cmocka takes these signals for each test anew */
	sigaction(SIGUSR1, &sa, NULL);
	b.machine.clock.kind = CLOCK_HOST; /* by which what is lost is counted */
	b.bt->gs_way = way;
	assert_true(machine_write(&b.machine, CODE, COUNTS, sizeof(COUNTS)));
	b.v->rip = CODE;
	b.v->gpr[RAX] = 0;
	b.v->gpr[RDI] = COUNTER;
	if (setjmp(b.v->unwind))
		fail_msg("an exception of the guest");
	assert_int_equal(vcpu_thread_start(&b.thread, run, &loses), 0);
	pthread_join(b.thread.thread, &failed);
	assert_null(failed);
	rounds = b.v->gpr[RAX];
	assert_in_range(rounds, (u64)SLICES * (SLICE - 100) / INSNS_A_ROUND,
			(u64)SLICES * SLICE / INSNS_A_ROUND + SLICES);
	assert_int_equal(bt_bench_read(&b, COUNTER), rounds);
	assert_int_equal(b.v->gpr[RBX], rounds);
}

static void by_this_hosts_way(void **state)
{
	enum gs_base_way way = gs_base_way();

	(void)state;
	assert_int_not_equal(way, GS_BASE_NONE);
	counts(way, false);
	assert_true(way == GS_BASE_LOST || !b.bt->machine->vcpu[0]->bt->stats.gs_base_lost);
}

static void by_system_calls(void **state)
{
	(void)state;
	counts(GS_BASE_CALL, false);
}

static void what_is_lost_is_set_again(void **state)
{
	(void)state;
	if (gs_base_way() == GS_BASE_CALL) {
		print_message("WRGSBASE is no instruction here\n");
		skip();
	}
	counts(GS_BASE_LOST, true);
	assert_true(b.v->bt->stats.gs_base_lost > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bt_bench_test(by_this_hosts_way, b),
		bt_bench_test(by_system_calls, b),
		bt_bench_test(what_is_lost_is_set_again, b),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
