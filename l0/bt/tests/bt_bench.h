/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A machine without devices and a vCPU that nobody runs: for tests of what the translator emits and keeps. */
#ifndef L0_BT_TESTS_BT_BENCH_H
#define L0_BT_TESTS_BT_BENCH_H

#include "../../cpu/model.h"
#include "../../machine/machine.h"
#include "../../run/loop.h"
#include "../cache.h"

struct bt_bench {
	struct machine machine;
	struct cpu_model model;
	struct vcpu_thread thread;
	struct vcpu *vcpu[1];
	struct vcpu *v;
	struct bt *bt;
};

/* 64-bit mode at CPL 0 without paging (which no CPU has, and which the translator doesn't mind): linear is physical. */
void bt_bench_create(struct bt_bench *b, size_t cache_bytes);
/* model: as -cpu */
void bt_bench_create_model(struct bt_bench *b, const char *model, size_t cache_bytes);
void bt_bench_destroy(struct bt_bench *b);
/* A test that finds the bench `b`, a static one, made for it */
#define bt_bench_test(name, b) cmocka_unit_test_prestate_setup_teardown(name, bt_bench_setup, bt_bench_teardown, &(b))
int bt_bench_setup(void **state);
int bt_bench_teardown(void **state);
/* Eight bytes of the machine's memory */
u64 bt_bench_read(struct bt_bench *b, u64 gpa);
void bt_bench_write(struct bt_bench *b, u64 gpa, u64 value);
/* Put code at guest-physical `at` and translate the block there. */
struct bt_block *bt_bench_translate(struct bt_bench *b, u64 at, const u8 *code, size_t n);
/*
 * Run from v->rip on, on the vCPU's thread, block by block until `insns` instructions are used up; ends before the block that finds nothing
 * left, or with an exception of the guest, which v->event says. True: there was one.
 */
bool bt_bench_run(struct bt_bench *b, s64 insns);
/* Host code from cache offset `from` to `to` as text, one instruction a line; addresses of vcpu, TLB and code by name. */
void bt_bench_disassemble(struct bt_bench *b, u32 from, u32 to, char *text, size_t n);

#endif
