# SPDX-License-Identifier: GPL-2.0-or-later
"""E4, E5 and E12: programs at each level."""
from ..figures import bars, stacked
from ..papers import FIGURE_5, FORKWAIT, NANO, TABLE_2
from ..section import Experiment, Section
from .cpuid import owners, samples, share_of

ROWS = ("int", "sort", "chase", "syscall", "fork", "fault", "forkwait")
PROGRAMS = (("compile", "kernbench"), ("warehouse", "SPECjbb"))
ENOUGH = 40  # samples: a busy host may be late to mark where a program begins, and leave few
COLUMNS = (("native", "native-{}"), ("L1", "linux-{}"), ("L2, trap", "kvm-{}-trap"), ("L2, rewrite", "kvm-{}-rewrite"))


def _row(results, run, row, scale=1e9):
    return results.sample(run, lambda r: r.row(row) and r.row(row) / scale)


def analyse_e4(results):
    section = Section()
    for program, paper in PROGRAMS:
        times = {name: _row(results, run.format(program), program) for name, run in COLUMNS}
        if not times["native"]:
            continue
        native, single = times["native"].median, times["L1"].median if times["L1"] else None
        rows, checks = [], set()
        for name, run in COLUMNS:
            run = run.format(program)
            s = times[name]
            if not s:
                continue
            cpu = results.sample(run, lambda r: r.row(f"{program}.cpu") and 100 * r.row(f"{program}.cpu") / r.row(program))
            first = _row(results, run, f"{program}.first")
            checks |= {r.check(program) for r in results.finished(run)}
            rows.append([name, s.text(), *([first.text()] if program == "compile" else [f"{1 / s.median:,.0f}"]), cpu.text(),
                         f"{s.median / native:.2f}", f"{100 * (s.median / single - 1):+.1f}" if single and name.startswith("L2") else "–"])
        what = {"compile": "Debian's gcc compiles files of newlib, a pass over the list/s", "warehouse": "warehouse, 1000 transactions/ms"}[program]
        if program == "warehouse":
            for row in rows:
                row[1] = times[row[0]].scaled(1e3).text()
        section.table(f"{what}. In the place of {paper}", [
            ("where", ""), ("time", "timed"), ("first pass, nothing in caches/s" if program == "compile" else "score: transactions a millisecond", "timed"),
            ("%CPU", "timed"), ("over native", "timed"), ("over L1/%", "timed")], rows)
        section.check(f"{program}: the same result wherever it ran", len(checks) == 1 and None not in checks)
        there = [name for name, _ in COLUMNS if times[name]]
        published = TABLE_2[paper]
        host = published[0][0]
        relative = [p[0] / host if paper == "kernbench" else host / p[0] for p in published]
        section.figure(f"Ours: {program}, time relative to native", bars(
            f"e4-{program}", there, [("turtles", "timed", [times[name].scaled(1 / native) for name in there])], "times native"),
            bars(f"e4-{program}-paper", ["host", "guest", "nested", "nested, 3.5.2"], [("Turtles", "published", relative)], "times native"),
            f"Turtles, table 2: {paper}")
        if single and times["L2, rewrite"]:
            over = 100 * (times["L2, rewrite"].median / single - 1)
            trap = 100 * (times["L2, trap"].median / single - 1) if times["L2, trap"] else None
            there, unit = published[2][0] / published[1][0], published[3][0] / published[1][0]
            paper_trap, paper_rewrite = (100 * ((x if paper == "kernbench" else 1 / x) - 1) for x in (there, unit))
            text = (f"{program}: a second level costs {over:+.1f} % with rewrite" + (f", {trap:+.1f} % with trap" if trap is not None else "") +
                    f"; Turtles: {paper} {paper_rewrite:+.1f} % and {paper_trap:+.1f} %.")
            section.say(over < 2 * paper_trap, text)
            if times["L2, trap"]:
                seen = times["L2, trap"].apart(times["L2, rewrite"]) and len(times["L2, trap"].values) > 1
                section.say(seen and over < trap, f"{program}: what VMCS accesses that don't exit save ({paper_trap - paper_rewrite:.1f} points of a second level's cost in Turtles) " + (
                    "is seen here as well." if seen and over < trap else "is turned round here: that isn't explained." if seen else
                    "isn't seen here: the repeats with trap and with rewrite overlap. An exit is a call here, and the program makes few."))
        if single:
            section.differs.append(f"{program}: one level costs {single / native:.1f} times native here, where code is translated; {relative[1]:.2f} times in Turtles, "
                                   "where the CPU runs it.")
    section.table("Published: Turtles, table 2 (standard deviation)", [
        ("benchmark", ""), *((name, "published") for name in ("host", "guest", "nested", "nested, 3.5.2"))],
        [[f"{name}/{'s' if name == 'kernbench' else 'score'}", *(f"{v:g} ({d:g})" for v, d in row)] for name, row in TABLE_2.items()])
    section.differs.append("compile is kernbench-like: another compiler's version, another source tree (newlib, not the kernel), one job. warehouse is a stand-in for "
                           "SPECjbb, in C: there is no Java in the guests. The host is a guest of some hypervisor itself.")
    return section


