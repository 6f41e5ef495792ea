# SPDX-License-Identifier: GPL-2.0-or-later
"""E1 and E2: one exit of L2, what it costs and what L1 makes of it."""
import csv
import io

from .. import LabError, model
from ..commands import VARIANTS
from ..figures import bars, flame, stacked, unfolded
from ..papers import (CPUID_EXITS, CPUID_EXITS_DRW, CPUID_VMREADS, CPUID_VMWRITES, EXIT_CYCLES, FIGURE_10, MODERN_KVM_READS, NESTED_EXIT,
                      OUR_VARIANT, PIO_EXITS, PIO_EXITS_DRW, FIGURE_6, SINGLE_CPUID)
from ..results import Sample, read_text
from ..section import Experiment, Section

VMCS = ("VMREAD", "VMWRITE")
LEAST = ("trap", "shadow", "rewrite")
OWNERS = ("l2", "l1", "l0_for_l2", "l0_for_l1", "switching")


def per_cpuid(results, l1, variant):
    """Exits of L1 for one cpuid of L2, by reason; None if a run is missing"""
    if l1 == "kvm":
        added = results.pair(f"kvm-cpuid-{variant}")
        return added.round("CPUID") if added else None
    run = results.one(f"shim-cpuid-{variant}")
    if run is None or "CPUID" not in run.rounds():
        return None
    row = run.rounds()["CPUID"]
    # its last round has no VM entry: the run ends in it, and with port accesses
    return {reason: n / row["rounds" if reason == "VMRESUME" else "count"] for reason, n in row["l1_exits"].items() if reason != "IO_INSTRUCTION"}


def analyse_e2(results):
    section, rows, exits = Section(), [], {}
    for l1, name in (("shim", "l1shim"), ("kvm", "Debian's KVM")):
        for variant in LEAST:
            found = per_cpuid(results, l1, variant)
            if found is None:
                continue
            total = 1 + sum(found.values())
            others = {k: v for k, v in found.items() if k not in (*VMCS, "VMRESUME")}
            exits[l1, variant] = total, others, found
            rows.append([name, variant, f"{found.get('VMREAD', 0):.4g}", f"{found.get('VMWRITE', 0):.4g}",
                         f"{found.get('VMRESUME', 0):.4g}", ", ".join(f"{k} {v:.3g}" for k, v in others.items()) or "none",
                         f"{total:.2f}"])
    if exits:
        section.figure("Ours: exits for one cpuid of L2, the cpuid itself included", bars(
            "e2", LEAST, [(name, "counted", [exits[l1, v][0] if (l1, v) in exits else None for v in LEAST])
                          for l1, name in (("shim", "l1shim"), ("kvm", "Debian's KVM"))], "exits"),
            bars("e2-paper", ["VMCS accesses exit", "they don't"], [("Turtles", "published", [CPUID_EXITS.value, CPUID_EXITS_DRW.value])], "exits"),
            "Turtles, section 4.3")
    section.table("Exits for one cpuid of L2", [
        ("L1", ""), ("VMCS access", ""), ("VMREADs that exit", "counted"), ("VMWRITEs that exit", "counted"),
        ("VMRESUMEs", "counted"), ("other exits of L1", "counted"), ("exits in all", "counted")], rows)
    section.table("Published: what Turtles counted in 2010", [
        ("L1", ""), ("VMREADs", "published"), ("VMWRITEs", "published"), ("exits in all", "published")], [
            ["KVM", CPUID_VMREADS.text(), CPUID_VMWRITES.text(), CPUID_EXITS.text()],
            ["KVM, changed so that it accesses the VMCS as memory", "0", "0", CPUID_EXITS_DRW.text()]])
    _unfolded(section, results)
    added = results.pair("kvm-cpuid-trap")
    if added:
        section.table("Debian's KVM: the fields that it reads and writes for one cpuid", [("access", ""), ("a cpuid", "counted")], [
            [f"{what.upper()} {name}", f"{count:.2f}"] for what in ("vmread", "vmwrite") for name, count in added.fields(what).items() if count > 0.1])
        _check_fields(section, added, exits)
    _checks_e2(section, exits)
    return section


