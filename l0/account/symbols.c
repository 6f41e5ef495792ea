/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "symbols.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "elf_view.h"

#define FUNCTION_MAX (1ull << 20) /* bytes: what is further behind the last name is something else */

struct entry {
	u64 address;
	size_t order; /* in which they were added */
	char *name, *module;
	bool global;
};

struct symbols {
	struct entry *entry;
	size_t count, room;
};

struct symbols *symbols_create(void)
{
	return calloc(1, sizeof(struct symbols));
}

void symbols_destroy(struct symbols *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->count; i++) {
		free(s->entry[i].name);
		free(s->entry[i].module);
	}
	free(s->entry);
	free(s);
}

bool symbols_add_one(struct symbols *s, u64 address, char type, const char *name, const char *module)
{
	struct entry e = { .address = address, .order = s->count, .global = type == 'T' };

	if (s->count == s->room) {
		size_t room = s->room ? s->room * 2 : 1024;
		struct entry *more = realloc(s->entry, room * sizeof(*more));

		if (!more)
			return false;
		s->entry = more;
		s->room = room;
	}
	e.name = strdup(name);
	e.module = module ? strdup(module) : NULL;
	if (!e.name || (module && !e.module)) {
		free(e.name);
		free(e.module);
		return false;
	}
	s->entry[s->count++] = e;
	return true;
}

