# SPDX-License-Identifier: GPL-2.0-or-later
"""Bars as SVG that can be told apart in black and white: what a number is decides its hatch, and it has a word in the legend."""
import io
import re

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402

STYLES = {
    "published": {"color": "white", "hatch": "|||", "edgecolor": "black"},
    "counted": {"color": "0.15", "hatch": "", "edgecolor": "black"},
    "timed": {"color": "0.65", "hatch": "", "edgecolor": "black"},
    "modelled": {"color": "white", "hatch": "xxx", "edgecolor": "black", "linestyle": "--"},
}
SHADES = ("0.1", "0.45", "0.75", "0.95")


def svg_of(figure, salt):
    """Inline SVG: no prolog, no metadata, the same each time"""
    with matplotlib.rc_context({"svg.hashsalt": salt, "svg.fonttype": "none"}):
        text = io.StringIO()
        figure.savefig(text, format="svg", bbox_inches="tight", metadata={"Date": None, "Creator": None})
    pyplot.close(figure)
    text = text.getvalue()
    text = text[text.index("<svg"):]
    return re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)


def _errors(samples):
    pairs = [s.errors() if hasattr(s, "errors") else (0, 0) for s in samples]
    return [[low for low, _ in pairs], [high for _, high in pairs]]


def bars(salt, groups, series, unit, log=False):
    """
    groups: names on the axis. series: [(label, kind, values)], a value is a number, a Sample (its repeats are the error bar), or None.
    """
    figure, axes = pyplot.subplots(figsize=(max(4.5, 0.9 * len(groups) + 2), 3.2))
    width = 0.8 / len(series)
    for i, (label, kind, values) in enumerate(series):
        at = [g + (i - (len(series) - 1) / 2) * width for g, v in enumerate(values) if v is not None]
        there = [v for v in values if v is not None]
        heights = [v.median if hasattr(v, "median") else v for v in there]
        style = dict(STYLES[kind])
        same = [s for s in series[:i] if s[1] == kind]
        if same:
            style["color"], style["hatch"] = {"timed": "0.85", "counted": "0.5"}.get(kind, "white"), "//" * len(same)
        axes.bar(at, heights, width, label=f"{label} ({kind})", **style)
        if any(hasattr(v, "errors") and len(v.values) > 1 for v in there):
            axes.errorbar(at, heights, yerr=_errors(there), fmt="none", ecolor="black", capsize=3, linewidth=1)
    axes.set_xticks(range(len(groups)), groups, rotation=30 if max(map(len, groups)) > 9 else 0,
                    ha="right" if max(map(len, groups)) > 9 else "center", fontsize=8)
    axes.set_ylabel(unit)
    if log:
        axes.set_yscale("log")
    axes.legend(fontsize=8, frameon=False, bbox_to_anchor=(0, 1.02), loc="lower left", borderaxespad=0)
    axes.spines[["top", "right"]].set_visible(False)
    return svg_of(figure, salt)


def stacked(salt, groups, parts, unit):
    """parts: [(label, values)], from the bottom up"""
    figure, axes = pyplot.subplots(figsize=(max(4.5, 0.9 * len(groups) + 2), 3.2))
    bottom = [0.0] * len(groups)
    for i, (label, values) in enumerate(parts):
        axes.bar(range(len(groups)), values, 0.6, bottom=bottom, label=label, color=SHADES[i % 4], edgecolor="black",
                 hatch=("", "//", "..", "xx", "\\\\", "++", "oo")[i % 7])
        bottom = [b + v for b, v in zip(bottom, values)]
    axes.set_xticks(range(len(groups)), groups, rotation=30, ha="right", fontsize=8)
    axes.set_ylabel(unit)
    axes.legend(fontsize=8, frameon=False, bbox_to_anchor=(1.02, 1), loc="upper left")
    axes.spines[["top", "right"]].set_visible(False)
    return svg_of(figure, salt)
