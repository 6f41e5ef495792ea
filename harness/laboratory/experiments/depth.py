# SPDX-License-Identifier: GPL-2.0-or-later
"""E16 and E18: operations one, two and three levels deep."""
from ..commands import OPERATIONS
from ..figures import bars, lines
from ..papers import DVH, NEVE_X86, PVM
from ..section import Experiment, Section

WORDS = {"cpuid": "CPUID", "vmcall": "a call to the hypervisor", "pio": "a byte to a port of the VMM's", "mmio": "a write to a device of the VMM's",
         "timer": "TSC_DEADLINE is written", "eoi": "end of interrupt, by an MSR", "rdmsr": "an MSR is read (IA32_APIC_BASE)", "ud": "an invalid instruction",
         "ipi": "an interrupt wakes another CPU, which handles it"}
PAPER = {"vmcall": "Hypercall", "mmio": "DevNotify", "timer": "ProgramTimer", "ipi": "SendIPI"}


def cycles(results, level, op):
    """TSC cycles of an operation, the least batch's"""
    run = f"nano{level}-time" if op != "ipi" else f"nano{level}-ipi-time"
    return results.sample(run, lambda r: r.shim_rows().get(op))


def exits(results, level, op):
    """All exits that L0 sees for one operation, by reason"""
    added = results.added(f"nano{level}-{op}", f"nano{level}-{'ipi-base' if op == 'ipi' else 'base'}")
    return added.exits() if added else None


def _counts(results):
    counts = {}
    for op in (*OPERATIONS, "ipi"):
        at = [exits(results, level, op) for level in (1, 2, 3)]
        if any(at):
            counts[op] = [sum(a.values()) if a is not None else None for a in at]
    return counts


def _text(value, digits=1):
    return "–" if value is None else f"{value:,.{digits}f}"


def _ratio(a, b):
    return f"{b / a:.1f}" if a and b else "–"


def analyse_e16(results):
    section, rows = Section(), []
    counts = _counts(results)
    for op, at in counts.items():
        deep = exits(results, 3, op)
        accesses = sum(deep.get(k, 0) for k in ("VMREAD", "VMWRITE")) if deep else None
        rows.append([op, WORDS[op], *(_text(n) for n in at), _text(accesses), _ratio(at[1], at[2])])
    section.table("Exits that L0 sees for one operation, --vmcs-access trap", [
        ("operation", ""), ("", ""), ("of L1", "counted"), ("of L2", "counted"), ("of L3", "counted"), ("of these VMREAD and VMWRITE", "counted"),
        ("L3 over L2", "counted")], rows)
    rows, times = [], {}
    for op in (*OPERATIONS, "ipi"):
        at = [cycles(results, level, op) for level in (1, 2, 3)]
        if not any(at):
            continue
        times[op] = at
        rows.append([op, *(s.text() for s in at), _ratio(*(s.median if s else None for s in at[:2])), _ratio(*(s.median if s else None for s in at[1:]))])
    section.table("Time of an operation, --vmcs-access rewrite", [
        ("operation", ""), *((f"of L{n}/TSC cycles", "timed") for n in (1, 2, 3)), ("L2 over L1", "timed"), ("L3 over L2", "timed")], rows)
    section.table("Published: DVH, table 3 (quoted by a second source)", [
        ("operation", ""), ("L1/cycles", "published"), ("L2/cycles", "published"), ("L3/cycles", "published"), ("L2 over L1", "published"), ("L3 over L2", "published")],
        [[name, *(f"{v:,}" for v in row), f"{row[1] / row[0]:.1f}", f"{row[2] / row[1]:.1f}"] for name, row in DVH.items()])
    section.table("Published: NEVE, its x86 column (from memory: low confidence)", [("operation", ""), ("single/cycles", "published"), ("nested/cycles", "published"), ("ratio", "published")],
                  [[name, f"{a:,}", f"{b:,}", f"{b / a:.0f}"] for name, (a, b) in NEVE_X86.items()])
    if times:
        section.figure("Ours: time of an operation by level", lines("e16", ["L1", "L2", "L3"], [(op, "timed", at) for op, at in times.items()], "TSC cycles", "level", log=True),
                       lines("e16-paper", ["L1", "L2", "L3"], [(name, "published", row) for name, row in DVH.items()], "cycles", "level", log=True), "DVH, table 3")
    both = {op: at for op, at in counts.items() if at[1] and at[2]}
    if both:
        section.figure("Ours: exits that L0 sees for one operation, trap", bars("e16-exits", list(both), [
            ("of L2", "counted", [at[1] for at in both.values()]), ("of L3", "counted", [at[2] for at in both.values()])], "exits", log=True, values=len(both) < 5))
    _words_e16(section, times, counts)
    return section


