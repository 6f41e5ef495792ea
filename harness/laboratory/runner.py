# SPDX-License-Identifier: GPL-2.0-or-later
"""
Makes runs. A run writes into NAME.N.part, which is renamed when all is there: whatever ends the laboratory, a folder without
a suffix is a finished run, and the same command goes on with the others.
"""
import errno
import fcntl
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from pathlib import Path

from . import ROOT, LabError, host
from .commands import COUNTED
from .results import ResultSet, read_stats

LIMIT = 900  # seconds after which a run is given up
TRACE_LIMIT = "16M"  # of the trace of a counted run that isn't about its trace


def files(word, guest):
    """The guests' files that a word of a command line names"""
    return [Path(name.replace("{guest}", guest)) for name in re.findall(r"\{guest\}[^ ,]*", word)]


def with_trace(words, file, options):
    """turtles' command with --trace FILE and its options; of several L1s each has a file of its own, FILE.NAME"""
    if "--l1" not in words:
        return [*words[:2], "--trace", file + options, *words[2:]]
    of_one = options.replace(",", ",,")  # a comma in a value of --l1
    return [f"{word},trace={file}.{word.removeprefix('name=')}{of_one}" if before == "--l1" else word for before, word in zip(("", *words), words)]


class Progress:
    """Runs done, and the time left by what they were expected to take and what they took"""

    def __init__(self, tasks, jobs, out=sys.stderr):
        self.out, self.jobs = out, jobs
        self.total = sum(run.seconds for run, _ in tasks)
        self.count, self.done, self.expected, self.took = len(tasks), 0, 0.0, 0.0
        self.last = time.monotonic()

    def left(self):
        pace = self.took / self.expected if self.expected else 1.0
        return (self.total - self.expected) * pace / self.jobs

    def show(self, name):
        part = self.expected / self.total if self.total else 1.0
        left = round(max(self.left() - (time.monotonic() - self.last), 0))
        line = (f"[{'#' * int(part * 24):24}] {self.done}/{self.count}, "
                f"{left // 60}:{left % 60:02} left: {name}")
        if self.out.isatty():
            self.out.write(f"\r{line[:110]}\x1b[K")
        else:
            self.out.write(line + "\n")
        self.out.flush()

    def finish(self, run, seconds):
        self.done += 1
        self.expected += run.seconds
        self.took += seconds
        self.last = time.monotonic()

    def end(self):
        if self.out.isatty():
            self.out.write("\r\x1b[K")
            self.out.flush()


