# SPDX-License-Identifier: GPL-2.0-or-later
"""E8: does it depend on who L1 is?"""
from ..figures import bars
from ..papers import SPECJBB_KVM, TABLE_3
from ..section import Experiment, Section
from .cpuid import LEAST, per_cpuid


VMX_INSTRUCTIONS = ("VMON", "VMOFF", "VMPTRLD", "VMCLEAR", "VMLAUNCH", "VMRESUME", "INVEPT", "INVVPID")
L1S = (("shim", "l1shim as Turtles' L1"), ("kvm", "Debian's KVM"), ("xen", "Debian's Xen"))


def _exits(results, l1, variant):
    if l1 != "xen":
        return per_cpuid(results, l1, variant)
    added = results.pair(f"xen-cpuid-{variant}")
    found = added.round("CPUID") if added else None
    # L1 is interrupted now and then, with the host's clock
    return {k: round(n, 2) for k, n in found.items() if n >= 0.005} if found else None


def analyse(results):
    section, rows = Section(), []
    found = {(l1, v): _exits(results, l1, v) for l1, _ in L1S for v in LEAST}
    totals = {key: 1 + sum(each.values()) for key, each in found.items() if each}
    if not totals:
        return section
    for l1, name in L1S:
        for v in LEAST:
            each = found[l1, v]
            if each:
                others = ", ".join(f"{k} {n:.3g}" for k, n in each.items() if k not in ("VMREAD", "VMWRITE", "VMRESUME")) or "none"
                rows.append([name, v, f"{each.get('VMREAD', 0):.4g}", f"{each.get('VMWRITE', 0):.4g}", others, f"{totals[l1, v]:.2f}"])
    section.table("Exits for a cpuid of L2 under three L1s", [
        ("L1", ""), ("VMCS access", ""), ("VMREADs that exit", "counted"), ("VMWRITEs that exit", "counted"), ("others, but for VMRESUME", "counted"), ("exits in all", "counted")], rows)
    section.figure("Exits for a cpuid of L2", bars("e8", list(LEAST), [(name, "counted", [totals.get((l1, v)) for v in LEAST]) for l1, name in L1S], "exits"))
    for v in LEAST:
        if ("shim", v) in totals and ("kvm", v) in totals:
            section.check(f"{v}: KVM has no fewer exits a cpuid than l1shim as Turtles' L1, but for its VMCS accesses",
                          sum(found["kvm", v].values()) >= sum(n for k, n in found["shim", v].items() if k not in ("VMREAD", "VMWRITE")) - 0.01)
    if ("xen", "trap") in totals:
        each = found["xen", "trap"]
        section.check("Xen, trap: exits are VMREADs + VMWRITEs + 2 and those named", abs(totals["xen", "trap"] - 1 - sum(each.values())) < 0.01 and each.get("VMRESUME", 0) > 0.99)
        if ("xen", "rewrite") in totals:
            section.check("Xen, rewrite: no VMCS access is an exit", not any(found["xen", "rewrite"].get(k) for k in ("VMREAD", "VMWRITE")))
            section.agrees.append(f"Whoever L1 is, VMCS accesses that don't exit leave little: {totals['xen', 'trap']:.0f} exits of a cpuid become {totals['xen', 'rewrite']:.0f} under Xen.")
    _instructions(section, results)
    _programs(section, results)
    section.table("Published: a program's overhead over a single level with VMware Server as L1", [("", ""), ("%", "published")], [[k, f"{v:g}"] for k, v in TABLE_3.items()])
    section.agrees.append("The kinds of exits are the same whichever L1 it is; their number is L1's, as Turtles saw with VMware as L1.")
    return section


