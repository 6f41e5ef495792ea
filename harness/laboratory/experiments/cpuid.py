# SPDX-License-Identifier: GPL-2.0-or-later
"""E1, E2 and E8: one exit of L2, and what L1 makes of it."""
from .. import model
from ..commands import CPUIDS, ROW_PASSES, VARIANTS
from ..figures import bars, stacked
from ..papers import (CPUID_EXITS, CPUID_EXITS_DRW, CPUID_VMREADS, CPUID_VMWRITES, FIGURE_10, MODERN_KVM_READS,
                      OUR_VARIANT, SINGLE_CPUID)
from ..results import difference
from ..section import Experiment, Figure, Section, Table

VMCS = ("VMREAD", "VMWRITE")


def per_cpuid(results, l1, variant):
    """Exits of L1 for one cpuid of L2, by reason; None if a run is missing"""
    run = results.one(f"{l1}-cpuid-{variant}")
    if run is None or "CPUID" not in run.rounds():
        return None
    row = run.rounds()["CPUID"]
    if l1 == "shim":
        # its last round isn't one: the run ends in it
        return {reason: n / row["count"] for reason, n in row["l1_exits"].items() if reason not in ("IO_INSTRUCTION",)}
    base = results.one(f"kvm-off-{variant.removesuffix('-full')}")
    if base is None or "CPUID" not in base.rounds():
        return None
    before = base.rounds()["CPUID"]
    n = row["count"] - before["count"]
    more = difference(row["l1_exits"], before["l1_exits"])
    return {reason: count / n for reason, count in more.items() if abs(count) / n >= 0.0005}


def accesses_per_cpuid(results):
    """VMREADs and VMWRITEs of KVM for a cpuid, whether they exit or not: by field, from a run where all of them do"""
    run, base = results.one("kvm-cpuid-trap"), results.one("kvm-off-trap")
    if run is None or base is None:
        return None
    n = run.rounds()["CPUID"]["count"] - base.rounds()["CPUID"]["count"]
    fields = {}
    for what in ("vmread", "vmwrite"):
        more = difference(run.vmx[what], base.vmx[what])
        fields[what] = {name: count / n for name, count in more.items() if count / n > 0.01}
    return fields


def analyse_e2(results):
    section, rows, figure = Section(), [], {}
    exits = {}
    for l1, name in (("shim", "l1shim"), ("kvm", "Debian's KVM")):
        for variant in ("trap", "shadow", "rewrite"):
            found = per_cpuid(results, l1, variant)
            if found is None:
                continue
            total = 1 + sum(found.values())
            others = {k: v for k, v in found.items() if k not in (*VMCS, "VMRESUME")}
            exits[l1, variant] = total, others, found
            rows.append([name, variant, f"{found.get('VMREAD', 0):.4g}", f"{found.get('VMWRITE', 0):.4g}",
                         f"{found.get('VMRESUME', 0):.4g}", ", ".join(f"{k} {v:.3g}" for k, v in others.items()) or "none",
                         f"{total:.2f}"])
    rows.append(["Turtles' KVM (2010)", "trap", CPUID_VMREADS.text(), CPUID_VMWRITES.text(), "1", "–", CPUID_EXITS.text()])
    rows.append(["Turtles' KVM, changed (2010)", "as rewrite", "0", "0", "1", "–", CPUID_EXITS_DRW.text()])
    section.tables.append(Table("Exits for one cpuid of L2", [
        ("L1", ""), ("VMCS access", ""), ("VMREADs that exit", "counted"), ("VMWRITEs that exit", "counted"),
        ("VMRESUMEs", "counted"), ("other exits of L1", "counted"), ("exits in all", "counted")], rows))
    for l1 in ("shim", "kvm"):
        figure[l1] = [exits[l1, v][0] if (l1, v) in exits else None for v in ("trap", "shadow", "rewrite")]
    if exits:
        section.figures.append(Figure("Exits for one cpuid of L2, the cpuid itself included", bars(
            "e2", ["trap", "shadow", "rewrite"],
            [("Turtles", "published", [CPUID_EXITS.value, None, CPUID_EXITS_DRW.value]), ("l1shim", "counted", figure["shim"]),
             ("Debian's KVM", "counted", figure["kvm"])], "exits")))
    fields = accesses_per_cpuid(results)
    if fields:
        lines = [[f"{what.upper()} {name}", f"{count:.3f}"] for what in fields for name, count in fields[what].items()]
        section.tables.append(Table("Debian's KVM: fields for one cpuid", [("access", ""), ("a cpuid", "counted")], lines))
    _checks_e2(section, exits)
    return section


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
        section.check("KVM, rewrite: 2 exits and those named, no VMCS access among them",
                      abs(total - 2 - sum(others.values())) < 0.01 and not any(found.get(v, 0) > 0.001 for v in VMCS))
        names = " and ".join(f"{v:.2g} {k}" for k, v in others.items())
        section.differs.append(
            f"Debian's KVM (Linux 6.1) makes {names} more for a cpuid: it reads MSR_IA32_DEBUGCTLMSR in each round, which Turtles' KVM of "
            f"2009 didn't. No way of reaching the VMCS takes that away.")
    if ("kvm", "trap") in exits:
        _, _, found = exits["kvm", "trap"]
        section.differs.append(
            f"Its VMREADs are {found['VMREAD']:.3g} and its VMWRITEs {found['VMWRITE']:.3g}, not 7 and 4: other code, 13 years later. "
            f"{MODERN_KVM_READS.where} is what was counted by hand elsewhere ({MODERN_KVM_READS.source}).")


