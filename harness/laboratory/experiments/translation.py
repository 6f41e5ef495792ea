# SPDX-License-Identifier: GPL-2.0-or-later
"""E11: the translator."""
from ..figures import bars
from ..papers import TEXTBOOK_SHARE, TEXTBOOK_UNIT_US, TEXTBOOK_UNITS, TRANSLATE_CYCLES, TRANSLATE_UNITS
from ..section import Experiment, Section

WORK = (("Linux boots and powers off", "linux-off"), ("Linux runs programs", "linux-all"), ("Linux compiles", "linux-compile"),
        ("KVM runs Linux, which runs programs", "kvm-rows-time-rewrite"), ("a small kernel in loops", "nano"))


def analyse(results):
    section, rows, shares, names = Section(), [], [], []
    for name, run in WORK:
        first = results.one(run)
        if first is None:
            continue
        bt = first.l1["bt"]
        per = results.sample(run, lambda r: r.l1["bt"]["translate_ns"] / r.l1["bt"]["insns"])
        unit = results.sample(run, lambda r: r.l1["bt"]["translate_ns"] / r.l1["bt"]["blocks"] / 1000)
        share = results.sample(run, lambda r: 100 * r.l1["bt"]["translate_ns"] / r.stats["run"]["wall_ns"])
        reuse = results.sample(run, lambda r: r.stats["run"]["insns"] / r.l1["bt"]["insns"])
        rows.append([name, f"{bt['blocks']:,}", f"{bt['insns'] / bt['blocks']:.2f}", f"{bt['host_bytes'] / bt['guest_bytes']:.1f}", per.text(), unit.text(),
                     share.text(), reuse.text(), f"{bt.get('evictions', bt.get('cache_flushes', 0)):,}"])
        shares.append(share)
        names.append(name)
        section.check(f"{name}: an instruction that was translated runs more than once", reuse.median > 1)
    section.table("Translation. The number of blocks varies a little with the host's clock", [
        ("work", ""), ("blocks", "counted"), ("instructions a block", "counted"), ("host bytes a guest byte", "counted"), ("an instruction/ns", "timed"),
        ("a block/us", "timed"), ("share of the run/%", "timed"), ("times that an instruction ran", "timed"),
        ("times that the code cache was full", "counted")], rows)
    section.table("Published", [("", ""), ("", "published"), ("source", "")], [
        ["translating an instruction", f"{TRANSLATE_CYCLES.text()} cycles (0.6 us at 3.8 GHz)", TRANSLATE_CYCLES.cite()],
        ["units, boot and halt of Windows XP", TRANSLATE_UNITS.text(), TRANSLATE_UNITS.cite()],
        ["units, boot of a Windows", f"{TEXTBOOK_UNITS:,} of {TEXTBOOK_UNIT_US} us each, {TEXTBOOK_SHARE} % of the boot", "a textbook"]])
    if shares:
        section.figure("Ours: share of a run that is translation", bars("e11", names, [("turtles", "timed", shares)], "% of wall time"),
                       bars("e11-paper", ["boot of a Windows"], [("a textbook", "published", [TEXTBOOK_SHARE])], "% of the boot"), "a textbook")
        share = shares[0].median
        section.say(share < 10, f"Translation is {share:.0f} % of Linux's boot here, and {TEXTBOOK_SHARE} % of Windows' in the textbook: a boot is short, and much of its code runs once.")
        section.agrees.append("A block is microseconds, as there; the longer a run, the smaller the share.")
    section.differs.append("Linux isn't Windows: there is less code to boot.")
    return section


EXPERIMENTS = [Experiment(
    "E11", "Translation: units, time, share", "What does translating cost, and how much of a boot is it?",
    "The translator's counters in the stats of runs with the host's clock: cold code that runs once (a boot), programs, a compiler, a hypervisor with its guest, and hot loops.",
    "Adams and Agesen, section 6; a textbook's figure for a Windows boot",
    tuple(run for _, run in WORK), analyse)]
