# SPDX-License-Identifier: GPL-2.0-or-later
"""E6 and E17: the way to L2's memory."""
from ..commands import MMUS
from ..figures import bars
from ..papers import MAKE_SECONDS, MERGE_OVER_SHADOW, TOUCH_SWITCHES, WALK_2D, WALK_3D, WALKS
from ..section import Experiment, Section

ROWS = ("fault", "fork", "chase", "pages")


def analyse_e6(results):
    section, rows, times, exits = Section(), [], {}, {}
    single = [results.sample("linux-memory-time", lambda r, name=name: r.row(name) and r.row(name) / 1e6) for name in ROWS]
    if all(single):
        rows.append(["(L1 itself)", *(s.text() for s in single), "–", "–", "–"])
    for mmu in MMUS:
        samples = [results.sample(f"kvm-memory-time-{mmu}", lambda r, name=name: r.row(name) and r.row(name) / 1e6) for name in ROWS]
        counted = results.one(f"kvm-memory-{mmu}")
        if counted is None:
            continue
        if all(samples):
            times[mmu] = samples
        exits[mmu] = sum(r["count"] for r in counted.rounds().values())
        rows.append([mmu, *(s.text() for s in samples), f"{exits[mmu]:,}", f"{counted.rounds().get('EXCEPTION_NMI', {'count': 0})['count']:,}",
                     f"{sum(counted.exits().values()):,}"])
    section.table("Programs in L2 under Debian's KVM, the boot of L2 among the exits", [
        ("--mmu", ""), *((f"{name}/ms", "timed") for name in ROWS), ("exits of L2", "counted"), ("of them page faults", "counted"),
        ("exits of L1 and L2", "counted")], rows)
    section.table("Published", [("", ""), ("", "published"), ("source", "")], [
        *[[f"{name}: multi-dimensional paging over shadow-on-EPT", p.text() + "-fold", p.cite()] for name, p in MERGE_OVER_SHADOW.items()],
        *[[f"make, {name}", f"{s} s", "nested EPT's cover letter for KVM"] for name, s in MAKE_SECONDS.items()]])
    paper = bars("e6-paper", list(MERGE_OVER_SHADOW), [("Turtles", "published", [p.value for p in MERGE_OVER_SHADOW.values()])], "times as fast as shadow-on-EPT")
    if "merge" in times and "shadow" in times:
        section.figure("Ours: merged tables over shadow page tables", bars(
            "e6-gain", list(ROWS), [("turtles", "timed", [s.over(m) for m, s in zip(times["merge"], times["shadow"])])], "times as fast as --mmu shadow"),
            paper, "Turtles, figure 9 (read off the figure)")
        section.figure("Programs in L2", bars("e6", list(ROWS), [(mmu, "timed", times[mmu]) for mmu in times], "ms", log=True))
        gains = [s.values[0] / m.values[0] for m, s in zip(times["merge"], times["shadow"])]
        text = ", ".join(f"{name} {g:.1f}-fold" for name, g in zip(ROWS, gains))
        section.say(gains[0] > 1.5 and 0.5 < gains[2] < 1.5,
                    f"merge over shadow, by the least of the repeats: {text}. Turtles: 3.47-fold for kernbench, 1.02-fold for a program that makes few page faults: "
                    "with shadow paging each page fault of L2 is an exit.")
    if "merge" in times and "walk" in times:
        gains = {name: w.over(m) for name, m, w in zip(ROWS, times["merge"], times["walk"])}
        text = ", ".join(f"{name} {g.text(2)}-fold" for name, g in gains.items())
        section.say(gains["pages"].median > 1, f"merge over walk: {text}. EPT02 saves L0 the walk of two tables at a miss of its TLB, so it counts where L2 misses it most (pages).")
    if len(exits) > 1:
        section.figure("Exits of L2 in all", bars("e6-exits", list(exits), [("turtles", "counted", list(exits.values()))], "exits"))
    if "merge" in exits and "shadow" in exits:
        section.check("shadow has more exits of L2 than merge", exits["shadow"] > exits["merge"])
        section.agrees.append(f"Without EPT L2 makes {exits['shadow'] / exits['merge']:.1f} times as many exits, nearly all of the rest are page faults.")
    section.differs.append("fault and fork stand in for kernbench, chase and pages, which hardly fault, for SPECjbb; netperf (1.055-fold) isn't run: there is no network device.")
    return section


def _walks(results, pages, mmu):
    """Entries that a walk of L1 and one of L2 read: (L1's, L2's own, EPT02's, EPT12's, EPT01's)"""
    added = results.pair(f"shim-walk-{pages}-{mmu}")
    if added is None:
        return None
    n = {k: added.number("bt", k) for k in ("walks", "walk_refs", "l2_walks", "l2_walk_refs")}
    ept = [added.number("ept_merge", k) / n["l2_walks"] for k in ("refs02", "refs12", "refs01")]
    return n["walk_refs"] / n["walks"], n["l2_walk_refs"] / n["l2_walks"], *ept


PAGE_WORDS = {"4k": "4 KiB everywhere", "2m12": "2 MiB in EPT12", "2m01": "2 MiB in EPT01", "2m": "2 MiB in both", "cache": "4 KiB everywhere, with L0's cache of last tables"}


