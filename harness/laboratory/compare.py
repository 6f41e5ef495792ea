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
        if "vmx" in result.l1:
            values["exits"] = sum(result.exits().values())
    else:
        for name, ns in re.findall(r"(?m)^row (\S+) (\d+)$", result.console):
            values[f"row {name}/ns"] = int(ns)
        for name, cycles in result.shim_rows().items():
            values[f"row {name}/cycles"] = cycles
        if result.stats and "wall_ns" in result.stats["run"]:
            values["wall/ns"] = result.stats["run"]["wall_ns"]
    return values


def compare(folder_a, folder_b):
    """A table with a line for each number that both sets have and that differs"""
    a, b = ResultSet(folder_a), ResultSet(folder_b)
    for each in (a, b):
        if not each.runs.is_dir():
            raise LabError(f"{each.folder}: no results there")
    names = sorted({folder.name.rsplit(".", 1)[0] for folder in a.runs.glob("*.[0-9]*")})
    lines = []
    for name in names:
        ours, theirs = a.finished(name), b.finished(name)
        if not ours or not theirs:
            continue
        first, second = [_numbers(r) for r in ours], [_numbers(r) for r in theirs]
        for what in first[0]:
            left = Sample([v[what] for v in first if what in v])
            right = Sample([v[what] for v in second if what in v])
            if not left or not right or left.values == right.values:
                continue
            kind = ours[0].about["kind"]
            apart = left.values[-1] < right.values[0] or right.values[-1] < left.values[0]
            lines.append({"run": name, "number": what, "kind": kind, "A": left.text(4), "B": right.text(4),
                          "B/A": f"{right.median / left.median:.3f}" if left.median else "–",
                          "apart": "yes" if apart else "no"})
    return pandas.DataFrame(lines, columns=["run", "number", "kind", "A", "B", "B/A", "apart"])
