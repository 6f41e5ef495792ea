/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One vCPU with memory, model, TLB and local APIC, and no program: what the tests of cpu/ call instructions on. */
#ifndef L0_CPU_TESTS_VCPU_BENCH_H
#define L0_CPU_TESTS_VCPU_BENCH_H

#include "../../machine/machine.h"
#include "../insn.h"
#include "../mmu.h"
#include "../model.h"

#define BENCH_RAM 0x400000ull /* bytes */

struct bench {
	struct machine machine;
	struct cpu_model model;
	struct vcpu *v;
	u64 now; /* the instruction clock */
};

/* Paging off, protected mode, flat 32-bit segments, CPL 0. spec: as -cpu. Fails the running test if it can't. */
void bench_init(struct bench *f, const char *spec);
void bench_destroy(struct bench *f);

/* Long mode with an identity map of the first 4 MiB; 64-bit code. */
void bench_long_mode(struct bench *f);
/* CS and SS as the privilege level and mode need them; v->mode is recomputed. */
void bench_set_cpl(struct bench *f, unsigned int cpl);
void bench_set_code64(struct bench *f, bool code64);

/* Model features for one test, without asking what the host can do. */
void bench_set_feature(struct bench *f, enum feature feature, bool on);

u64 bench_read(struct bench *f, u64 gpa);
void bench_write(struct bench *f, u64 gpa, u64 value);

/*
 * Run fn(v, a). Returns -1 if it came back, else the vector that it raised; *error, if not NULL, gets the error code (or ~0u
 * for none). rip and next_rip aren't looked at. The guest's vector state may be live.
 */
int bench_run(struct bench *f, insn_fn *fn, union insn_args a, u32 *error);

/* Is the page of `linear` in the TLB for supervisor reads? Enter it by an access, then ask. */
bool bench_in_tlb(struct bench *f, u64 linear);

/* for functions of a test that run while the guest's vector state is live */
#define BENCH_LIVE __attribute__((target("general-regs-only")))

#define RUNS_OK (-1)

/* xorshift: the same numbers in every run */
static inline u64 bench_random(u64 *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

#endif
