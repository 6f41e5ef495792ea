# SPDX-License-Identifier: GPL-2.0-or-later
"""The report: one HTML page that needs nothing but itself."""
import jinja2

from . import LabError
from .commands import all_runs
from .papers import SOURCES
from .results import ResultSet
from .section import Section

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
<meta name="viewport" content="width=device-width">
<title>turtles: the laboratory's report</title>
<style>
body { font: 15px/1.5 "DejaVu Sans", "Helvetica Neue", Arial, sans-serif; max-width: 66em; margin: 2em auto; padding: 0 1em; color: #000; background: #fff; }
h1 { margin-bottom: .2em; } h2 { border-top: 2px solid #000; padding-top: .6em; margin-top: 2.6em; } h3 { margin: 1.4em 0 .3em; font-size: 15px; }
p.lead { margin-top: 0; color: #333; }
table { border-collapse: collapse; margin: .6em 0 1.4em; font-size: 13px; min-width: 26em; }
caption { text-align: left; font-weight: bold; padding: .4em 0; }
th, td { border-bottom: 1px solid #999; padding: .2em .6em; text-align: right; vertical-align: bottom; }
thead th { border-bottom: 2px solid #000; }
th:first-child, td:first-child, .name, .text td, .text th { text-align: left; }
.text td { vertical-align: top; }
.kind { display: block; font-weight: normal; font-size: 11px; }
.counted { font-weight: 600; }
.timed { background: #eee; font-style: italic; }
.modelled { border-left: 3px dashed #000; border-right: 3px dashed #000; font-family: monospace; }
.published { border-left: 3px double #000; border-right: 3px double #000; }
.pair { display: flex; flex-wrap: wrap; gap: 1em 2em; align-items: flex-start; margin: 1em 0; }
.pair figure { flex: 1 1 26em; min-width: 0; margin: 0; }
.figures { display: flex; flex-wrap: wrap; gap: 0 2em; align-items: flex-start; } .figures > .pair { flex: 1 1 100%; } .figures > figure { flex: 0 1 auto; max-width: 100%; }
.paper { border: 1px solid #999; padding: .5em; }
figure { margin: 1em 0; } figcaption { font-weight: bold; margin-bottom: .3em; font-size: 13px; } svg { max-width: 100%; height: auto; }
.paper figcaption { font-weight: normal; }
.ask { border-left: 4px solid #000; padding-left: .8em; margin: .6em 0 1em; } .ask b { display: inline-block; min-width: 6.5em; } .ask p { margin: .25em 0; }
.both { display: flex; flex-wrap: wrap; gap: 0 2.5em; } .both > div { flex: 1 1 24em; } ul { margin: .3em 0; padding-left: 1.3em; }
.holds::before { content: "holds: "; font-weight: bold; } .fails::before { content: "DOESN'T HOLD: "; font-weight: bold; }
details { margin: .8em 0; } pre { white-space: pre-wrap; font-size: 12px; overflow-wrap: anywhere; } .scroll { overflow-x: auto; }
dl.words { display: grid; grid-template-columns: max-content 1fr; gap: .15em 1em; font-size: 13px; } dl.words dt { font-weight: bold; } dl.words dd { margin: 0; }
@media print { details { display: none; } h2 { break-before: page; } figure, table { break-inside: avoid; } }
</style>
</head>
<body>
<h1>turtles: the laboratory's report</h1>
<p class="lead">Experiments of the papers on nested virtualization, repeated on a hypervisor that needs no VT: what was asked, how it was done, our figure beside the paper's, the numbers, what
agrees and what doesn't. {{ sections|selectattr(1)|list|length }} of {{ sections|length }} experiments have results{% if small %} in their small form, which is for shapes alone{% endif %}; the others say why not.</p>

<h3>Words</h3>
<dl class="words">
{% for word, text in words %}<dt>{{ word }}</dt><dd>{{ text }}</dd>
{% endfor %}</dl>

<h3>Numbers of four kinds stand apart, in tables by their columns, in figures by their filling</h3>
<table class="text">
{% for kind, text in kinds.items() %}<tr><td class="{{ kind }}">{{ kind }}</td><td>{{ text }}</td></tr>
{% endfor %}</table>
{% if hosts %}<div class="scroll"><table><caption>Where and when it was measured</caption>
<thead><tr><th>host</th><th>cores</th><th>kernel</th><th>/dev/kvm</th><th>turtles</th><th>runs</th><th>timed runs</th><th>of them on a busy host</th><th>load (1 min)</th></tr></thead>
{% for h in hosts %}<tr><td>{{ h.cpu }}</td><td>{{ h.cores }}</td><td>{{ h.kernel }}</td><td>{{ h.kvm }}</td><td>{{ h.commit }}</td><td>{{ h.runs }}</td><td>{{ h.timed }}</td><td>{{ h.busy }}</td><td>{{ h.loads }}</td></tr>
{% endfor %}</table></div>{% endif %}
{% if busy %}<p><strong>The host was busy with other work for {{ busy }} of the timed runs: their times are preliminary, and long. Compare them with each other only where the
error bars let you. Counted numbers don't depend on it.</strong></p>{% endif %}
<h3>The experiments</h3>
<div class="scroll"><table class="text"><thead><tr><th></th><th>experiment</th><th>reproduces</th><th>checks of shape that hold</th></tr></thead>
{% for e, s in sections %}<tr><td><a href="#{{ e.id }}">{{ e.id }}</a></td><td>{{ e.title }}</td><td>{{ e.reproduces }}</td><td>{% if e.not_run %}not run{% elif not s %}no results yet{% elif s.unreadable %}can't be read{% else %}{{ s.checks|selectattr(1)|list|length }} of {{ s.checks|length }}{% endif %}</td></tr>
{% endfor %}</table></div>
{% for e, s in sections %}
<h2 id="{{ e.id }}">{{ e.id }}: {{ e.title }}</h2>
{% if e.not_run %}<p><strong>Not run:</strong> {{ e.not_run }}.</p><p>Would reproduce: {{ e.reproduces }}.</p>
{% else %}
<div class="ask"><p><b>Question</b> {{ e.question }}</p><p><b>Method</b> {{ e.method }}</p><p><b>Reproduces</b> {{ e.reproduces }}</p></div>
{% if not s %}<p><strong>No results yet:</strong> <code>harness/lab run --only {{ e.id }}</code>.</p>
{% else %}
{% if s.unreadable %}<p><strong>Something that this is made of can't be read:</strong> <code>harness/lab report</code> says what, <code>harness/lab run --only {{ e.id }} --again</code> makes it anew.</p>
{% else %}
{% if missing[e.id] %}<p><strong>Runs that are missing, whose numbers are left out:</strong> {{ missing[e.id]|join(", ") }}.</p>{% endif %}
<div class="figures">{% for f in s.figures %}{% if f.paper %}<div class="pair"><figure><figcaption>{{ f.title }}</figcaption>{{ f.svg|safe }}</figure>
<figure class="paper"><figcaption>{{ f.paper_title }}</figcaption>{{ f.paper|safe }}</figure></div>
{% else %}<figure><figcaption>{{ f.title }}</figcaption>{{ f.svg|safe }}</figure>
{% endif %}{% endfor %}</div>
{% for t in s.tables if t.rows %}<div class="scroll"><table><caption>{{ t.title }}</caption>
<thead><tr>{% for head, kind in t.columns %}<th class="{{ kind or 'name' }}">{{ head }}{% if kind %}<span class="kind">{{ kind }}</span>{% endif %}</th>{% endfor %}</tr></thead>
{% for row in t.rows %}<tr>{% for cell in row %}<td class="{{ t.columns[loop.index0][1] or 'name' }}">{{ cell }}</td>{% endfor %}</tr>
{% endfor %}</table></div>
{% endfor %}
<div class="both"><div><h3>What agrees</h3><ul>{% for line in s.agrees %}<li>{{ line }}</li>{% else %}<li>nothing that could be said</li>{% endfor %}</ul></div>
<div><h3>What doesn't, and why</h3><ul>{% for line in s.differs %}<li>{{ line }}</li>{% else %}<li>nothing</li>{% endfor %}</ul></div></div>
{% if s.checks %}<details><summary>{{ s.checks|selectattr(1)|list|length }} of {{ s.checks|length }} checks hold</summary><ul>{% for what, holds in s.checks %}<li class="{{ 'holds' if holds else 'fails' }}">{{ what }}</li>{% endfor %}</ul></details>{% endif %}
<details><summary>The commands</summary><pre>{% for c in commands[e.id] %}{{ c }}
{% endfor %}</pre></details>
{% endif %}{% endif %}{% endif %}
{% endfor %}
<h2>Sources</h2>
<ul>{% for key, text in sources.items() %}<li>{{ key }}: {{ text }}</li>{% endfor %}</ul>
</body>
</html>
"""

WORDS = (
    ("L0", "turtles: a user-space program that translates its guests' code"),
    ("L1", "a guest hypervisor on L0: Debian's KVM, Debian's Xen, or l1shim, our own smallest one"),
    ("L2, L3", "a guest of L1, and a guest of an L2 that is a hypervisor itself"),
    ("exit", "an event at which VT hardware would leave a guest for its hypervisor. L0 needn't, but counts it"),
    ("reflected", "an exit of L2 that L0 hands to L1, since it is L1's guest"),
    ("round", "from a reflected exit until L1 enters L2 again"),
    ("amplification", "the exits that one reflected exit becomes: itself, and all that L1 makes until L2 goes on"),
    ("VMCS, VMREAD, VMWRITE", "the record in which L1 keeps its L2's state, and the instructions by which it reaches it; without help of the hardware each is an exit of L1"),
    ("trap, shadow, rewrite", "how these reach it here: each an exit; hardware's VMCS shadowing; translated in place into a load or store, which only a translating L0 can do"),
    ("EPT12, EPT01, EPT02", "L1's table for its L2, L0's table for L1, and what merging makes of both"),
)


def sections(results, experiments):
    """(experiment, its section) for each; None in the section's place where nothing was run, or nothing can be read"""
    for e in experiments:
        for name in e.runs:
            results.finished(name)  # to know which can't be read
        there = not e.not_run and any(results.has(name, 1) for name in e.runs)
        yield e, _analysed(results, e) if there else None


def _analysed(results, e):
    """What an experiment says; if its runs don't hold what it reads, it says so, and the others are what they are."""
    try:
        return e.analyse(results)
    except LabError as error:
        problem = str(error)
    except OSError as error:
        problem = f"{error.filename}: {error.strerror}"
    except (LookupError, TypeError, ValueError, AttributeError, ZeroDivisionError) as error:
        problem = f"{results.folder}: {e.id}: something isn't in its runs' stats that this laboratory reads there: {type(error).__name__}: {error}"
    if problem not in results.problems.values():
        results.problems[e.id] = problem
    return Section(unreadable=True)


def _hosts(results):
    """A line for each host and turtles that results are of"""
    hosts = {}
    for result in results.finished("*"):
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
    """Returns the page, and lines for the checks that don't hold and for what can't be read."""
    results = ResultSet(folder)
    done = list(sections(results, experiments))
    expected = all_runs(results.small)
    missing = {e.id: [name for name in e.runs if name in expected and not results.has(name, 1)] for e, _ in done}
    commands = {}
    for e, section in done:
        commands[e.id] = [r.about["command"] for name in e.runs for r in results.finished(name)[:1]] if section else []
    hosts = list(_hosts(results))
    failed = [*results.problems.values(), *(f"doesn't hold: {e.id}: {what}" for e, s in done if s for what, holds in s.checks if not holds)]
    page = jinja2.Environment(autoescape=True, trim_blocks=True).from_string(PAGE).render(
        sections=done, kinds=KIND_WORDS, words=WORDS, small=results.small, hosts=hosts, busy=sum(h["busy"] for h in hosts), missing=missing, commands=commands,
        sources=SOURCES)
    return page, failed