/* by address; of several names for one, the global and then the first one in front */
static int compare(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	if (x->global != y->global)
		return x->global ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

void symbols_sort(struct symbols *s)
{
	if (s->count)
		qsort(s->entry, s->count, sizeof(*s->entry), compare);
}

void symbols_print(const struct symbols *s, FILE *to)
{
	for (size_t i = 0; i < s->count; i++) {
		const struct entry *e = &s->entry[i];

		fprintf(to, "%016" PRIx64 " %c %s%s%s%s\n", e->address, e->global ? 'T' : 't', e->name,
			e->module ? "\t[" : "", e->module ? e->module : "", e->module ? "]" : "");
	}
}

bool symbols_find(const struct symbols *s, u64 address, struct symbol *found)
{
	size_t low = 0,
	       high = s ? s->count : 0; /* entries before low are at or below the address, those from high on above */

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (s->entry[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low || address - s->entry[low - 1].address >= FUNCTION_MAX)
		return false;
	low--;
	while (low && s->entry[low - 1].address == s->entry[low].address)
		low--;
	*found = (struct symbol){ s->entry[low].name, s->entry[low].module, address - s->entry[low].address };
	return true;
}

/* ADDRESS TYPE NAME [MODULE] */
static int add_text(struct symbols *s, const char *path, char *error, size_t n)
{
	size_t before = s->count, size = 0;
	bool hidden = false;
	FILE *f = fopen(path, "re");
	char *line = NULL;
	int err = 0;

	if (!f) {
		err = -errno;
		snprintf(error, n, "%s: %s", path, strerror(errno));
		return err;
	}
	while (!err && getline(&line, &size, f) > 0) {
		char *rest, *save = NULL, *type, *name, *module;
		u64 address = strtoull(line, &rest, 16);

		type = rest > line ? strtok_r(rest, " \t\n", &save) : NULL;
		name = type ? strtok_r(NULL, " \t\n", &save) : NULL;
		module = name ? strtok_r(NULL, " \t\n[]", &save) : NULL;
		if (!name || strlen(type) != 1) {
			err = -EINVAL;
			snprintf(error, n, "%s: neither an ELF file nor lines of ADDRESS TYPE NAME", path);
		} else if (strchr("tTwW", *type)) {
			if (address && !symbols_add_one(s, address, *type, name, module))
				err = -ENOMEM;
			hidden |= !address;
		}
	}
	if (!err && ferror(f))
		err = -EIO;
	if (err && err != -EINVAL)
		snprintf(error, n, "%s: %s", path, strerror(-err));
	if (!err && s->count == before) {
		err = -EINVAL;
		snprintf(error, n, "%s: %s", path,
			 hidden ? "all addresses are 0: its kernel hides them from who isn't root"
				: "it has no functions");
	}
	free(line);
	fclose(f);
	return err;
}

/* Is the symbol in a section with code? */
static bool in_code(const struct elf_view *e, const Elf64_Sym *symbol)
{
	return symbol->st_shndx < e->sections && e->section[symbol->st_shndx].sh_flags & SHF_EXECINSTR;
}

static int add_table(struct symbols *s, const struct elf_view *e, const Elf64_Shdr *table, const Elf64_Shdr *code,
		     u64 moved)
{
	const Elf64_Sym *symbol = elf_view_at(e, table->sh_offset, table->sh_size);
	const Elf64_Shdr *strings = table->sh_link < e->sections ? &e->section[table->sh_link] : NULL;
	const char *names;

	if (!symbol || !strings || strings->sh_offset > e->size || strings->sh_size > e->size - strings->sh_offset ||
	    !strings->sh_size)
		return 0;
	names = (const char *)e->data + strings->sh_offset;
	if (names[strings->sh_size - 1])
		return 0;
	for (u64 i = 0; i < table->sh_size / sizeof(*symbol); i++) {
		unsigned int type = ELF64_ST_TYPE(symbol[i].st_info);
		u64 address = symbol[i].st_value + moved;

		if ((type != STT_FUNC && type != STT_NOTYPE) || !in_code(e, &symbol[i]) ||
		    symbol[i].st_name >= strings->sh_size || !names[symbol[i].st_name])
			continue;
		/* an object file's addresses are relative to its sections, of which only the first one's is known */
		if (e->header->e_type == ET_REL && &e->section[symbol[i].st_shndx] != code)
			continue;
		if (!symbols_add_one(s, address, ELF64_ST_BIND(symbol[i].st_info) == STB_LOCAL ? 't' : 'T',
				     names + symbol[i].st_name, NULL))
			return -ENOMEM;
	}
	return 0;
}

static int add_elf(struct symbols *s, const char *path, const struct elf_view *e, u64 at, char *error, size_t n)
{
	const Elf64_Shdr *code = NULL;
	size_t before = s->count;
	int err = 0;

	for (unsigned int i = 0; i < e->sections; i++) {
		const Elf64_Shdr *section = &e->section[i];

		if (section->sh_flags & SHF_EXECINSTR && section->sh_size && (!code || section->sh_addr < code->sh_addr))
			code = section;
	}
	for (unsigned int i = 0; code && !err && i < e->sections; i++)
		if (e->section[i].sh_type == SHT_SYMTAB)
			err = add_table(s, e, &e->section[i], code, at ? at - code->sh_addr : 0);
	if (err)
		snprintf(error, n, "%s: %s", path, strerror(-err));
	if (!err && s->count == before) {
		err = -EINVAL;
		snprintf(error, n, "%s: it has no functions; is it stripped?", path);
	}
	return err;
}

int symbols_add(struct symbols *s, const char *file, char *error, size_t n)
{
	const char *where = strrchr(file, '@');
	char *path = strdup(file), *end = NULL;
	struct elf_view e;
	u64 at = 0;
	int err;

	if (!path) {
		snprintf(error, n, "%s: %s", file, strerror(ENOMEM));
		return -ENOMEM;
	}
	if (where && where[1]) {
		at = strtoull(where + 1, &end, 16);
		if (!*end && at)
			path[where - file] = '\0';
		else
			at = 0; /* a name with an @ */
	}
	err = elf_view_open(&e, path, error, n);
	if (!err) {
		err = add_elf(s, path, &e, at, error, n);
		elf_view_close(&e);
	} else if (err == -EINVAL) {
		err = add_text(s, path, error, n);
	}
	free(path);
	return err;
}
