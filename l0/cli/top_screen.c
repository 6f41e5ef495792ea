/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "top_screen.h"

#include <curses.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "top_table.h"
#include "values.h"

/* those that kvm_stat has are its */
const char TOP_KEYS[] =
	"c clear filters, f filter by a regular expression of the reason, g by an L1's name, l by level, h these keys, "
	"o sort by the next column, p pause, q quit, r reset: total counts from now, s set the interval, z rows "
	"without exits, too";

bool top_screen_begin(char *error, size_t n)
{
	SCREEN *screen;

	/* initscr() would end the process if it couldn't */
	if (!isatty(STDOUT_FILENO) || !(screen = newterm(NULL, stdout, stdin))) {
		snprintf(error, n, "standard output is no terminal that could be drawn on; -1 or -l print lines");
		return false;
	}
	set_term(screen);
	cbreak();
	noecho();
	keypad(stdscr, TRUE);
	curs_set(0);
	return true;
}

void top_screen_end(void)
{
	endwin();
}

static double seconds(const struct top_looks *looks)
{
	return (double)(looks->now.ns - looks->before.ns) / 1e9;
}

static void draw_status(const struct top_view *v, const char *where, unsigned int width)
{
	char text[512];

	snprintf(text, sizeof(text), "%s, %.4g s, by %s%s%s%s%s%s%s%s", where, v->interval, top_order_name(v->order),
		 v->paused ? ", paused" : "",
		 v->filter.level == 1	? ", level 1"
		 : v->filter.level == 2 ? ", level 2"
					: "",
		 v->filter.l1 ? ", L1 " : "", v->filter.l1 ? v->filter.l1 : "", v->filter.reason ? ", /" : "",
		 v->filter.reason ? v->regex_text : "", v->filter.reason ? "/" : "");
	mvaddnstr(0, 0, text, (int)width);
}

void top_screen_draw(const struct top_view *v, const struct top_looks *looks, const char *where)
{
	int height = getmaxy(stdscr), y = 1;
	unsigned int width = (unsigned int)getmaxx(stdscr);
	char buffer[TOP_LINE];
	struct top_row *rows;
	size_t n = top_rows(&looks->base, &looks->before, &looks->now, &v->filter, v->order, &rows);
	struct top_sums sums = top_sums(rows, n, seconds(looks));

	erase();
	draw_status(v, where, width);
	for (unsigned int i = 0; i < looks->now.count && y < height; i++)
		mvaddnstr(y++, 0, top_l1_line(buffer, &looks->now.l1[i], &looks->before, seconds(looks)), (int)width);
	y++;
	attron(A_REVERSE);
	mvprintw(y, 0, "%-*s", (int)width, "");
	mvaddnstr(y++, 0, top_heading(buffer, width), (int)width);
	attroff(A_REVERSE);
	for (size_t i = 0; i < n && y < height; i++)
		mvaddnstr(y++, 0, top_line(buffer, width, &rows[i], &sums), (int)width);
	if (!n)
		mvaddstr(y, 0, "no exits yet");
	refresh();
	free(rows);
}

/* Ask in the last line. False: the user has thought better of it. */
static bool ask(const char *question, char *answer, size_t n)
{
	bool given;

	mvhline(getmaxy(stdscr) - 1, 0, ' ', getmaxx(stdscr));
	mvprintw(getmaxy(stdscr) - 1, 0, "%s: ", question);
	echo();
	curs_set(1);
	timeout(-1);
	given = getnstr(answer, (int)n - 1) != ERR;
	noecho();
	curs_set(0);
	return given;
}

static void say(const char *text)
{
	mvhline(getmaxy(stdscr) - 1, 0, ' ', getmaxx(stdscr));
	mvaddnstr(getmaxy(stdscr) - 1, 0, text, getmaxx(stdscr) - 1);
	timeout(3000);
	getch();
}

static void show_keys(void)
{
	const char *s = TOP_KEYS;
	int y = 1;

	erase();
	while (*s) {
		size_t n = strcspn(s, ",");

		mvaddnstr(y++, 2, s, (int)n);
		s += n;
		s += strspn(s, ", ");
	}
	mvaddstr(y + 1, 2, "any key goes on");
	timeout(-1);
	getch();
}

int top_view_filter(struct top_view *v, const char *text, char *error, size_t n)
{
	regex_t regex;
	char why[128];
	int err;

	if (v->filter.reason && !*text) {
		regfree(&v->regex);
		v->filter.reason = NULL;
	}
	if (!*text)
		return 0;
	err = regcomp(&regex, text, REG_EXTENDED | REG_ICASE | REG_NOSUB);
	if (err) {
		regerror(err, &regex, why, sizeof(why));
		snprintf(error, n, "'%.60s': %s", text, why);
		return -EINVAL;
	}
	if (v->filter.reason)
		regfree(&v->regex);
	v->regex = regex;
	v->filter.reason = &v->regex;
	snprintf(v->regex_text, sizeof(v->regex_text), "%s", text);
	return 0;
}

static void ask_filter(struct top_view *v)
{
	char text[sizeof(v->regex_text)], error[256];

	if (ask("reasons (a regular expression; nothing: all)", text, sizeof(text)) &&
	    top_view_filter(v, text, error, sizeof(error)))
		say(error);
}

static void ask_l1(struct top_view *v)
{
	char text[sizeof(v->l1)];

	if (!ask("L1 (nothing: all)", text, sizeof(text)))
		return;
	memcpy(v->l1, text, sizeof(text));
	v->filter.l1 = *text ? v->l1 : NULL;
}

static void ask_interval(struct top_view *v)
{
	char text[32];
	u64 ns;

	if (!ask("interval in seconds", text, sizeof(text)) || !*text)
		return;
	if (value_seconds(text, &ns) && ns >= 100000000)
		v->interval = (double)ns / 1e9;
	else
		say("an interval is a number of seconds, 0.1 at least");
}

enum top_wish top_screen_keys(struct top_view *v, int ms)
{
	char nothing[8];
	int key;

	timeout(ms);
	key = getch();
	/* whatever garbled the screen, a key makes it good */
	if (key != ERR)
		clearok(stdscr, TRUE);
	switch (key) {
	case 'c':
		top_view_filter(v, "", nothing, sizeof(nothing));
		v->filter.l1 = NULL;
		v->filter.level = 0;
		break;
	case 'f':
		ask_filter(v);
		break;
	case 'g':
		ask_l1(v);
		break;
	case 'l':
		v->filter.level = (v->filter.level + 1) % 3;
		break;
	case 'h':
	case '?':
		show_keys();
		break;
	case 'o':
		v->order = (v->order + 1) % TOP_ORDERS;
		break;
	case 'p':
	case ' ':
		v->paused = !v->paused;
		break;
	case 'r':
		return TOP_RESET;
	case 's':
		ask_interval(v);
		break;
	case 'z':
		v->filter.idle = !v->filter.idle;
		break;
	case 'q':
		return TOP_QUIT;
	default:
		break;
	}
	return TOP_GO_ON;
}
