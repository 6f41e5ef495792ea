# SPDX-License-Identifier: GPL-2.0-or-later
"""The laboratory's command line."""
import argparse
import json
import os
import shutil
import signal
import sys
from pathlib import Path

from . import LabError

DEFAULT = "build/experiments"


def parser():
    top = argparse.ArgumentParser(prog="lab", description="Experiments with nested virtualization, after the papers'.")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name, text):
        sub = commands.add_parser(name, help=text, description=text)
        sub.add_argument("--results", metavar="FOLDER", default=DEFAULT, help=f"the result set ({DEFAULT})")
        return sub

    def chosen(sub):
        sub.add_argument("--only", metavar="ID,...", help="these experiments alone")

    run = command("run", "run what isn't there yet, then write the report; Ctrl-C stops, the same command goes on")
    chosen(run)
    run.add_argument("--jobs", type=int, default=1, help="runs at a time (1); more than one disturbs what is timed")
    run.add_argument("--repeat", type=int, default=3, help="of each timed run (3); counted ones are always the same")
    run.add_argument("--again", action="store_true", help="make the runs again that are there")
    run.add_argument("--trace", choices=("counted", "all", "none"), default="counted",
                     help="which runs record a trace (counted); those that are about their trace always do, timed ones are slower with it")
    run.add_argument("--small", action="store_true", help="the small form: less work, a minute or two, for the shapes alone")
    run.add_argument("--turtles", default="build/turtles", help="the program (build/turtles)")
    run.add_argument("--guest", default="build/guest", help="the guests' folder (build/guest)")

    chosen(command("list", "the experiments, what they reproduce, how long they take, what is there"))
    plot = command("plot", "write the figures as SVG files")
    chosen(plot)
    plot.add_argument("--output", metavar="FOLDER", help="where to (FOLDER/figures of the result set)")
    report = command("report", "write the report, one HTML page")
    chosen(report)
    report.add_argument("--output", metavar="FILE", help="where to (report.html in the result set)")
    keep = command("keep", "copy what is small of a result set, for a repository")
    keep.add_argument("to", metavar="FOLDER")
    compare = commands.add_parser("compare", help="what differs between two result sets",
                                  description="What differs between two result sets: did a change help? Counted numbers differ or don't; a timed "
                                              "number is apart from another if the ranges of its repeats don't overlap.")
    compare.add_argument("a", metavar="A")
    compare.add_argument("b", metavar="B")
    compare.add_argument("--all", action="store_true", help="timed numbers as well whose ranges overlap")
    chosen(compare)
    return top


def choose(only):
    from .experiments import EXPERIMENTS

    if only is None:
        return list(EXPERIMENTS)
    by_id = {e.id: e for e in EXPERIMENTS}
    ids = [name.strip().upper() for name in only.split(",") if name.strip()]
    if not ids:
        raise LabError(f"--only {only}: no experiment is named there")
    for name in ids:
        if name not in by_id:
            raise LabError(f"--only {name}: no such experiment; there are {', '.join(by_id)}")
    return [by_id[name] for name in ids]


def runs_of(experiments, small=False):
    from .commands import RUNS, all_runs

    runs = all_runs(small=True) if small else RUNS
    names = dict.fromkeys(name for e in experiments for name in e.runs if name in runs)
    return [runs[name] for name in names]


def do_run(options):
    from .runner import Runner

    if options.jobs < 1 or options.repeat < 1:
        raise LabError("--jobs and --repeat are 1 or more")
    experiments = choose(options.only)
    runner = Runner(options.results, options.turtles, options.guest, options.jobs, options.trace, small=options.small)

    def stopped(*_):
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stopped)
    runs = runs_of(experiments, options.small)
    problems = runner.run(runs, options.repeat, options.again)
    for problem in problems:
        print(f"lab: {problem}", file=sys.stderr)
    report = Path(options.results) / "report.html"
    failed = write_report(options.results, choose(None), report)  # of all that is there, whatever was made now
    print(f"{report}: {len(runs)} runs of {len(experiments)} experiments were asked for" + (f", {len(problems)} went wrong" if problems else ""))
    return 1 if problems or failed else 0


def write_report(results, experiments, path):
    """Returns the number of checks that don't hold, and of what can't be read."""
    from .report import render
    from .results import write_whole

    html, failed = render(results, experiments)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, html)
    for line in failed:
        print(f"lab: {line}", file=sys.stderr)
    return len(failed)


