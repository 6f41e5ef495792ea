/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The control socket as its clients see it, good ones and others; the commands are this test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "../../cli/unix_socket.h"
#include "../control.h"

#define TEXT_MAX (2u << 20)

static char folder[] = "/tmp/test_control.XXXXXX";
static char path[64];
static struct control *control;
static unsigned int executed;
static char *text; /* what read_all() has got */

/* "echo": its arguments; "wait": answered when bit 5 is done; "big": a long text; others: an error */
static json_t *execute(void *arg, const char *command, const json_t *arguments, struct control_error *error, u64 *wait)
{
	(void)arg;
	executed++;
	if (!strcmp(command, "echo"))
		return arguments ? json_deep_copy(arguments) : json_object();
	if (!strcmp(command, "wait")) {
		*wait = BIT(5);
		return json_object();
	}
	if (!strcmp(command, "big")) {
		memset(text, 'x', 100000);
		return json_stringn(text, 100000);
	}
	error->class = "DeviceNotFound";
	snprintf(error->text, sizeof(error->text), "no %s", command);
	return NULL;
}

/* Let the server do what there is to do. */
static void pump(void)
{
	struct pollfd fds[CONTROL_FDS];

	while (control && poll(fds, control_fds(control, fds), 2) > 0)
		control_serve(control, fds);
}

static int set_up(void **state)
{
	char error[256];

	(void)state;
	strcpy(folder + strlen(folder) - 6, "XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/s", folder);
	text = malloc(TEXT_MAX);
	control = control_create(path, execute, NULL, error, sizeof(error));
	executed = 0;
	return control && text ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	control_destroy(control);
	control = NULL;
	free(text);
	assert_int_equal(access(path, F_OK), -1);
	return rmdir(folder);
}

static void put(int fd, const char *what)
{
	assert_int_equal(send(fd, what, strlen(what), MSG_NOSIGNAL), strlen(what));
	pump();
}

/* All that has come for the client; *end: the server has closed */
static const char *got(int fd, bool *end)
{
	size_t size = 0;
	ssize_t n = 0;

	pump();
	while (size < TEXT_MAX - 1 && (n = recv(fd, text + size, TEXT_MAX - 1 - size, MSG_DONTWAIT)) > 0)
		size += (size_t)n;
	text[size] = '\0';
	if (end)
		*end = n == 0;
	return text;
}

static void assert_got(int fd, const char *want)
{
	const char *have = got(fd, NULL);

	if (strcmp(have, want))
		fail_msg("got '%.300s' instead of '%.300s'", have, want);
}

static int connect_raw(void)
{
	int fd = unix_connect(path, 0);

	assert_true(fd >= 0);
	pump();
	return fd;
}

static int connect_ready(void)
{
	int fd = connect_raw();

	put(fd, "{\"execute\": \"qmp_capabilities\"}");
	assert_non_null(strstr(got(fd, NULL), "{\"return\":{}}\r\n"));
	return fd;
}

static void a_client_is_greeted_and_has_to_negotiate(void **state)
{
	int fd = connect_raw();
	const char *all = got(fd, NULL);
	json_t *greeting = json_loads(all, 0, NULL);
	int major = -1;

	(void)state;
	assert_int_equal(json_unpack(greeting, "{s:{s:{s:{s:i}}, s:[]}}", "QMP", "version", "qemu", "major", &major,
				     "capabilities"),
			 0);
	assert_int_equal(major, 0);
	json_decref(greeting);
	put(fd, "{\"execute\": \"echo\"}\n");
	assert_got(fd, "{\"error\":{\"class\":\"CommandNotFound\",\"desc\":\"Expecting capabilities negotiation with "
		       "'qmp_capabilities'\"}}\r\n");
	control_event(control, "STOP", json_object());
	assert_got(fd, ""); /* no events yet */
	put(fd, "{\"execute\": \"qmp_capabilities\", \"arguments\": {\"enable\": [\"oob\"]}}");
	assert_non_null(strstr(got(fd, NULL), "GenericError"));
	put(fd, "{\"execute\": \"qmp_capabilities\", \"arguments\": {\"enable\": \"oob\"}}");
	assert_non_null(strstr(got(fd, NULL), "expected: array"));
	put(fd, "{\"execute\": \"qmp_capabilities\", \"arguments\": {\"enable\": [], \"frob\": 1}}");
	assert_non_null(strstr(got(fd, NULL), "Parameter 'frob' is unexpected"));
	put(fd, "{\"execute\": \"qmp_capabilities\", \"id\": [1, {\"a\": null}]}");
	assert_got(fd, "{\"return\":{},\"id\":[1,{\"a\":null}]}\r\n");
	put(fd, "{\"execute\": \"qmp_capabilities\"}");
	assert_non_null(strstr(got(fd, NULL), "CommandNotFound"));
	assert_int_equal(executed, 0);
	close(fd);
}

