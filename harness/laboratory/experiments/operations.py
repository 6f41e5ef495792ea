# SPDX-License-Identifier: GPL-2.0-or-later
"""E9 and E10: single operations of a guest's kernel under the translator."""
from ..figures import bars
from ..papers import NANO, RDTSC
from ..section import Experiment, Section

DIRECT = ("With --engine auto user code alone runs directly where /dev/kvm has no VT, and these operations are a kernel's: that column is the translator's then, too, and shows "
          "that nothing is lost. On a host with VT it is KVM's, the paper's hardware VMM.")


def nano(results, name, run="nano"):
    """Cycles of an operation without the loop around it"""
    return results.sample(run, lambda r: max(r.shim_rows()[name] - r.shim_rows()["loop"], 0) if name in r.shim_rows() else None)


# the same program on this host and in L1; and how many of an operation each of its rows is
PROGRAMS = (("on this host", "native-operations"), ("in L1, translated", "linux-operations"), ("in L1, --engine auto", "linux-operations-auto"))
TIMES = {"syscall": 100000, "callret": 1000000, "divzero": 10000, "segv": 10000, "rdtsc": 1000000}


def _programs(section, results, title, names):
    """names: {row: what it is called}. ns of one, natively, translated, and directly where /dev/kvm can do it"""
    rows, answered = [], set()
    for row, name in names.items():
        samples = [results.sample(run, lambda r: r.row(row) and r.row(row) / TIMES[row]) for _, run in PROGRAMS]
        native = samples[0]
        answered |= {where for (where, _), s in zip(PROGRAMS, samples) if s}
        if native:
            rows.append([name, *(s.text() for s in samples), *(f"{s.median / native.median:.2f}" if s else "–" for s in samples[1:])])
    section.table(title, [("operation", ""), *((f"{where}/ns", "timed") for where, _ in PROGRAMS), *((f"{where}, over native", "timed") for where, _ in PROGRAMS[1:])], rows)
    section.check("a program's operations were done natively, translated, and with --engine auto, as far as these runs are there",
                  answered == {where for where, run in PROGRAMS if results.has(run, 1)})


def analyse_e9(results):
    section, rows = Section(), []
    ours = {name: nano(results, name) for name in NANO}
    for name, (native, software, hardware) in NANO.items():
        rows.append([name, ours[name].text(), nano(results, name, "nano-auto").text(), f"{native:,}", f"{software:,}", f"{hardware:,}"])
    section.table("Cycles of an operation; the loop is taken off. The least batch of each run", [
        ("operation", ""), ("turtles/TSC cycles", "timed"), ("--engine auto/TSC cycles", "timed"), ("native (2006)/cycles", "published"), ("software VMM/cycles", "published"),
        ("hardware VMM/cycles", "published")], rows)
    _programs(section, results, "What a program can do of these: on this host, and the same in L1 (Debian's Linux)", {
        "syscall": "syscall: getppid", "callret": "callret", "segv": "pgfault: a signal, with what Linux does for it", "divzero": "divzero: the same"})
    if not all(ours.values()):
        return section
    section.figure("Ours: operations of a kernel, translated", bars("e9", list(NANO), [("turtles", "timed", list(ours.values()))], "TSC cycles", log=True),
                   bars("e9-paper", list(NANO), [("native", "published", [v[0] for v in NANO.values()]), ("software VMM", "published", [v[1] for v in NANO.values()]),
                                                 ("hardware VMM", "published", [v[2] for v in NANO.values()])], "cycles", log=True, values=False),
                   "Adams and Agesen, figure 4")
    cheap = [name for name in NANO if ours[name].median < NANO[name][1]]
    dear = [name for name in NANO if ours[name].median >= NANO[name][1]]
    section.agrees.append(f"Cheaper here than in their translator: {', '.join(cheap) or 'nothing'}. A page fault, a system call and a page table's write need no "
                          "exit in a translator that walks tables in software: ptemod is a store.")
    hardware = [name for name in NANO if ours[name].median < NANO[name][2]]
    section.say({"in", "pgfault", "ptemod"} <= set(hardware), f"Less than their hardware VMM needs: {', '.join(hardware)}; they found so for in, cr8wr, pgfault and ptemod.")
    if dear:
        section.differs.append(f"Dearer here than in their translator: {', '.join(dear)}. turtles' in and cr8wr call devices in C, which their translator had inlined; divzero is a "
                               "division on the host's unit that really faults, and the host's kernel sends a signal: that is most of its price, as the same program on this host shows.")
    section.differs.append(DIRECT)
    # of the least of each, and far apart: a busy host doesn't turn that round
    section.check("a page table's entry is written for less than a page fault costs", ours["ptemod"].values[0] < ours["pgfault"].values[0])
    section.check("a system call costs less than a page fault", ours["syscall"].values[0] < ours["pgfault"].values[0])
    return section


