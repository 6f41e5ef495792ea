/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "output.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int output_open(struct output *o, const char *path)
{
	char *real = path ? realpath(path, NULL) : NULL;
	const char *target = real ? real : path;
	struct stat st;
	int err = 0;

	*o = (struct output){ .f = path ? NULL : stdout };
	if (!path)
		return 0;
	if (!stat(target, &st) && !S_ISREG(st.st_mode)) {
		o->f = fopen(target, "we");
	} else {
		if (asprintf(&o->temporary, "%s.%d.tmp", target, (int)getpid()) < 0)
			o->temporary = NULL;
		if (asprintf(&o->target, "%s", target) < 0)
			o->target = NULL;
		errno = ENOMEM;
		if (o->temporary && o->target)
			o->f = fopen(o->temporary, "we");
	}
	if (!o->f) {
		err = -errno;
		err = err ? err : -EIO;
		free(o->temporary);
		free(o->target);
	}
	free(real);
	return err;
}

/* Everything is with the kernel, and the stream closed unless it is standard output. 0 or -errno */
static int finish(struct output *o)
{
	int err = 0;

	errno = 0;
	if (fflush(o->f) || ferror(o->f))
		err = errno ? -errno : -EIO;
	if (o->f != stdout && fclose(o->f) && !err)
		err = -errno;
	o->f = NULL;
	return err;
}

int output_commit(struct output *o)
{
	int err = finish(o);

	if (o->temporary && !err && rename(o->temporary, o->target))
		err = -errno;
	if (o->temporary && err)
		unlink(o->temporary);
	free(o->temporary);
	free(o->target);
	return err;
}

void output_drop(struct output *o)
{
	finish(o);
	if (o->temporary)
		unlink(o->temporary);
	free(o->temporary);
	free(o->target);
}

int output_try(const char *path)
{
	struct output o;
	struct stat st;
	int err;

	/* to open a pipe is to wait for its reader, and to close it is to tell him that nothing comes any more */
	if (!stat(path, &st) && S_ISFIFO(st.st_mode))
		return access(path, W_OK) ? -errno : 0;
	err = output_open(&o, path);
	if (!err)
		output_drop(&o);
	return err;
}
