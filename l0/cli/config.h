/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What one `turtles run` is asked to do: the result of options_parse(), the input of lab_run(). Plain data; strings
 * point into argv and into what lab_config_free() frees.
 */
#ifndef L0_CLI_CONFIG_H
#define L0_CLI_CONFIG_H

#include "../account/trace.h"
#include "../cpu/types.h"
#include "../run/clock.h"
#include "../vmx/modes.h"

#define SERIAL_PORTS 4

enum serial_kind {
	SERIAL_NONE, /* no such port in the machine */
	SERIAL_NULL, /* a port whose output vanishes and whose input stays silent */
	SERIAL_STDIO, /* standard input and output; at most one port */
	SERIAL_FILE, /* output to `path`, truncated first; no input */
	SERIAL_PTY, /* a new pseudo-terminal, its name printed on stderr */
	SERIAL_UNIX, /* a UNIX socket at `path`, for one client at a time */
};

struct serial_spec {
	enum serial_kind kind;
	const char *path; /* SERIAL_FILE, SERIAL_UNIX */
};

/* What --trace-log can show, one line an event on stderr: name, what it shows */
/* clang-format off */
#define TRACE_AREAS(T) \
	T(translate, "every block as it is translated: address, mode, instructions, host bytes") \
	T(exception, "every exception that is delivered to the guest: vector, error code, address") \
	T(interrupt, "every interrupt that is delivered to the guest: vector, address") \
	T(io,        "every port and memory access that reaches a device or none: address, size, value") \
	T(vmx,       "every VM entry and exit of the guest's guests, and why an entry or a VMX instruction failed") \
	T(vmcs,      "all fields of the VMCS whenever a check of VM entry fails, or a VM exit ends in a VMX abort")
/* clang-format on */

#define TRACE_ENUM(name, text) TRACE_BIT_##name,
enum trace_bit { TRACE_AREAS(TRACE_ENUM) TRACE_AREA_COUNT };
#undef TRACE_ENUM

enum engine_kind {
	ENGINE_BT, /* the translator */
	ENGINE_DIRECT, /* the translator, and user code directly by the host's /dev/kvm */
	ENGINE_KVM, /* the host's /dev/kvm */
	ENGINE_AUTO, /* one of them: direct/choose.h */
};

/* One L1 */
struct run_config {
	char name[32]; /* of the machine, in messages and in the stats; no other L1 of the lab has it */
	const char *kernel; /* never NULL when the run begins */
	const char *initrd; /* NULL: none; for a multiboot kernel a list as in QEMU: "FILE ARGS,FILE ARGS" */
	const char *append; /* command line; "" if none was given */
	u64 memory; /* bytes, a multiple of 4 KiB, at least MEMORY_MIN */
	enum huge_pages { HUGE_PAGES_ON, HUGE_PAGES_OFF } huge_pages; /* of the host, for guest memory */
	bool preallocate; /* guest memory is touched before the guest starts */
	u64 code_cache; /* bytes of translated code, CODE_CACHE_MIN to CODE_CACHE_MAX */
	enum walk_cache { WALK_CACHE_ON, WALK_CACHE_OFF } walk_cache; /* cpu/psc.h */
	unsigned int vcpus; /* 1 .. VCPUS_MAX */
	const char *cpu; /* for model_parse() */
	struct serial_spec serial[SERIAL_PORTS]; /* COM1 .. COM4 */
	enum engine_kind engine;
	enum direct_when {
		DIRECT_ADAPTIVE,
		DIRECT_EAGER
	} direct; /* with ENGINE_DIRECT: user code runs directly when it pays, or always */
	enum l2_vt { L2_VT_AUTO, L2_VT_ON, L2_VT_OFF } l2_vt; /* with ENGINE_DIRECT: L2s run on the host's VT */
	struct vmx_modes vmx; /* with a CPU model that has VMX */
	enum clock_kind clock; /* CLOCK_INSNS: only with ENGINE_BT, which ENGINE_AUTO is then */
	u64 timeout_ns; /* host time until EXIT_TIMEOUT; 0: none */
	struct trace_options exits; /* --trace */
	bool profile; /* whose time it is, in the stats: only with ENGINE_BT and CLOCK_HOST */
	bool no_reboot; /* a guest's reset ends its run */
	unsigned int shares; /* its weight where L1s compete for the host's CPUs */
	unsigned int cap; /* percent of a host CPU that it gets at most; 0: no limit */
	bool held; /* it executes nothing before it is told to */
	bool dump_on_exit; /* the vCPUs' registers on stderr at the end, whatever ended it */
	bool no_pit; /* -machine pit=off: no 8254 */
	const char *kernel_irqchip; /* -machine kernel-irqchip: on, KVM's interrupt controllers; off, L0's; NULL: the engine's */
	bool testdev; /* -device pc-testdev */
	bool debug_exit; /* -device isa-debug-exit */
	u16 debug_exit_iobase, debug_exit_iosize; /* first port; ports: 1, 2 or 4 */
	u32 trace; /* BIT(TRACE_BIT_*) */
	int argc; /* the whole command line, for the trace */
	char **argv;
};

/* The L1s that run side by side, and what is the whole run's */
struct lab_config {
	struct run_config *l1; /* l1_count of them */
	unsigned int l1_count; /* 1 .. L1_MAX */
	const char *directory; /* where files with relative names are written, and config.json; NULL: the current one */
	const char *stats; /* file for --stats; NULL: none */
	bool summary; /* print stats_summary() on stderr at the end */
	const char *control; /* the control socket; NULL: none */
	const char *place; /* policy of place.h; NULL: none */
	enum sandbox_mode { SANDBOX_ON, SANDBOX_OFF } sandbox; /* sandbox.h */
	bool no_shutdown; /* the run goes on when no L1 does */
	int argc; /* the whole command line, for the stats */
	char **argv;

	/* options.c's */
	const char *config_file; /* NULL: none */
	const char **l1_texts; /* the arguments of --l1 */
	unsigned int l1_text_count;
	struct lab_text *texts; /* strings that are nowhere else */
};

#define MEMORY_MIN (1ull << 20)
#define MEMORY_MAX (1ull << 38)
#define MEMORY_DEFAULT (512ull << 20)
#define VCPUS_MAX 16
#define L1_MAX 64
#define SHARES_DEFAULT 100
#define SHARES_MAX 10000

void lab_config_free(struct lab_config *lab);

#endif