def _check_fields(section, added, exits):
    """What is counted as exits, and what is counted by field, are counted by different code."""
    if ("kvm", "trap") in exits:
        found = exits["kvm", "trap"][2]
        for what in ("vmread", "vmwrite"):
            by_field = sum(added.fields(what).values())
            section.check(f"KVM, trap: {what.upper()}s by field add up to those that exit ({by_field:.2f})", abs(by_field - found.get(what.upper(), 0)) < 0.05)


def _unfolded(section, results):
    """One round, exit after exit, and by the functions of L1 that make them"""
    run = results.one("kvm-stacks")
    if run is None:
        return
    try:
        rows, stacks = (read_text(run.folder / name) for name in ("round.csv", "collapsed.txt"))
    except LabError as error:
        results.problems[run.folder] = str(error)
        return
    events = []
    for row in csv.DictReader(io.StringIO(rows)):
        if row["event"] == "kvm_entry":
            label = "VM entry: L2 goes on"
        elif row["level"] == "2":
            label = f"{row['reason']} of L2"
        else:
            label = f"{row['reason']}  {row['text']}".rstrip()
        events.append((int(row["insns"]), int(row["level"]), label))
    if len(events) > 2:
        section.figure("One cpuid of L2, unfolded: what L1 (Debian's KVM) does until L2 goes on, with --vmcs-access trap. Each mark is an exit of L1 that L0 "
                       "handles (counted)", unfolded("e2-round", events, "instructions of L1 since the exit"))
    svg = flame("e2-flame", stacks, "exits of L1 for one cpuid (counted)", scale=run.about["work"],
                below="L2", skip=("CPUID", "entry_SYSCALL_64_after_hwframe", "do_syscall_64", "__x64_sys_ioctl", "kvm_vcpu_ioctl"))
    if svg:
        section.figure("Flame graph of the same: which function of L1's kernel makes which exit. Callers below, exits of L1 dark, widths are numbers of exits", svg)


def _checks_e2(section, exits):
    if ("shim", "trap") in exits:
        total, others, found = exits["shim", "trap"]
        want = found.get("VMREAD", 0) + found.get("VMWRITE", 0) + 2
        section.check(f"l1shim, trap: exits are VMREADs + VMWRITEs + 2 ({want:.3f})", abs(total - want) < 0.01 and not others)
        section.check("l1shim, trap: 13 exits, as Turtles counted", abs(total - CPUID_EXITS.value) < 0.01)
        section.agrees.append("An L1 with 7 VMREADs and 4 VMWRITEs makes 13 exits of one cpuid, and 2 if those don't exit: exact.")
    if ("shim", "rewrite") in exits:
        total, others, _ = exits["shim", "rewrite"]
        section.check("l1shim, rewrite: 2 exits", abs(total - 2) < 0.01 and not others)
    for l1, name in (("shim", "l1shim"), ("kvm", "KVM")):
        if (l1, "trap") in exits and (l1, "shadow") in exits:
            section.check(f"{name}: shadow has fewer exits than trap", exits[l1, "shadow"][0] < exits[l1, "trap"][0])
    if ("kvm", "rewrite") in exits:
        total, others, found = exits["kvm", "rewrite"]
        section.check(f"KVM, rewrite: 2 exits and those named ({', '.join(others) or 'none'}), no VMCS access among them",
                      abs(total - 2 - sum(others.values())) < 0.01 and not any(found.get(v, 0) > 0.001 for v in VMCS))
        if ("kvm", "trap") in exits:
            as_trap = exits["kvm", "trap"][1]
            section.check("KVM: these others are those that it makes with trap", all(abs(others.get(k, 0) - as_trap.get(k, 0)) < 0.01 for k in {*others, *as_trap}))
        names = " and ".join(f"{v:.2g} {k}" for k, v in others.items())
        section.differs.append(
            f"Debian's KVM (Linux 6.1) makes {names} more for a cpuid: it reads MSR_IA32_DEBUGCTLMSR in each round, which Turtles' KVM of "
            f"2009 didn't. No way of reaching the VMCS takes that away.")
    if ("kvm", "trap") in exits:
        total, others, found = exits["kvm", "trap"]
        want = found.get("VMREAD", 0) + found.get("VMWRITE", 0) + 2 + sum(others.values())
        section.check(f"KVM, trap: exits are VMREADs + VMWRITEs + 2 and {', '.join(others) or 'nothing else'}", abs(total - want) < 0.01)
        section.differs.append(
            f"Its VMREADs are {found['VMREAD']:.3g} and its VMWRITEs {found['VMWRITE']:.3g}, not 7 and 4: other code, 13 years later. "
            f"{MODERN_KVM_READS.where} is what was counted by hand elsewhere ({MODERN_KVM_READS.source}).")


