/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <cpuid.h>
#include <string.h>
#include <time.h>
#include <x86intrin.h>

#include "../account/host.h"
#include "../bt/bt.h"
#include "../bt/gs_base.h"
#include "../cpu/model.h"
#include "../direct/choose.h"
#include "../direct/probe.h"
#include "../run/clock.h"
#include "config.h"
#include "doctor.h"

#define PEXT_TURNS 20000
#define PEXT_SLOW 10 /* cycles: where it is a circuit it takes 3 */

static bool bit(u32 leaf, u32 subleaf, char reg, unsigned int n)
{
	u32 r[4] = { 0, 0, 0, 0 };

	if (!__get_cpuid_count(leaf, subleaf, &r[0], &r[1], &r[2], &r[3]))
		return false;
	return r[reg - 'a'] >> n & 1;
}

/* The hypervisor that this host is a guest of, "" if it says that it isn't one */
static const char *hypervisor(char name[13])
{
	u32 eax, ebx, ecx, edx;

	name[0] = '\0';
	if (!bit(1, 0, 'c', 31))
		return name;
	__cpuid(0x40000000, eax, ebx, ecx, edx);
	memcpy(name, &ebx, 4);
	memcpy(name + 4, &ecx, 4);
	memcpy(name + 8, &edx, 4);
	name[12] = '\0';
	for (char *s = name; *s; s++)
		if (*s < ' ' || *s > '~')
			*s = '?';
	return *name ? name : strcpy(name, "unknown");
}

static void model(struct doctor *d)
{
	json_t *host = host_json();
	const char *cpu = json_string_value(json_object_get(host, "cpu"));
	char name[13];

	doctor_add(d, "cpu", "model", VERDICT_FACT, json_string(cpu ? cpu : "unknown"), "%s", cpu ? cpu : "unknown");
	json_decref(host);
	if (*hypervisor(name))
		doctor_add(d, "cpu", "hypervisor", VERDICT_FACT, json_string(name),
			   "this host is a guest itself, of %s: what its CPU has is what that hypervisor shows", name);
	else
		doctor_add(d, "cpu", "hypervisor", VERDICT_FACT, NULL, "none: this host says that it is no guest");
}

static void vt(struct doctor *d)
{
	bool vmx = bit(1, 0, 'c', 5), svm = bit(0x80000001, 0, 'c', 2);

	if (vmx || svm)
		doctor_add(d, "cpu", "vt", VERDICT_GOOD, json_string(vmx ? "vmx" : "svm"),
			   "%s: the CPU has hardware virtualization; whether it can be used /dev/kvm says",
			   vmx ? "VMX" : "SVM");
	else
		doctor_add(d, "cpu", "vt", VERDICT_LIMITED,
			   NULL, "none: CPUID shows neither VMX nor SVM. The translator doesn't need it; guests get VMX from turtles");
}

/* Cycles of a PEXT, one behind the other: of several tries the least */
__attribute__((target("bmi2"))) static double pext_cycles(void)
{
	u64 best = UINT64_MAX, x = 0x123456789abcdef;

	for (int try = 0; try < 5; try++) {
		u64 start = __rdtsc(), ticks;

		for (int i = 0; i < PEXT_TURNS; i++)
			x = _pext_u64(x | 1, 0xfffffffffffffff) + (u64)i;
		__asm__ volatile("" : : "r"(x));
		ticks = __rdtsc() - start;
		best = ticks < best ? ticks : best;
	}
	return (double)best / PEXT_TURNS;
}

static void gs_base(struct doctor *d)
{
#define X(way, name, text) [GS_BASE_##way] = { name, text },
	static const struct {
		const char *name, *text;
	} SAID[] = { GS_BASE_WAYS(X) };
#undef X
	static const enum verdict VERDICTS[] = {
		[GS_BASE_NONE] = VERDICT_BAD, [GS_BASE_KEPT] = VERDICT_GOOD, [GS_BASE_LOST] = VERDICT_GOOD, [GS_BASE_CALL] = VERDICT_LIMITED
	};
	enum gs_base_way way = gs_base_way();

	doctor_add(d, "cpu", "gs_base", VERDICTS[way], json_string(SAID[way].name), "%s", SAID[way].text);
}

static void instruction_sets(struct doctor *d)
{
	const char *missing = bt_host_missing();
	bool avx512 = bit(7, 0, 'b', 16);
	double pext;

	if (missing)
		doctor_add(d, "cpu", "x86_64_v3", VERDICT_BAD, json_false(),
			   "the CPU lacks %s, which translated code needs; a CPU of x86-64-v3 has it", missing);
	else
		doctor_add(d, "cpu", "x86_64_v3", VERDICT_GOOD, json_true(),
			   "BMI2 and AVX2 are there, which translated code needs");
	if (bit(7, 0, 'b', 8)) {
		pext = pext_cycles();
		doctor_add(d, "cpu", "pext_cycles", pext > PEXT_SLOW ? VERDICT_LIMITED : VERDICT_GOOD,
			   json_real(pext), "PEXT takes %.0f cycles with what is around it: translated code has one in each memory access%s",
			   pext, pext > PEXT_SLOW ? ", and this CPU does it in microcode: guests are slow here" : "");
	}
	doctor_add(d, "cpu", "avx512", VERDICT_FACT, json_boolean(avx512), "%s",
		   avx512 ? "there; the translator doesn't have it, so guests aren't offered it" : "not there");
	gs_base(d);
	doctor_add(d, "cpu", "split_locks", VERDICT_FACT, json_string(bt_host_split_locks_trap() ? "trap" : "run"), "%s",
		   bt_host_split_locks_trap()
			   ? "the CPU traps locked accesses across cache lines: guests' are done with their "
			     "other vCPUs stopped"
			   : "locked accesses across cache lines are executed as they are");
}

