/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "named_lines.h"

#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define LINE_MAX_BYTES 4096

/* stdio calls it with whole lines, as the stream is line-buffered, unless one is longer than its buffer. */
static ssize_t write_lines(void *cookie, const char *text, size_t size)
{
	const char *end = text + size;

	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text)), *next = newline ? newline + 1 : end;
		struct iovec parts[] = { { cookie, strlen(cookie) },
					 { (char *)": ", 2 },
					 { (char *)text, (size_t)(next - text) } };

		/* like stderr's, what can't be written is lost */
		(void)!writev(STDERR_FILENO, parts, 3);
		text = next;
	}
	return (ssize_t)size;
}

FILE *named_lines(const char *name)
{
	FILE *f = fopencookie((void *)name, "w", (cookie_io_functions_t){ .write = write_lines });

	if (f)
		setvbuf(f, NULL, _IOLBF, LINE_MAX_BYTES);
	return f;
}