def cycles(results, variant):
    """TSC cycles of a cpuid of L2 under KVM, the loop around it included"""
    return results.sample(f"kvm-cpuid-time-{variant}", lambda r: r.shim_rows().get("cpuid"))


def _profiles(results, name):
    return [p for p in (r.since_mark("profile") for r in results.finished(name)) if p]


def samples(results, name):
    """How many samples owners() goes by"""
    return sum(sum(p[o] for o in OWNERS) for p in _profiles(results, name))


def share_of(results, name, owner):
    """An owner's share in each repeat, in percent"""
    return Sample([100 * p[owner] / sum(p[o] for o in OWNERS) for p in _profiles(results, name) if sum(p[o] for o in OWNERS)])


def owners(results, name):
    """Shares of a program's time by owner, {owner: share}: samples of all repeats, from the run's mark on"""
    profiles, total = _profiles(results, name), samples(results, name)
    return {o: sum(p[o] for p in profiles) / total for o in OWNERS} if total else None


def _row_e1(results, name, variant):
    """Of the table: KVM's time, its shares by owner, l1shim's time, exits of a cpuid, fields copied at an entry"""
    share = owners(results, f"kvm-cpuid-time-{variant}")
    shim = results.sample(f"shim-cpuid-time-{variant}", lambda r: r.shim_rows().get("cpuid"))
    exits, added = per_cpuid(results, "kvm", variant), results.pair(f"kvm-cpuid-{variant}")
    copied = added and added.number("vmcs", "fields_copied") / added.number("vmcs", "entries")
    return [name, variant, cycles(results, variant).text(), *([f"{100 * share[o]:.0f}" for o in OWNERS] if share else ["–"] * 5), shim.text(),
            f"{1 + sum(exits.values()):.2f}" if exits else "–", f"{copied:.1f}" if copied else "–"]


def analyse_e1(results):
    section, rows, parts, ours = Section(), [], [], {}
    single = results.sample("nano1-time", lambda r: r.shim_rows().get("cpuid"))
    for name, column in FIGURE_10.items():
        variant = OUR_VARIANT[name]
        sample = cycles(results, variant)
        if not sample:
            continue
        ours[name] = sample
        rows.append(_row_e1(results, name, variant))
        share = owners(results, f"kvm-cpuid-time-{variant}")
        if share:
            parts.append((name, {o: sample.median * share[o] for o in OWNERS}))
    if cycles(results, "shadow"):
        rows.append(_row_e1(results, "(VMCS shadowing)", "shadow"))
    if single:
        rows.insert(0, ["single level", "–", single.text(), *["–"] * 8])
    if parts:
        names = [p[0] for p in parts]
        section.figure("Ours: KVM as L1, a cpuid of L2 by owner (timed, by samples)", stacked(
            "e1", names, [("L2", [p[1]["l2"] for p in parts]), ("L1", [p[1]["l1"] for p in parts]),
                          ("L0", [p[1]["l0_for_l1"] + p[1]["l0_for_l2"] for p in parts]), ("reflecting, entering", [p[1]["switching"] for p in parts])],
            "TSC cycles", totals=[ours[n] for n in names]), stacked(
            "e1-paper", list(FIGURE_10), [None, ("L1", [c.l1 for c in FIGURE_10.values()]), ("L0", [c.l0 for c in FIGURE_10.values()]),
                                          ("mode switches", [c.switches for c in FIGURE_10.values()])], "cycles"),
            "Turtles, figure 10 (published, read off the figure)")
    section.table("A cpuid of L2. Of each run the least batch, of these the median; smallest and largest of the repeats in brackets", [
        ("column of Turtles' figure 10", ""), ("our variant", ""), ("KVM as L1/TSC cycles", "timed"), ("of it L2/%", "timed"), ("L1/%", "timed"),
        ("L0 for L2/%", "timed"), ("L0 for L1/%", "timed"), ("reflecting, entering/%", "timed"), ("l1shim as L1/TSC cycles", "timed"),
        ("exits in all, KVM", "counted"), ("fields copied an entry, KVM", "counted")], rows)
    section.table("Published: Turtles, figure 10", [("column", ""), ("cycles", "published"), ("L1", "published"), ("L0", "published"), ("mode switches", "published")],
                  [["single level", SINGLE_CPUID.text(), "–", "1,500", "1,000"],
                   *[[name, f"{c.total:,.0f}", f"{c.l1:,.0f}", f"{c.l0:,.0f}", f"{c.switches:,.0f}"] for name, c in FIGURE_10.items()]])
    if "nested" in ours:
        base, published = ours["nested"], FIGURE_10["nested"].total
        section.figure("Both relative to their column nested", bars(
            "e1-relative", list(ours), [("Turtles", "published", [FIGURE_10[n].total / published for n in ours]),
                                        ("KVM on turtles", "timed", [s.scaled(1 / base.median) for s in ours.values()])], "relative time"))
        _words_e1(section, ours, single, [
            results.sample(f"shim-cpuid-time-{v}", lambda r: r.shim_rows().get("cpuid")) for v in ("trap-full", "rewrite")])
    if "nested" in ours and single:
        section.check("a cpuid of L2 costs more than one of L1", ours["nested"].median > single.median)
    _modelled(section, results)
    return section


