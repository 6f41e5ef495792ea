# SPDX-License-Identifier: GPL-2.0-or-later
"""E21: several L1s side by side in one process."""
from ..commands import SEVERAL
from ..figures import bars
from ..results import Sample
from ..section import Experiment, Section


def _mine(l1):
    """All that is counted of an L1, without its name"""
    return {key: value for key, value in l1.items() if key != "name"}


def analyse(results):
    section, rows = Section(), []
    alone = {guests: results.one(f"several-1-{guests}") for guests in (1, 2)}
    same = []
    for k in SEVERAL:
        for guests in (1, 2):
            run = results.one(f"several-{k}-{guests}")
            if run is None or alone[guests] is None:
                continue
            l1s = run.stats["l1"]
            first = l1s[0]
            e, vmcs = first["ept_merge"], first["vmcs"]
            equal = sum(_mine(l1) == _mine(alone[guests].l1) for l1 in l1s)
            same.append(equal == len(l1s))
            rows.append([k, guests, f"{equal} of {len(l1s)}", f"{sum(r['count'] for r in first['vmx']['rounds']):,}", f"{e['trees_made']:,}", f"{e['trees_found']:,}",
                         f"{100 * e['trees_found'] / (e['trees_found'] + e['trees_made']):.3f}", f"{vmcs['fields_copied'] / vmcs['entries']:.2f}"])
            if k > 1:
                section.check(f"{k} L1s with {guests} L2s each: what is counted of each is what is counted of it alone", equal == len(l1s))
    section.table("k times Debian's KVM in one process, each with m L2s that execute cpuids at the same time", [
        ("k", ""), ("m", ""), ("L1s with exactly the counts of one alone", "counted"), ("exits of an L1's L2s", "counted"), ("EPT02: trees made", "counted"),
        ("switches to an EPT02 that was there", "counted"), ("of all switches/%", "counted"), ("VMCS fields copied an entry", "counted")], rows)
    if same and all(same):
        section.agrees.append("An L1 does not know of the others: each of its numbers, exits, VMREADs by field, walks and blocks translated, is the one that it has alone.")
    if alone[1] and alone[2]:
        e = alone[2].l1["ept_merge"]
        section.check("an EPT02 is found again when an L1 goes from one L2 to the other", e["trees_found"] > 10 * e["trees_made"])
        one, two = (a.l1["vmcs"]["fields_copied"] / a.l1["vmcs"]["entries"] for a in (alone[1], alone[2]))
        section.agrees.append(f"Each L2 has its EPT02, which is found again at each switch ({e['trees_made']} made, {e['trees_found']:,} found). VMCS02 is one: after a switch of L2s all fields are "
                              f"copied, {two:.1f} an entry with two L2s, {one:.1f} with one.")
    _fairness(section, results)
    return section


def _fairness(section, results):
    rows, figure = [], {}
    for k in (*SEVERAL, 8):
        runs = results.finished(f"fair-{k}")
        if not runs:
            continue
        insns = [[l1["life"]["insns"] for l1 in run.stats["l1"]] for run in runs]
        total = Sample([sum(i) / (run.stats["run"]["wall_ns"] / 1e9) / 1e6 for i, run in zip(insns, runs)])
        spread = Sample([min(i) / max(i) for i in insns])
        jain = Sample([sum(i) ** 2 / (len(i) * sum(x * x for x in i)) for i in insns])
        figure[k] = [Sample([i[n] / sum(i) * 100 * len(i) for i in insns]) for n in range(k)]
        rows.append([k, total.text(4), spread.text(3), jain.text(4)])
        if k > 1:
            # of the repeats the median: in one of them another program of the host's may have the CPU of one L1
            section.check(f"{k} L1s that compute: none gets less than a fifth of what another gets", spread.median > 0.2)
    section.table("Fairness: k l1shims whose L2s compute, for a while", [
        ("k", ""), ("instructions of all, millions a second", "timed"), ("the slowest L1's over the fastest's", "timed"), ("Jain's index (1: all the same)", "timed")], rows)
    widest = max((k for k in figure if k > 1), default=0)
    if widest:
        names = "abcdefgh"[:widest]
        section.figure(f"What each of {widest} L1s gets of an equal share", bars("e21", list(names), [("turtles", "timed", figure[widest])], "% of an equal share"))
    section.differs.append("No paper has this experiment. An L1 has a thread of its host's; who runs when is the host's scheduler's, and what is fair is fair because that is.")


EXPERIMENTS = [Experiment(
    "E21", "Several L1s with several L2s each", "Do L1s that share a process disturb each other, and is what L0 keeps for an L2 found again?",
    "k times Debian's KVM (--l1), each with one or two L2s (workloads/nano) at the same time, with the instruction clock: its counts must be those of an L1 that is alone. Fairness: k l1shims whose "
    "L2s compute until --timeout, with the host's clock.",
    "ours", tuple(f"several-{k}-{m}" for k in SEVERAL for m in (1, 2)) + tuple(f"fair-{k}" for k in (*SEVERAL, 8)), analyse)]