def _words_e16(section, times, counts):
    ratios = {op: at[2].median / at[1].median for op, at in times.items() if at[1] and at[2] and op != "ipi"}
    published = {row[2] / row[1] for row in DVH.values()}
    if ratios:
        low, high = min(ratios.values()), max(ratios.values())
        section.say(low > 10 and high < 60, f"From L2 to L3 an operation takes {low:.0f} to {high:.0f} times as long; {min(published):.0f} to {max(published):.0f} times in DVH. Depth multiplies: each exit "
                    "that L2's hypervisor makes is one that L1 has to answer with exits of its own.")
    ipi = times.get("ipi")
    if ipi and ipi[1] and ipi[2]:
        section.differs.append(f"The IPI: {ipi[2].median / ipi[1].median:.1f} times from L2 to L3. Two CPUs are at work there, one of which waits in a loop while L0 gives the other its turn: what "
                               "it costs depends more on whose turn it is than what is counted does.")
    first = {op: at[1].median / at[0].median for op, at in times.items() if at[0] and at[1] and op != "ipi"}
    if first:
        section.differs.append(f"From L1 to L2 it is {min(first.values()):.0f} to {max(first.values()):.0f} times, in DVH 10 to 24: an operation of L1 here is a call in the translator or "
                               "a device of L0's, not an exit of hardware. L1 has no hypervisor that it could call (vmcall).")
    fewer = {op: at[2] / at[1] for op, at in counts.items() if at[1] and at[2]}
    for op, at in counts.items():
        if op != "ud" and at[0] is not None and op in ("cpuid", "pio", "rdmsr"):
            section.check(f"{op}: one exit of L1", abs(at[0] - 1) < 0.02)
        if at[1] and at[2]:
            section.check(f"{op}: an operation of L3 has at least 5 times the exits of one of L2", at[2] >= 5 * at[1])
    if fewer:
        section.agrees.append(f"Exits grow as time does: {min(fewer.values()):.0f} to {max(fewer.values()):.0f} times as many for an operation of L3 as for the same of L2.")
    if not any(op == "ipi" and at[2] for op, at in times.items()):
        section.differs.append("The IPI isn't measured at every level: see the runs that are missing.")
    section.differs.append("A device's write (mmio) goes to the VMM's user space here; DVH's is answered in the kernel. NEVE's end of interrupt is no exit, since its CPUs have virtual "
                           "APICs; Debian's KVM doesn't use them for a guest whose x2APIC it emulates here.")


def analyse_e18(results):
    section, rows = Section(), []
    names = {"cpuid": "cpuid", "vmcall": "vmcall", "pio": "out", "rdmsr": "rdmsr", "ud": "ud"}
    times = {op: [cycles(results, level, op) for level in (1, 2)] for op in names}
    hz = results.tsc_hz()
    there = [op for op in names if times[op][1]]
    for op in there:
        one, two = times[op]
        rows.append([op, one.text(), two.text(), _ratio(one.median if one else None, two.median), two.scaled(1e6 / hz).text() if hz else "–",
                     *(f"{v:g}" for v in PVM[names[op]]), f"{PVM[names[op]][1] / PVM[names[op]][0]:.1f}"])
    section.table("Round trips", [
        ("operation", ""), ("in L1/TSC cycles", "timed"), ("in L2/TSC cycles", "timed"), ("ratio", "timed"), ("in L2/us", "timed"), ("PVM's KVM, single level/us", "published"),
        ("nested/us", "published"), ("ratio", "published")], rows)
    calls = [results.sample(run, lambda r: r.row("syscall") and r.row("syscall") / 1e5) for run in ("linux-getpid", "kvm-getpid")]
    if all(calls):
        section.table("A system call (getppid)", [("", ""), ("L1/ns", "timed"), ("L2/ns", "timed"), ("ratio", "timed"), ("PVM: single level/ns", "published"), ("nested/ns", "published")],
                      [["getppid", calls[0].text(), calls[1].text(), f"{calls[1].median / calls[0].median:.2f}", "220", "230"]])
        ratio = calls[1].median / calls[0].median
        section.say(ratio < 1.25, f"System calls: {ratio:.2f} times as long in L2 as in L1. No exit is in them: nesting should leave them alone, as PVM's getpid shows.")
    if there and hz:
        section.figure("Ours: operations of L2", bars("e18", there, [("KVM on turtles", "timed", [times[op][1].scaled(1e6 / hz) for op in there])], "us"),
                       bars("e18-paper", [names[op] for op in there], [("nested KVM", "published", [PVM[names[op]][1] for op in there])], "us"), "PVM, table 1")
    if times["pio"][1] and times["cpuid"][1]:
        pio = times["pio"][1].median
        section.say(all(pio >= times[op][1].median for op in there), "A port access, for which L1's kernel goes to its user space, is the dearest in both.")
        ours, theirs = pio / times["cpuid"][1].median, PVM["out"][1] / PVM["cpuid"][1]
        section.say(0.5 < ours / theirs < 2, f"It costs {ours:.1f} times a cpuid here and {theirs:.1f} times in PVM's nested KVM.")
    counted = {op: exits(results, 2, op) for op in ("pio", "cpuid")}
    if all(counted.values()):
        section.check("a port access of L2 has more exits than a cpuid", sum(counted["pio"].values()) > sum(counted["cpuid"].values()))
    section.differs.append("PVM's machine runs L2's code natively and has VMCS shadowing; here it is translated.")
    return section


EXPERIMENTS = [
    Experiment(
        "E16", "Depth: the same operation at L1, L2 and L3", "By what does an operation grow with each level?",
        "The same kernel of ours (workloads/nano) as L1, as L2 under Debian's KVM, and as L3 under the same KVM twice; turtles is the VMM of each. Exits: runs with 2,000 operations (L3: 400), less "
        "a run without any. Time: the least batch. For the IPI each level has two vCPUs, which take turns on one thread of the host: one halts, the other waits until its interrupt has been handled.",
        "DVH, table 3; NEVE",
        tuple(f"nano{level}-{what}" for level in (1, 2, 3) for what in ("time", "base", *OPERATIONS, "ipi-time", "ipi-base", "ipi") if (level, what) != (1, "vmcall")), analyse_e16),
    Experiment(
        "E18", "Round trips and system calls", "What do single operations cost in L1 and in L2?",
        "The runs of E16 in L1 and L2, and Linux's shortest system call in both.",
        "PVM, tables 1 and 2", ("nano1-time", "nano2-time", "nano2-base", "nano2-cpuid", "nano2-pio", "linux-getpid", "kvm-getpid"), analyse_e18),
]