def analyse_e17(results):
    section, rows, all_ = Section(), [], {}
    for pages, words in PAGE_WORDS.items():
        for mmu in ("merge", "walk"):
            found = _walks(results, pages, mmu)
            if found:
                all_[pages, mmu] = found
                rows.append([words, mmu, *(f"{x:.1f}" for x in found[1:]), f"{sum(found[1:]):.1f}"])
    section.table("Entries that one TLB miss of L2 reads (l1shim, page tables of four levels in 4 KiB pages)", [
        ("pages of the EPTs", ""), ("--mmu", ""), ("of L2's page tables", "counted"), ("of EPT02", "counted"), ("of EPT12", "counted"), ("of EPT01", "counted"),
        ("in all", "counted")], rows)
    if ("4k", "merge") in all_ and ("4k", "walk") in all_:
        one, merged, walked = all_["4k", "merge"][0], sum(all_["4k", "merge"][1:]), sum(all_["4k", "walk"][1:])
        names = ["one level", "two, or three merged", "three"]
        section.figure("Ours: entries read for a TLB miss, 4 KiB pages", bars("e17", names, [("turtles", "counted", [one, merged, walked])], "entries"),
                       bars("e17-paper", ["one level", "two (EPT)", "three"], [("4x4 walks", "published", [*WALKS.values(), WALK_3D.value])], "references"),
                       "Bhargava et al.: n·m + n + m; the third by the same rule")
        for name, value, want in (("in L1", one, 4), ("in L2, EPT12 and EPT01 merged", merged, 24), ("in L2, both walked", walked, 124)):
            section.check(f"a TLB miss {name} reads {want} entries", abs(value - want) < 0.5)
        section.agrees.append(f"4, 24 and 124 entries, as the arithmetic of nested walks has it: counted {one:.1f}, {merged:.1f} and {walked:.1f}. Merging makes of three levels what two "
                              f"cost ({WALK_2D.cite()}).")
    large = [(PAGE_WORDS[p], [sum(all_[p, m][1:]) if (p, m) in all_ else None for m in ("merge", "walk")]) for p in PAGE_WORDS if p != "cache"]
    large = [(words, values) for words, values in large if all(values)]
    if len(large) > 1:
        section.figure("What large pages make of it", bars("e17-pages", [w for w, _ in large], [
            (m, "counted", [v[i] for _, v in large]) for i, m in enumerate(("merge", "walk"))], "entries"))
        text = (f"Real hypervisors back their guests with large pages: with 2 MiB in both EPTs a miss reads {large[-1][1][0]:.0f} entries merged and "
                f"{large[-1][1][1]:.0f} walked.")
        if ("cache", "merge") in all_:
            text += (f" And they run on CPUs that cache upper levels; L0's cache of last tables (--walk-cache on) makes of the merged walk with 4 KiB pages "
                     f"{sum(all_['cache', 'merge'][1:]):.0f}.")
        section.differs.append(text)
    _touch(section, results)
    return section


def _touch(section, results):
    rows, figure = [], {}
    for mmu in MMUS:
        touch = results.sample(f"shim-touch-time-{mmu}", lambda r: r.shim_rows().get("touch"))
        counted = results.one(f"shim-touch-{mmu}")
        if not counted:
            continue
        reason = "EXCEPTION_NMI" if mmu == "shadow" else "EPT_VIOLATION"
        row = counted.rounds().get(reason)
        e = counted.l1["ept_merge"]
        if row:
            exits = 1 + sum(row["l1_exits"].values()) / row["rounds"]
            figure[mmu] = 2 * exits
            rows.append([mmu, touch.text(), f"{exits:.2f}", f"{2 * exits:.1f}", f"{e['fills_4k']:,}"])
    section.table("A page that L2 touches first, under l1shim: L1 puts it into its table. --vmcs-access rewrite", [
        ("--mmu", ""), ("TSC cycles, least batch", "timed"), ("exits in all", "counted"), ("world switches: twice that", "counted"), ("4 KiB pages put into EPT02", "counted")], rows)
    if figure:
        section.figure("Ours: world switches for the first touch of a page, by --mmu", bars("e17-touch", list(figure), [("turtles", "counted", list(figure.values()))], "switches"),
                       bars("e17-touch-paper", ["L1", "L2", "L2, tables write-protected"], [("HyperTurtle, PVM", "published", list(TOUCH_SWITCHES.values()))], "switches"),
                       "HyperTurtle, PVM section 2")
        section.differs.append(f"A first touch is {figure['merge']:.0f} switches here, 6 in HyperTurtle: KVM as L0 needs an exit of its own to fill EPT02, which is filled here when the "
                               "soft TLB misses, without leaving L2. EPT12 isn't write-protected, so PVM's 14 don't arise.")


EXPERIMENTS = [
    Experiment(
        "E6", "Merged, walked and shadow tables: programs",
        "What does it cost L2 if L1 has to shadow its page tables, and what does L0 gain by merging EPT12 with EPT01?",
        "Programs of workloads/rows.c in L2 under Debian's KVM: fresh pages (fault), processes (fork), a walk through memory (chase), reads all over more pages than a TLB holds (pages). "
        "--mmu merge, walk (no EPT02) and shadow (no EPT for L1).",
        "Turtles, figure 9; nested EPT's cover letter",
        tuple(f"kvm-memory-{t}{m}" for t in ("", "time-") for m in MMUS) + ("linux-memory-time",), analyse_e6),
    Experiment(
        "E17", "Walk lengths, and a page's first touch",
        "How many table entries does a translation read at each level, what does merging make of it, and what does a page's first touch cost?",
        "l1shim's payload walk: page tables of its own, a CR3 reload and a load from another page at each step, in L1 and in L2; two runs that differ in steps are "
        "subtracted. --walk-cache off; --huge-pages off makes EPT01 of 4 KiB pages, large=0 EPT12. Its payload touch: each page of a gigabyte for the first time.",
        "Bhargava et al.; PVM, section 2; HyperTurtle",
        tuple(f"shim-walk-{p}-{m}-{part}" for p in PAGE_WORDS for m in ("merge", "walk") for part in ("few", "many")) +
        tuple(f"shim-touch-{t}{m}" for t in ("", "time-") for m in MMUS), analyse_e17),
]