static u64 now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000000000u + (u64)t.tv_nsec;
}

static void tsc(struct doctor *d)
{
	bool invariant = bit(0x80000007, 0, 'd', 8);
	struct clock clock;
	u64 start, ns;

	clock_init(&clock, CLOCK_HOST);
	doctor_add(d, "cpu", "tsc_hz", invariant ? VERDICT_GOOD : VERDICT_LIMITED,
		   json_integer((json_int_t)clock.tsc_hz), "the TSC runs at %.3f MHz, %s", (double)clock.tsc_hz / 1e6,
		   invariant ? "always: guests' clocks follow it"
			     : "and CPUID doesn't promise that it always does: guests' clocks, which follow it, may be "
			       "wrong");
	start = now_ns();
	for (int i = 0; i < 1000; i++)
		now_ns();
	ns = (now_ns() - start) / 1000;
	doctor_add(d, "cpu", "clock_ns", ns > 200 ? VERDICT_LIMITED : VERDICT_GOOD, json_integer((json_int_t)ns),
		   "reading the kernel's clock takes %llu ns%s", (unsigned long long)ns,
		   ns > 200 ? ": it is a system call here" : "");
}

void doctor_cpu(struct doctor *d)
{
	model(d);
	vt(d);
	instruction_sets(d);
	tsc(d);
}

/* What --engine auto would make of a guest that asks for nothing special */
static void automatic(struct doctor *d)
{
	const struct run_config config = { .engine = ENGINE_AUTO, .clock = CLOCK_HOST, .vcpus = 1 };
	struct cpu_model cpu;
	char why[512];

	if (model_parse(&cpu, NULL, why, sizeof(why)))
		return;
	doctor_add(d, "kvm", "auto", VERDICT_FACT, json_string(engine_choose(&config, &cpu, why, sizeof(why))->name),
		   "--engine auto would take %s", why);
}

#define STAY_GOOD 1.05 /* what computing code is meant to take with --engine direct, times its native time */

/* What a guest's program takes beyond these is L0's and the guest's kernels'. */
static void stay(struct doctor *d)
{
	struct kvm_stay s;

	if (!kvm_measure_stay(&s))
		return;
	doctor_add(d, "kvm", "stay", s.every_2ms < STAY_GOOD ? VERDICT_GOOD : VERDICT_LIMITED,
		   json_pack("{s:f, s:f, s:f, s:f}", "whole", s.whole, "every_4ms", s.every_4ms, "every_2ms",
			     s.every_2ms, "return_us", s.return_us),
		   "a loop on it takes %.3f of its native time, %.3f if a timer ends it every 4 ms (an L1 with 250 "
		   "ticks a second), %.3f every 2 ms (an L2 in it): %.0f us each time",
		   s.whole, s.every_4ms, s.every_2ms, s.return_us);
}

void doctor_kvm(struct doctor *d)
{
	static const enum verdict VERDICTS[] = {
		[KVM_ABSENT] = VERDICT_LIMITED,
		[KVM_UNUSABLE] = VERDICT_LIMITED,
		[KVM_WITHOUT_VT] = VERDICT_LIMITED,
		[KVM_WITH_VT] = VERDICT_GOOD,
	};
	struct kvm_probe p;
	bool opens;

	kvm_probe(&p);
	opens = p.class == KVM_WITHOUT_VT || p.class == KVM_WITH_VT;
	doctor_add(d, "kvm", "class", VERDICTS[p.class], json_string(KVM_CLASS_NAMES[p.class]), "/dev/kvm is %s: %s",
		   KVM_CLASS_NAMES[p.class], p.why);
	doctor_add(d, "kvm", "nests", p.nests ? VERDICT_GOOD : VERDICT_LIMITED, json_boolean(p.nests), "%s: %s",
		   p.nests ? "a guest of it can be a hypervisor, so L2s of a translated L1 run on its VT"
			   : "no guest of it can be a hypervisor, so L2s don't run on VT",
		   p.nests_why);
	doctor_add(d, "kvm", "user_code", p.user64 ? VERDICT_GOOD : VERDICT_LIMITED,
		   json_pack("{s:b, s:b}", "bits64", p.user64, "bits32", p.user32), "user code of guests %s: %s",
		   p.user64 ? "could run on it directly" : "can't run on it directly", p.user_why);
	if (p.host_ns > 0)
		doctor_add(d, "kvm", "loop_ns", VERDICT_FACT,
			   json_pack("{s:f, s:f, s:f}", "here", p.host_ns, "cpl0", p.kernel_ns, "cpl3", p.user_ns),
			   "a turn of a short loop takes %.2f ns here, %.2f ns in a guest's kernel, %.2f ns in its "
			   "user code",
			   p.host_ns, p.kernel_ns, p.user_ns);
	if (p.user64)
		stay(d);
	doctor_add(d, "kvm", "engines", VERDICT_FACT,
		   json_pack("{s:b, s:b, s:b}", "bt", !bt_host_missing(), "direct", p.user64, "kvm", opens),
		   "--engine bt, the translator, is the default%s; direct %s, kvm %s",
		   bt_host_missing() ? " and can't run here" : "", p.user64 ? "is there" : "isn't",
		   opens ? "is there" : "isn't");
	automatic(d);
}
