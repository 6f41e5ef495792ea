/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One L1's virtual PC. Nothing here is global: several machines live in one process. */
#ifndef L0_MACHINE_MACHINE_H
#define L0_MACHINE_MACHINE_H

#include <stdatomic.h>
#include <stdio.h>
#include "../devices/bus.h"
#include "../run/clock.h"
#include "../run/lock.h"
#include "boot.h"
#include "load.h"
#include "memory.h"

struct vcpu;
struct irqchip;
struct serial;
struct cpu_model;
struct bt;
struct devices_config;

/* README's exit codes; debug-exit's own is (v << 1) | 1 */
enum exit_code {
	EXIT_POWER_OFF = 0,
	EXIT_USAGE = 2,
	EXIT_HOST = 3,
	EXIT_GUEST_FATAL = 4,
	EXIT_INTERNAL = 5,
	EXIT_TIMEOUT = 124,
};

enum stop_reason {
	STOP_NONE,
	/* pauses: the machine goes on from somewhere else */
	STOP_RESET, /* of everything: 0xcf9 */
	STOP_CPU_RESET, /* 8042, port 0x92, INIT, triple fault without -no-reboot */
	STOP_SLEEP, /* ACPI S3 */
	STOP_HOLD, /* whoever runs the machine wants it to stand still: it goes on where it is */
	/* ends */
	STOP_POWER_OFF, /* ACPI S5 or the like */
	STOP_DEBUG_EXIT, /* stop_code is the process's exit code already */
	STOP_TRIPLE_FAULT,
	STOP_HALTED_FOREVER, /* HLT with interrupts off and nothing that could wake it */
	STOP_GUEST_FATAL, /* stop_text says what */
	STOP_TIMEOUT,
	STOP_QUIT, /* the user: Ctrl-A x, SIGTERM */
	STOP_HOST, /* the host hasn't got what the machine needs to go on; stop_text says what */
	STOP_INTERNAL,
};

/* Of the vCPUs' threads: run/gate.h */
struct vcpu_gate {
	struct lock turn; /* of who is alone, or waits for the others to leave */
	_Atomic u32 closed; /* somebody has it */
};

struct machine {
	const char *name;
	FILE *log; /* what is logged of it; NULL: stderr */
	struct memory memory;
	struct bus bus;
	struct clock clock;
	const struct cpu_model *model;

	unsigned int vcpu_count;
	struct vcpu **vcpu;
	bool parallel; /* each of several vCPUs has a host thread of its own; false: one thread runs all there are */
	struct vcpu_gate gate;

	/* devices: created by machine_create(), owned by the machine */
	struct irqchip *irqchip; /* two 8259s and the I/O APIC */
	struct pit *pit; /* NULL: none */
	struct rtc *rtc;
	struct acpi_pm *acpi_pm;
	struct serial *serial[4]; /* COM1..COM4, NULL where absent */
	struct fw_cfg *fw_cfg;
	struct testdev *testdev;
	struct debug_exit *debug_exit;
	struct reset_port *reset_port;
	struct pci_host *pci_host;

	struct bt *bt; /* the translator's code cache */
	struct direct_machine *direct; /* direct/direct.h; NULL: no user code runs directly */

	struct load_config load; /* what machine_reset() loads again */
	struct boot_state boot; /* how vCPU 0 starts after the last machine_create() or machine_reset() */

	_Atomic int stop; /* enum stop_reason: machine_stop() says which one wins */
	_Atomic int stop_claim; /* the reason whose stop_code and stop_text are being written */
	int stop_code;
	char stop_text[256];
	bool no_reboot;
	bool crowded; /* there are more vCPUs' threads than host CPUs for them: who waits for another vCPU lets it run */
};

/* RAM that a PC of ours needs at least: kernels, firmware tables and their scratch memory */
#define MACHINE_MEMORY_MIN (16ull << 20)
#define MACHINE_VCPUS_MAX 255 /* xAPIC IDs; 0xff is everybody */

/* Lines about what its guest does: --trace-log, dumps */
static inline FILE *machine_log(const struct machine *m)
{
	return m->log ? m->log : stderr;
}

/* Strings and arrays are kept by address: they outlive the machine. */
struct machine_config {
	const char *name; /* for messages; not NULL */
	FILE *log; /* as in struct machine */
	u64 memory; /* bytes of RAM, a multiple of 4 KiB, at least MACHINE_MEMORY_MIN */
	bool small_pages; /* on the host: see memory_small_pages() */
	bool preallocate; /* memory_touch() */
	const struct cpu_model *model;
	struct vcpu **vcpu; /* vcpu_count pointers, NULL until the run loop creates the vCPUs */
	unsigned int vcpu_count;
	bool parallel;
	enum clock_kind clock;
	const struct devices_config *devices; /* devices/devices.h; needed during machine_create() only */
	struct load_config load;
	bool no_reboot;
};

/*
 * Power on: RAM, devices, firmware tables and the kernel in memory. vCPUs aren't touched: apply m->boot to
 * vCPU 0 after its vcpu_reset(). Returns 0, or -errno with one line in `error` and nothing to destroy.
 */
int machine_create(struct machine *m, const struct machine_config *c, char *error, size_t n);
void machine_destroy(struct machine *m); /* the vCPUs' threads are gone */

/* What the vCPU finds when it goes on. */
enum machine_start {
	START_FAILED,
	START_KERNEL, /* firmware has started the kernel anew */
	START_RESUMED, /* the program that the guest had prepared for a reset of its CPU, or for waking up */
};

/*
 * The PC's reset lines, after a stop with STOP_RESET or STOP_CPU_RESET and with no vCPU running. If only the CPU was reset
 * and the guest has said where to go on (firmware_resume()), that is all. Otherwise: devices as at power-on, RAM keeps
 * what it held, firmware tables and kernel are loaded again. `stop` is STOP_NONE; an end that came in meanwhile stays. vCPUs as
 * with machine_create(). START_FAILED: one line in `error`, only machine_destroy() is left.
 */
enum machine_start machine_reset(struct machine *m, char *error, size_t n);

/*
 * ACPI S3, after a stop with STOP_SLEEP and with no vCPU running. machine_sleep() takes the power off all devices but the
 * clock and sets `stop` to STOP_NONE. When acpi_pm_wakes() says so, machine_wake() starts what the FACS names; results as
 * with machine_reset().
 */
void machine_sleep(struct machine *m);
enum machine_start machine_wake(struct machine *m, char *error, size_t n);

/* After a stop with STOP_HOLD and with no vCPU running: `stop` is STOP_NONE, unless something else has come in meanwhile. */
void machine_continue(struct machine *m);

static inline bool stop_is_pause(int reason)
{
	return reason == STOP_RESET || reason == STOP_CPU_RESET || reason == STOP_SLEEP || reason == STOP_HOLD;
}

/*
 * Ask the machine to stop; any thread, any device, no signal handler. The first reason wins, but a pause gives
 * way to all ends, and STOP_HOLD to the other pauses. `format` describes what happened in one line, for STOP_GUEST_FATAL
 * and STOP_INTERNAL; may be NULL for the others. stop_code and stop_text are valid once `stop` isn't STOP_NONE.
 */
void machine_stop(struct machine *m, enum stop_reason reason, int code, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/*
 * Guest-physical accesses by devices and loaders (DMA): code that was translated from there is
 * dropped. Returns false, with nothing done, if any byte isn't RAM.
 */
bool machine_read(struct machine *m, u64 gpa, void *to, u64 n);
bool machine_write(struct machine *m, u64 gpa, const void *from, u64 n);

#endif
