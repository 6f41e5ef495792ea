# SPDX-License-Identifier: GPL-2.0-or-later
"""Bars as SVG that can be told apart in black and white: what a number is decides its hatch, and it has a word in the legend."""
import io
import re
from collections import defaultdict

import matplotlib
import matplotlib.ticker

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402

STYLES = {
    "published": {"color": "white", "hatch": "|||", "edgecolor": "black"},
    "counted": {"color": "0.15", "hatch": "", "edgecolor": "black"},
    "timed": {"color": "0.65", "hatch": "", "edgecolor": "black"},
    "modelled": {"color": "white", "hatch": "xxx", "edgecolor": "black", "linestyle": "--"},
}
# the second, third and fourth of a kind in one figure
MORE = {"counted": (("0.5", "//"), ("0.85", ".."), ("0.95", "xx")), "timed": (("0.85", "//"), ("0.95", ".."), ("0.4", "xx")),
        "published": (("white", "//"), ("white", ".."), ("white", "xx"))}
SHADES = ("0.1", "0.45", "0.75", "0.95")
FONT = 9
matplotlib.rcParams.update({"font.size": FONT, "hatch.linewidth": 0.6, "axes.linewidth": 0.8})


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


def _axes(groups, unit, log=False, width=0.0, height=3.0):
    longest = max((len(g) for g in groups), default=0)
    figure, axes = pyplot.subplots(figsize=(width or max(3.6, min(0.62 * len(groups) + 2, 11)), height))
    crowded = longest * len(groups) > 36
    axes.set_xticks(range(len(groups)), groups, rotation=30 if crowded else 0, ha="right" if crowded else "center", fontsize=FONT - 1)
    axes.set_ylabel(unit)
    if log:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda v, _: f"{v:,.0f}" if v >= 1 else f"{v:g}"))
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _room(axes, highest, log, lowest=0.0):
    """For the numbers over the bars; and a log axis of less than two decades has its ticks in between named, too"""
    if not log:
        axes.set_ylim(min(lowest * 1.12, 0), max(highest, 0) * 1.12 or 1)
        if lowest < 0:
            axes.axhline(0, color="black", linewidth=0.8)
        return
    low, high = axes.get_ylim()
    axes.set_ylim(low, high * 1.15)
    plain = matplotlib.ticker.FuncFormatter(lambda v, _: f"{v:g}") if high / low < 30 else matplotlib.ticker.NullFormatter()
    axes.yaxis.set_minor_formatter(plain)
    axes.tick_params(which="minor", labelsize=FONT - 3)


def _legend(axes, columns=1):
    axes.legend(fontsize=FONT - 1, frameon=False, bbox_to_anchor=(0, 1.02), loc="lower left", borderaxespad=0, ncols=columns)


def _short(value):
    if abs(value) >= 10000:
        return f"{value / 1000:,.0f}K"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _is_there(value):
    return value is not None and (not hasattr(value, "values") or bool(value.values))


def bars(salt, groups, series, unit, log=False, values=None, width=0.0):
    """
    groups: names on the axis. series: [(label, kind, values)], a value is a number, a Sample (its repeats are the error bar), or None.
    values: write the numbers over the bars; if not said, where there is room for it.
    """
    figure, axes = _axes(groups, unit, log, width)
    bar, highest, lowest = 0.8 / len(series), 0, 0
    values = len(groups) * len(series) <= 12 if values is None else values
    for i, (label, kind, numbers) in enumerate(series):
        at = [g + (i - (len(series) - 1) / 2) * bar for g, v in enumerate(numbers) if _is_there(v)]
        there = [v for v in numbers if _is_there(v)]
        heights = [v.median if hasattr(v, "median") else v for v in there]
        style = dict(STYLES[kind])
        same = [s for s in series[:i] if s[1] == kind]
        if same:
            style["color"], style["hatch"] = MORE.get(kind, MORE["published"])[(len(same) - 1) % 3]
        axes.bar(at, heights, bar, label=f"{label} ({kind})", **style)
        tops = heights
        lowest = min([lowest, *(v.values[0] if hasattr(v, "values") else v for v in there)])
        if any(hasattr(v, "errors") and len(v.values) > 1 for v in there):
            errors = _errors(there)
            axes.errorbar(at, heights, yerr=errors, fmt="none", ecolor="black", capsize=3, linewidth=1)
            tops = [h + high for h, high in zip(heights, errors[1])]
        highest = max([highest, *tops])
        if values:
            for x, height, top in zip(at, heights, tops):
                axes.annotate(_short(height), (x, top), xytext=(0, 2), textcoords="offset points", ha="center", va="bottom", fontsize=FONT - 2)
    _room(axes, highest, log, lowest)
    _legend(axes)
    return svg_of(figure, salt)


