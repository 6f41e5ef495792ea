/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The binary translator, as the rest of L0 sees it.
 *
 * One struct bt (code cache) for each machine; one struct bt_vcpu for each vCPU.
 */
#ifndef L0_BT_BT_H
#define L0_BT_BT_H

#include "../cpu/vcpu.h"
#include "stats.h"

struct bt;
struct machine;

#define CODE_CACHE_DEFAULT (64ull << 20)
#define CODE_CACHE_MIN (2ull << 20)
#define CODE_CACHE_MAX (1ull << 30)

/* cache_bytes: size of the code cache, 0 for the default. NULL with errno: no memory. */
struct bt *bt_create(struct machine *m, size_t cache_bytes);
void bt_destroy(struct bt *bt);

/* 0 or -errno: -ENOTSUP if the host's CPU lacks what translated code needs (bt_host_missing() says what). */
int bt_vcpu_create(struct bt *bt, struct vcpu *v);
void bt_vcpu_destroy(struct vcpu *v);

/* Name of the first instruction set that this host lacks for the translator, NULL if it has all. */
const char *bt_host_missing(void);
/* Does a locked access across cache lines cost far more on this host than one that C does? Then C does them: lower_lock.c. */
bool bt_host_split_locks_trap(void);

/*
 * Run translated code from v->rip until v->budget is used up or something needs the run loop: an event posted
 * to the vCPU, a change of activity. On the calling thread, whose stack must contain *v (see run/). Returns with all state in *v.
 * Faults of the guest unwind to v->unwind (which the caller has set).
 */
void bt_run(struct vcpu *v);

/* The thread is another one, or has run another vCPU meanwhile: what is kept in the host's registers between two runs is gone. */
void bt_resumed(struct vcpu *v);

/* After an unwind: take back what the interrupted block had counted and did not run. */
void bt_unwound(struct vcpu *v);

/* Guest instructions that the current block has counted but not run yet, the current one included; negative: run but not counted. */
int bt_uncounted(const struct vcpu *v);

/* A device or loader wrote guest-physical memory: drop what was translated from it. */
void bt_phys_written(struct machine *m, u64 gpa, u64 n);
/* The same around a write that a vCPU of another thread must not see before: what is in between may not raise exceptions. */
void bt_phys_write_begin(struct machine *m, u64 gpa, u64 n);
void bt_phys_write_end(struct machine *m);

/* The vCPU is alone: no store of translated code goes to the page at gpa unnoticed any more. */
void bt_forbid_writes(struct machine *m, u64 gpa);
/* Offsets in the page at gpa where translated blocks begin, `max` of them at the most. Returns how many. The vCPU is alone. */
size_t bt_block_starts(const struct bt *bt, u64 gpa, u16 *offsets, size_t max);

/*
 * A trap (its vector) arrived as a signal while v's thread was at `host_pc` with RSP at v. If that is translated code doing what
 * the guest asked for (#DE, #MF, #XM, #UD, #GP of an unaligned operand), returns the address to continue at, from which the guest gets
 * its exception; otherwise 0: the fault is L0's own.
 */
u64 bt_signal(struct vcpu *v, unsigned int trap, u64 host_pc);

/* The machine's clock has moved against the host's: no code that reads it is right any more. No vCPU runs. */
void bt_clock_moved(struct bt *bt);

/* Is that an address in translated code? Safe in a signal handler. */
bool bt_is_code(const struct vcpu *v, u64 host_pc);

/* Last blocks entered through the dispatcher, newest first, for crash reports: fills up to n linear addresses. */
unsigned int bt_recent(const struct vcpu *v, u64 *linear, unsigned int n);

/* Print every block as it is translated, on stderr. */
void bt_trace(struct bt *bt, bool on);

/* Of all vCPUs */
void bt_stats(const struct bt *bt, struct bt_stats *to);

#endif
