# SPDX-License-Identifier: GPL-2.0-or-later
"""
A result set is a folder: runs/NAME.N is one finished run (run.json, stats.json, console.txt, errors.txt, perhaps trace).
NAME.N.part is one under way, or what a crash left: it is never read. NAME.N.failed is one that went wrong.
"""
import json
import re
import statistics
from collections import Counter
from pathlib import Path

from . import LabError

SCHEMA = 1


def read_json(path):
    try:
        text = path.read_text()
    except OSError as error:
        raise LabError(f"{path}: {error.strerror}") from error
    try:
        return json.loads(text)
    except ValueError as error:
        raise LabError(f"{path}: not JSON, or cut off: {error}") from error


def read_stats(path):
    stats = read_json(path)
    if not isinstance(stats, dict) or stats.get("schema") != SCHEMA:
        found = stats.get("schema") if isinstance(stats, dict) else None
        raise LabError(f"{path}: stats of schema {found}; this laboratory reads schema {SCHEMA}")
    if not stats.get("l1"):
        raise LabError(f"{path}: no L1 in these stats")
    return stats


def read_about(path):
    """run.json; what is read of it everywhere is there"""
    about = read_json(path)
    lacks = [key for key in ("name", "kind", "native", "work", "command", "host", "versions") if not isinstance(about, dict) or key not in about]
    if lacks:
        raise LabError(f"{path}: it doesn't say the run's {lacks[0]}")
    return about


def read_text(path):
    try:
        return path.read_text(errors="replace")
    except OSError as error:
        raise LabError(f"{path}: {error.strerror}") from error


def write_whole(path, text):
    """A reader never sees half of it, and a full disk leaves what was there."""
    new = path.with_name(path.name + ".new")
    try:
        new.write_text(text)
        new.rename(path)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error


class Result:
    """One finished run"""

    def __init__(self, folder):
        self.folder = folder
        self.about = read_about(folder / "run.json")
        self.stats = None if self.about["native"] else read_stats(folder / "stats.json")
        self.console = read_text(folder / "console.txt").replace("\r", "")
        before = folder / "before.json"
        self.before = read_stats(before)["l1"][0] if before.exists() else {}  # the stats at the run's mark

    @property
    def l1(self):
        return self.stats["l1"][0]

    def since_mark(self, table):
        """Numbers of a table, of what came behind the run's mark; None: there is no such table"""
        if table not in self.l1:
            return None
        return {key: n - self.before.get(table, {}).get(key, 0) for key, n in self.l1[table].items()}

    @property
    def vmx(self):
        vmx = self.l1.get("vmx")
        if vmx is None:
            raise LabError(f"{self.folder}/stats.json: no VMX in these stats")
        return vmx

    def rounds(self):
        """What L2's exits cost, by reason"""
        return {row["reason"]: row for row in self.vmx["rounds"]}

    def check(self, program):
        """`check NAME HASH`: what a program says of its results; None if it didn't"""
        found = re.search(rf"(?m)^check {re.escape(program)} (\S+)$", self.console)
        return found.group(1) if found else None

    def row(self, name):
        """`row NAME NS` of workloads/rows.c; None if it isn't there"""
        found = re.search(rf"(?m)^row {re.escape(name)} (\d+)$", self.console)
        return int(found.group(1)) if found else None

    def shim_rows(self):
        """`row NAME ROUNDS CYCLES min CYCLES` of l1shim and nano: the least batch's by name, which a busy host disturbs least"""
        return {name: int(cycles) for name, cycles in
                re.findall(r"(?m)^row (\S+) \d+ \d+ min (\d+)$", self.console)}

    def exits(self):
        """All exits, of L1 and of L2, by reason"""
        total = Counter(self.vmx["l1_exits"])
        total.update({row["reason"]: row["count"] for row in self.vmx["rounds"]})
        return total


class Added:
    """What the operations of one run add to another that has fewer of them, or none: all numbers are per operation."""

    def __init__(self, many, few):
        self.many, self.few = many, few
        self.work = many.about["work"] - few.about["work"]
        if self.work <= 0:
            raise LabError(f"{many.folder}: no more work in it than in {few.folder}")

    def _each(self, many, few, least=0.01):
        # what became fewer did so by chance: L1 waited, or was interrupted, at another moment
        return {key: n / self.work for key, n in difference(many, few).items() if n / self.work >= least}

    def exits(self):
        """Of L1 and of its guests, by reason"""
        return self._each(self.many.exits(), self.few.exits())

    def round(self, reason):
        """Exits of L1 in the rounds that a reason opens, by their reason; None if there is no such round"""
        many, few = (run.rounds().get(reason) for run in (self.many, self.few))
        if many is None:
            return None
        before = few or {"l1_exits": {}}
        n = many["rounds"] - (few["rounds"] if few else 0)
        return {key: count / n for key, count in difference(many["l1_exits"], before["l1_exits"]).items() if count / n >= 0.005} if n else None

    def insns(self, reason):
        """Instructions of L1 in a round"""
        many, few = (run.rounds()[reason] for run in (self.many, self.few))
        return (many["insns"] - few["insns"]) / (many["rounds"] - few["rounds"])

    def fields(self, what):
        """what: vmread or vmwrite, by field"""
        return self._each(self.many.vmx[what], self.few.vmx[what])

    def number(self, table, name):
        return (self.many.l1[table][name] - self.few.l1[table][name]) / self.work