HATCHES = ("", "//", "..", "xx", "\\\\", "++", "oo")


def stacked(salt, groups, parts, unit, width=0.0, totals=()):
    """parts: [(label, values)], from the bottom up; one that is None has its filling kept for others' figures. totals: Samples, for error bars"""
    figure, axes = _axes(groups, unit, width=width)
    bottom = [0.0] * len(groups)
    for i, part in enumerate(parts):
        if part is None:
            continue
        label, values = part
        axes.bar(range(len(groups)), values, 0.6, bottom=bottom, label=label, color=SHADES[i % 4], edgecolor="black", hatch=HATCHES[i % 7])
        bottom = [b + v for b, v in zip(bottom, values)]
    tops = list(bottom)
    if any(len(t.values) > 1 for t in totals):
        errors = _errors(totals)
        axes.errorbar(range(len(groups)), bottom, yerr=errors, fmt="none", ecolor="black", capsize=4, linewidth=1)
        tops = [b + high for b, high in zip(bottom, errors[1])]
    for x, (value, top) in enumerate(zip(bottom, tops)):
        axes.annotate(_short(value), (x, top), xytext=(0, 2), textcoords="offset points", ha="center", va="bottom", fontsize=FONT - 2)
    _room(axes, max(tops), False)
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(handles[::-1], labels[::-1], fontsize=FONT - 1, frameon=False, bbox_to_anchor=(0, 1.02), loc="lower left", borderaxespad=0,
                ncols=2 if len(handles) > 3 else 1)
    return svg_of(figure, salt)


def lines(salt, x, series, unit, x_label, log=False):
    """series: [(label, kind, values)]"""
    figure, axes = _axes([str(v) for v in x], unit, log)
    axes.set_xlabel(x_label)
    for i, (label, kind, values) in enumerate(series):
        there = [(n, v) for n, v in enumerate(values) if v]
        style = {"published": ("--", "none"), "modelled": (":", "none")}.get(kind, ("-", "black"))
        marks = [v.median if hasattr(v, "median") else v for _, v in there]
        axes.plot([n for n, _ in there], marks, style[0], color="black", marker="os^DvP*X<>"[i % 10], markerfacecolor=style[1], markersize=6,
                  linewidth=(1, 0.6)[i % 2], label=f"{label} ({kind})")
        repeated = [(n, v) for n, v in there if hasattr(v, "errors") and len(v.values) > 1]
        if repeated:
            axes.errorbar([n for n, _ in repeated], [v.median for _, v in repeated], yerr=_errors([v for _, v in repeated]), fmt="none", ecolor="black", capsize=2,
                          linewidth=0.8)
    _legend(axes, 2 if len(series) > 4 else 1)
    return svg_of(figure, salt)


def stacks_of(text):
    """Collapsed stacks, FRAME;...;FRAME COUNT, as a tree: {name: [count, children]}"""
    def node():
        return [0, defaultdict(node)]

    root = node()
    for line in text.splitlines():
        stack, _, count = line.rpartition(" ")
        if not stack or not count.isdigit():
            continue
        at = root
        at[0] += int(count)
        for frame in stack.split(";"):
            at = at[1][frame]
            at[0] += int(count)
    return root


