# SPDX-License-Identifier: GPL-2.0-or-later
"""Two result sets side by side: did a change help? Counted numbers differ or don't; timed ones by their medians and ranges."""
import re

import pandas

from . import LabError
from .results import ResultSet, Sample


def _numbers(result):
    """What a run says in numbers: {(what, kind): value}"""
    values = {}
    kind = result.about["kind"]
    if kind == "counted":
        bt = result.l1["bt"]
        values["guest instructions"] = result.stats["run"]["insns"]
        values["callouts"] = bt["callouts"]
        values["TLB misses"] = bt["tlb_misses"]
        for key in ("walks02", "refs02", "refs12", "refs01"):
            if key in result.l1.get("ept_merge", {}):
                values[key] = result.l1["ept_merge"][key]
        if "vmcs" in result.l1:
            values["VMCS fields copied"] = result.l1["vmcs"]["fields_copied"]
        for key in ("walk_refs", "l2_walk_refs"):
            if key in bt:
                values[key] = bt[key]
        if "vmx" in result.l1:
            values["exits"] = sum(result.exits().values())
            for reason, n in sorted(result.exits().items()):
                values[f"exits {reason}"] = n
            values["instructions of L1 in rounds"] = sum(row["insns"] for row in result.vmx["rounds"])
    else:
        for name, ns in re.findall(r"(?m)^row (\S+) (\d+)$", result.console):
            values[f"row {name}/ns"] = int(ns)
        for name, cycles in result.shim_rows().items():
            values[f"row {name}/cycles"] = cycles
        if result.stats and "wall_ns" in result.stats["run"]:
            values["wall/ns"] = result.stats["run"]["wall_ns"]
    return values


def names_of(results):
    return {folder.stem for folder in results.folders()}


def _open(folder_a, folder_b):
    a, b = ResultSet(folder_a), ResultSet(folder_b)
    for each in (a, b):
        if not each.runs.is_dir():
            raise LabError(f"{each.folder}: no results there")
    if a.small != b.small:
        raise LabError(f"{folder_a} and {folder_b}: one is of the small form, the other of the full one: their runs are other runs")
    return a, b


def _all_numbers(results, name):
    """_numbers() of a run's repeats; one that hasn't got them is told and left out"""
    numbers = []
    for result in results.finished(name):
        try:
            numbers.append(_numbers(result))
        except (LabError, LookupError, TypeError, AttributeError) as error:
            results.problems[result.folder] = str(error) if isinstance(error, LabError) else f"{result.folder}/stats.json: {error} isn't there"
    return numbers


def compare(folder_a, folder_b, only=None):
    """A table with a line for each number that both sets have and that differs; only: names of runs"""
    return _compare(*_open(folder_a, folder_b), only)


def _compare(a, b, only):
    names = sorted(name for name in names_of(a) if only is None or name in only)
    lines = []
    for name in names:
        first, second = _all_numbers(a, name), _all_numbers(b, name)
        if not first or not second:
            continue
        kind = a.one(name).about["kind"]
        for what in first[0]:
            left = Sample([v[what] for v in first if what in v])
            right = Sample([v[what] for v in second if what in v])
            if not left or not right or left.values == right.values:
                continue
            lines.append({"run": name, "number": what, "kind": kind, "A": left.text(4), "B": right.text(4),
                          "B/A": f"{right.median / left.median:.3f}" if left.median else "–",
                          "apart": "yes" if left.apart(right) else "no"})
    return pandas.DataFrame(lines, columns=["run", "number", "kind", "A", "B", "B/A", "apart"])


def _of(results, names):
    """What a set was made with and on, in a line"""
    seen = []
    for name in sorted(names):
        for result in results.finished(name)[:1]:
            host, versions = result.about["host"], result.about["versions"]
            line = f"turtles {versions.get('commit') or 'unknown'}, {host['cpu']}, {host['cores']} cores, Linux {host['kernel']}"
            if line not in seen:
                seen.append(line)
    return "; ".join(seen[:3]) + (f"; and {len(seen) - 3} others" if len(seen) > 3 else "")


def text(folder_a, folder_b, only=None, everything=False):
    """What `lab compare` prints, and lines about what can't be read. Of timed numbers those whose ranges don't overlap, unless everything is wanted."""
    a, b = _open(folder_a, folder_b)
    in_a, in_b = (names_of(x) if only is None else names_of(x) & set(only) for x in (a, b))
    table = _compare(a, b, only)
    lines = [f"A: {folder_a}: {_of(a, in_a)}", f"B: {folder_b}: {_of(b, in_b)}"]
    for what, names in ((f"{folder_a} alone", in_a - in_b), (f"{folder_b} alone", in_b - in_a)):
        if names:
            lines.append(f"in {what}: {', '.join(sorted(names))}")
    for kind, rule in (("counted", "these differ"), ("timed", "the ranges of the repeats are apart")):
        part = table[table["kind"] == kind]
        shown = part if everything or kind == "counted" else part[part["apart"] == "yes"]
        both = sum(1 for name in in_a & in_b for r in a.finished(name)[:1] if r.about["kind"] == kind)
        lines.append("")
        if shown.empty:
            lines.append(f"{kind}: nothing differs" + (" by more than the repeats do" if kind == "timed" and len(part) else "") + f" in {both} runs")
            continue
        lines.append(f"{kind}, {both} runs: " + (rule if not everything or kind == "counted" else "all that differs") + ":")
        lines.append(shown.drop(columns=["kind"] + (["apart"] if not everything or kind == "counted" else [])).to_string(index=False))
        if len(part) > len(shown):
            lines.append(f"and {len(part) - len(shown)} numbers whose ranges overlap: --all shows them")
    return "\n".join(lines), [*a.problems.values(), *b.problems.values()]