class ResultSet:
    def __init__(self, folder):
        self.folder = Path(folder)
        self.runs = self.folder / "runs"
        self.problems = {}  # {folder of a run that can't be read, or experiment that can't make something of its runs: a line about it}

    @property
    def small(self):
        path = self.folder / "set.json"
        if not path.exists():
            return False
        about = read_json(path)
        if not isinstance(about, dict) or "small" not in about:
            raise LabError(f"{path}: it doesn't say whether this is the small form")
        return bool(about["small"])

    def say_size(self, small):
        """A result set is of one size: the same names mean other command lines."""
        path = self.folder / "set.json"
        if path.exists() and self.small != small:
            raise LabError(f"{self.folder}: holds runs of the {'small' if self.small else 'full'} form; choose another folder with --results")
        write_whole(path, json.dumps({"small": small}) + "\n")

    def added(self, many, few):
        """Added, of two runs' names; None if one isn't there"""
        runs = self.one(many), self.one(few)
        return Added(*runs) if all(runs) else None

    def pair(self, name):
        return self.added(f"{name}-many", f"{name}-few")

    def folders(self, name="*"):
        """Of finished runs, in the order of their numbers"""
        folders = [folder for folder in self.runs.glob(f"{name}.*") if re.fullmatch(r"\d+", folder.suffix[1:])]
        return sorted(folders, key=lambda f: (f.stem, int(f.suffix[1:])))

    def read(self, folder, others=()):
        """A Result; None if it can't be read, or other files of it aren't there: the other runs are what they are"""
        try:
            for name in others:
                read_text(folder / name)
            return Result(folder)
        except LabError as error:
            self.problems[folder] = str(error)
            return None

    def finished(self, name):
        """The results of a run in the order of their numbers"""
        return [result for result in map(self.read, self.folders(name)) if result]

    def has(self, name, number):
        folder = self.runs / f"{name}.{number}"
        return (folder / "run.json").exists() and folder not in self.problems

    def one(self, name):
        """The first result of a run; None if there is none"""
        results = self.finished(name)
        return results[0] if results else None

    def tsc_hz(self):
        """Ticks a second of the TSC that guests see, from a kernel's console; None: no run says it"""
        for name in ("linux-off", "linux-all", "linux-getpid", "linux-compile"):
            for result in self.finished(name):
                found = re.search(r"tsc: Detected ([\d.]+) MHz", result.console)
                if found:
                    return float(found.group(1)) * 1e6
        return None

    def sample(self, name, value):
        """The values of a run's repeats; value(result) may be None"""
        values = (value(result) for result in self.finished(name))
        return Sample([v for v in values if v is not None])


class Sample:
    """Repeated measurements: the median, and the smallest and largest for the error bar"""

    def __init__(self, values):
        self.values = sorted(values)

    def __bool__(self):
        return bool(self.values)

    @property
    def median(self):
        return statistics.median(self.values)

    def scaled(self, factor):
        return Sample([value * factor for value in self.values])

    def plus(self, number):
        return Sample([value + number for value in self.values])

    def over(self, other):
        """This over another: of the medians, and the range that both ranges allow"""
        return Sample([self.values[0] / other.values[-1], self.median / other.median, self.values[-1] / other.values[0]])

    def apart(self, other):
        """Whether the ranges don't overlap"""
        return self.values[-1] < other.values[0] or other.values[-1] < self.values[0]

    def errors(self):
        return self.median - self.values[0], self.values[-1] - self.median

    def text(self, digits=3):
        if not self.values:
            return "–"
        number = f"{self.median:.{digits}g}" if abs(self.median) < 1000 else f"{self.median:,.0f}"
        if len(self.values) == 1:
            return number
        low, high = (f"{v:.{digits}g}" if abs(v) < 1000 else f"{v:,.0f}" for v in (self.values[0], self.values[-1]))
        return f"{number} ({low}…{high})"


def difference(with_work, without):
    """Counters: what the work added; what it took away by chance is left out"""
    total = Counter(with_work)
    total.subtract(without)
    return total