def analyse_e5(results):
    section, ours = Section(), {}
    where = COLUMNS[1:]
    rows = []
    for program, paper in PROGRAMS:
        for name, run in where:
            share = owners(results, run.format(program))
            if share is None:
                continue
            guest = share["l2"] if name.startswith("L2") else share["l1"]
            l1 = share["l1"] if name.startswith("L2") else 0
            l0 = share["l0_for_l2"] + share["l0_for_l1"]
            ours[program, name] = [100 * x for x in (guest, l1, l0, share["switching"])]
            if samples(results, run.format(program)) >= ENOUGH:
                section.check(f"{program}, {name}: the guest has more of the time than L1 and the switches", guest > l1 + share["switching"])
            each = share_of(results, run.format(program), "l2" if name.startswith("L2") else "l1")
            rows.append([program, name, *(f"{x:.1f}" for x in ours[program, name][:1]), f"{each.values[0]:.1f}…{each.values[-1]:.1f}", *(f"{x:.1f}" for x in ours[program, name][1:]),
                         f"{100 * share['l0_for_l2' if name.startswith('L2') else 'l0_for_l1']:.1f}"])
    section.table("Whose CPU time it is, %, by the samples of all repeats", [
        ("program", ""), ("in", ""), ("the guest (L2)", "timed"), ("in single repeats", "timed"), ("L1", "timed"), ("L0", "timed"), ("reflecting, entering", "timed"),
        ("of L0: for the guest itself", "timed")], rows)
    for program, paper in PROGRAMS:
        names = [name for name, _ in where if (program, name) in ours]
        if not names:
            continue
        parts = ("guest", "L1", "L0", "switch")
        published = FIGURE_5[paper]
        section.figure(f"Ours: {program} (timed, by samples)", stacked(
            f"e5-{program}", names, [(p, [ours[program, n][i] for n in names]) for i, p in enumerate(parts)], "% of CPU time"), stacked(
            f"e5-{program}-paper", list(published), [(p, [published[n][i] for n in published]) for i, p in enumerate(parts)], "% of the nested run's cycles"),
            f"Turtles, figure 5: {paper} (published, read off the figure)")
        if all((program, n) in ours for n in ("L1", "L2, trap")):
            grows, there = ours[program, "L2, trap"][2] / ours[program, "L1"][2], published["nested"][2] / published["guest"][2]
            section.say(grows > 2, f"{program}: L0's share is {grows:.1f} times as large in L2 as in L1, {there:.1f} times in Turtles (of the same whole).")
        if all((program, n) in ours for n in ("L2, trap", "L2, rewrite")):
            trap, rewrite = (ours[program, name][1] + ours[program, name][3] for name in ("L2, trap", "L2, rewrite"))
            before, after = (sum(published[name][i] for i in (1, 3)) for name in ("nested", "nested, 3.5.2"))
            section.say(trap < 10 and rewrite < 10, f"{program}: little of the time is L1's and the switches', {trap:.1f} % with trap and {rewrite:.1f} % with rewrite; "
                        f"Turtles: {before:.1f} % and {after:.1f} %.")
            section.say(rewrite < 0.75 * trap, f"{program}: that part is {rewrite / trap:.2f} of what it was where VMCS accesses don't exit, {after / before:.2f} in Turtles. What exits cost is "
                        "small here beside what L1 does, and this a small part of the samples.")
    section.table("Published: Turtles, figure 5, % of the nested run's cycles", [
        ("benchmark", ""), ("setup", ""), *((name, "published") for name in ("guest", "L1", "L0", "mode switches"))],
        [[bench, setup, *(f"{v:g}" for v in row)] for bench, setups in FIGURE_5.items() for setup, row in setups.items()])
    section.differs.append("L0's share is larger here and of another nature: it translates code, and serves the misses of its soft TLB, which a CPU does by itself. "
                           "That part is the guest's own (last column), not nesting's.")
    return section


