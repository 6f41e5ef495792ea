# SPDX-License-Identifier: GPL-2.0-or-later
"""E8: does it depend on who L1 is?"""
from ..figures import bars
from ..papers import TABLE_3
from ..section import Experiment, Section
from .cpuid import LEAST, per_cpuid


def _least(results):
    return results.pair("shim-least")


def analyse(results):
    section, rows = Section(), []
    least = _least(results)
    shims, kvms = [], []
    for variant in LEAST:
        shim, kvm = per_cpuid(results, "shim", variant), per_cpuid(results, "kvm", variant)
        if shim is None or kvm is None:
            continue
        mine = f"{1 + sum(least.round('CPUID').values()):.2f}" if least and variant == "trap" else "–"
        rows.append([variant, mine, f"{1 + sum(shim.values()):.2f}", f"{1 + sum(kvm.values()):.2f}"])
        shims.append(1 + sum(shim.values()))
        kvms.append(1 + sum(kvm.values()))
        section.check(f"{variant}: KVM has no fewer exits a cpuid than l1shim as Turtles' L1, but for its VMCS accesses",
                      sum(kvm.values()) >= sum(n for k, n in shim.items() if k not in ("VMREAD", "VMWRITE")) - 0.01)
    section.table("Exits for a cpuid of L2 under three L1s", [
        ("VMCS access", ""), ("l1shim, the least", "counted"), ("l1shim as talkative as Turtles' L1", "counted"), ("Debian's KVM", "counted")], rows)
    if not rows:
        return section
    section.figure("Exits for a cpuid of L2", bars(
        "e8", [row[0] for row in rows], [("l1shim as Turtles' L1", "counted", shims), ("Debian's KVM", "counted", kvms)], "exits"))
    if least:
        kvm = results.pair("kvm-cpuid-trap")
        section.table("Instructions that L1 executes for it", [("L1", ""), ("instructions", "counted")], [
            ["l1shim, the least", f"{least.insns('CPUID'):.0f}"], *([["Debian's KVM", f"{kvm.insns('CPUID'):.0f}"]] if kvm else [])])
        section.check("l1shim makes 5 exits of a cpuid with trap: itself, two VMREADs, one VMWRITE, one VMRESUME", abs(sum(least.round("CPUID").values()) - 4) < 0.01)
    section.table("Published: a program's overhead over a single level with VMware Server as L1", [("", ""), ("%", "published")], [[k, f"{v:g}"] for k, v in TABLE_3.items()])
    section.agrees.append("The kinds of exits are the same whichever L1 it is; their number is L1's, as Turtles saw with VMware as L1.")
    section.differs.append("Turtles' second L1 was VMware Server, which does VMXON and VMPTRLD for each switch. Neither of ours does.")
    return section


EXPERIMENTS = [Experiment(
    "E8", "A second kind of L1",
    "Does it depend on the hypervisor that is L1?",
    "The cpuid of E2 under l1shim, which reads the exit reason and steps over the instruction and does nothing else, and under Debian's KVM.",
    "Turtles, table 3",
    tuple(f"shim-cpuid-{v}" for v in LEAST) + tuple(f"kvm-cpuid-{v}-{p}" for v in LEAST for p in ("few", "many")) + ("shim-least-few", "shim-least-many"), analyse)]
