/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stack_linux.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "../cpu/vcpu.h"
#include "stack_kallsyms.h"
#include "stack_orc.h"
#include "symbols.h"

/* Documentation/x86/x86_64/mm: the kernel's image, and behind it modules */
#define IMAGE_START 0xffffffff80000000ull
#define IMAGE_AND_MODULES_END 0xffffffffff000000ull
#define TEXT_MAX (32ull << 20) /* bytes of an image's code at most */
#define IMAGE_MAX (96ull << 20)

/* the beginning of struct module */
enum { MODULE_STATE, MODULE_LIST = 8, MODULE_NAME = 24, MODULE_NAME_SIZE = 56, MODULE_REST = 80, MODULE_SIZE = 1536 };
enum { MODULE_LIVE, MODULE_COMING }; /* states in which its tables are right */
#define MODULES_MAX 1024 /* a list that is longer has no end */
#define MODULE_RANGE (2ull << 30) /* bytes that lie between a module's parts at most */

#define FRAME_MAX 1024 /* bytes of a frame in which the guest's RBP is in use at most */
#define CALL 0xe8 /* opcode, and where to, in four bytes */

#define SYMBOLS_MAX (1u << 20) /* of kernel and modules; a real one has a tenth of that */
#define REMEMBERED 4096 /* entries: a power of two */

struct linux_module {
	u64 at; /* struct module */
	char name[MODULE_NAME_SIZE + 1];
	struct orc_table orc;
};

struct stack_linux {
	struct stack_reader *reader;
	bool found;
	u64 misses; /* times that an address was nobody's */
	struct orc_table orc; /* the kernel's own */
	u64 modules; /* the list's head; 0: there is none */
	struct linux_module *module;
	u32 module_count;
	struct symbols *symbols;
	u32 symbol_count;
	struct {
		u64 pc; /* 0: none */
		struct orc_entry entry;
	} remembered[REMEMBERED];
};

struct stack_linux *stack_linux_create(struct stack_reader *r)
{
	struct stack_linux *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->reader = r;
	l->module = calloc(MODULES_MAX, sizeof(*l->module));
	if (!l->module) {
		free(l);
		return NULL;
	}
	return l;
}

void stack_linux_destroy(struct stack_linux *l)
{
	if (!l)
		return;
	symbols_destroy(l->symbols);
	free(l->module);
	free(l);
}

static bool is_function(char type)
{
	return strchr("tTwW", type) && type;
}

static bool add_symbol(struct stack_linux *l, u64 address, char type, const char *name, const char *module)
{
	return l->symbol_count++ < SYMBOLS_MAX && symbols_add_one(l->symbols, address, type, name, module);
}

/* What is to be known of the kernel's symbols */
struct known {
	struct stack_linux *l;
	u64 ip, ip_end, entries;
};

static bool is_list(struct stack_reader *r, u64 head)
{
	u64 next, back;

	return stack_read64(r, head, &next) && stack_read64(r, next + 8, &back) && back == head;
}

static bool kernel_symbol(void *ctx, u64 address, char type, const char *name)
{
	struct known *k = ctx;

	if (!strcmp(name, "__start_orc_unwind_ip"))
		k->ip = address;
	else if (!strcmp(name, "__stop_orc_unwind_ip"))
		k->ip_end = address;
	else if (!strcmp(name, "__start_orc_unwind"))
		k->entries = address;
	else if (!strcmp(name, "modules") && is_list(k->l->reader, address))
		k->l->modules = address;
	return !is_function(type) || add_symbol(k->l, address, type, name, NULL);
}

static bool find_kernel(struct stack_linux *l, u64 rip)
{
	u64 start = rip & ~(STACK_PAGE - 1);
	struct known k = { .l = l };

	while (start > IMAGE_START && rip - start < TEXT_MAX && stack_page(l->reader, start - STACK_PAGE))
		start -= STACK_PAGE;
	symbols_destroy(l->symbols);
	l->symbols = symbols_create();
	l->symbol_count = 0;
	return l->symbols && kallsyms_read(l->reader, start, start + IMAGE_MAX, kernel_symbol, &k) && k.ip_end > k.ip &&
	       orc_open(l->reader, k.ip, k.entries, (u32)((k.ip_end - k.ip) / 4), TEXT_MAX * 2, &l->orc);
}

