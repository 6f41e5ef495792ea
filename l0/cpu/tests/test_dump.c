/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "vcpu_bench.h"

static void a_dump_has_every_register_once(void **state)
{
	static const char *const wanted[] = {
		"mode=64-bit", "\nrip=0000000000001234",   " r15=00000000000000ab\n", "\ncs sel=", "\ntr sel=", " cr4=",
		"\nefer=",     "\nevent vector=14 error=2"
	};
	struct bench f;
	char *text;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	(void)state;
	bench_init(&f, NULL);
	bench_long_mode(&f);
	f.v->rip = 0x1234;
	f.v->gpr[R15] = 0xab;
	f.v->event = (struct event){ .valid = true, .vector = VEC_PF, .has_error = true, .error = 2 };
	vcpu_dump(f.v, to);
	fclose(to);
	for (unsigned int i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		const char *at = strstr(text, wanted[i]);

		if (!at || strstr(at + 1, wanted[i]))
			fail_msg("'%s' isn't there once:\n%s", wanted[i], text);
	}
	free(text);
	bench_destroy(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(a_dump_has_every_register_once) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