def analyse_e10(results):
    section, rows = Section(), []
    run = "shim-tsc-time"

    def steps(name):
        # of a round with 1000 steps and, in L2, a VMCALL
        def value(r):
            got = r.shim_rows()
            return (got[name] - (0 if name.endswith(".l1") else got["vmcall"])) / 1000 if name in got and "vmcall" in got else None
        return results.sample(run, value)

    inside, callout = steps("tsc.l1"), steps("tsc")
    trap = results.sample(run, lambda r: r.shim_rows().get("rdtsc"))
    ours = {"in the translated code": inside, "callout": callout, "trap and emulate": trap}
    words = {"in the translated code": "L1's: translated in place", "callout": "L2's that nobody wants to see, without RDTSCP enabled: a call into L0",
             "trap and emulate": "L2's with RDTSC exiting: an exit that L1 answers"}
    for name, cycles in RDTSC.items():
        rows.append([name, words[name], ours[name].text(), f"{cycles:,}"])
    section.table("RDTSC by three techniques", [("technique", ""), ("here", ""), ("turtles/TSC cycles", "timed"), ("Adams and Agesen/cycles", "published")], rows)
    _programs(section, results, "A program's", {"rdtsc": "RDTSC in a loop"})
    if all(ours.values()):
        names = list(RDTSC)[::-1]
        section.figure("Ours", bars("e10", names, [("turtles", "timed", [ours[n] for n in names])], "TSC cycles"),
                       bars("e10-paper", names, [("Adams and Agesen", "published", [RDTSC[n] for n in names])], "cycles"), "Adams and Agesen, section 3.3")
        # of the least of each, and far apart: a busy host doesn't turn that round
        section.check("in the translated code, and by callout, it is cheaper than by a trap", max(inside.values[0], callout.values[0]) < trap.values[0])
        section.say(inside.median < callout.median < trap.median, f"In Adams and Agesen the order is: in translated code, by callout, by a trap. 1 : {callout.median / inside.median:.1f} : {trap.median / inside.median:.1f} here, "
                              f"1 : {RDTSC['callout'] / RDTSC['in the translated code']:.1f} : {RDTSC['trap and emulate'] / RDTSC['in the translated code']:.1f} there.")
    added = results.pair("shim-tsc")
    if added:
        calls = added.number("bt", "callouts")
        section.check("counted: L2's RDTSC is one callout and no exit, L1's is neither", abs(calls - 1) < 0.1 and not added.exits())
        section.table("What RDTSC is counted as, where it doesn't exit: one of L1 and one of L2", [("", ""), ("callouts", "counted"), ("exits", "counted")],
                      [["both together", f"{calls:.3g}", f"{sum(added.exits().values()):.3g}"]])
    section.differs.append("The trap is an exit of L2 to the smallest L1, not of a kernel to its monitor. turtles decides once, by whose code it is, which technique is taken: there is no "
                           "adaptation from one to another after so many traps, and nothing to be shown of it.")
    return section


EXPERIMENTS = [
    Experiment("E9", "Nanobenchmarks of a translator", "What do single operations of a kernel cost when they are translated?",
               "A bare guest (workloads/nano) executes each 20,000 times in each of 21 batches. The paper's seven operations; turtles' engine is the translator. A program has no "
               "ring 0; as far as it can do the same, it does so on this host, in L1 translated, and in L1 with its code running directly where /dev/kvm allows it.",
               "Adams and Agesen, figure 4", ("nano", "nano-auto", *(run for _, run in PROGRAMS)), analyse_e9),
    Experiment("E10", "RDTSC by three techniques", "What does a frequent privileged instruction cost by each technique?",
               "l1shim's payloads tsc (RDTSC in a loop, in L1 and in L2, where it doesn't exit) and rdtsc (it does). And a program's, on this host, in L1 translated, and in L1 with "
               "--engine auto, which translates pages that hold RDTSC where /dev/kvm can't make it exit.",
               "Adams and Agesen, section 3.3", ("shim-tsc-time", "shim-tsc-few", "shim-tsc-many", *(run for _, run in PROGRAMS)), analyse_e10),
]
