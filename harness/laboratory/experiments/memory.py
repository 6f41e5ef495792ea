# SPDX-License-Identifier: GPL-2.0-or-later
"""E6 and E17: the way to L2's memory."""
from ..commands import MMUS
from ..figures import bars
from ..papers import MAKE_SECONDS, MERGE_OVER_SHADOW, WALK_2D
from ..section import Experiment, Figure, Section, Table

ROWS = ("fault", "fork", "chase")


def analyse_e6(results):
    section, rows, times = Section(), [], {}
    for mmu in MMUS:
        samples = [results.sample(f"kvm-memory-time-{mmu}", lambda r, name=name: r.row(name) and r.row(name) / 1e6) for name in ROWS]
        counted = results.one(f"kvm-memory-{mmu}")
        if counted is None:
            continue
        if all(samples):
            times[mmu] = samples
        exits = sum(r["count"] for r in counted.rounds().values())
        rows.append([mmu, *(s.text() for s in samples), f"{exits:,}", f"{counted.rounds().get('EXCEPTION_NMI', {'count': 0})['count']:,}",
                     f"{sum(counted.exits().values()):,}"])
    section.tables.append(Table("Programs in L2 under Debian's KVM, the boot of L2 among the exits", [
        ("--mmu", ""), *((f"{name}/ms", "timed") for name in ROWS), ("exits of L2", "counted"), ("of them page faults", "counted"),
        ("exits of L1 and L2", "counted")], rows))
    section.tables.append(Table("Published", [("", ""), ("", "published"), ("source", "")], [
        *[[f"{name}: multi-dimensional paging over shadow-on-EPT", p.text() + "-fold", p.cite()] for name, p in MERGE_OVER_SHADOW.items()],
        *[[f"make, {name}", f"{s} s", "nested EPT's cover letter for KVM"] for name, s in MAKE_SECONDS.items()]]))
    if times:
        section.figures.append(Figure("Programs in L2", bars(
            "e6", list(ROWS), [(mmu, "timed", times[mmu]) for mmu in times], "ms", log=True)))
    if "merge" in times and "shadow" in times:
        gains = [s.values[0] / m.values[0] for m, s in zip(times["merge"], times["shadow"])]
        text = ", ".join(f"{name} {g:.1f}-fold" for name, g in zip(ROWS, gains))
        section.check("shadow has more exits of L2 than merge", _exits(results, "shadow") > _exits(results, "merge"))
        fits = gains[0] > 1.5 and 0.5 < gains[2] < 1.5
        (section.agrees if fits else section.differs).append(
            f"merge over shadow, by the least of the repeats: {text}. Turtles: 3.47-fold for kernbench, 1.02-fold for a program that makes few page faults: "
            "with shadow paging each page fault of L2 is an exit.")
    section.differs.append("fault, fork and chase (a walk through memory without faults) are stand-ins for kernbench and SPECjbb.")
    return section


def _exits(results, mmu):
    return sum(r["count"] for r in results.one(f"kvm-memory-{mmu}").rounds().values())


def analyse_e17(results):
    section, rows, references = Section(), [], {}
    for mmu in MMUS:
        for l1, name in (("kvm-memory", "Debian's KVM, L2 boots and runs programs"), ("shim-touch", "l1shim, L2 touches 10,000 pages")):
            run = results.one(f"{l1}-{mmu}")
            if run is None:
                continue
            e = run.l1["ept_merge"]
            reads = e["refs02"] + e["refs12"] + e["refs01"]
            walks = e["walks02"] or e["walks12"]
            if not walks:
                rows.append([name, mmu, *("0",) * 6, "–"])
                continue
            references[l1, mmu] = reads / walks
            rows.append([name, mmu, *(f"{e[k]:,}" for k in ("walks02", "walks12", "walks01", "refs02", "refs12", "refs01")), f"{reads / walks:.2f}"])
    section.tables.append(Table("Table entries that misses of the soft TLB read, EPT12's and EPT01's and EPT02's", [
        ("", ""), ("--mmu", ""), ("walks of EPT02", "counted"), ("of EPT12", "counted"), ("of EPT01", "counted"), ("entries of EPT02", "counted"),
        ("of EPT12", "counted"), ("of EPT01", "counted"), ("entries a walk", "counted")], rows))
    have = [l1 for l1 in ("kvm-memory", "shim-touch") if (l1, "merge") in references and (l1, "walk") in references]
    if have:
        section.figures.append(Figure("Entries read for one translation of an L2-physical address", bars(
            "e17", [{"kvm-memory": "KVM", "shim-touch": "l1shim"}[h] for h in have],
            [(m, "counted", [references[h, m] for h in have]) for m in ("merge", "walk")], "entries")))
    for l1 in have:
        section.check(f"{l1}: a walk with merged tables reads fewer entries", references[l1, "merge"] < references[l1, "walk"])
    rows = []
    for mmu in MMUS:
        touch = results.sample(f"shim-touch-time-{mmu}", lambda r: r.shim_rows().get("touch"))
        counted = results.one(f"shim-touch-{mmu}")
        if touch and counted:
            reason = "EXCEPTION_NMI" if mmu == "shadow" else "EPT_VIOLATION"
            row = counted.rounds().get(reason)
            rows.append([mmu, touch.text(), f"{1 + sum(row['l1_exits'].values()) / row['rounds']:.2f}" if row else "–"])
    section.tables.append(Table("A page that L2 touches first, under l1shim", [
        ("--mmu", ""), ("TSC cycles, least batch", "timed"), ("exits in all", "counted")], rows))
    section.agrees.append(f"Merging makes one level of two: published is {WALK_2D.text()} for a walk of 4 levels through 4 ({WALK_2D.cite()}). A translation that "
                          f"has to read an EPT12 whose tables lie behind EPT01 reads more than merged tables need, at most 4 each.")
    section.differs.append("Walks are shorter than the worst case of 24 or 124: large pages end a walk early, EPT01 has pages of 2 MiB or 1 GiB "
                           "wherever L1's memory allows it, and the guest's own levels aren't in these counts, which begin at an L2-physical address.")
    return section


EXPERIMENTS = [
    Experiment(
        "E6", "Merged, walked and shadow tables: programs",
        "What does it cost L2 if L1 has to shadow its page tables, and what does L0 gain by merging EPT12 with EPT01?",
        "Programs of workloads/rows.c in L2 under Debian's KVM: fresh pages (fault), processes (fork), a walk through memory (chase). "
        "--mmu merge, walk (no EPT02) and shadow (no EPT for L1).",
        "Turtles, figure 9; nested EPT's cover letter",
        tuple(f"kvm-memory-{t}{m}" for t in ("", "time-") for m in MMUS), analyse_e6),
    Experiment(
        "E17", "Walk lengths, and a page's first touch",
        "How many table entries does a translation read, with and without merging?",
        "The counters of ept_merge in the stats, from the instruction clock's runs of E6 and from l1shim's payloads touch and memory.",
        "PVM, section 2; Bhargava; HyperTurtle",
        tuple(f"kvm-memory-{m}" for m in MMUS) + tuple(f"shim-touch-{t}{m}" for t in ("", "time-") for m in MMUS), analyse_e17),
]
