# SPDX-License-Identifier: GPL-2.0-or-later
"""E16 and E18: operations one and two levels deep."""
from ..figures import bars
from ..papers import DVH, PVM
from ..results import Sample, difference
from ..section import Experiment, Figure, Section, Table
from .cpuid import per_cpuid

PAYLOADS = ("cpuid", "vmcall", "out", "rdmsr", "ud", "touch")
ROUNDS = (1000, 2000)


def exits_each(results, l1, payload):
    """All exits that L0 sees for one of the payload's, by reason: the difference of two runs that differ in rounds alone"""
    few, many = (results.one(f"{l1}-{payload}-{n}") for n in ROUNDS)
    if few is None or many is None:
        return None
    more = difference(many.exits(), few.exits())
    return {k: n / (ROUNDS[1] - ROUNDS[0]) for k, n in more.items() if abs(n) >= 5}


def analyse_e16(results):
    section, rows, counts = Section(), [], {}
    for payload in PAYLOADS:
        at = [exits_each(results, l1, payload) for l1 in ("shim", "kvm-shim")]
        if not all(at):
            continue
        counts[payload] = [sum(a.values()) for a in at]
        accesses = sum(at[1].get(k, 0) for k in ("VMREAD", "VMWRITE"))
        rows.append([payload, f"{counts[payload][0]:.2f}", f"{counts[payload][1]:.1f}", f"{accesses:.1f}", f"{counts[payload][1] / counts[payload][0]:.1f}"])
    section.tables.append(Table("Exits that L0 sees for one operation, --vmcs-access trap", [
        ("operation", ""), ("of L2 (l1shim is L1)", "counted"), ("of L3 (KVM is L1, l1shim L2)", "counted"), ("of these VMREAD and VMWRITE", "counted"),
        ("ratio", "counted")], rows))
    if counts:
        section.figures.append(Figure("Exits for one operation", bars("e16", list(counts), [
            ("of L2", "counted", [c[0] for c in counts.values()]), ("of L3", "counted", [c[1] for c in counts.values()])], "exits", log=True)))
    rows = _times(results)
    section.tables.append(Table("Time of an operation. --vmcs-access rewrite", [
        ("operation", ""), ("of L2/TSC cycles, least batch", "timed"), ("of L3/TSC cycles, least batch", "timed"), ("ratio", "timed")], rows))
    section.tables.append(Table("Published (DVH, table 3, quoted by a second source)", [
        ("operation", ""), ("L1/cycles", "published"), ("L2/cycles", "published"), ("L3/cycles", "published"), ("L3 over L2", "published")],
        [[name, *(f"{v:,}" for v in row), f"{row[2] / row[1]:.1f}"] for name, row in DVH.items()]))
    if counts:
        values = [c[1] / c[0] for c in counts.values()]
        section.check("an operation of L3 has more exits than one of L2", min(values) > 1)
        text = ""
        below = per_cpuid(results, "kvm", "trap")
        if below and "cpuid" in counts:
            text = (f" Under the same KVM a cpuid of L2 is {1 + sum(below.values()):.0f} exits and one of L3 {counts['cpuid'][1]:.0f}: "
                    f"{counts['cpuid'][1] / (1 + sum(below.values())):.0f} times as many, though L3's hypervisor is the smallest that there can be.")
        section.differs.append(
            f"From L2 to L3 exits become {min(values):.0f} to {max(values):.0f} times as many, in DVH time 20 to 24 times as long; but there both L1s are KVM, and here "
            f"the L1 of the first column is l1shim, which makes fewer exits itself.{text}")
        section.agrees.append("Depth multiplies, as published: each exit that L2's hypervisor makes is one that L1 has to answer with its own.")
    return section


def _times(results):
    rows = []
    shallow, deep = results.finished("shim-all-time-rewrite"), results.finished("kvm-shim-time")
    if shallow and deep:
        for name in deep[0].shim_rows():
            if name in ("loop", "memory", "loop.l1", "memory.l1"):
                continue
            first, second = (Sample([r.shim_rows()[name] for r in runs if name in r.shim_rows()]) for runs in (shallow, deep))
            if first and second:
                rows.append([name, first.text(), second.text(), f"{second.median / first.median:.1f}"])
    return rows


