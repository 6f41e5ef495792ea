/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside the lab: one of its L1s, there or not, and what the lab's thread does to it. */
#ifndef L0_RUN_GUEST_H
#define L0_RUN_GUEST_H

#include <jansson.h>

#include "l1.h"
#include "numbers.h"
#include "signal_wait.h"

struct console;
struct control;
struct control_error;
struct lab;
struct place;

/* Who has wanted an end or a reset, as QMP's ShutdownCause calls it */
enum cause {
	CAUSE_NONE, /* nobody but the guest */
	CAUSE_SIGNAL,
	CAUSE_USER,
	CAUSE_CONTROL,
	CAUSE_HOST, /* it can't serve it any more: its console, its time */
};

#define TOLD_MAX 32

struct guest {
	struct lab *lab;
	const struct run_config *config;
	unsigned int number;
	int nice; /* of its threads: its shares */
	FILE *log; /* its lines on stderr, each behind its name; NULL: there is no other L1, or no memory */
	struct l1 l1;
	bool created; /* l1_destroy() is to be called */
	bool running; /* from its start to l1_join() */
	bool ended; /* L1_ENDED has come */
	bool hold; /* it is to stand still */
	bool held, suspended; /* as it has said */
	bool fresh; /* held since its power-on: it has executed nothing */
	u64 starts;
	u64 traced; /* the lives whose trace has another name by now: FILE.1 is the first one's */
	u64 deadline; /* CLOCK_MONOTONIC; 0: none */
	u64 overdue; /* the same, once it is to end: then it is L0 that hangs */
	enum cause cause;
	int code; /* exit code; -1: it hasn't ended yet */
	char end[256]; /* one line about its end, or "" */
	struct l1_numbers numbers; /* as of its end, or of the last look */

	pthread_mutex_t lock; /* of what is below: other threads come to it */
	bool reachable; /* the console's thread may use l1.machine */
	enum l1_event told[TOLD_MAX]; /* what the L1's thread has told, oldest first */
	unsigned int told_count;
};

struct lab {
	const struct lab_config *config;
	struct guest *guest;
	unsigned int count;
	struct console *console;
	struct sandbox *sandbox; /* NULL: the process keeps what it may do */
	bool crowded; /* more vCPUs than host CPUs */
	struct place *place; /* NULL: threads run anywhere */
	struct control *control; /* NULL: there is none */
	int wake; /* eventfd */
	struct signal_wait signals;
	bool quitting; /* all are to end, and nothing starts any more */
	int signal_code; /* 128 + N: signal N has asked for the end; 0: none has */
	u64 start_ns;
	u64 rss; /* as of the last L1's end */

	pthread_mutex_t lock; /* of what is below: the console's thread comes to it */
	struct quit {
		bool asked;
		unsigned int port; /* CONSOLE_ALL: of all L1s */
		int code;
		char why[160];
	} quit;
};

/* guest.c */
void guest_init(struct guest *g, struct lab *lab, unsigned int number);
void guest_release(struct guest *g);

/* Build it, up to power-on. 0, or an exit code with one line in error[0..n-1]. */
int guest_create(struct guest *g, char *error, size_t n);
/* Power on. The same. */
int guest_start(struct guest *g, char *error, size_t n);
/* It is to stand still; false: it does already, or there is nothing that could run. */
bool guest_hold(struct guest *g);
void guest_continue(struct guest *g);
void guest_reset(struct guest *g);
#define GUEST_END_NS 30000000000ull /* what an end takes at most, in a lab where all is well: milliseconds */
/* It is to end: nobody waits for its console's readers any more. */
void guest_stop(struct guest *g, enum cause cause, enum stop_reason reason, int code, const char *why);
/* What the L1's thread has told since the last time. */
void guest_listen(struct guest *g);
/* What an L1 leaves, after its end: its exit code, a line, its numbers. Then its memory is given back. */
void guest_conclude(struct guest *g);
/* As QMP's query-status calls it */
const char *guest_status(const struct guest *g);
/* One line on stderr about an L1; its name is in front if there are others. */
void guest_say(const struct guest *g, const char *text);

/* lab.c */
void lab_wake(struct lab *lab);
bool lab_has_several(const struct lab *lab);
unsigned int lab_running(const struct lab *lab);
/* All but guest memory, now. 0 where the host doesn't say */
u64 lab_resident(const struct lab *lab);
/* The stats as they are now, of one L1 or of all (NULL). NULL: no memory */
json_t *lab_stats(struct lab *lab, const struct guest *only);
void lab_quit(struct lab *lab, enum cause cause, int code, const char *why);

/* lab_control.c: control.h's control_execute */
json_t *lab_execute(void *lab, const char *command, const json_t *arguments, struct control_error *error, u64 *wait);

#endif