def flame(salt, text, unit, scale=1.0, skip=(), below=None):
    """
    Collapsed stacks as a flame graph, the callers below. skip: frames at the bottom that all have. below: a frame with which the stacks have to
    begin, and which is left out. Widths are counts divided by scale; a frame too narrow for its name has none.
    """
    root = stacks_of(text)
    for name in ([below] if below else []) + list(skip):
        if name not in root[1]:
            break
        root = root[1][name]
    total, rows = root[0], []

    def walk(node, left, depth):
        for name, (count, children) in sorted(node[1].items()):
            rows.append((depth, left, count, name))
            walk((count, children), left, depth + 1)
            left += count

    walk(root, 0, 0)
    if not rows:
        return ""
    deepest = max(row[0] for row in rows)
    figure, axes = pyplot.subplots(figsize=(11, 0.3 * (deepest + 1) + 0.7))
    for depth, left, count, name in rows:
        exits = name.isupper()
        axes.barh(depth, count / scale, 0.96, left=left / scale, color="0.25" if exits else ("0.97", "0.86")[depth % 2], edgecolor="black", linewidth=0.5)
        room = count / total * 150
        label = name if len(name) <= room else name[:max(int(room) - 1, 0)] + "…" if room > 6 else ""
        axes.text((left + count / 2) / scale, depth, label, ha="center", va="center", fontsize=FONT - 2, color="white" if exits else "black")
    axes.set_ylim(-0.6, deepest + 0.6)
    axes.set_xlim(0, total / scale)
    axes.set_yticks([])
    axes.set_xlabel(unit)
    axes.spines[["top", "right", "left"]].set_visible(False)
    return svg_of(figure, salt)


def unfolded(salt, events, unit):
    """
    One exit of L2 with all that it becomes: who runs, over instructions. events: [(at, level, label)], the first is L2's exit, the last
    the entry; those of level 1 are exits of L1.
    """
    first, last = events[0][0], events[-1][0]
    middle = [e for e in events[1:-1]]
    figure, axes = pyplot.subplots(figsize=(11, 1.5 + 0.21 * len(middle)))
    span = max(last - first, 1)
    for level, left, width in ((2, -0.06 * span, 0.06 * span), (1, 0, span), (2, span, 0.06 * span)):
        axes.barh(level, width, 0.5, left=left, color="0.86" if level == 1 else "0.45", edgecolor="black", linewidth=0.7)
    axes.plot([0, 0], [1.25, 1.75], color="black", linewidth=1)
    axes.plot([span, span], [1.25, 1.75], color="black", linewidth=1)
    axes.annotate(events[0][2], (0, 2.3), ha="left", va="bottom", fontsize=FONT - 1)
    axes.annotate(events[-1][2], (span, 2.3), ha="right", va="bottom", fontsize=FONT - 1)
    step = 0.42
    for i, (at, _, label) in enumerate(middle):
        x, y = at - first, -step * (i + 1)
        axes.plot([x, x], [1.25, 0], color="black", linewidth=0.6)
        axes.plot([x, x], [0, y], color="black", linewidth=0.4, linestyle=":")
        right = x < span * 0.62
        axes.annotate(label, (x, y), xytext=(4 if right else -4, 0), textcoords="offset points", ha="left" if right else "right", va="center",
                      fontsize=FONT - 1)
        axes.plot([x], [0.02], marker="v", color="black", markersize=4)
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_yticks([2, 1, 0], ["L2 runs", "L1 runs", "L0: exits of L1"])
    axes.set_ylim(-step * (len(middle) + 1), 2.9)
    axes.set_xlim(-0.07 * span, 1.07 * span)
    axes.set_xlabel(unit)
    axes.spines[["top", "right", "left"]].set_visible(False)
    return svg_of(figure, salt)
