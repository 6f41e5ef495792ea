# SPDX-License-Identifier: GPL-2.0-or-later
"""E3: what each reason costs, and how many exits it becomes."""
from ..figures import bars
from ..papers import FIGURE_6, PIO_EXITS, PIO_EXITS_DRW
from ..results import Sample
from ..section import Experiment, Section

LEAST = 20  # rounds: fewer say nothing about a reason


def amplification(row):
    return 1 + sum(row["l1_exits"].values()) / row["rounds"]


def _round_us(results, variant, reason):
    def value(result):
        row = result.rounds().get(reason)
        return row["ns"] / row["rounds"] / 1000 if row and row["rounds"] >= LEAST else None
    return results.sample(f"kvm-rows-time-{variant}", value) or results.sample(f"kvm-reasons-time-{variant}", value)


def _rounds(results, variant):
    """By reason: of Linux as L2, and of workloads/nano what Linux has too few of"""
    runs = [results.one(f"{run}-{variant}") for run in ("kvm-rows", "kvm-reasons")]
    linux, nano = (run.rounds() if run else {} for run in runs)
    return {**{r: row for r, row in nano.items() if row["rounds"] >= LEAST}, **{r: row for r, row in linux.items() if row["rounds"] >= LEAST}}


def analyse(results):
    section, rows = Section(), []
    trap, rewrite = (_rounds(results, v) for v in ("trap", "rewrite"))
    if not trap or not rewrite:
        return section
    reasons = [r for r in sorted(trap, key=lambda r: -trap[r]["count"]) if r in rewrite]
    if all(results.has(f"{run}-{v}", 1) for run in ("kvm-rows", "kvm-reasons") for v in ("trap", "rewrite")):
        section.check("every reason of Turtles' figure 6 is there", set(FIGURE_6) <= set(reasons))
    for reason in reasons:
        row, less = trap[reason], rewrite[reason]
        accesses = sum(row["l1_exits"].get(k, 0) for k in ("VMREAD", "VMWRITE")) / row["rounds"]
        published = FIGURE_6.get(reason, ("–",) * 3)
        rows.append([reason, row["count"], f"{accesses:.2f}", f"{amplification(row):.2f}", f"{amplification(less):.2f}",
                     f"{row['insns'] / row['rounds']:,.0f}", _round_us(results, "trap", reason).text(),
                     _round_us(results, "rewrite", reason).text(),
                     *(f"{p:,}" if isinstance(p, int) else "–" for p in published[1:])])
        section.check(f"{reason}: rewrite has fewer exits than trap", amplification(less) < amplification(row))
    section.table("Exits of L2 under Debian's KVM", [
        ("exit of L2", ""), ("count", "counted"), ("VMCS accesses", "counted"), ("exits in all, trap", "counted"), ("exits in all, rewrite", "counted"),
        ("instructions of L1", "counted"), ("L1's round, trap/us", "timed"), ("L1's round, rewrite/us", "timed"),
        ("Turtles nested/cycles", "published"), ("Turtles 3.5.2/cycles", "published")], rows)
    section.figure("Exits that one exit of L2 becomes", bars(
        "e3", reasons, [("trap", "counted", [amplification(trap[r]) for r in reasons]),
                        ("rewrite", "counted", [amplification(rewrite[r]) for r in reasons])], "exits"))
    common = [r for r in FIGURE_6 if r in reasons and _round_us(results, "trap", r)]
    if common:
        section.figure("Ours: L1's round", bars("e3-time", common, [(v, "timed", [_round_us(results, v, r) for r in common]) for v in ("trap", "rewrite")], "us", log=True, values=False),
                       bars("e3-paper", list(FIGURE_6), [(name, "published", [v[i] for v in FIGURE_6.values()]) for i, name in ((0, "single level"), (1, "nested"), (2, "nested, 3.5.2"))],
                            "cycles", log=True, values=False), "Turtles, figure 6 (two bars printed, the others read off the figure)")
    _shim(section, results)
    _against_turtles(section, results, trap, rewrite)
    return section