def _times(results, variant):
    """ns of a cpuid of L2 under KVM, and of its round in L1"""
    whole = results.sample(f"kvm-cpuid-time-{variant}", lambda r: r.row("cpuid") and r.row("cpuid") / CPUIDS)
    inside = results.sample(f"kvm-cpuid-time-{variant}", lambda r: r.rounds()["CPUID"]["ns"] / r.rounds()["CPUID"]["rounds"])
    return whole, inside


def _columns(results):
    """Figure 10's columns that there are runs for: (name, published, whole, inside, l1shim's cycles, fields copied)"""
    for name, column in FIGURE_10.items():
        variant = OUR_VARIANT[name]
        whole, inside = _times(results, variant)
        cycles = results.sample(f"shim-cpuid-time-{variant}", lambda r: r.shim_rows().get("cpuid"))
        shim = results.one(f"shim-cpuid-{variant}")
        copied = [_copied(results, variant), shim and shim.l1["vmcs"]["fields_copied"] / shim.l1["vmcs"]["entries"]]
        yield name, variant, column, whole, inside, cycles, copied


def _copied(results, variant):
    """Fields that entries copy under KVM, for the entries that the cpuids add where there is a run without them"""
    run, base = results.one(f"kvm-cpuid-{variant}"), results.one(f"kvm-off-{variant}")
    if run is None:
        return None
    fields, entries = run.l1["vmcs"]["fields_copied"], run.l1["vmcs"]["entries"]
    if base is not None:
        fields, entries = fields - base.l1["vmcs"]["fields_copied"], entries - base.l1["vmcs"]["entries"]
    return fields / entries