/* `echo '{ "execute": "qmp_capabilities" }{ "execute": ... }' | ncat -U`: in one piece, and then no more input */
static void commands_need_no_lines_and_are_answered_after_the_client_has_said_all(void **state)
{
	static const char ALL[] =
		"{ \"execute\": \"qmp_capabilities\" }{ \"execute\": \"wait\" }{ \"execute\": \"echo\" }\n";
	int fd = connect_raw();
	bool end;

	(void)state;
	got(fd, NULL);
	assert_int_equal(send(fd, ALL, sizeof(ALL) - 1, 0), sizeof(ALL) - 1);
	shutdown(fd, SHUT_WR);
	assert_string_equal(got(fd, &end), "{\"return\":{}}\r\n");
	assert_false(end);
	assert_int_equal(executed, 1);
	control_done(control, BIT(4));
	assert_string_equal(got(fd, &end), "");
	control_done(control, BIT(5) | BIT(6));
	assert_string_equal(got(fd, &end), "{\"return\":{}}\r\n{\"return\":{}}\r\n");
	assert_true(end);
	close(fd);
}

static void a_command_may_come_byte_by_byte(void **state)
{
	static const char COMMAND[] =
		"\r\n {\"execute\": \"echo\", \"arguments\": {\"}\\\"{\": [\"\\\\\", {}, []]}, \"id\": \"x\"}  ";
	int fd = connect_ready();

	(void)state;
	for (const char *s = COMMAND; *s; s++) {
		assert_int_equal(send(fd, s, 1, 0), 1);
		pump();
	}
	assert_got(fd, "{\"return\":{\"}\\\"{\":[\"\\\\\",{},[]]},\"id\":\"x\"}\r\n");
	close(fd);
}

static void nonsense_is_told_and_the_next_command_is_understood(void **state)
{
	static const char *const NONSENSE[] = {
		"hello\n", /* one line, one answer */
		"hello {\"execute\": \"echo\"} world\n",
		"}{]\n",
		"\"unended\n",
		"{\"execute\": \"unended\n",
		"{\"execute\": }",
		"{]",
		"[1, 2]",
		"{}",
		"{\"execute\": 5}",
		"{\"execute\": \"echo\", \"arguments\": []}",
		"{\"execute\": \"echo\", \"execute\": \"echo\"}",
		"{\"execute\": \"echo\", \"control\": {}}",
		"{\"execute\": \"\\u0000\"}",
		"\xff\n",
		"{\"execute\": \"\xff\"}",
		"{\"execute\": \"unknown\"}",
	};
	int fd = connect_ready();

	(void)state;
	for (size_t i = 0; i < sizeof(NONSENSE) / sizeof(NONSENSE[0]); i++) {
		const char *have;
		unsigned int lines = 0;

		put(fd, NONSENSE[i]);
		put(fd, "{\"execute\": \"echo\", \"id\": 1}");
		have = got(fd, NULL);
		for (const char *s = have; *s; s++)
			lines += *s == '\n';
		if (strncmp(have, "{\"error\":", 9) || lines != 2 || !strstr(have, "{\"return\":{},\"id\":1}\r\n"))
			fail_msg("after '%s': '%s'", NONSENSE[i], have);
	}
	close(fd);
}

static void a_command_without_end_is_refused_once(void **state)
{
	int fd = connect_ready();
	char block[4096];

	(void)state;
	memset(block, 'a', sizeof(block));
	put(fd, "{\"execute\": \"");
	for (int i = 0; i < 40; i++) {
		assert_int_equal(send(fd, block, sizeof(block), 0), sizeof(block));
		pump();
	}
	assert_non_null(strstr(got(fd, NULL), "64 KiB"));
	put(fd, "\"}\n{\"execute\": \"echo\"}");
	assert_got(fd, "{\"return\":{}}\r\n");
	memset(block, '[', sizeof(block));
	for (int i = 0; i < 2; i++) {
		assert_int_equal(send(fd, block, sizeof(block), 0), sizeof(block));
		pump();
	}
	memset(block, ']', sizeof(block));
	for (int i = 0; i < 2; i++) {
		assert_int_equal(send(fd, block, sizeof(block), 0), sizeof(block));
		pump();
	}
	assert_non_null(strstr(got(fd, NULL), "parse error")); /* too deep */
	put(fd, "{\"execute\": \"echo\"}");
	assert_got(fd, "{\"return\":{}}\r\n");
	close(fd);
}

