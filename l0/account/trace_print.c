/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Decoding: SDM vol. 3, "Exit Qualification", "Information for VM Exits Due to Vectored Events". */
#include "trace_print.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "trace_stack.h"

/* A text that grows in place and is cut where its room ends. */
struct text {
	char *at;
	size_t room;
};

static __attribute__((format(printf, 2, 3))) void add(struct text *t, const char *format, ...)
{
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(t->at, t->room, format, ap);
	va_end(ap);
	if (n < 0)
		return;
	if ((size_t)n >= t->room)
		n = (int)t->room - 1;
	t->at += n;
	t->room -= (size_t)n;
}

static const char *gpr(u64 qualification)
{
	static const char *const NAMES[16] = { "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
					       "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15" };

	return NAMES[qualification >> 8 & 15];
}

/* interruption information in bits 31:0, the error code above */
static void event(struct text *t, u64 data)
{
	static const char *const TYPES[8] = {
		"interrupt",	      "reserved type 1",    "NMI",
		"exception",	      "software interrupt", "privileged software exception",
		"software exception", "other event"
	};

	add(t, "%s %u", TYPES[data >> 8 & 7], (unsigned int)(data & 0xff));
	if (data >> 11 & 1)
		add(t, " error %#x", (unsigned int)(data >> 32));
}

static bool is_event(u64 data)
{
	return data >> 31 & 1;
}

static void cr_access(struct text *t, u64 q)
{
	unsigned int cr = q & 15;

	switch (q >> 4 & 3) {
	case 0:
		add(t, "mov to cr%u from %s", cr, gpr(q));
		break;
	case 1:
		add(t, "mov from cr%u to %s", cr, gpr(q));
		break;
	case 2:
		add(t, "clts");
		break;
	default:
		add(t, "lmsw %#x%s", (unsigned int)(q >> 16 & 0xffff), q >> 6 & 1 ? " from memory" : "");
	}
}

static void io(struct text *t, const struct trace_record *r)
{
	u64 q = r->qualification;
	unsigned int size = (q & 7) + 1;
	bool in = q >> 3 & 1, string = q >> 4 & 1;

	add(t, "%s%s%s %u byte%s %s port %#x", q >> 5 & 1 ? "rep " : "", in ? "in" : "out", string ? "s" : "", size,
	    size > 1 ? "s" : "", in ? "from" : "to", (unsigned int)(q >> 16 & 0xffff));
	if (!in && !string)
		add(t, ": %#" PRIx64, r->data);
	else if (string && r->info)
		add(t, ", memory at %#" PRIx64, r->info);
}

static void ept_violation(struct text *t, const struct trace_record *r)
{
	u64 q = r->qualification;

	add(t, "%s%s%s%sgpa %#" PRIx64, q & 1 ? "read " : "", q >> 1 & 1 ? "write " : "", q >> 2 & 1 ? "fetch " : "",
	    q & 7 ? "at " : "", r->info);
	if (r->level < 2) {
		add(t, ": a device");
		return;
	}
	if (q >> 3 & 7)
		add(t, ", mapped %c%c%c", q >> 3 & 1 ? 'r' : '-', q >> 4 & 1 ? 'w' : '-', q >> 5 & 1 ? 'x' : '-');
	else
		add(t, ", not present");
	if (q >> 7 & 1)
		add(t, q >> 8 & 1 ? ", of a linear address" : ", of a paging-structure entry");
	if (q >> 12 & 1)
		add(t, ", nmi unblocked by iret");
}

static void field(struct text *t, const struct trace_record *r, const char *direction)
{
	const char *name = vmcs_name(r->info);

	if (name)
		add(t, "%s%s", name, vmcs_find(r->info)->bytes == 8 && (r->info & 1) ? " high" : "");
	else
		add(t, "field %#" PRIx64, r->info);
	if (r->flags & TRACE_DONE)
		add(t, " %s %#" PRIx64, direction, r->data);
	else
		add(t, ", failed");
}

static void task_switch(struct text *t, u64 q)
{
	static const char *const SOURCES[4] = { "call", "iret", "jmp", "task gate" };

	add(t, "%s to selector %#x", SOURCES[q >> 30 & 3], (unsigned int)(q & 0xffff));
}

static void apic_access(struct text *t, u64 q)
{
	static const char *const TYPES[16] = {
		[0] = "read",
		[1] = "write",
		[2] = "fetch",
		[3] = "event delivery",
		[10] = "guest-physical, event delivery",
		[15] = "guest-physical",
	};
	const char *type = TYPES[q >> 12 & 15];

	add(t, "%s at offset %#x", type ? type : "reserved", (unsigned int)(q & 0xfff));
}

