/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stack_dwarf.h"

#include <libunwind-x86_64.h>
#include <stdlib.h>

#include "../cpu/vcpu.h"

/* libunwind's own search of .eh_frame_hdr, exported for debuggers that have a find_proc_info() as below, but in no header */
#define search_unwind_table UNW_OBJ(dwarf_search_unwind_table)
extern int search_unwind_table(unw_addr_space_t as, unw_word_t ip, unw_dyn_info_t *di, unw_proc_info_t *pi,
			       int need_unwind_info, void *arg);

#define READS 20000 /* words for one stack at most: a guest's tables may be made to keep us busy for ever */

/* .eh_frame_hdr as ld writes it, and as it has to be: a table of sorted pairs of s32, relative to the header */
enum { PCREL_SDATA4 = 0x1b, UDATA4 = 3, DATAREL_SDATA4 = 0x3b };

struct eh_frame_hdr {
	u8 version, frame_encoding, count_encoding, table_encoding;
	s32 frame;
	u32 count;
};

struct stack_dwarf {
	struct stack_reader *reader;
	unw_addr_space_t space;
	u64 text, text_end, header;
	const struct stack_regs *regs; /* while one is unwound */
	unsigned int reads;
	bool informed; /* .eh_frame has something to say of the frame */
};

static int find_proc_info(unw_addr_space_t as, unw_word_t ip, unw_proc_info_t *pi, int need_unwind_info, void *arg)
{
	struct stack_dwarf *d = arg;
	unw_dyn_info_t di = { .start_ip = d->text, .end_ip = d->text_end, .format = UNW_INFO_FORMAT_REMOTE_TABLE };
	struct eh_frame_hdr h;
	int err;

	if (ip < d->text || ip >= d->text_end || !stack_read(d->reader, d->header, &h, sizeof(h)) || h.version != 1 ||
	    h.frame_encoding != PCREL_SDATA4 || h.count_encoding != UDATA4 || h.table_encoding != DATAREL_SDATA4)
		return -UNW_ENOINFO;
	di.u.rti.segbase = d->header;
	di.u.rti.table_data = d->header + sizeof(h);
	di.u.rti.table_len = (unw_word_t)h.count * 8 / sizeof(unw_word_t);
	err = search_unwind_table(as, ip, &di, pi, need_unwind_info, arg);
	d->informed |= !err;
	return err;
}

/* libunwind gives back itself what search_unwind_table() has made */
static void put_unwind_info(unw_addr_space_t as, unw_proc_info_t *pi, void *arg)
{
	(void)as, (void)pi, (void)arg;
}

static int get_dyn_info_list_addr(unw_addr_space_t as, unw_word_t *address, void *arg)
{
	(void)as, (void)address, (void)arg;
	return -UNW_ENOINFO;
}

static int access_mem(unw_addr_space_t as, unw_word_t address, unw_word_t *value, int write, void *arg)
{
	struct stack_dwarf *d = arg;
	u64 word;

	(void)as;
	if (write || !d->reads || !stack_read64(d->reader, address, &word))
		return -UNW_EINVAL;
	d->reads--;
	*value = word;
	return 0;
}

static int access_reg(unw_addr_space_t as, unw_regnum_t reg, unw_word_t *value, int write, void *arg)
{
	/* DWARF's numbers to those of instruction encodings: System V ABI, "DWARF Register Number Mapping" */
	static const u8 GPR[16] = { RAX, RDX, RCX, RBX, RSI, RDI, RBP, RSP, R8, R9, R10, R11, R12, R13, R14, R15 };
	const struct stack_dwarf *d = arg;

	(void)as;
	if (write || reg < 0 || reg > UNW_X86_64_RIP)
		return -UNW_EBADREG;
	*value = reg == UNW_X86_64_RIP ? d->regs->rip : d->regs->gpr[GPR[reg]];
	return 0;
}

static int access_fpreg(unw_addr_space_t as, unw_regnum_t reg, unw_fpreg_t *value, int write, void *arg)
{
	(void)as, (void)reg, (void)value, (void)write, (void)arg;
	return -UNW_EBADREG;
}

static int resume(unw_addr_space_t as, unw_cursor_t *cursor, void *arg)
{
	(void)as, (void)cursor, (void)arg;
	return -UNW_EINVAL;
}

static int get_proc_name(unw_addr_space_t as, unw_word_t ip, char *name, size_t n, unw_word_t *offset, void *arg)
{
	(void)as, (void)ip, (void)name, (void)n, (void)offset, (void)arg;
	return -UNW_ENOINFO;
}

struct stack_dwarf *stack_dwarf_create(struct stack_reader *r)
{
	static unw_accessors_t accessors = {
		.find_proc_info = find_proc_info,
		.put_unwind_info = put_unwind_info,
		.get_dyn_info_list_addr = get_dyn_info_list_addr,
		.access_mem = access_mem,
		.access_reg = access_reg,
		.access_fpreg = access_fpreg,
		.resume = resume,
		.get_proc_name = get_proc_name,
	};
	struct stack_dwarf *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->reader = r;
	d->space = unw_create_addr_space(&accessors, 0);
	if (!d->space) {
		free(d);
		return NULL;
	}
	/* what the guest has at an address may be something else next time */
	unw_set_caching_policy(d->space, UNW_CACHE_NONE);
	return d;
}

void stack_dwarf_destroy(struct stack_dwarf *d)
{
	if (!d)
		return;
	unw_destroy_addr_space(d->space);
	free(d);
}

void stack_dwarf_code(struct stack_dwarf *d, u64 text, u64 text_end, u64 header)
{
	d->text = text;
	d->text_end = text_end;
	d->header = header;
}

unsigned int stack_dwarf_unwind(struct stack_dwarf *d, const struct stack_regs *regs, u64 *pc, unsigned int n)
{
	unw_word_t ip, sp, bp, last = regs->gpr[RSP], last_bp = 0;
	unsigned int found = 0;
	unw_cursor_t cursor;

	d->regs = regs;
	d->reads = READS;
	if (unw_init_remote(&cursor, d->space, d))
		return 0;
	while (found < n) {
		d->informed = false;
		if (unw_get_reg(&cursor, UNW_X86_64_RBP, &bp) || unw_step(&cursor) <= 0)
			break;
		/* Frame pointers: libunwind looks for sense in one, but not in what they are together, and has no stack pointer. */
		if (!d->informed && bp <= last_bp)
			break;
		if (!d->informed)
			last_bp = bp;
		/* a caller's frame is above; its code is somewhere */
		if (unw_get_reg(&cursor, UNW_REG_IP, &ip) || unw_get_reg(&cursor, UNW_REG_SP, &sp) || sp <= last ||
		    !ip || !stack_page(d->reader, ip))
			break;
		last = sp;
		pc[found++] = ip;
	}
	return found;
}