static void random_bytes_harm_nobody(void **state)
{
	int good = connect_ready(), bad;
	u32 seed = 1;

	(void)state;
	for (int round = 0; round < 200; round++) {
		char noise[512];

		bad = round % 3 ? connect_ready() : connect_raw();
		for (size_t i = 0; i < sizeof(noise); i++) {
			seed = seed * 1664525u + 1013904223u;
			noise[i] = seed >> 31 ? (char)(seed >> 16) : "{}[]\"\\,:\n e"[(seed >> 16) % 11];
		}
		(void)!send(bad, noise, sizeof(noise), MSG_NOSIGNAL);
		pump();
		close(bad);
		pump();
	}
	put(good, "{\"execute\": \"echo\"}");
	assert_got(good, "{\"return\":{}}\r\n");
	close(good);
}

static void a_client_that_reads_nothing_is_not_listened_to_and_then_dropped(void **state)
{
	int slow = connect_ready(), good = connect_ready();
	unsigned int before;
	bool end = false;

	(void)state;
	for (int i = 0; i < 50; i++)
		(void)!send(slow, "{\"execute\": \"big\"}", 18, MSG_NOSIGNAL | MSG_DONTWAIT);
	pump();
	assert_true(executed < 20); /* its answers have nowhere to go */
	before = executed;
	put(good, "{\"execute\": \"echo\"}");
	assert_got(good, "{\"return\":{}}\r\n");
	assert_int_equal(executed, before + 1);
	for (int i = 0; i < 30000; i++)
		control_event(control, "STOP", json_pack("{s:s}", "l1", "a"));
	/* it has been dropped, with what was under way; the other one takes it all */
	for (int i = 0; i < 100 && !end; i++)
		got(slow, &end);
	assert_true(end);
	close(slow);
	close(good);
}

static void clients_that_die_leave_nothing(void **state)
{
	int fd;

	(void)state;
	for (int i = 0; i < 100; i++) {
		fd = connect_ready();
		assert_int_equal(send(fd, "{\"execute\": \"wait\"}{\"execute\": \"ec", 34, 0), 34);
		if (i & 1)
			pump();
		close(fd);
		pump();
	}
	control_done(control, BIT(5));
	control_event(control, "STOP", json_object());
	fd = connect_ready();
	put(fd, "{\"execute\": \"echo\"}");
	assert_got(fd, "{\"return\":{}}\r\n");
	close(fd);
}

static void more_clients_than_there_is_room_for_wait(void **state)
{
	int fd[CONTROL_CLIENTS + 3];

	(void)state;
	for (int i = 0; i < CONTROL_CLIENTS; i++)
		fd[i] = connect_ready();
	for (int i = CONTROL_CLIENTS; i < CONTROL_CLIENTS + 3; i++) {
		fd[i] = connect_raw();
		assert_got(fd[i], "");
	}
	close(fd[0]);
	close(fd[1]);
	assert_non_null(strstr(got(fd[CONTROL_CLIENTS], NULL), "QMP"));
	assert_non_null(strstr(got(fd[CONTROL_CLIENTS + 1], NULL), "QMP"));
	assert_got(fd[CONTROL_CLIENTS + 2], "");
	control_event(control, "STOP", json_object());
	for (int i = 2; i < CONTROL_CLIENTS; i++)
		assert_non_null(strstr(got(fd[i], NULL), "\"STOP\""));
	for (int i = 2; i < CONTROL_CLIENTS + 3; i++)
		close(fd[i]);
}

static void the_end_is_told_to_those_who_still_listen(void **state)
{
	int fd = connect_ready(), waits = connect_ready();

	(void)state;
	put(waits, "{\"execute\": \"wait\"}");
	control_event(control, "SHUTDOWN", json_object());
	control_destroy(control);
	control = NULL;
	assert_true(recv(fd, text, TEXT_MAX, MSG_DONTWAIT) > 0);
	assert_non_null(strstr(text, "SHUTDOWN"));
	assert_int_equal(recv(fd, text, TEXT_MAX, MSG_DONTWAIT), 0);
	text[recv(waits, text, TEXT_MAX - 1, MSG_DONTWAIT)] = '\0';
	assert_non_null(strstr(text, "{\"return\":{}}"));
	close(fd);
	close(waits);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_client_is_greeted_and_has_to_negotiate),
		TEST(commands_need_no_lines_and_are_answered_after_the_client_has_said_all),
		TEST(a_command_may_come_byte_by_byte),
		TEST(nonsense_is_told_and_the_next_command_is_understood),
		TEST(a_command_without_end_is_refused_once),
		TEST(random_bytes_harm_nobody),
		TEST(a_client_that_reads_nothing_is_not_listened_to_and_then_dropped),
		TEST(clients_that_die_leave_nothing),
		TEST(more_clients_than_there_is_room_for_wait),
		TEST(the_end_is_told_to_those_who_still_listen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