def _shim(section, results):
    lines = []
    times = {v: results.finished(f"shim-all-time-{v}") for v in ("trap", "rewrite")}
    if not all(times.values()):
        return
    names = [n for n in times["trap"][0].shim_rows() if n.removesuffix(".l1") not in ("loop", "memory", "tsc", "walk")]
    values = {v: [Sample([r.shim_rows()[n] for r in times[v] if n in r.shim_rows()]) for n in names] for v in times}
    for i, name in enumerate(names):
        lines.append([name, values["trap"][i].text(), values["rewrite"][i].text()])
    section.table("The smallest L1 (l1shim): a round by the exit that it is about", [
        ("payload", ""), ("trap/TSC cycles, least batch", "timed"), ("rewrite/TSC cycles, least batch", "timed")], lines)
    section.figure("A round under l1shim", bars(
        "e3-shim", names, [("trap", "timed", values["trap"]), ("rewrite", "timed", values["rewrite"])], "TSC cycles", log=True, values=False))


def _against_turtles(section, results, trap, rewrite):
    if "IO_INSTRUCTION" in trap:
        more, less = (amplification(r["IO_INSTRUCTION"]) - 1 for r in (trap, rewrite))
        left = sorted(rewrite["IO_INSTRUCTION"]["l1_exits"].items(), key=lambda item: -item[1])[:4]
        names = ", ".join(f"{name} {n / rewrite['IO_INSTRUCTION']['rounds']:.2f}" for name, n in left)
        section.differs.append(
            f"A port access makes {more:.1f} exits of L1, {less:.1f} without VMCS accesses (the largest: {names}); Turtles had {PIO_EXITS.text()} and "
            f"{PIO_EXITS_DRW.text()}. L1's VMM is a small program here and was QEMU there.")
    order = [r for r in ("EXTERNAL_INTERRUPT", "IO_INSTRUCTION", "MSR_READ", "CPUID") if r in trap]
    times = [_round_us(results, "trap", r) for r in order]
    if len(order) > 2 and all(times):
        ours = [t.median for t in times]
        text = ", ".join(f"{r} {t:.3g}" for r, t in zip(order, ours))
        (section.agrees if ours == sorted(ours, reverse=True) else section.differs).append(
            f"The order of Turtles' figure 6 is external interrupt, port access, MSR read, cpuid. Here, in us: {text}.")
    if "EPT_VIOLATION" in trap and "CPUID" in trap:
        section.agrees.append("An EPT violation is among the reasons that gain least from VMCS accesses that don't exit, as in figure 6: "
                              f"{1 - amplification(rewrite['EPT_VIOLATION']) / amplification(trap['EPT_VIOLATION']):.0%} of its exits go, "
                              f"{1 - amplification(rewrite['CPUID']) / amplification(trap['CPUID']):.0%} of a cpuid's."
                              if amplification(rewrite["EPT_VIOLATION"]) / amplification(trap["EPT_VIOLATION"]) >=
                              amplification(rewrite["CPUID"]) / amplification(trap["CPUID"]) else
                              "As in figure 6, an EPT violation has fewer VMCS accesses than most.")
    if "EPT_VIOLATION" in trap and _round_us(results, "trap", "EPT_VIOLATION"):
        section.differs.append(
            f"In figure 6 an EPT violation is among the cheapest nested exits, here it is {_round_us(results, 'trap', 'EPT_VIOLATION').text()} us: L1's kernel finds memory for it and clears "
            f"that, mostly 2 MiB at a time ({trap['EPT_VIOLATION']['insns'] / trap['EPT_VIOLATION']['rounds']:,.0f} instructions in a round, a REP STOS for a whole page counted as one).")
    section.differs.append("Figure 6 has cycles from L2's exit to its next entry on a machine of 2010; L1's round here is microseconds of a translator. "
                           "The columns stand beside each other for their order, not their size.")


EXPERIMENTS = [Experiment(
    "E3", "Every exit reason: amplification and cost",
    "Which exits of L2 are dear, how many exits does each become, and what do VMCS accesses that don't exit save?",
    "Debian's KVM boots Linux as L2, which runs small programs; counted with the instruction clock, timed with the host's. A reason with fewer than "
    f"{LEAST} rounds is left out. What Linux has too few of (CR_ACCESS, APIC_ACCESS, EXCEPTION_NMI, INTERRUPT_WINDOW) a kernel of ours (workloads/nano) makes in its place: it "
    "changes a bit of CR0, reads its local APIC's timer, executes UD2, and has an interrupt wait for STI. Besides, each payload of l1shim by itself.",
    "Turtles, figure 6",
    tuple(f"{l1}-{v}" for l1 in ("kvm-rows", "kvm-rows-time", "kvm-reasons", "kvm-reasons-time", "shim-all-time") for v in ("trap", "rewrite")), analyse)]
