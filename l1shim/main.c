/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line, and one experiment after the other. */
#include "shim.h"

#define LOADER_MAGIC 0x2badb002u
#define INFO_MEMORY BIT(0)
#define INFO_CMDLINE BIT(2)
#define INFO_MODULES BIT(3)

/* Multiboot Specification, "Boot information format" */
struct multiboot {
	u32 flags, mem_lower, mem_upper /* KiB above 1 MiB */, boot_device, cmdline, mods_count, mods_addr;
};
struct multiboot_module {
	u32 start, end;
};

struct shim shim = {
	.options = {
#define O(name, value, text) .name = (value),
		OPTIONS(O)
#undef O
	},
};

static const struct payload payloads[] = {
#define P(name, exit, handler, bytes, rounds, a, b, work) \
	{ #name, l2_##name, EXIT_REASON_##exit, handler, bytes, rounds, { VMX_##a, VMX_##b }, work },
	PAYLOADS(P)
#undef P
};
#define PAYLOAD_COUNT (sizeof(payloads) / sizeof(payloads[0]))

static const struct {
	const char *name, *text;
	u64 *value;
} options[] = {
#define O(name, value, text) { #name, text, &shim.options.name },
	OPTIONS(O)
#undef O
};
#define OPTION_COUNT (sizeof(options) / sizeof(options[0]))

uint64_t payload_steps(void)
{
	return shim.options.steps;
}

static _Noreturn void usage(const char *what)
{
	say("l1shim: command line: %s\nusage: payload=NAME[,NAME]... (all) and\n", what);
	for (unsigned int i = 0; i < OPTION_COUNT; i++)
		say("  %s=N (%lu): %s\n", options[i].name, *options[i].value, options[i].text);
	say("payloads:");
	for (unsigned int i = 0; i < PAYLOAD_COUNT; i++)
		say(" %s", payloads[i].name);
	say("\n");
	end(USAGE);
}

/* Is `word` what `text` begins with, up to one of the characters that end a word? Then what follows it, else NULL */
static const char *after(const char *text, const char *word)
{
	while (*word && *text == *word)
		text++, word++;
	return !*word && (!*text || *text == ' ' || *text == ',' || *text == '=') ? text : NULL;
}

static const char *number(const char *text, u64 *value)
{
	if (*text < '0' || *text > '9')
		usage("a number is missing behind =");
	for (*value = 0; *text >= '0' && *text <= '9'; text++)
		*value = *value * 10 + (u64)(*text - '0');
	if (*text && *text != ' ')
		usage("a number has digits alone");
	return text;
}

/* A bit of @chosen for each payload of a list */
static const char *names(const char *text, u64 *chosen)
{
	*chosen = 0;
	do {
		const char *rest = NULL;

		for (unsigned int i = 0; !rest && i < PAYLOAD_COUNT; i++) {
			rest = after(text, payloads[i].name);
			if (rest)
				*chosen |= BIT(i);
		}
		if (!rest || *rest == '=')
			usage("no such payload");
		text = rest;
	} while (*text++ == ',');
	return text - 1;
}

/* Returns the payloads that are chosen, 0: all. */
static u64 parse(const char *line)
{
	const char *rest;
	u64 chosen = 0;

	/* the image's path comes first where the loader says it */
	if (*line && !after(line, "payload"))
		for (rest = line; *rest != '='; rest++)
			if (!*rest || *rest == ' ') {
				line = rest;
				break;
			}
	for (;;) {
		while (*line == ' ')
			line++;
		if (!*line)
			break;
		rest = after(line, "payload");
		if (rest && *rest == '=') {
			line = names(rest + 1, &chosen);
			continue;
		}
		for (unsigned int i = 0; i < OPTION_COUNT; i++) {
			rest = after(line, options[i].name);
			if (rest && *rest == '=') {
				line = number(rest + 1, options[i].value);
				break;
			}
			rest = NULL;
		}
		if (!rest)
			usage("no such option");
	}
	if (!shim.options.batches || shim.options.batches > BATCHES_MAX)
		usage("batches: 1 to 100");
	return chosen;
}

/* The first control that an experiment needs and can't have; VMX_ALWAYS: none */
static enum vmx_feature lacks(const struct payload *p)
{
	for (unsigned int i = 0; i < 2; i++)
		if (p->controls[i] != VMX_ALWAYS && (p->controls[i] == VMX_ept ? !shim.ept : !caps_has(p->controls[i])))
			return p->controls[i];
	return VMX_ALWAYS;
}

static void run(u64 chosen)
{
	bool all = !chosen;

	for (unsigned int i = 0; i < PAYLOAD_COUNT; i++) {
		const struct payload *p = &payloads[i];
		enum vmx_feature f = lacks(p);

		if (!all && !(chosen & BIT(i)))
			continue;
		if (p->l2 == l2_module && !shim.module) {
			if (!all)
				usage("payload=module runs a boot module, and there is none");
		} else if (f == VMX_ALWAYS) {
			experiment(p);
		} else {
			say("skip %s: this processor doesn't offer %s\n", p->name, caps_name(f));
			if (!all)
				end(MISSING);
		}
	}
}

void shim_main(u32 magic, const struct multiboot *info);

void shim_main(u32 magic, const struct multiboot *info)
{
	u64 chosen;

	console_init();
	cpu_init();
	if (magic != LOADER_MAGIC)
		usage("there is none: start this by multiboot 1");
	chosen = parse(info->flags & INFO_CMDLINE ? (const char *)(u64)info->cmdline : "");
	if (!(info->flags & INFO_MEMORY) || ((u64)info->mem_upper << 10) + BIT(20) < L1_MEMORY) {
		say("l1shim: needs %lu MiB of memory\n", (u64)L1_MEMORY >> 20);
		end(MISSING);
	}
	if (info->flags & INFO_MODULES && info->mods_count) {
		const struct multiboot_module *m = (const struct multiboot_module *)(u64)info->mods_addr;

		shim.module = m->start;
		shim.module_size = m->end - m->start;
		if (shim.module_size > PAYLOAD_ARENA - PAYLOAD_MODULE || (m->end > L2_MEMORY && m->start < L1_MEMORY))
			usage("the module is too large, or loaded where L2's memory is to be");
	}
	caps_read();
	vmx_on();
	say("l1shim: VMX revision %lx, VPID %s, %s, %s pages%s\n", shim.ability[VMX_WORD_BASIC] & 0x7fffffff,
	    shim.vpid ? "on" : "off", shim.ept ? "EPT" : "shadow page tables", shim.large ? "2 MiB" : "4 KiB",
	    shim.ad ? ", accessed and dirty bits" : "");
	run(chosen);
	counts_report();
	end(DONE);
}