def _words_e1(section, ours, single, shim):
    base = ours["nested"].median
    medians = [s.median for s in ours.values()]
    if len(medians) == len(FIGURE_10) and medians == sorted(medians, reverse=True):
        section.agrees.append("With KVM as L1 the columns stand in the published order: each of the two optimisations helps, and VMCS accesses that don't exit "
                              "help more than copying less.")
    for name, slow, fast in (("KVM", ours["nested"], ours.get("nested, both")), ("l1shim", *shim)):
        if not slow or not fast:
            continue
        gain = 1 - fast.median / slow.median
        if len(slow.values) > 1 and fast.values[-1] >= slow.values[0]:
            section.differs.append(f"With {name} as L1, what both optimisations take away (80 % in Turtles) isn't seen: the ranges of the repeats overlap on this "
                                   f"host; the least of them differ by {1 - fast.values[0] / slow.values[0]:.0%}.")
        elif gain > 0:
            section.differs.append(
                f"With {name} as L1, both optimisations take {gain:.0%} away, 80 % in Turtles: the same direction, a smaller step. An exit is a call here, not a mode "
                f"switch of 1,000 cycles, so an exit less saves little beside L1's own instructions, which are the same in each column.")
        else:
            section.differs.append(f"With {name} as L1, both optimisations make it slower by {-gain:.0%}: that isn't explained.")
    if single:
        ratio = base / single.median
        section.differs.append(f"Nested over single level: {ratio:.0f}-fold here, 22-fold in Turtles (58,000 of 2,600 cycles): our single-level "
                               f"cpuid is no exit to a hypervisor but a call in the translator.")