def analyse_e12(results):
    section, rows, samples = Section(), [], {}
    levels = (("native", "native-rows"), ("L1", "linux-rows"), ("L2, rewrite", "kvm-forks-rewrite"), ("L2, trap", "kvm-forks-trap"),
              ("L1, auto", "linux-rows-auto"), ("L2, auto", "kvm-forks-auto"))
    for row in ROWS:
        samples[row] = [_row(results, run, row, 1e6) for _, run in levels]
        native = samples[row][0]
        if not native:
            continue
        rows.append([row, *(s.text() for s in samples[row]),
                     *(f"{s.median / native.median:.2f}" if s else "–" for s in samples[row][1:])])
    section.table("Programs of workloads/rows.c", [
        ("program", ""), *((f"{name}/ms", "timed") for name, _ in levels), *((f"{name} over native", "timed") for name, _ in levels[1:])], rows)
    there = [row for row in ROWS if row in samples and all(samples[row][:3])]
    host = FORKWAIT["native"]
    # of times nothing is checked that a busy host could turn round
    section.check("what ran natively ran in L1 and in L2, too, and found its results right", there == [row for row in ROWS if row in samples and samples[row][0]])
    if there:
        section.figure("Ours: time relative to native", bars("e12", there, [
            (name, "timed", [samples[row][i].scaled(1 / samples[row][0].median) for row in there])
            for i, (name, _) in enumerate(levels) if i in (1, 2, 4, 5) and all(samples[row][i] for row in there)], "times native", log=True),
            bars("e12-paper", list(FORKWAIT), [("Adams and Agesen", "published", [v / host for v in FORKWAIT.values()])], "times native"),
            "Adams and Agesen, section 6.2: forkwait")
    section.table("Published", [("", ""), ("native", "published"), ("translated", "published"), ("hardware, shadow paging", "published")], [
        ["forkwait, 40,000 processes/s", *(f"{v:g}" for v in FORKWAIT.values())],
        *[[f"{name}/cycles", *(f"{v:,}" for v in NANO[name])] for name in ("syscall", "pgfault")]])
    fork = "forkwait" if "forkwait" in there else "fork"
    if fork in there:
        native, l1, l2 = (s.median for s in samples[fork][:3])
        each = native * 1e3 / (2000 if fork == "forkwait" else 100)
        section.say(3 <= l1 / native <= 12, f"{fork}: {l1 / native:.1f} times native translated ({each:.0f} us a process natively, {each * l1 / native:.0f} here); Adams and Agesen "
                    f"had {FORKWAIT['translated'] / host:.1f} translated and {FORKWAIT['hardware, shadow paging'] / host:.1f} on hardware with shadow paging. A second level "
                    f"costs {l2 / l1:.2f} times that.")
    section.differs.append("forkwait starts and waits for 2,000 processes in each of 5 passes, not 40,000. fault and syscall are a program's, with what Linux does about "
                           "them. \"auto\" is --engine auto, user code directly where this host's /dev/kvm can do it: "
                           "computing rows do 30 units at a time there, since a process begins translated.")
    return section


EXPERIMENTS = [
    Experiment(
        "E4", "Programs nested: compiling, and business in memory", "What does a level cost a program that works?",
        "compile: Debian's gcc, the host's, makes object files of a C library's sources (newlib), a process after the other; kernbench does it with the kernel. warehouse: a "
        "stand-in for SPECjbb, trees and lists of orders in memory. Natively, in L1 (Debian's Linux), and in L2 (Linux under Debian's KVM). Every run says a hash of its "
        "results. The first pass fills caches, the median of the others counts.",
        "Turtles, table 2", tuple(run.format(p) for p, _ in PROGRAMS for _, run in COLUMNS), analyse_e4),
    Experiment(
        "E5", "The same programs by owner", "Who has the CPU while a nested program works: L2, L1, L0, or the switches between them?",
        "The runs of E4 with --profile: samples of the vCPU's thread, by what it was at, from when Linux is up, in which the program runs.",
        "Turtles, figure 5",
        tuple(run.format(p) for p, _ in PROGRAMS for _, run in COLUMNS[1:]), analyse_e5),
    Experiment(
        "E12", "Small programs and forkwait: native, translated, nested", "What does translation cost a program, and what does another level?",
        "The same static program on this host, in L1 (Debian's Linux), and in L2 (Linux under Debian's KVM); each of its rows is a median of passes.",
        "Adams and Agesen, section 6.2 (forkwait) and figure 4", ("native-rows", "linux-rows", "kvm-forks-rewrite", "kvm-forks-trap", "linux-rows-auto", "kvm-forks-auto"), analyse_e12),
]
