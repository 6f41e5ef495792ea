# SPDX-License-Identifier: GPL-2.0-or-later
"""E9 and E10: single operations of a guest's kernel under the translator."""
from ..figures import bars
from ..papers import NANO, RDTSC
from ..section import Experiment, Figure, Section, Table


def nano(results, name):
    """Cycles of an operation without the loop around it"""
    return results.sample("nano", lambda r: name in r.shim_rows() and max(r.shim_rows()[name] - r.shim_rows()["loop"], 0))


def analyse_e9(results):
    section, rows = Section(), []
    ours = {name: nano(results, name) for name in NANO}
    for name, (native, software, hardware) in NANO.items():
        rows.append([name, ours[name].text(), f"{native:,}", f"{software:,}", f"{hardware:,}"])
    section.tables.append(Table("Cycles of an operation; the loop is taken off. The least batch of each run", [
        ("operation", ""), ("turtles/TSC cycles", "timed"), ("native (2006)/cycles", "published"), ("software VMM/cycles", "published"),
        ("hardware VMM/cycles", "published")], rows))
    section.figures.append(Figure("Operations of a kernel, translated", bars(
        "e9", list(NANO), [("Adams and Agesen, software VMM", "published", [v[1] for v in NANO.values()]),
                           ("turtles", "timed", list(ours.values()))], "cycles", log=True)))
    cheap = [name for name in NANO if ours[name].median < NANO[name][1]]
    dear = [name for name in NANO if ours[name].median >= NANO[name][1]]
    section.agrees.append(f"Cheaper here than in their translator: {', '.join(cheap) or 'nothing'}. A page fault, a system call and a page table's write need no "
                          "exit in a translator that walks tables in software: ptemod is a store.")
    if dear:
        section.differs.append(f"Dearer here: {', '.join(dear)}. turtles' in and cr8wr call devices in C, which their translator had inlined; divzero is a "
                               "division on the host's unit that really faults, and the host's kernel sends a signal.")
    section.differs.append("Native and hardware columns are not measured here: a program has no ring 0 on this host, and its /dev/kvm has no VT.")
    section.check("a page table's entry is written for less than a page fault costs", ours["ptemod"].median < ours["pgfault"].median)
    return section


def analyse_e10(results):
    section = Section()
    inside = nano(results, "rdtsc")
    trap = {v: results.sample(f"shim-all-time-{v}", lambda r: r.shim_rows().get("rdtsc")) for v in ("trap", "rewrite")}
    rows = [["in translated code or a callout of L0 (L1)", inside.text(), f"{RDTSC['in the translated code']:,} in translated code, {RDTSC['callout']:,} by callout"]]
    for variant, sample in trap.items():
        rows.append([f"an exit of L2 that L1 answers, --vmcs-access {variant}", sample.text(), f"{RDTSC['trap and emulate']:,} trap and emulate"])
    section.tables.append(Table("RDTSC", [("technique", ""), ("turtles/TSC cycles", "timed"), ("Adams and Agesen/cycles", "published")], rows))
    if inside and trap["rewrite"]:
        section.figures.append(Figure("RDTSC", bars("e10", ["translated", "trapped"], [
            ("Adams and Agesen", "published", [RDTSC["in the translated code"], RDTSC["trap and emulate"]]),
            ("turtles", "timed", [inside, trap["rewrite"]])], "cycles", log=True)))
        section.check("translated RDTSC costs less than a trap", inside.median < trap["rewrite"].median)
        section.agrees.append(f"The order is as published: translated before trapped, by a factor of {trap['rewrite'].median / inside.median:.0f} here and "
                              f"{RDTSC['trap and emulate'] / RDTSC['in the translated code']:.1f} there.")
    section.differs.append("turtles has one way of doing RDTSC, so that two of three techniques are here; there is no adaptation of one to another, and nothing to be "
                           "shown of it. The trap is an exit of L2 to the smallest L1, not of a kernel to its monitor.")
    return section


EXPERIMENTS = [
    Experiment("E9", "Nanobenchmarks of a translator", "What do single operations of a kernel cost when they are translated?",
               "A bare guest (workloads/nano) executes each 20,000 times in each of 21 batches. The paper's seven operations; turtles' engine is the translator.",
               "Adams and Agesen, figure 4", ("nano",), analyse_e9),
    Experiment("E10", "RDTSC translated and trapped", "What does a frequent privileged instruction cost by each technique?",
               "The operation rdtsc of E9, and l1shim's payload rdtsc, in which each is an exit of L2.",
               "Adams and Agesen, section 3.3", ("nano", "shim-all-time-trap", "shim-all-time-rewrite"), analyse_e10),
]