def analyse_e18(results):
    section, rows = Section(), []
    single = {name: results.sample("linux-cpuid", lambda r, n=name, d=d: r.row(n) and r.row(n) / d) for name, d in (("cpuid", 10000), ("port", 1000))}
    nested = {name: results.sample("kvm-cpuid-time-rewrite", lambda r, n=name, d=d: r.row(n) and r.row(n) / d)
              for name, d in (("cpuid", 10000), ("port", 1000))}
    for name, paper in (("cpuid", "cpuid"), ("port", "out")):
        if single[name] and nested[name]:
            one, two = single[name].scaled(1e-3), nested[name].scaled(1e-3)
            rows.append([name, one.text(), two.text(), f"{two.median / one.median:.0f}", *(f"{v:g}" for v in PVM[paper]), f"{PVM[paper][1] / PVM[paper][0]:.1f}"])
    calls = [results.sample(run, lambda r: r.row("syscall") and r.row("syscall") / 1e6) for run in ("linux-rows", "kvm-rows-time-rewrite")]
    if all(calls):
        rows.append(["syscall (row/ms)", calls[0].text(), calls[1].text(), f"{calls[1].median / calls[0].median:.2f}", "0.22", "0.23", "1.0"])
    section.tables.append(Table("Round trips by Linux programs, us", [
        ("operation", ""), ("L1", "timed"), ("L2", "timed"), ("ratio", "timed"), ("PVM's KVM/us", "published"), ("nested/us", "published"), ("ratio", "published")], rows))
    there = [row for row in rows if not row[0].startswith("syscall")]
    if there:
        section.figures.append(Figure("An operation of L2", bars(
            "e18", [r[0] for r in there], [("PVM's nested KVM", "published", [float(r[5]) for r in there]),
                                           ("KVM on turtles", "timed", [nested[r[0]].scaled(1e-3) for r in there])], "us")))
        section.check("a port access costs more than a cpuid", nested["port"].median > nested["cpuid"].median)
        section.agrees.append("A port access, for which L1's kernel goes to its user space, is the dearest in both.")
    if all(calls):
        ratio = calls[1].median / calls[0].median
        if ratio < 1.25:
            section.agrees.append(f"System calls: {ratio:.2f} times as long in L2 as in L1. No exit is in them: nesting leaves them alone, as PVM's getpid shows.")
        else:
            section.differs.append(f"System calls: {ratio:.2f} times as long in L2 as in L1, though no exit is in them; PVM's getpid stays the same. These runs don't say why.")
    section.differs.append("MSR accesses, #UD and hypercalls: E16, by l1shim. PVM's machine runs L2's code natively; here it is translated.")
    return section


EXPERIMENTS = [
    Experiment(
        "E16", "Depth: L2 and L3", "By what does an operation grow with each level?",
        "l1shim's payloads with l1shim as L1 (they are L2), and with l1shim as a guest of Debian's KVM (they are L3). Exits: two runs that differ by "
        f"{ROUNDS[1] - ROUNDS[0]} rounds, subtracted. touch is a page that L1 has yet to map.",
        "DVH, table 3; NEVE",
        tuple(f"{l1}-{p}-{n}" for l1 in ("shim", "kvm-shim") for p in PAYLOADS for n in ROUNDS) + ("kvm-shim-time", "shim-all-time-rewrite", "kvm-cpuid-trap", "kvm-off-trap"), analyse_e16),
    Experiment(
        "E18", "Round trips and system calls", "What do single operations of programs cost in L1 and in L2?",
        "The rows cpuid, port and syscall of workloads/rows.c in Linux as L1, and in Linux as L2 of Debian's KVM.",
        "PVM, tables 1 and 2", ("linux-cpuid", "kvm-cpuid-time-rewrite", "linux-rows", "kvm-rows-time-rewrite"), analyse_e18),
]