def _instructions(section, results):
    least, rows = results.pair("shim-least"), []
    if least:
        section.check("l1shim makes 5 exits of a cpuid with trap: itself, two VMREADs, one VMWRITE, one VMRESUME", abs(sum(least.round("CPUID").values()) - 4) < 0.01)
        rows.append(["l1shim, the least", f"{least.insns('CPUID'):.0f}", f"{1 + sum(least.round('CPUID').values()):.2f}"])
    for l1, name in L1S[1:]:
        added = results.pair(f"{l1}-cpuid-trap")
        if added:
            rows.append([name, f"{added.insns('CPUID'):.0f}", f"{1 + sum(_exits(results, l1, 'trap').values()):.2f}"])
    section.table("What L1 does for a cpuid", [("L1", ""), ("instructions", "counted"), ("exits, trap", "counted")], rows)
    rows = []
    for name, run in (("Debian's KVM", "kvm-forks-rewrite"), ("Debian's Xen", "xen-cpuid-rewrite-many"), ("Debian's Xen", "xen-cpuid-trap-many")):
        one = results.one(run)
        if one and not (rows and rows[-1][0] == name):
            l1 = one.vmx["l1_exits"]
            rows.append([name, *(f"{l1.get(k, 0):,}" for k in VMX_INSTRUCTIONS), f"{sum(r['count'] for r in one.vmx['rounds']):,}"])
    section.table("VMX instructions of an L1 from its start to its end, L2 boots Linux and runs programs (with the host's clock: about so many)", [
        ("L1", ""), *((k, "counted") for k in VMX_INSTRUCTIONS), ("exits of L2", "counted")], rows)
    if len(rows) > 1:
        section.differs.append("Turtles' second L1 was VMware Server, which does VMXON, VMPTRLD and VMCLEAR for each switch. Neither Xen nor KVM does: they change the current VMCS when another vCPU "
                               "runs, and enter VMX operation once.")


def _programs(section, results):
    rows, samples = [], {}
    for name, run in (("L1, Linux", "linux-warehouse"), ("L2 under KVM", "kvm-warehouse-rewrite"), ("L2 under Xen", "xen-warehouse-rewrite")):
        samples[name] = results.sample(run, lambda r: r.row("warehouse") and r.row("warehouse") / 1e6)
        base = samples["L1, Linux"]
        if samples[name] and base:
            rows.append([name, samples[name].text(), f"{100 * (samples[name].median / base.median - 1):+.1f}"])
    if len(rows) < 3:
        return
    section.table("warehouse (in the place of SPECjbb) in L2 under two L1s, --vmcs-access rewrite", [("where", ""), ("1000 transactions/ms", "timed"), ("over L1/%", "timed")], rows)
    over = [samples[n].over(samples["L1, Linux"]).plus(-1).scaled(100) for n in ("L2 under KVM", "L2 under Xen")]
    section.figure("Ours: what a second level costs warehouse, by L1", bars("e8-programs", ["KVM", "Xen"], [("turtles", "timed", over)], "% over a single level"),
                   bars("e8-programs-paper", ["KVM", "VMware Server"], [("Turtles", "published", [SPECJBB_KVM, TABLE_3["SPECjbb"]])], "% over a single level"),
                   "Turtles, tables 2 and 3: SPECjbb")
    kvm, xen = (o.median for o in over)
    section.say(abs(kvm - xen) < 10, f"A program that computes has {kvm:+.1f} % more to do under KVM and {xen:+.1f} % under Xen; Turtles had {TABLE_3['SPECjbb']} % with VMware and {SPECJBB_KVM} % with KVM.")


EXPERIMENTS = [Experiment(
    "E8", "A second kind of L1: Xen",
    "Does it depend on the hypervisor that is L1?",
    "The cpuid of E2 under l1shim, which reads the exit reason and steps over the instruction and does nothing else, under Debian's KVM, and under Debian's Xen 4.17, whose first domain, a "
    "paravirtualized Linux, starts Linux as an L2 of the type PVH. For Xen two runs, with and without 50,000 cpuids, are subtracted; they have the host's clock, for Xen waits for its clock chip.",
    "Turtles, table 3",
    tuple(f"shim-cpuid-{v}" for v in LEAST) + tuple(f"{l1}-cpuid-{v}-{p}" for l1 in ("kvm", "xen") for v in LEAST for p in ("few", "many")) +
    ("shim-least-few", "shim-least-many", "kvm-forks-rewrite", "linux-warehouse", "kvm-warehouse-rewrite", "xen-warehouse-rewrite"), analyse)]
