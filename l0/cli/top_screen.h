/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `turtles top` on a terminal: drawing, keys. */
#ifndef L0_CLI_TOP_SCREEN_H
#define L0_CLI_TOP_SCREEN_H

#include "../account/top_rows.h"

/* What the keys can change */
struct top_view {
	double interval; /* seconds */
	enum top_order order;
	struct top_filter filter;
	regex_t regex; /* of filter.reason, if that isn't NULL */
	char regex_text[128];
	char l1[64]; /* of filter.l1, if that isn't NULL */
	bool paused;
};

/* 0, or -EINVAL with one line in error[0..n-1]; an empty text is any reason. */
int top_view_filter(struct top_view *v, const char *text, char *error, size_t n);

/* The three looks that are compared: since the last r, the one before the last one, the last one */
struct top_looks {
	struct top_sample base, before, now;
};

enum top_wish { TOP_GO_ON, TOP_RESET, TOP_QUIT };

/* False with one line in error[0..n-1]: this is no terminal that could be drawn on. */
bool top_screen_begin(char *error, size_t n);
void top_screen_end(void);
void top_screen_draw(const struct top_view *v, const struct top_looks *looks, const char *where);

/* Take keys for so many ms, or until one has changed something. */
enum top_wish top_screen_keys(struct top_view *v, int ms);

/* What the keys are, for --help */
extern const char TOP_KEYS[];

#endif