class Runner:
    def __init__(self, folder, turtles="build/turtles", guest="build/guest", jobs=1, trace="counted", out=sys.stderr, small=False):
        """trace: which runs record one, besides those that are about it: "counted", "all" (timed ones are disturbed by it) or "none"."""
        self.set = ResultSet(folder)
        self.turtles, self.guest, self.jobs, self.trace, self.out, self.small = turtles, guest, jobs, trace, out, small
        self.children, self.lock, self.stopping = set(), threading.Lock(), False
        self.versions = None

    def run(self, runs, repeat=3, again=False):
        """Makes what isn't there. Returns the lines that say what went wrong."""
        self._prepare(runs)
        with self._locked():
            self.set.say_size(self.small)
            self._clean(runs, again)
            tasks = [(run, n) for run in runs for n in range(1, run.times(repeat) + 1) if not self.set.has(run.name, n)]
            kept = sum(run.times(repeat) for run in runs) - len(tasks)
            if kept:
                print(f"{kept} runs were there already", file=self.out)
            self._warn_of_others(runs)
            return self._all(tasks)

    def _prepare(self, runs):
        if not (ROOT / self.turtles).exists() and not all(run.native for run in runs):
            raise LabError(f"{self.turtles}: no such program; make builds it")
        for run in runs:
            for word in run.arguments:
                for path in files(word, self.guest):
                    if not (ROOT / path).exists():
                        raise LabError(f"{path}: no such file, which run {run.name} needs; make guest makes it")
        self.set.runs.mkdir(parents=True, exist_ok=True)
        self.versions = host.versions(self.turtles, self.guest)

    def _locked(self):
        file = open(self.set.folder / ".lock", "w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.close()
            raise LabError(f"{self.set.folder}: another laboratory is at work there") from error
        return file

    def _clean(self, runs, again):
        for folder in [*self.set.runs.glob("*.part"), *self.set.runs.glob("*.failed")]:
            shutil.rmtree(folder)
        for new in self.set.folder.glob("*.new"):
            new.unlink() if new.is_file() else shutil.rmtree(new)
        for run in runs:
            for folder in self.set.folders(run.name):
                if again or not self.set.read(folder, [name for name, _ in run.after]):
                    shutil.rmtree(folder)
        for problem in self.set.problems.values():
            print(f"{problem}: it is made again", file=self.out)
        self.set.problems.clear()

    def _warn_of_others(self, runs):
        mine = self.versions["turtles_sha256"]
        others = [result.folder.name for run in runs for result in self.set.finished(run.name)
                  if not run.native and result.about["versions"]["turtles_sha256"] != mine]
        if others:
            print(f"{len(others)} of these are of another turtles ({others[0]}, ...); --again makes them again", file=self.out)

    def _all(self, tasks):
        progress, problems = Progress(tasks, self.jobs, self.out), []
        pool = ThreadPoolExecutor(self.jobs)
        waiting, left = {}, list(tasks)
        tick = 1 if self.out.isatty() else None  # on a terminal the time runs
        try:
            while left or waiting:
                while left and len(waiting) < self.jobs:
                    task = left.pop(0)
                    progress.show(f"{task[0].name}.{task[1]}")
                    waiting[pool.submit(self._one, *task)] = task
                done = wait(waiting, tick, FIRST_COMPLETED).done
                if not done:
                    progress.show(f"{task[0].name}.{task[1]}")
                for future in done:
                    run, _ = waiting.pop(future)
                    seconds, problem = future.result()
                    progress.finish(run, seconds)
                    if problem:
                        problems.append(problem)
        except BaseException:
            self.stop()
            raise
        finally:
            pool.shutdown(wait=True)
            progress.end()
        return problems

    def stop(self):
        """Ends what is under way; its folders stay as .part and are made again the next time."""
        with self.lock:
            self.stopping = True
            for child in self.children:
                try:
                    os.killpg(child.pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue

    def _one(self, run, number):
        """Returns (seconds, None or what went wrong)."""
        name = f"{run.name}.{number}"
        part, final = self.set.runs / f"{name}.part", self.set.runs / name
        started = time.monotonic()
        try:
            part.mkdir()
            about = self._execute(run, part)
            problem = self._judge(run, part, about) or self._look_at_trace(run, part)
            (part / "run.json").write_text(json.dumps(about, indent=1) + "\n")
            if not self.stopping:
                part.rename(part.with_suffix(".failed") if problem else final)
            if problem:
                problem = f"{name}: {problem}; see {part.with_suffix('.failed')}"
        except OSError as error:
            problem = f"{name}: {error.filename or part}: {error.strerror}"
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                shutil.rmtree(part, ignore_errors=True)  # it can't be finished, and the next ones need the room
        return time.monotonic() - started, problem

    def _execute(self, run, part):
        def short(path):
            return os.path.relpath(path.resolve(), ROOT)

        words = run.words(self.turtles, self.guest, short(part / "stats.json"))
        if self._traced(run):
            words = with_trace(words, short(part / "trace"), run.trace or f",limit={TRACE_LIMIT}")
        before, started = host.describe(), time.time()
        with open(part / "console.txt", "wb") as console, open(part / "errors.txt", "wb") as errors:
            with self.lock:
                if self.stopping:
                    raise OSError(0, "stopped")
                # whatever ends this process, its guests end with it
                child = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *words], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=console,
                                         stderr=errors, start_new_session=True)
                self.children.add(child)
            try:
                code = self._wait(child, run, part)
            finally:
                with self.lock:
                    self.children.discard(child)
        return {
            "name": run.name, "kind": run.kind, "native": run.native, "work": run.work,
            # as it is said again elsewhere: the files of this folder have their final names
            "command": shlex.join(words).replace(short(part), short(part.with_suffix(""))),
            "arguments": list(run.arguments), "exit_code": code, "started": int(started),
            "seconds": round(time.time() - started, 2), "jobs": self.jobs,
            "host": {**before, "load_after": host.describe()["load"]}, "versions": self.versions,
        }

    @staticmethod
    def _wait(child, run, part):
        """Until the run ends, or has taken too long: its exit code, or "timeout". Behind its mark the stats of that moment are kept."""
        end, marked, asked = time.monotonic() + LIMIT, not run.mark, False
        while True:
            try:
                return child.wait(timeout=60 if marked else 0.02)
            except subprocess.TimeoutExpired:
                if time.monotonic() > end:
                    os.killpg(child.pid, signal.SIGKILL)
                    child.wait()
                    return "timeout"
            if marked:
                continue
            if not asked and re.search(run.mark, (part / "console.txt").read_text(errors="replace")):
                child.send_signal(signal.SIGUSR1)
                asked = True
            if asked and (part / "stats.json").exists():
                (part / "stats.json").rename(part / "before.json")
                marked = True

    def _traced(self, run):
        if run.native:
            return False
        return bool(run.trace) or self.trace == "all" or (self.trace == "counted" and run.kind == COUNTED)

    def _look_at_trace(self, run, part):
        """What is made of a trace while it is there. Returns None or what went wrong."""
        for name, words in run.after:
            symbols = part / "trace.kallsyms"
            done = subprocess.run([self.turtles, "trace", part / "trace", *words, *(("--symbols", symbols) if symbols.exists() else ())],
                                  cwd=ROOT, capture_output=True, text=True, timeout=LIMIT)
            if done.returncode:
                return f"turtles trace {' '.join(words)}: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}"
            (part / name).write_text(done.stdout)
        return None

    @staticmethod
    def _judge(run, part, about):
        if about["exit_code"] == "timeout":
            return f"given up after {LIMIT} s"
        if about["exit_code"] != run.exit_code:
            errors = (part / "errors.txt").read_text(errors="replace").strip().splitlines()
            return f"exit code {about['exit_code']} instead of {run.exit_code}" + (f": {errors[-1]}" if errors else "")
        if run.expects and not re.search(run.expects, (part / "console.txt").read_text(errors="replace")):
            return f"its console has no line with {run.expects}"
        if not run.native:
            try:
                read_stats(part / "stats.json")
                if run.mark:
                    read_stats(part / "before.json")
            except LabError as error:
                return str(error)
        return None
