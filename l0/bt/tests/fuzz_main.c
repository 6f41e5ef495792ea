/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The program `fuzz`: make fuzz SECONDS=n. */
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "fuzz_engine.h"

static const char usage[] =
	"fuzz [options]: random instructions on the host's CPU and in turtles, compared\n"
	"  --seed N        which cases (default 1)\n"
	"  --cases N       how many (default 200000; 0: until --seconds)\n"
	"  --seconds N     stop after N seconds\n"
	"  --modes LIST    of code: names of fuzz_target.h's FUZZ_MODES, separated by commas, or all (default: "
	"flat64)\n"
	"  --reports N     different mismatches to print (default 20)\n"
	"  --batch N       begin with batch N; with --case N: only this case of it\n"
	"  --subject WHAT  turtles (default), direct (user code by /dev/kvm; --modes null64), native (the host's CPU "
	"again),\n"
	"                  broken=MNEMONIC (wrong on purpose)\n"
	"exit code: 0 no mismatch, 1 mismatches, 2 usage, 3 it can't run here\n";

static struct fuzz_target *native(char *error)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 32);
	char *name;

	path[n > 0 ? n : 0] = 0;
	name = strrchr(path, '/');
	if (!name) {
		snprintf(error, 200, "/proc/self/exe can't be read");
		return NULL;
	}
	strcpy(name, "/fuzz-native");
	return fuzz_native_create(path, error);
}

static struct fuzz_target *subject(const char *name, char *error)
{
	struct fuzz_target *inner;

	if (!strcmp(name, "turtles"))
		return fuzz_remote_create(fuzz_bt_create, error);
	if (!strcmp(name, "direct"))
		return fuzz_remote_create(fuzz_direct_create, error);
	if (!strcmp(name, "native"))
		return native(error);
	if (!strncmp(name, "broken=", 7)) {
		inner = native(error);
		return inner ? fuzz_broken_create(inner, name + 7, error) : NULL;
	}
	snprintf(error, 200, "no subject is called %s", name);
	return NULL;
}

static unsigned int modes(const char *list, char *error)
{
	unsigned int set = 0, i;
	size_t n;

	if (!strcmp(list, "all"))
		return BIT(FUZZ_MODE_COUNT) - 1;
	for (; *list; list += n + (list[n] == ',')) {
		n = strcspn(list, ",");
		for (i = 0; i < FUZZ_MODE_COUNT; i++)
			if (strlen(fuzz_modes[i].name) == n && !memcmp(fuzz_modes[i].name, list, n))
				break;
		if (i == FUZZ_MODE_COUNT) {
			snprintf(error, 200, "no mode is called %.*s", (int)n, list);
			return 0;
		}
		set |= BIT(i);
	}
	if (!set)
		snprintf(error, 200, "--modes names none");
	return set;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seed", 1, 0, 's' },	  { "cases", 1, 0, 'n' }, { "seconds", 1, 0, 't' }, { "modes", 1, 0, 'm' },
		{ "reports", 1, 0, 'r' }, { "batch", 1, 0, 'b' }, { "case", 1, 0, 'o' },    { "subject", 1, 0, 'S' },
		{ "help", 0, 0, 'h' },	  { 0, 0, 0, 0 },
	};
	struct fuzz_options o = {
		.seed = 1, .cases = 200000, .modes = BIT(FUZZ_MODE_flat64), .reports = 20, .only = -1, .out = stdout
	};
	const char *name = "turtles";
	struct fuzz_target *a, *b;
	struct fuzz_totals totals;
	char error[200];
	int c;

	setvbuf(stdout, NULL, _IOLBF, 0);
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		u64 n = optarg ? strtoull(optarg, NULL, 0) : 0;

		switch (c) {
		case 's':
			o.seed = n;
			break;
		case 'n':
			o.cases = n;
			break;
		case 't':
			o.seconds = n;
			o.cases = 0;
			break;
		case 'm':
			o.modes = modes(optarg ? optarg : "", error);
			if (!o.modes) {
				fprintf(stderr, "fuzz: %s\n", error);
				return 2;
			}
			break;
		case 'r':
			o.reports = n;
			break;
		case 'b':
			o.first = n;
			break;
		case 'o':
			o.only = n % FUZZ_BATCH;
			o.cases = 1;
			break;
		case 'S':
			name = optarg ? optarg : name;
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	a = native(error);
	b = a ? subject(name, error) : NULL;
	if (!b) {
		fprintf(stderr, "fuzz: %s\n", error);
		return 3;
	}
	b->name = name;
	if (!(o.modes & a->modes & b->modes)) {
		fprintf(stderr, "fuzz: none of --modes can run on this host\n");
		return 3;
	}
	fuzz_run(a, b, &o, &totals);
	fuzz_print_totals(&totals, &o, b->name);
	a->destroy(a);
	b->destroy(b);
	return totals.mismatches != 0;
}
