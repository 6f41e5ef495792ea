# SPDX-License-Identifier: GPL-2.0-or-later
"""The report: one HTML page that needs nothing but itself."""
import jinja2

from .papers import SOURCES
from .results import ResultSet

KIND_WORDS = {
    "counted": "counted by L0, with the instruction clock the same each time",
    "timed": "timed on the host below, median of the repeats",
    "modelled": "computed by a model, not measured",
    "published": "from a paper, on another machine",
}

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>turtles: the laboratory's report</title>
<style>
body { font: 15px/1.45 sans-serif; max-width: 62em; margin: 2em auto; padding: 0 1em; color: #000; background: #fff; }
h2 { border-top: 2px solid #000; padding-top: .6em; margin-top: 2.2em; }
table { border-collapse: collapse; margin: .6em 0 1.4em; font-size: 13px; }
caption { text-align: left; font-weight: bold; padding: .4em 0; }
th, td { border-bottom: 1px solid #999; padding: .2em .6em; text-align: right; vertical-align: bottom; }
th:first-child, td:first-child { text-align: left; }
.kind { display: block; font-weight: normal; font-size: 11px; }
.counted { background: #fff; font-weight: 600; }
.timed { background: #eee; font-style: italic; }
.modelled { background: #fff; border-left: 3px dashed #000; border-right: 3px dashed #000; font-family: monospace; }
.published { background: #fff; border-left: 3px double #000; border-right: 3px double #000; }
figure { margin: 1em 0; } figcaption { font-weight: bold; margin-bottom: .3em; } svg { max-width: 100%; height: auto; }
dt { font-weight: bold; } .holds::before { content: "holds: "; font-weight: bold; } .fails::before { content: "DOESN'T HOLD: "; font-weight: bold; }
details { margin: .8em 0; } pre { white-space: pre-wrap; font-size: 12px; } .scroll { overflow-x: auto; }
</style>
</head>
<body>
<h1>turtles: the laboratory's report</h1>
<p>{{ sections|selectattr(1)|list|length }} experiments of {{ sections|length }} have results; the others say why not. Numbers of four kinds stand apart, in figures by their hatch:</p>
<table><tr><th>kind</th><th style="text-align:left">what it is</th></tr>
{% for kind, words in kinds.items() %}<tr><td class="{{ kind }}">{{ kind }}</td><td style="text-align:left">{{ words }}</td></tr>
{% endfor %}</table>
{% if hosts %}<table><caption>Where and when it was measured</caption>
<tr><th>host</th><th>cores</th><th>kernel</th><th>/dev/kvm</th><th>turtles</th><th>runs</th><th>timed runs</th><th>of them on a busy host</th><th>load (1 min)</th></tr>
{% for h in hosts %}<tr><td>{{ h.cpu }}</td><td>{{ h.cores }}</td><td>{{ h.kernel }}</td><td>{{ h.kvm }}</td><td>{{ h.commit }}</td><td>{{ h.runs }}</td><td>{{ h.timed }}</td><td>{{ h.busy }}</td><td>{{ h.loads }}</td></tr>
{% endfor %}</table>{% endif %}
{% if busy %}<p><strong>The host was busy with other work for {{ busy }} of the timed runs: their times are preliminary, and long. Compare them with each other only where the
error bars let you. Counted numbers don't depend on it.</strong></p>{% endif %}
<ul>{% for e, s in sections %}<li><a href="#{{ e.id }}">{{ e.id }}</a> {{ e.title }}{% if e.not_run %} (not run){% elif not s %} (no results yet){% endif %}</li>
{% endfor %}</ul>
{% for e, s in sections %}
<h2 id="{{ e.id }}">{{ e.id }}: {{ e.title }}</h2>
{% if e.not_run %}<p><strong>Not run:</strong> {{ e.not_run }}.</p><p>Would reproduce: {{ e.reproduces }}.</p>
{% else %}
<dl><dt>Question</dt><dd>{{ e.question }}</dd><dt>Method</dt><dd>{{ e.method }}</dd><dt>Reproduces</dt><dd>{{ e.reproduces }}</dd></dl>
{% if not s %}<p><strong>No results yet:</strong> <code>harness/lab run --only {{ e.id }}</code>.</p>
{% else %}
{% if missing[e.id] %}<p><strong>Runs that are missing, whose numbers are left out:</strong> {{ missing[e.id]|join(", ") }}.</p>{% endif %}
{% for f in s.figures %}<figure><figcaption>{{ f.title }}</figcaption>{{ f.svg|safe }}</figure>
{% endfor %}
{% for t in s.tables if t.rows %}<div class="scroll"><table><caption>{{ t.title }}</caption>
<tr>{% for head, kind in t.columns %}<th class="{{ kind }}">{{ head }}{% if kind %}<span class="kind">{{ kind }}</span>{% endif %}</th>{% endfor %}</tr>
{% for row in t.rows %}<tr>{% for cell in row %}<td class="{{ t.columns[loop.index0][1] }}">{{ cell }}</td>{% endfor %}</tr>
{% endfor %}</table></div>
{% endfor %}
<h3>What agrees</h3><ul>{% for line in s.agrees %}<li>{{ line }}</li>{% else %}<li>nothing that could be said</li>{% endfor %}</ul>
<h3>What doesn't, and why</h3><ul>{% for line in s.differs %}<li>{{ line }}</li>{% else %}<li>nothing</li>{% endfor %}</ul>
{% if s.checks %}<details><summary>{{ s.checks|selectattr(1)|list|length }} of {{ s.checks|length }} checks hold</summary><ul>{% for what, holds in s.checks %}<li class="{{ 'holds' if holds else 'fails' }}">{{ what }}</li>{% endfor %}</ul></details>{% endif %}
<details><summary>The commands</summary><pre>{% for c in commands[e.id] %}{{ c }}
{% endfor %}</pre></details>
{% endif %}{% endif %}
{% endfor %}
<h2>Sources</h2>
<ul>{% for key, text in sources.items() %}<li>{{ key }}: {{ text }}</li>{% endfor %}</ul>
</body>
</html>
"""


def sections(results, experiments):
    """(experiment, its section) for each; None in the section's place where nothing was run"""
    for e in experiments:
        there = not e.not_run and any(results.has(name, 1) for name in e.runs)
        yield e, e.analyse(results) if there else None


def _hosts(results):
    """A line for each host and turtles that results are of"""
    hosts = {}
    for folder in sorted(results.runs.glob("*.[0-9]*")):
        if not folder.suffix[1:].isdigit():
            continue
        about = results.finished(folder.stem)
        for result in about:
            if result.folder != folder:
                continue
            host, versions = result.about["host"], result.about["versions"]
            key = (host["cpu"], host["cores"], host["kernel"], host["kvm"], versions["commit"])
            line = hosts.setdefault(key, {"runs": 0, "timed": 0, "busy": 0, "load": []})
            line["runs"] += 1
            line["load"].append(host["load"])
            if result.about["kind"] == "timed":
                line["timed"] += 1
                line["busy"] += host["busy"]
    for (cpu, cores, kernel, kvm, commit), line in hosts.items():
        yield {"cpu": cpu, "cores": cores, "kernel": kernel, "kvm": kvm, "commit": commit, **line,
               "loads": f"{min(line['load']):.1f} to {max(line['load']):.1f}"}


def render(folder, experiments):
    """Returns the page, and lines for the checks that don't hold."""
    results = ResultSet(folder)
    done = list(sections(results, experiments))
    missing = {e.id: [name for name in e.runs if not results.has(name, 1)] for e, _ in done}
    commands = {}
    for e, section in done:
        commands[e.id] = [r.about["command"] for name in e.runs for r in results.finished(name)[:1]] if section else []
    hosts = list(_hosts(results))
    failed = [f"{e.id}: {what}" for e, s in done if s for what, holds in s.checks if not holds]
    page = jinja2.Environment(autoescape=True, trim_blocks=True).from_string(PAGE).render(
        sections=done, kinds=KIND_WORDS, hosts=hosts, busy=sum(h["busy"] for h in hosts), missing=missing, commands=commands,
        sources=SOURCES)
    return page, failed