/* struct mod_kallsyms: symbols, how many, names, types */
static bool module_symbols(struct stack_linux *l, const struct linux_module *m, const u64 words[4])
{
	const u32 count = (u32)words[1];
	struct stack_reader *r = l->reader;
	Elf64_Sym s;
	char c;

	if (words[0] < IMAGE_START || words[2] < IMAGE_START || words[3] < IMAGE_START || !count || count > 1u << 20 ||
	    !stack_read(r, words[0], &s, sizeof(s)) || s.st_name || s.st_info || s.st_value ||
	    !stack_read(r, words[2], &c, 1) || c ||
	    !stack_read(r, words[0] + (u64)(count - 1) * sizeof(s), &s, sizeof(s)) ||
	    !stack_read(r, words[3] + count - 1, &c, 1))
		return false;
	for (u32 i = 1; i < count; i++) {
		char name[KALLSYMS_NAME], type;
		u64 at;

		if (!stack_read(r, words[0] + (u64)i * sizeof(s), &s, sizeof(s)) ||
		    !stack_read(r, words[3] + i, &type, 1))
			break;
		if (!is_function(type) || s.st_value < IMAGE_START)
			continue;
		at = words[2] + s.st_name;
		for (size_t n = 0; n < sizeof(name); n++) {
			if (!stack_read(r, at + n, &name[n], 1))
				name[n] = '\0';
			if (!name[n])
				break;
		}
		name[sizeof(name) - 1] = '\0';
		if (name[0] && !add_symbol(l, s.st_value, type, name, m->name))
			break;
	}
	return true;
}

static void add_module(struct stack_linux *l, u64 at)
{
	struct linux_module *m = &l->module[l->module_count];
	bool has_orc = false, has_symbols = false;
	u64 words[4], there[4];

	*m = (struct linux_module){ .at = at };
	if (!stack_read(l->reader, at + MODULE_NAME, m->name, MODULE_NAME_SIZE))
		return;
	for (u64 i = MODULE_REST; i < MODULE_SIZE && !(has_orc && has_symbols); i += 8) {
		if (!stack_read(l->reader, at + i, words, sizeof(words)))
			break;
		if (!has_orc && words[1] >= IMAGE_START && words[2] >= IMAGE_START)
			has_orc = orc_open(l->reader, words[1], words[2], (u32)words[0], MODULE_RANGE, &m->orc);
		/* a pointer to the table in use, which has more names while the module starts; then the one to stay, in place */
		has_symbols = has_symbols ||
			      (words[0] >= IMAGE_START && stack_read(l->reader, words[0], there, sizeof(there)) &&
			       module_symbols(l, m, there)) ||
			      module_symbols(l, m, words);
	}
	l->module_count += has_orc;
}

/* Modules that are new; those that are gone are forgotten, but for their names. */
static void read_modules(struct stack_linux *l)
{
	struct linux_module *old = l->module;
	u32 old_count = l->module_count;
	u64 at;

	if (!l->modules || !stack_read64(l->reader, l->modules, &at))
		return;
	l->module = calloc(MODULES_MAX, sizeof(*l->module));
	l->module_count = 0;
	if (!l->module) {
		l->module = old;
		l->module_count = old_count;
		return;
	}
	for (unsigned int i = 0; at != l->modules && i < MODULES_MAX; i++) {
		u64 module = at - MODULE_LIST;
		u32 state, j = 0;

		if (!stack_read(l->reader, module + MODULE_STATE, &state, sizeof(state)))
			break;
		while (j < old_count && old[j].at != module)
			j++;
		if (j < old_count)
			l->module[l->module_count++] = old[j];
		else if (state == MODULE_LIVE || state == MODULE_COMING)
			add_module(l, module);
		if (!stack_read64(l->reader, at, &at))
			break;
	}
	free(old);
	symbols_sort(l->symbols);
	memset(l->remembered, 0, sizeof(l->remembered));
}