def _modelled(section, results):
    """The cost model: apart from what was measured"""
    fitted = model.fit()
    rows = []
    for name, column in FIGURE_10.items():
        rows.append([f"figure 10, {name}", "fitted on it" if name in model.SEEN else "unseen", f"{column.total:,.0f}",
                     f"{fitted.cycles(column.accesses, name in model.ALL_FIELDS):,.0f}", f"{model.error(fitted, name):+.0%}"])
    pio = FIGURE_6["IO_INSTRUCTION"]
    saved = fitted.saved(PIO_EXITS.value - PIO_EXITS_DRW.value)
    rows.append(["figure 6, port access: what direct VMCS accesses save", "unseen", f"{pio[1] - pio[2]:,}", f"{saved:,.0f}", f"{saved / (pio[1] - pio[2]) - 1:+.0%}"])
    newer = model.on(fitted, EXIT_CYCLES["Sandy Bridge"])
    rows.append(["another nested exit: VMware Workstation 8 on a Sandy Bridge, 10 accesses", "unseen", f"{NESTED_EXIT.value:,}", f"{newer.cycles(10):,.0f}",
                 f"{newer.cycles(10) / NESTED_EXIT.value - 1:+.0%}"])
    section.table(
        f"The cost model against published numbers. Fitted: an exit and an entry {fitted.switch:.0f} cycles, the emulation of a VMCS access {fitted.emulate:.0f}, "
        f"reflecting and entering {fitted.reflect:.0f}, copying all fields {fitted.copy:.0f} more, L1's handler {fitted.handler:.0f}", [
            ("what", ""), ("", ""), ("cycles", "published"), ("model/cycles", "modelled"), ("error", "modelled")], rows)
    names = list(FIGURE_10)
    section.figure("The model on Turtles' machine: fitted on the first two columns, the other two are unseen", bars(
        "e1-model", names, [("Turtles", "published", [FIGURE_10[n].total for n in names]),
                            ("model", "modelled", [fitted.cycles(FIGURE_10[n].accesses, n in model.ALL_FIELDS) for n in names])], "cycles"))
    rows = []
    for variant in LEAST:
        found = per_cpuid(results, "kvm", variant)
        if found:
            v = sum(n for k, n in found.items() if k != "VMRESUME")
            rows.append([variant, f"{v:.2f}", f"{fitted.cycles(v):,.0f}", *(f"{model.on(fitted, EXIT_CYCLES[cpu]).cycles(v):,.0f}" for cpu in ("Nehalem", "Sandy Bridge"))])
    section.table("What a cpuid of L2 would cost on hardware with our KVM's exits, changed fields copied, L1's handler being as long. Other CPUs: all costs in the "
                  "proportion of their exits (Agesen et al. 2012, table 1)", [
                      ("VMCS access", ""), ("exits of L1 but for its VM entry", "counted"), ("Turtles' Xeon/cycles", "modelled"), ("Nehalem/cycles", "modelled"),
                      ("Sandy Bridge/cycles", "modelled")], rows)
    errors = ", ".join(f"{name} {model.error(fitted, name):+.0%}" for name in FIGURE_10 if name not in model.SEEN)
    section.differs.append(
        f"The model's error on the columns that it hasn't seen: {errors}. It is too high: in Turtles' bars L1's "
        f"own part shrinks, too, where fewer exits interrupt it, and the model's handler is as long in each column. What it can't do at all is another L0: "
        f"VMware's on a Sandy Bridge needs {NESTED_EXIT.value:,.0f} cycles, which no proportion of Turtles' KVM of 2009 gives.")


EXPERIMENTS = [
    Experiment(
        "E1", "cpuid nested: what it costs, and whom",
        "What does the shortest exit of L2 cost, and what do faster VMCS accesses (Turtles' 3.5.2) and copying less (3.5.1) take away?",
        "Debian's KVM runs a kernel of ours (workloads/nano), which executes a million cpuids in batches; l1shim with 7 VMREADs and 4 "
        "VMWRITEs does the same without Linux. Variants: --vmcs-access trap or rewrite (a stand-in for Turtles' modified L1, and here for an "
        "unmodified one), --vmcs-merge full or changed. By owner: --profile, samples of the vCPU's thread since L1's KVM was there.",
        "Turtles, figure 10",
        tuple(f"{l1}-cpuid-time-{v}" for l1 in ("shim", "kvm") for v in VARIANTS) + ("nano1-time",) +
        tuple(f"kvm-cpuid-{v}-{p}" for v in VARIANTS for p in ("few", "many")), analyse_e1),
    Experiment(
        "E2", "cpuid nested: exits",
        "How many exits does one exit of L2 become, which of them are VMREADs and VMWRITEs, and which code of L1 makes them?",
        "The same with the instruction clock. For KVM two runs, which differ by a thousand rounds of two cpuids, are subtracted, so that booting isn't counted. For the "
        "flame graph each exit of L1 has its call stack in the trace, unwound by the kernel's ORC tables.",
        "Turtles, section 4.3",
        tuple(f"shim-cpuid-{v}" for v in VARIANTS) + tuple(f"kvm-cpuid-{v}-{p}" for v in LEAST for p in ("few", "many")) + ("kvm-stacks",), analyse_e2),
]
