# SPDX-License-Identifier: GPL-2.0-or-later
"""Each experiment in its small form with the real turtles: shapes that must hold, the page in a browser, exports of a trace."""
import io
import json
import os
import re
import shutil
import subprocess
from collections import defaultdict

import pytest

from laboratory import ROOT
from laboratory.commands import Run, all_runs
from laboratory.compare import compare
from laboratory.experiments import EXPERIMENTS
from laboratory.report import render, sections
from laboratory.results import ResultSet
from laboratory.runner import Runner, files

TURTLES, GUEST = os.environ.get("BUILD", "build") + "/turtles", os.environ.get("GUEST", "build/guest")
SMALL = all_runs(small=True)
RUNNING = [e for e in EXPERIMENTS if not e.not_run]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A result set with all of the small form that can be made here, and what went wrong"""
    if not (ROOT / TURTLES).exists() or not (ROOT / GUEST / "bin/l1shim").exists():
        pytest.skip("no turtles or no l1shim: make build/turtles guest")
    if os.environ.get("SANITIZE"):
        pytest.skip("with sanitizers it takes too long")
    folder = tmp_path_factory.mktemp("results")
    runs = [run for run in SMALL.values() if all((ROOT / path).exists() for word in run.arguments for path in files(word, GUEST))]
    problems = Runner(folder, TURTLES, GUEST, jobs=os.cpu_count() or 1, out=io.StringIO(), small=True).run(runs, repeat=1)
    return folder, problems, {run.name for run in runs}


def test_every_run_of_the_small_form_ends_well(made):
    assert made[1] == []


@pytest.mark.parametrize("experiment", RUNNING, ids=lambda e: e.id)
def test_the_shapes_hold_of(made, experiment):
    folder, _, names = made
    wanted = [name for name in experiment.runs if name in SMALL]
    if not set(wanted) <= names:
        pytest.skip(f"{experiment.id}: no guest images: make guest")
    (_, section), = sections(ResultSet(folder), [experiment])
    assert section.checks, "nothing was checked"
    assert [what for what, holds in section.checks if not holds] == []


@pytest.fixture(scope="module")
def page(made):
    folder = made[0]
    html, _ = render(folder, EXPERIMENTS)
    (folder / "report.html").write_text(html)
    return folder / "report.html", html


def test_what_the_issue_asks_of_a_cpuid_is_among_the_checks(made, page):
    lines = ["l1shim, trap: exits are VMREADs + VMWRITEs + 2", "l1shim, trap: 13 exits", "l1shim, rewrite: 2 exits", "l1shim: shadow has fewer exits"]
    if "kvm-cpuid-trap-many" in made[2]:
        lines += ["KVM, trap: exits are VMREADs + VMWRITEs + 2 and MSR_READ", "KVM, rewrite: 2 exits and those named (MSR_READ)", "KVM: shadow has fewer exits",
                  "KVM: these others are those that it makes with trap", "KVM, trap: VMREADs by field add up"]
    for line in lines:
        assert f'"holds">{line}' in page[1].replace("&#34;", '"'), line


def test_the_page_has_no_address_of_another(page):
    assert {url for url in re.findall(r"\w+://[^\"'\s<>]+", page[1]) if not url.startswith("http://www.w3.org/")} == set()


def browsed(path):
    """A page in a headless Chromium: (what it has made of it, what its console says, what the page asked for); skips where there is none"""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if not browser:
        pytest.skip("no chromium here")
    log = path.with_name("net.json")
    done = subprocess.run([browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={path.parent / 'profile'}", "--enable-logging=stderr", "--v=0",
                           "--disable-background-networking", "--disable-component-update", "--host-resolver-rules=MAP * ~NOTFOUND", f"--log-net-log={log}", "--dump-dom",
                           path.as_uri()], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0
    # a page's requests have its origin, which of a file is "null"; the browser's own, for updates, have none
    asked = {e["params"]["url"] for e in json.loads(log.read_text())["events"] if e.get("params", {}).get("initiator", "not an origin") != "not an origin"}
    return done.stdout, [line for line in done.stderr.splitlines() if ":CONSOLE" in line], asked


def test_the_page_renders_in_a_browser_without_the_network(page):
    path, html = page
    made_of_it, said, asked = browsed(path)
    assert made_of_it.count("<svg") == html.count("<svg") > 10 and made_of_it.count("<h2") == html.count("<h2")
    assert said == [] and asked == set()


def test_a_page_with_an_error_that_asks_the_network_would_be_seen(tmp_path):
    path = tmp_path / "page.html"
    path.write_text('<img src="http://picture.example/"><style>@import url("http://style.example/");</style><script>undefined_function();</script>')
    _, said, asked = browsed(path)
    assert asked == {"http://picture.example/", "http://style.example/"} and "undefined_function" in said[0]


def test_two_sets_are_compared(made, tmp_path):
    folder = made[0]
    other = tmp_path / "other"
    if "shim-cpuid-trap" not in made[2]:
        pytest.skip("no l1shim")
    Runner(other, TURTLES, GUEST, out=io.StringIO(), small=True).run([SMALL["shim-cpuid-trap"], SMALL["shim-cpuid-rewrite"]])
    assert compare(folder, other).empty
    shutil.rmtree(other / "runs" / "shim-cpuid-trap.1")
    shutil.copytree(folder / "runs" / "shim-cpuid-rewrite.1", other / "runs" / "shim-cpuid-trap.1")
    table = compare(folder, other)
    assert "exits" in set(table["number"]) and set(table["run"]) == {"shim-cpuid-trap"}


def test_a_guest_that_dies_in_the_middle_is_one_line(made, tmp_path):
    if not (ROOT / GUEST / "bin/wild").exists():
        pytest.skip("no wild guests: make guest")
    run = Run("dies", "counted", 1, ("run", "--kernel", "{guest}/bin/wild", "--append", "triple_faults", "--no-reboot"), exit_code=33)
    problems = Runner(tmp_path / "set", TURTLES, GUEST, out=io.StringIO()).run([run])
    assert len(problems) == 1 and "dies.1: exit code 4 instead of 33: turtles: guest: triple fault at rip" in problems[0]


@pytest.mark.parametrize("name", ["shim-cpuid-trap", "kvm-stacks"])
def test_the_timeline_is_what_perfetto_wants(made, name, tmp_path):
    folder, _, names = made
    if name not in names:
        pytest.skip("no guest images: make guest")
    out = tmp_path / "trace.json"
    subprocess.run([TURTLES, "trace", folder / "runs" / f"{name}.1" / "trace", "--export", "chrome", "--output", out], cwd=ROOT, check=True)
    document = json.loads(out.read_text())
    events = document["traceEvents"] if isinstance(document, dict) else document
    names_ = {(e["name"], e["pid"], e.get("tid")): e["args"]["name"] for e in events if e["ph"] == "M"}
    assert [pid for (what, pid, _), value in names_.items() if what == "process_name" and value], "an L1 is a process"
    tracks = {value for (what, _, _), value in names_.items() if what == "thread_name"}
    assert any("L1" in t for t in tracks) and any("L2" in t for t in tracks), "a level is a track"
    # as Perfetto reads it: events in the order of time, each end closes the slice that was opened last on its track
    open_, flows, last = defaultdict(list), defaultdict(list), 0
    for e in events:
        if e["ph"] == "M":
            continue
        assert e["ts"] >= last, "time goes on"
        last, track = e["ts"], (e["pid"], e["tid"])
        if e["ph"] == "B":
            open_[track].append(e["name"])
        elif e["ph"] == "E":
            assert open_[track], "an end closes a slice"
            open_[track].pop()
        elif e["ph"] in "stf":
            assert open_[track], "a step of a flow lies in a slice"
            flows[e["id"]].append((e["ph"], e["tid"]))
        else:
            assert e["ph"] == "i"
    assert not any(open_.values()), "every slice has its end"
    rounds = [steps for steps in flows.values() if len(steps) == 3]
    assert len(rounds) >= 150, "a round is a flow"
    assert all(steps == [("s", 2), ("t", 1), ("f", 2)] for steps in rounds), "from L2 through L1 to L2"
    assert all(steps == [("s", 2), ("t", 1)] for steps in flows.values() if len(steps) != 3), "but for the last one, whose entry isn't there"


def test_the_long_form_has_a_row_for_each_record_and_the_stacks_add_up(made):
    folder, _, names = made
    if "kvm-stacks" not in names:
        pytest.skip("no guest images: make guest")
    run = folder / "runs" / "kvm-stacks.1"
    rows = (run / "round.csv").read_text().splitlines()
    assert rows[0].startswith("l1,vcpu,level,event,reason,round") and len(rows) > 5
    stacks = [line for line in (run / "collapsed.txt").read_text().splitlines() if line.startswith("L2;CPUID;")]
    total = sum(int(line.rpartition(" ")[2]) for line in stacks)
    row = ResultSet(folder).one("kvm-stacks").rounds()["CPUID"]
    assert total == sum(row["l1_exits"].values())
    assert any("vmx_vcpu_run" in line for line in stacks), "L1's functions have their names"
