/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

/* CPU model as the kernel calls it; "unknown" where /proc doesn't say */
static void cpu_name(char *name, size_t n)
{
	static const char KEY[] = "model name";
	FILE *f = fopen("/proc/cpuinfo", "re");
	char line[256];

	snprintf(name, n, "unknown");
	if (!f)
		return;
	while (fgets(line, sizeof(line), f)) {
		char *colon = strchr(line, ':');

		if (strncmp(line, KEY, sizeof(KEY) - 1) || !colon || colon[1] != ' ')
			continue;
		colon[strcspn(colon, "\n")] = '\0';
		snprintf(name, n, "%s", colon + 2);
		break;
	}
	fclose(f);
}

json_t *host_json(void)
{
	struct utsname uts;
	char cpu[128];

	cpu_name(cpu, sizeof(cpu));
	if (uname(&uts))
		snprintf(uts.release, sizeof(uts.release), "unknown");
	return json_pack("{s:s%, s:s, s:I}", "cpu", cpu, strlen(cpu), "kernel", uts.release, "cores",
			 (json_int_t)sysconf(_SC_NPROCESSORS_ONLN));
}

json_t *command_json(int argc, char **argv)
{
	json_t *command = json_array();

	for (int i = 0; command && i < argc; i++) {
		/* an argument need not be UTF-8, a JSON string has to */
		json_t *word = json_string(argv[i]);

		if (json_array_append_new(command, word ? word : json_string("(not UTF-8)"))) {
			json_decref(command);
			command = NULL;
		}
	}
	return command;
}