def analyse_e1(results):
    section, rows, parts = Section(), [], []
    single = results.sample("linux-cpuid", lambda r: r.row("cpuid") and r.row("cpuid") / CPUIDS)
    if single:
        rows.append(["single level", "–", f"{SINGLE_CPUID.value:,.0f}", single.text(), "–", "–", "–"])
    ours = {}
    for name, variant, column, whole, inside, cycles, copied in _columns(results):
        if not whole:
            continue
        ours[name] = whole
        rows.append([name, variant, f"{column.total:,.0f}", whole.text(), inside.text(), cycles.text(),
                     " / ".join("–" if c is None else f"{c:.1f}" for c in copied)])
        # of one run, the least disturbed: the medians of the two may be of different runs
        least = min(results.finished(f"kvm-cpuid-time-{variant}"), key=lambda r: r.row("cpuid"))
        mine = least.rounds()["CPUID"]["ns"] / least.rounds()["CPUID"]["rounds"]
        parts.append((name, mine, max(least.row("cpuid") / CPUIDS - mine, 0)))
    shadow, inside = _times(results, "shadow")
    if shadow:
        cycles = results.sample("shim-cpuid-time-shadow", lambda r: r.shim_rows().get("cpuid"))
        rows.append(["(VMCS shadowing)", "shadow", "–", shadow.text(), inside.text(), cycles.text(), "–"])
    section.tables.append(Table("A cpuid of L2. Medians; smallest and largest of the repeats in brackets", [
        ("column of Turtles' figure 10", ""), ("our variant", ""), ("Turtles/cycles", "published"), ("KVM as L1/ns", "timed"),
        ("of it L1's round/ns", "timed"), ("l1shim as L1/TSC cycles, least batch", "timed"), ("VMCS fields copied an entry, KVM / l1shim", "counted")], rows))
    if parts:
        section.figures.append(Figure("By owner, timed, in the run with the least: L1 with the exits that L0 handles for it, and the rest (L2, reflecting, entering)", stacked(
            "e1", [p[0] for p in parts], [("L1's round", [p[1] for p in parts]), ("L0 and L2 outside of it", [p[2] for p in parts])], "ns")))
    if "nested" in ours:
        base = ours["nested"]
        published = FIGURE_10["nested"].total
        section.figures.append(Figure("Relative to the column nested", bars(
            "e1-relative", list(ours), [("Turtles", "published", [FIGURE_10[n].total / published for n in ours]),
                                        ("KVM on turtles", "timed", [s.scaled(1 / base.median) for s in ours.values()])], "relative time")))
        _words_e1(section, ours, single, [
            results.sample(f"shim-cpuid-time-{v}", lambda r: r.shim_rows().get("cpuid")) for v in ("trap-full", "rewrite")])
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
        if fast.values[0] <= slow.values[-1] and slow.values[0] <= fast.values[-1]:
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
        rows.append([name, "fitted on it" if name in model.SEEN else "unseen", f"{column.total:,.0f}",
                     f"{fitted.cycles(column.accesses, name in model.ALL_FIELDS):,.0f}", f"{model.error(fitted, name):+.0%}"])
    section.tables.append(Table(
        f"The cost model on Turtles' columns: an exit and an entry {fitted.switch:.0f} cycles, the emulation of a VMCS access {fitted.emulate:.0f}, reflecting and "
        f"entering {fitted.reflect:.0f}, copying all fields {fitted.copy:.0f} more, L1's handler {fitted.handler:.0f}", [
            ("column", ""), ("", ""), ("Turtles/cycles", "published"), ("model/cycles", "modelled"), ("error", "modelled")], rows))
    rows = []
    for variant in ("trap", "shadow", "rewrite"):
        found = per_cpuid(results, "kvm", variant)
        if found:
            exits = sum(n for k, n in found.items() if k != "VMRESUME")
            rows.append([variant, f"{exits:.2f}", f"{fitted.cycles(exits):,.0f}"])
    if rows:
        section.tables.append(Table("What Turtles' machine would need for a cpuid with our KVM's exits, changed fields copied, L1's handler being as long", [
            ("VMCS access", ""), ("exits of L1 but for its VM entry", "counted"), ("model/cycles", "modelled")], rows))
    errors = ", ".join(f"{name} {model.error(fitted, name):+.0%}" for name in FIGURE_10 if name not in model.SEEN)
    section.differs.append(
        f"The model's error on the columns that it hasn't seen: {errors}. It is too high: in Turtles' bars L1's "
        f"own part shrinks, too, where fewer exits interrupt it, and the model's handler is as long in each column.")


def _least(results):
    """Exits of L1, and its instructions, for a cpuid under l1shim's own handler: the difference of two runs that differ in rounds alone"""
    runs = [results.one(f"shim-cpuid-{n}") for n in (1000, 2000)]
    if not all(runs):
        return None
    few, many = (run.rounds()["CPUID"] for run in runs)
    more = difference(many["l1_exits"], few["l1_exits"])
    accesses = sum(more[k] for k in VMCS) / 1000
    return accesses, sum(more.values()) / 1000, (many["insns"] - few["insns"]) / 1000