static void exit_text(struct text *t, const struct trace_record *r)
{
	u64 q = r->qualification;

	switch (r->reason & 0xffff) {
	case EXIT_REASON_EXCEPTION_NMI:
		if (is_event(r->data))
			event(t, r->data);
		if ((r->data & 0x7ff) == (3u << 8 | 14))
			add(t, " at %#" PRIx64, q);
		else if (q)
			add(t, " qualification %#" PRIx64, q);
		return;
	case EXIT_REASON_EXTERNAL_INTERRUPT:
		if (is_event(r->data))
			event(t, r->data);
		return;
	case EXIT_REASON_CPUID:
		add(t, "leaf %#x subleaf %#x", (unsigned int)r->info, (unsigned int)(r->info >> 32));
		return;
	case EXIT_REASON_MSR_READ:
		add(t, "msr %#" PRIx64, r->info);
		return;
	case EXIT_REASON_MSR_WRITE:
		add(t, "msr %#" PRIx64 " = %#" PRIx64, r->info, r->data);
		return;
	case EXIT_REASON_XSETBV:
		add(t, "xcr%" PRIu64 " = %#" PRIx64, r->info, r->data);
		return;
	case EXIT_REASON_VMCALL:
		add(t, "rax %#" PRIx64, r->info);
		return;
	case EXIT_REASON_VMREAD:
	case EXIT_REASON_VMWRITE:
		if (r->level == 1) {
			field(t, r, (r->reason & 0xffff) == EXIT_REASON_VMREAD ? "is" : "=");
			return;
		}
		break;
	case EXIT_REASON_CR_ACCESS:
		cr_access(t, q);
		return;
	case EXIT_REASON_DR_ACCESS:
		add(t, q >> 4 & 1 ? "mov from dr%u to %s" : "mov to dr%u from %s", (unsigned int)(q & 7), gpr(q));
		return;
	case EXIT_REASON_IO_INSTRUCTION:
		io(t, r);
		return;
	case EXIT_REASON_EPT_VIOLATION:
		ept_violation(t, r);
		return;
	case EXIT_REASON_EPT_MISCONFIG:
		add(t, "gpa %#" PRIx64, r->info);
		return;
	case EXIT_REASON_TASK_SWITCH:
		task_switch(t, q);
		return;
	case EXIT_REASON_INVLPG:
		add(t, "linear %#" PRIx64, q);
		return;
	case EXIT_REASON_APIC_ACCESS:
		apic_access(t, q);
		return;
	case EXIT_REASON_APIC_WRITE:
		add(t, "offset %#" PRIx64, q);
		return;
	case EXIT_REASON_EOI_INDUCED:
		add(t, "vector %" PRIu64, q);
		return;
	}
	if (q)
		add(t, "qualification %#" PRIx64, q);
	if (r->info)
		add(t, "%slinear %#" PRIx64, q ? ", " : "", r->info);
}

void trace_describe(const struct trace_reader *r, const struct trace_record *record, char text[TRACE_TEXT])
{
	struct text t = { text, TRACE_TEXT };
	u32 basic = record->reason & 0xffff;
	const char *check;

	*text = '\0';
	switch ((enum trace_kind)record->kind) {
	case TRACE_ENTERED:
		if (is_event(record->data)) {
			add(&t, "injects ");
			event(&t, record->data);
		}
		return;
	case TRACE_REFUSED:
		check = trace_check_name(r, record->info);
		if (check)
			add(&t, "check %s", check);
		else
			add(&t, "check %" PRIu64, record->info);
		if (record->qualification)
			add(&t, ", qualification %" PRIu64, record->qualification);
		return;
	default:
		exit_text(&t, record);
	}
	/* the reasons whose data is an event by itself, or a value, have been told */
	if (record->kind == TRACE_REFLECTED && is_event(record->data) && basic != EXIT_REASON_EXCEPTION_NMI &&
	    basic != EXIT_REASON_EXTERNAL_INTERRUPT && basic != EXIT_REASON_MSR_WRITE && basic != EXIT_REASON_XSETBV &&
	    basic != EXIT_REASON_IO_INSTRUCTION) {
		add(&t, "%sduring delivery of ", *text ? ", " : "");
		event(&t, record->data);
	}
}

const char *trace_event(const struct trace_record *record)
{
	static const char *const EVENTS[TRACE_KIND_COUNT] = { [TRACE_END] = "?",
#define K(name, tracepoint) [TRACE_##name] = (tracepoint),
							      TRACE_KINDS(K)
#undef K
	};

	return EVENTS[record->kind < TRACE_KIND_COUNT ? record->kind : TRACE_END];
}

void trace_print(FILE *to, const struct trace_reader *r, const struct trace_record *record)
{
	u64 ns = trace_ns(r, record->time);
	char text[TRACE_TEXT];

	fprintf(to, "%s L%u", r->machine, record->level);
	if (r->vcpus > 1)
		fprintf(to, " [%03u]", record->vcpu);
	fprintf(to, " %5" PRIu64 ".%09" PRIu64 ": %s:", ns / 1000000000, ns % 1000000000, trace_event(record));
	if (record->kind != TRACE_ENTERED && record->kind != TRACE_REFUSED)
		fprintf(to, " reason %s", trace_reason(r, record->reason));
	fprintf(to, " rip %#" PRIx64 " insns %" PRIu64 " round %" PRIu64, record->rip, record->insns, record->round);
	trace_describe(r, record, text);
	if (*text)
		fprintf(to, " | %s", text);
	fputc('\n', to);
	trace_print_stack(to, r, record);
}
