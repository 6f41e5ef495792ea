# SPDX-License-Identifier: GPL-2.0-or-later
"""E12: programs at each level."""
from ..figures import bars
from ..papers import FORKWAIT, NANO
from ..section import Experiment, Figure, Section, Table

ROWS = ("syscall", "fork", "fault", "chase", "int", "sort")


def analyse(results):
    section, rows, samples = Section(), [], {}
    levels = (("native", "native-rows"), ("L1", "linux-rows"), ("L2, rewrite", "kvm-rows-time-rewrite"), ("L2, trap", "kvm-rows-time-trap"))
    for row in ROWS:
        samples[row] = [results.sample(run, lambda r: r.row(row) and r.row(row) / 1e6) for _, run in levels]
        native = samples[row][0]
        if not native:
            continue
        rows.append([row, *(s.text() for s in samples[row]),
                     *(f"{s.median / native.median:.2f}" if s else "–" for s in samples[row][1:])])
    section.tables.append(Table("Programs of workloads/rows.c", [
        ("program", ""), *((f"{name}/ms", "timed") for name, _ in levels), *((f"{name} over native", "timed") for name, _ in levels[1:])], rows))
    there = [row for row in ROWS if all(samples[row])]
    if there:
        section.figures.append(Figure("Relative to native", bars("e12", there, [
            (name, "timed", [samples[row][i].scaled(1 / samples[row][0].median) for row in there])
            for i, (name, _) in enumerate(levels) if i in (1, 2)], "times native", log=True)))
    section.tables.append(Table("Published", [("", ""), ("native", "published"), ("translated", "published"), ("hardware, shadow paging", "published")], [
        ["forkwait, 40,000 processes/s", *(f"{v:g}" for v in FORKWAIT.values())],
        *[[f"{name}/cycles", *(f"{v:,}" for v in NANO[name])] for name in ("syscall", "pgfault")]]))
    if there and "fork" in there:
        native, l1, l2, _ = (s.median for s in samples["fork"])
        section.differs.append(f"Processes (fork) take {l1 / native:.1f} times native translated; Adams and Agesen had 6.1 for their forkwait (translated) and 17.7 "
                               f"(hardware with shadow paging). A second level costs {l2 / l1:.2f} times that again.")
    section.differs.append("fork, fault and syscall are stand-ins: the row fork starts and waits for few processes, and fault is a program's page fault with what Linux "
                           "does about it, not the bare fault of the paper. The host is a guest of some hypervisor itself.")
    return section


EXPERIMENTS = [Experiment(
    "E12", "Programs: native, translated, nested", "What does translation cost a program, and what does another level?",
    "The same static program on this host, in L1 (Debian's Linux), and in L2 (Linux under Debian's KVM); each of its rows is a median of passes.",
    "Adams and Agesen, section 6.2 (forkwait) and figure 4",
    ("native-rows", "linux-rows", "kvm-rows-time-rewrite", "kvm-rows-time-trap"), analyse)]
