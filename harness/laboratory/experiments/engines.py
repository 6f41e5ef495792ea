# SPDX-License-Identifier: GPL-2.0-or-later
"""E13: which code runs directly, and which is translated."""
from ..figures import bars
from ..section import Experiment, Section

PROGRAMS = ("int", "sort", "syscall", "fork", "fault")


def run_of(program):
    return f"engine-{program}"


def direct(result):
    """The counters of direct execution; None: the run's engine has none"""
    return result.l1.get("direct")


def directly(result):
    """Percent of the time from user space on in which user code ran directly"""
    run = result.stats["run"]
    return direct(result) and 100 * direct(result)["ns"] / (run["wall_ns"] - run["user_ns"])


def refused(result):
    return direct(result) and sum(n for name, n in direct(result).items() if name.startswith("not_"))


def analyse_e13(results):
    section, rows, shares = Section(), [], {}
    for program in PROGRAMS:
        run = run_of(program)
        shares[program] = results.sample(run, directly)
        rows.append([program, results.sample(run, lambda r: direct(r) and direct(r)["runs"]).text(),
                     results.sample(run, lambda r: direct(r) and direct(r)["runs"] and direct(r)["ns"] / direct(r)["runs"] / 1e3).text(),
                     shares[program].text(), results.sample(run, refused).text()])
    there = [program for program in PROGRAMS if results.one(run_of(program))]
    section.check("each program found its results right", all(results.one(run_of(p)).row(p) for p in there))
    if not any(shares.values()):
        section.differs.append("These runs' engine doesn't decide: this host's /dev/kvm can't run user code alone, or runs the whole guest. `turtles doctor` says which.")
        return section
    section.table("Programs in L1 with --engine auto", [
        ("program", ""), ("times that it ran directly", "counted"), ("us each time", "timed"), ("% of the time directly", "timed"), ("slices that a rule forbade", "counted")], rows)
    named = [p for p in PROGRAMS if shares[p]]
    section.figure("Ours: how much of its time a program runs directly", bars("e13", named, [("turtles", "timed", [shares[p] for p in named])], "% of the time from user space on"))
    computing, entering = ([shares[p].median for p in names if shares.get(p)] for names in (("int", "sort"), ("syscall", "fork")))
    if computing and entering:
        section.check("what computes runs directly for more of its time than what keeps entering its kernel", min(computing) > max(entering))
        section.agrees.append(f"Code that computes runs directly for {min(computing):.0f} to {max(computing):.0f} % of its time, code that keeps entering its kernel for "
                              f"{min(entering):.0f} to {max(entering):.0f} %.")
    section.differs.append("Their monitor took direct execution whenever its rule allowed it. Here getting in and out costs microseconds, so code has to stay in user mode for some "
                           "time first. The rule itself (CR0.PE, RFLAGS.VM, IOPL, CPL, IF and six segments: 8,192 states) is a pure function, whose test compares each state with "
                           "the published table (l0/direct/tests/test_rule.c). virtual-8086 code, which VMware ran directly, is translated: a 64-bit CPU's monitor hasn't got that mode.")
    return section


EXPERIMENTS = [
    Experiment("E13", "Which engine runs what", "Which of a program's code runs directly, and which is translated?",
               "Programs of workloads/rows.c in L1 (Debian's Linux) with --engine auto, and the counters of direct execution. The kernel is always translated; boot is counted "
               "in the number of times, not in the share.",
               "Bugnion et al. 2012, the choice between direct execution and binary translation", tuple(run_of(p) for p in PROGRAMS), analyse_e13),
]
