/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A KVM that something is tried on: between probe.c and probe_stay.c. */
#ifndef L0_DIRECT_PROBE_INTERNAL_H
#define L0_DIRECT_PROBE_INTERNAL_H

#include "monitor.h"
#include "probe.h"

#define KVM_DEVICE "/dev/kvm"
#define CODE_LINEAR 0x10000ull /* and a page of data behind it */
#define DATA_LINEAR (CODE_LINEAR + TABLE_SIZE)

struct probe {
	struct kvm_probe *result;
	const char *path;
	int kvm, vm;
	struct monitor_cpu cpu;
	struct space space; /* CODE_LINEAR and DATA_LINEAR */
	u8 *code, *data;
	u64 code_gpa, data_gpa;
	struct left left; /* of the last run */
};

/* A turn: dec ecx; jnz. Then UD2, PROBE_LOOP_END bytes behind the start. */
#define PROBE_LOOP_SIZE 6
#define PROBE_LOOP_END 4
extern const u8 PROBE_LOOP[PROBE_LOOP_SIZE];

/* The same loop in this process */
void probe_native_loop(u64 turns);

/* `result` and `path` are set. False: it isn't there, or not for us, and *p->result says so; nothing is open. */
bool probe_open(struct probe *p);
void probe_close(struct probe *p);

/* monitor_run() begins with n bytes of user code (at most 64), and these bits added to CR4. */
void probe_give_code(struct probe *p, const u8 *code, size_t n, bool bits32, u64 cr4, u64 rcx);

#endif
