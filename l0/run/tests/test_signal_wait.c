/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Signals of a set come as something to poll, each once, and others don't. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <unistd.h>

#include "../signal_wait.h"

static struct signal_wait w;

static int setup(void **state)
{
	sigset_t set;

	(void)state;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	return !signal_wait_open(&w, &set);
}

static int teardown(void **state)
{
	(void)state;
	signal_wait_close(&w);
	signal_wait_close(&w);
	return w.fd != -1;
}

static int polled(int ms)
{
	struct pollfd fd = { .fd = w.fd, .events = POLLIN };

	return poll(&fd, 1, ms);
}

static void each_comes_once(void **state)
{
	(void)state;
	assert_int_equal(polled(0), 0);
	assert_int_equal(signal_wait_read(&w), 0);
	kill(getpid(), SIGTERM);
	assert_int_equal(polled(10000), 1);
	assert_int_equal(signal_wait_read(&w), SIGTERM);
	assert_int_equal(polled(0), 0);
	assert_int_equal(signal_wait_read(&w), 0);
}

static void two_at_once_both_come(void **state)
{
	int seen = 0, came;

	(void)state;
	kill(getpid(), SIGTERM);
	kill(getpid(), SIGUSR1);
	while (seen != (1 << SIGTERM | 1 << SIGUSR1)) {
		assert_int_equal(polled(10000), 1);
		came = signal_wait_read(&w); /* 0: told already, with the other one */
		seen |= came ? 1 << came : 0;
	}
	assert_int_equal(signal_wait_read(&w), 0);
}

static void another_signal_tells_nothing(void **state)
{
	(void)state;
	signal(SIGUSR2, SIG_IGN);
	pthread_kill(pthread_self(), SIGUSR2);
	assert_int_equal(polled(20), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_comes_once, setup, teardown),
		cmocka_unit_test_setup_teardown(two_at_once_both_come, setup, teardown),
		cmocka_unit_test_setup_teardown(another_signal_tells_nothing, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