def do_list(options):
    from .results import ResultSet

    results = ResultSet(options.results)
    for e in choose(options.only):
        runs = runs_of([e], results.small)
        if e.not_run:
            state = f"not run: {e.not_run}"
        else:
            there = sum(results.has(run.name, 1) for run in runs)
            seconds = sum(run.seconds * run.times(3) for run in runs)
            state = f"about {seconds:.0f} s; {there} of {len(runs)} runs are there"
        print(f"{e.id:4} {e.title}\n     reproduces: {e.reproduces}\n     {state}")
    return 0


def write_figures(results, experiments, folder):
    """Those of the experiments, in the place of those that were there. Returns their paths."""
    from .report import sections
    from .results import write_whole

    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for e, section in sections(results, experiments):
        for i, figure in enumerate(section.figures if section else ()):
            for name, svg in ((f"{e.id}-{i + 1}.svg", figure.svg), (f"{e.id}-{i + 1}-published.svg", figure.paper)):
                if svg:
                    paths.append(folder / name)
                    write_whole(paths[-1], svg)
    for old in folder.glob("E*.svg"):
        if old not in paths and any(old.name.startswith(f"{e.id}-") for e in experiments):
            old.unlink()
    return paths


def there(folder):
    """A result set that has a run"""
    from .results import ResultSet

    results = ResultSet(folder)
    if not results.folders():
        raise LabError(f"{results.folder}: no results there")
    return results


def do_plot(options):
    results = there(options.results)
    for path in write_figures(results, choose(options.only), Path(options.output or Path(options.results) / "figures")):
        print(path)
    return told(results.problems.values())


def do_report(options):
    there(options.results)
    path = Path(options.output or Path(options.results) / "report.html")
    failed = write_report(options.results, choose(options.only), path)
    print(path)
    return 1 if failed else 0


def do_compare(options):
    from .compare import text

    only = {name for e in choose(options.only) for name in e.runs} if options.only else None
    said, problems = text(options.a, options.b, only, options.all)
    print(said)
    return told(problems)


def told(problems):
    """The exit code, when they have been said"""
    for problem in problems:
        print(f"lab: {problem}", file=sys.stderr)
    return 1 if problems else 0


def keep_run(result, to, results):
    """A copy of what is small of a run: no trace, no console but the lines that are read, no file name of this machine"""
    from .results import read_stats

    to.mkdir(parents=True)
    about = result.about
    if not about["native"]:
        for name in ("stats.json", "before.json"):
            if name == "before.json" and not (result.folder / name).exists():
                continue
            stats = read_stats(result.folder / name)
            # both stand in run.json
            stats.pop("host", None)
            stats["run"].pop("command", None)
            (to / name).write_text(json.dumps(stats, separators=(",", ":")) + "\n")
    said = [line for line in result.console.splitlines()
            if line.startswith(("row ", "skip ", "count ", "check ", "kvm exits", "nested: its guest")) or "tsc: Detected" in line]
    for name in ("collapsed.txt", "round.csv"):
        if (result.folder / name).exists():
            shutil.copy(result.folder / name, to / name)
    (to / "console.txt").write_text("".join(line + "\n" for line in said))
    about["command"] = about["command"].replace(results, "RESULTS")
    (to / "run.json").write_text(json.dumps(about, indent=1) + "\n")


def do_keep(options):
    """The target's runs are replaced when all of the new ones are there: it is a copy of this set, not of those before it."""
    from .results import ResultSet, write_whole

    source, target = there(options.results), ResultSet(options.to)
    if source.folder.resolve() == target.folder.resolve():
        raise LabError(f"{target.folder}: a result set isn't kept in itself")
    results = source.finished("*")
    new = target.folder / "runs.new"
    shutil.rmtree(new, ignore_errors=True)
    try:
        for result in results:
            keep_run(result, new / result.folder.name, str(source.folder))
    except BaseException as error:
        shutil.rmtree(new, ignore_errors=True)
        if isinstance(error, OSError) and not error.filename:
            raise OSError(error.errno, error.strerror, str(target.folder)) from error
        raise
    shutil.rmtree(target.runs, ignore_errors=True)
    new.rename(target.runs)
    write_whole(target.folder / "set.json", json.dumps({"small": source.small}) + "\n")
    write_report(options.to, choose(None), target.folder / "report.html")
    write_figures(target, choose(None), target.folder / "figures")
    print(f"{target.folder}: {len(results)} runs")
    return told(source.problems.values())


def main(arguments):
    options = parser().parse_args(arguments)
    try:
        code = globals()[f"do_{options.command}"](options)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # lab compare A B | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"lab: {error.filename or options.command}: {error.strerror}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lab: stopped; the same command goes on with what is missing", file=sys.stderr)
        return 130
    except ModuleNotFoundError as error:
        print(f"lab: Python's {error.name} is missing: apt-get install python3-{error.name}", file=sys.stderr)
        return 1
