# SPDX-License-Identifier: GPL-2.0-or-later
"""The laboratory's command line."""
import argparse
import json
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

    if not only:
        return list(EXPERIMENTS)
    by_id = {e.id: e for e in EXPERIMENTS}
    ids = [name.strip().upper() for name in only.split(",") if name.strip()]
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
    problems = runner.run(runs_of(experiments, options.small), options.repeat, options.again)
    for problem in problems:
        print(f"lab: {problem}", file=sys.stderr)
    report = Path(options.results) / "report.html"
    failed = write_report(options.results, experiments, report)
    print(f"{report}: {len(experiments)} experiments" + (f", {len(problems)} runs went wrong" if problems else ""))
    return 1 if problems or failed else 0


def write_report(results, experiments, path):
    """Returns the number of checks that don't hold."""
    from .report import render
    from .results import write_whole

    html, failed = render(results, experiments)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, html)
    for line in failed:
        print(f"lab: doesn't hold: {line}", file=sys.stderr)
    return len(failed)


def do_list(options):
    from .results import ResultSet

    results = ResultSet(options.results)
    for e in choose(options.only):
        runs = runs_of([e])
        if e.not_run:
            state = f"not run: {e.not_run}"
        else:
            there = sum(results.has(run.name, 1) for run in runs)
            seconds = sum(run.seconds * run.times(3) for run in runs)
            state = f"about {seconds:.0f} s; {there} of {len(runs)} runs are there"
        print(f"{e.id:4} {e.title}\n     reproduces: {e.reproduces}\n     {state}")
    return 0


def write_figures(results, experiments, folder):
    from .report import sections

    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("E*.svg"):
        if any(old.name.startswith(f"{e.id}-") for e in experiments):
            old.unlink()
    paths = []
    for e, section in sections(results, experiments):
        for i, figure in enumerate(section.figures if section else ()):
            for name, svg in ((f"{e.id}-{i + 1}.svg", figure.svg), (f"{e.id}-{i + 1}-published.svg", figure.paper)):
                if svg:
                    paths.append(folder / name)
                    paths[-1].write_text(svg)
    return paths


def do_plot(options):
    from .results import ResultSet

    for path in write_figures(ResultSet(options.results), choose(options.only), Path(options.output or Path(options.results) / "figures")):
        print(path)
    return 0


def do_report(options):
    path = Path(options.output or Path(options.results) / "report.html")
    failed = write_report(options.results, choose(options.only), path)
    print(path)
    return 1 if failed else 0


def do_compare(options):
    from .compare import text

    only = {name for e in choose(options.only) for name in e.runs} if options.only else None
    print(text(options.a, options.b, only, options.all))
    return 0


def do_keep(options):
    """No traces, no consoles but the lines that are read, no file names of this machine."""
    from .results import ResultSet, read_json, read_stats, write_whole

    source, target = ResultSet(options.results), ResultSet(options.to)
    kept = 0
    for old in target.runs.glob("*.[0-9]*"):
        if (old / "run.json").exists():
            shutil.rmtree(old)  # it is a copy of this set, not of those before it
    for folder in sorted(source.runs.glob("*.[0-9]*")):
        if folder.suffix[1:].isdigit() is False:
            continue
        to, about = target.runs / folder.name, read_json(folder / "run.json")
        to.mkdir(parents=True)
        if not about["native"]:
            for name in ("stats.json", "before.json"):
                if name == "before.json" and not (folder / name).exists():
                    continue
                stats = read_stats(folder / name)
                # both stand in run.json
                stats.pop("host", None)
                stats["run"].pop("command", None)
                (to / name).write_text(json.dumps(stats, separators=(",", ":")) + "\n")
        lines = (folder / "console.txt").read_text(errors="replace").replace("\r", "").splitlines()
        said = [line for line in lines if line.startswith(("row ", "skip ", "count ", "check ", "kvm exits", "nested: its guest")) or "tsc: Detected" in line]
        for name in ("collapsed.txt", "round.csv"):
            if (folder / name).exists():
                shutil.copy(folder / name, to / name)
        (to / "console.txt").write_text("".join(line + "\n" for line in said))
        about["command"] = about["command"].replace(str(Path(options.results)), "RESULTS")
        (to / "run.json").write_text(json.dumps(about, indent=1) + "\n")
        kept += 1
    write_whole(target.folder / "set.json", json.dumps({"small": source.small}) + "\n")
    write_report(options.to, choose(None), target.folder / "report.html")
    write_figures(target, choose(None), target.folder / "figures")
    print(f"{target.folder}: {kept} runs")
    return 0


def main(arguments):
    options = parser().parse_args(arguments)
    try:
        return globals()[f"do_{options.command}"](options)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"lab: {error.filename or options.results}: {error.strerror}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lab: stopped; the same command goes on with what is missing", file=sys.stderr)
        return 130
    except ModuleNotFoundError as error:
        print(f"lab: Python's {error.name} is missing: apt-get install python3-{error.name}", file=sys.stderr)
        return 1