/* The last code before pc that a table is about is what says something of pc: a module's parts may lie around another's. */
static bool find_entry(struct stack_linux *l, u64 pc, struct orc_entry *e)
{
	struct orc_entry candidate;
	u64 code, best = 0;

	if (orc_find(l->reader, &l->orc, pc, e, &code))
		return true;
	for (u32 i = 0; i < l->module_count; i++)
		if (orc_find(l->reader, &l->module[i].orc, pc, &candidate, &code) && code > best) {
			best = code;
			*e = candidate;
		}
	return best && orc_says(e);
}

/* Is it worth to look for what isn't known again? The nth time and its multiples: rarely, and not never */
static bool look_again(struct stack_linux *l)
{
	u64 n = l->misses++;

	return !(n & (n - 1)) || !(n % 4096);
}

static bool entry_of(struct stack_linux *l, u64 pc, struct orc_entry *e)
{
	unsigned int slot = (pc ^ pc >> 12) % REMEMBERED;
	bool found;

	if (l->remembered[slot].pc == pc) {
		*e = l->remembered[slot].entry;
		return true;
	}
	if (pc < IMAGE_START || pc >= IMAGE_AND_MODULES_END)
		return false;
	found = find_entry(l, pc, e);
	if (!found && look_again(l)) {
		read_modules(l);
		found = find_entry(l, pc, e);
	}
	if (found) {
		l->remembered[slot].pc = pc;
		l->remembered[slot].entry = *e;
	}
	return found;
}

/*
 * Where the table says that RBP leads to the caller, but RBP is the guest's: that is so in the function that enters it. The call to this
 * very function, and therefore its frame, is on the stack not far away.
 */
static void find_frame(struct stack_linux *l, const struct orc_entry *e, struct stack_regs *regs)
{
	struct symbol function;
	u64 word;

	if (!orc_by_rbp(e) || regs->gpr[RBP] - regs->gpr[RSP] < FRAME_MAX ||
	    !symbols_find(l->symbols, regs->rip, &function))
		return;
	for (u64 at = regs->gpr[RSP]; at < regs->gpr[RSP] + FRAME_MAX; at += 8) {
		u8 call[5];
		s32 to;

		if (!stack_read64(l->reader, at, &word))
			return;
		if (word < IMAGE_START || !stack_read(l->reader, word - sizeof(call), call, sizeof(call)) ||
		    call[0] != CALL)
			continue;
		memcpy(&to, call + 1, sizeof(to));
		if (word + (u64)(s64)to != regs->rip - function.offset)
			continue;
		regs->gpr[RBP] = at + 8 - (u64)(s64)e->sp_offset;
		return;
	}
}

bool stack_linux_unwind(struct stack_linux *l, const struct stack_regs *regs, u64 *pc, unsigned int n, unsigned int *found)
{
	struct stack_regs frame = *regs;
	struct orc_entry e;
	bool exact = true;

	*found = 0;
	if (regs->rip < IMAGE_START || regs->rip >= IMAGE_AND_MODULES_END)
		return false;
	if (!l->found) {
		if (!look_again(l) || !find_kernel(l, regs->rip))
			return false;
		l->found = true;
		l->misses = 0;
		symbols_sort(l->symbols);
	}
	/* a return address may be that of the next function, if the call never returns: what counts is the call */
	while (*found < n && entry_of(l, frame.rip - !exact, &e)) {
		if (!*found)
			find_frame(l, &e, &frame);
		if (!orc_step(l->reader, &e, &frame, &exact) || frame.rip < IMAGE_START)
			break;
		pc[(*found)++] = frame.rip;
	}
	return true;
}

bool stack_linux_found(const struct stack_linux *l)
{
	return l->found;
}

void stack_linux_symbols(struct stack_linux *l, FILE *to)
{
	symbols_print(l->symbols, to);
}