def analyse_e8(results):
    section, rows = Section(), []
    least = _least(results)
    shims, kvms = [], []
    for variant in ("trap", "shadow", "rewrite"):
        shim, kvm = per_cpuid(results, "shim", variant), per_cpuid(results, "kvm", variant)
        if shim is None or kvm is None:
            continue
        mine = f"{1 + least[1]:.2f}" if least and variant == "trap" else "–"
        rows.append([variant, mine, f"{1 + sum(shim.values()):.2f}", f"{1 + sum(kvm.values()):.2f}"])
        shims.append(1 + sum(shim.values()))
        kvms.append(1 + sum(kvm.values()))
        section.check(f"{variant}: KVM has no fewer exits a cpuid than l1shim as Turtles' L1, but for its VMCS accesses",
                      sum(kvm.values()) >= sum(n for k, n in shim.items() if k not in VMCS))
    section.tables.append(Table("Exits for a cpuid of L2 under three L1s", [
        ("VMCS access", ""), ("l1shim, the least", "counted"), ("l1shim as talkative as Turtles' L1", "counted"), ("Debian's KVM", "counted")], rows))
    if not rows:
        return section
    section.figures.append(Figure("Exits for a cpuid of L2", bars(
        "e8", [row[0] for row in rows], [("l1shim as Turtles' L1", "counted", shims), ("Debian's KVM", "counted", kvms)], "exits")))
    if least:
        section.tables.append(Table("Instructions that L1 executes for it", [("L1", ""), ("instructions", "counted")], [
            ["l1shim, the least", f"{least[2]:.0f}"], ["Debian's KVM", f"{_insns(results, 'trap'):.0f}"]]))
        section.check("l1shim makes 5 exits of a cpuid with trap: itself, two VMREADs, one VMWRITE, one VMRESUME", abs(least[1] - 4) < 0.01)
    section.agrees.append("The kinds of exits are the same whichever L1 it is; their number is L1's, as Turtles saw with VMware as L1.")
    section.differs.append("Turtles' second L1 was VMware Server, which does VMXON and VMPTRLD for each switch. Ours does neither: Xen isn't among the "
                           "guests yet. Programs' times (14.98 % for kernbench) aren't compared: see E4.")
    return section


def _insns(results, variant):
    row = results.one(f"kvm-cpuid-{variant}").rounds()["CPUID"]
    return row["insns"] / row["rounds"]


EXPERIMENTS = [
    Experiment(
        "E1", "cpuid nested: what it costs, and whom",
        "What does the shortest exit of L2 cost, and what do faster VMCS accesses (Turtles' 3.5.2) and copying less (3.5.1) take away?",
        f"Debian's KVM runs Linux, in which a program executes {CPUIDS * ROW_PASSES:,} cpuids (the median of {ROW_PASSES} passes); l1shim with 7 VMREADs and 4 "
        "VMWRITEs does the same without Linux. Variants: --vmcs-access trap or rewrite (a stand-in for Turtles' modified L1, and here for an "
        "unmodified one), --vmcs-merge full or changed.",
        "Turtles, figure 10",
        tuple(f"{l1}-cpuid-time-{v}" for l1 in ("shim", "kvm") for v in VARIANTS) +
        tuple(f"{l1}-cpuid-{v}" for l1 in ("shim", "kvm") for v in VARIANTS) +
        tuple(f"kvm-off-{v}" for v in ("trap", "shadow", "rewrite")) + ("linux-cpuid",), analyse_e1),
    Experiment(
        "E2", "cpuid nested: exits",
        "How many exits does one exit of L2 become, and which of them are VMREADs and VMWRITEs?",
        "The same runs with the instruction clock. For KVM, a run that boots L2 and does nothing else is taken off.",
        "Turtles, section 4.3",
        tuple(f"{l1}-cpuid-{v}" for l1 in ("shim", "kvm") for v in ("trap", "shadow", "rewrite")) +
        tuple(f"kvm-off-{v}" for v in ("trap", "shadow", "rewrite")), analyse_e2),
    Experiment(
        "E8", "A second kind of L1",
        "Does it depend on the hypervisor that is L1?",
        "The cpuid of E2 under l1shim, which reads the exit reason and steps over the instruction and does nothing else, and under Debian's KVM.",
        "Turtles, table 3",
        tuple(f"{l1}-cpuid-{v}" for l1 in ("shim", "kvm") for v in ("trap", "shadow", "rewrite")) +
        tuple(f"kvm-off-{v}" for v in ("trap", "shadow", "rewrite")) + ("shim-cpuid-1000", "shim-cpuid-2000"), analyse_e8),
]
