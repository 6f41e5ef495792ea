# SPDX-License-Identifier: GPL-2.0-or-later
"""What is read from results, and the page that is made of them."""
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from laboratory import LabError, model
from laboratory.cli import main
from laboratory.commands import COUNTED, RUNS, all_runs
from laboratory.compare import compare
from laboratory.experiments import EXPERIMENTS
from laboratory.figures import bars, flame, stacked
from laboratory.papers import FIGURE_10
from laboratory.report import render, sections
from laboratory.results import ResultSet, Sample, read_stats

ABOUT = {"kind": "counted", "native": False, "work": 0, "command": "turtles run", "seconds": 1, "exit_code": 33, "started": 0,
         "host": {"cpu": "a CPU", "cores": 2, "kernel": "6.1", "kvm": "none", "load": 0.5, "busy": False},
         "versions": {"turtles_sha256": "0", "commit": "abc"}}


def write(folder, name, number=1, rounds=None, console="", about=None, insns=100):
    to = folder / "runs" / f"{name}.{number}"
    to.mkdir(parents=True)
    (to / "run.json").write_text(json.dumps({**ABOUT, "name": name, **(about or {})}))
    (folder / "set.json").write_text('{"small": false}')
    vmx = {"rounds": rounds or [], "l1_exits": {}}
    (to / "stats.json").write_text(json.dumps(
        {"schema": 1, "run": {"insns": insns},
         "l1": [{"name": "a", "vmx": vmx, "bt": {"callouts": 1, "tlb_misses": 1}, "vmcs": {"entries": 10, "fields_copied": 20}}]}))
    (to / "console.txt").write_text(console)


def cpuid(reads, writes, count=1000):
    exits = {"VMREAD": reads * count, "VMWRITE": writes * count, "VMRESUME": count}
    return [{"reason": "CPUID", "count": count, "rounds": count, "insns": 50 * count,
             "l1_exits": {k: v for k, v in exits.items() if v}}]


@pytest.fixture
def fixture(tmp_path):
    write(tmp_path, "shim-cpuid-trap", rounds=cpuid(7, 4))
    write(tmp_path, "shim-cpuid-shadow", rounds=cpuid(0, 1))
    write(tmp_path, "shim-cpuid-rewrite", rounds=cpuid(0, 0))
    return tmp_path


class Page(HTMLParser):
    """Complains about what a browser would repair or fetch."""
    EMPTY = {"meta", "br", "link", "img", "input", "hr"}

    def __init__(self):
        super().__init__()
        self.open, self.faults = [], []

    def handle_starttag(self, tag, attributes):
        if tag not in self.EMPTY:
            self.open.append(tag)
        if tag in ("script", "link", "img", "iframe", "object", "embed"):
            self.faults.append(f"<{tag}>")
        for name, value in attributes:
            if name in ("src", "href", "xlink:href", "data") and not (value or "").startswith("#"):
                self.faults.append(f"{name}={value}")

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in self.EMPTY:
            self.open.pop()

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> closes nothing")


def test_every_experiment_names_runs_that_exist_or_a_reason():
    for e in EXPERIMENTS:
        assert bool(e.runs) != bool(e.not_run), e.id
        assert set(e.runs) <= set(RUNS), e.id
        assert not e.not_run or e.analyse is None


def test_the_experiments_are_e1_to_e21():
    assert [e.id for e in EXPERIMENTS] == [f"E{n}" for n in range(1, 22)]


def test_each_run_is_of_an_experiment():
    assert set(RUNS) == {name for e in EXPERIMENTS for name in e.runs}


def test_each_experiment_that_runs_is_in_the_small_form():
    small = all_runs(small=True)
    assert set(small) <= set(RUNS)
    for e in EXPERIMENTS:
        assert e.not_run or set(e.runs) & set(small), e.id


def test_the_flame_graph_has_the_functions_and_leaves_out_what_is_asked(tmp_path):
    svg = flame("x", "L2;CPUID;run;handle;VMREAD 6\nL2;CPUID;run;VMRESUME 2\nL1;boot;CPUID 9\n", "exits", scale=2, below="L2", skip=("CPUID", "run"))
    assert "handle" in svg and "VMRESUME" in svg and ">boot<" not in svg and ">run<" not in svg
    assert flame("x", "", "exits") == ""


def test_operations_are_what_one_run_adds_to_another(tmp_path):
    write(tmp_path, "kvm-cpuid-trap-few", rounds=cpuid(8, 1, 1000), about={"work": 900})
    write(tmp_path, "kvm-cpuid-trap-many", rounds=cpuid(8, 1, 2000), about={"work": 1900})
    added = ResultSet(tmp_path).pair("kvm-cpuid-trap")
    assert added.round("CPUID") == {"VMREAD": 8, "VMWRITE": 1, "VMRESUME": 1} and added.work == 1000
    assert added.exits() == {"CPUID": 1}
    with pytest.raises(LabError, match="no more work"):
        ResultSet(tmp_path).added("kvm-cpuid-trap-few", "kvm-cpuid-trap-many")


def test_a_missing_or_broken_run_is_one_line_on_the_command_line(fixture, capsys):
    stats = fixture / "runs" / "shim-cpuid-trap.1" / "stats.json"
    for text in (None, "{}", '{"schema": 9}', '{"schema": 1, "l1": [{"name": "a"}]}', '{"schema": 1'):
        stats.unlink(missing_ok=True)
        if text is not None:
            stats.write_text(text)
        (fixture / "report.html").unlink(missing_ok=True)
        assert main(["report", "--results", str(fixture)]) == 1
        said = capsys.readouterr().err
        assert said.count("\n") == 1 and "shim-cpuid-trap.1/stats.json" in said, (text, said)
        assert (fixture / "report.html").exists(), "of the others it is made all the same"


@pytest.mark.parametrize("name", ["run.json", "stats.json", "console.txt"])
def test_a_run_that_cannot_be_read_leaves_the_others_in_the_report(fixture, capsys, name):
    path = fixture / "runs" / "shim-cpuid-shadow.1" / name
    for text in (None, "[]", '{"schema": 1, "l1'):
        path.unlink(missing_ok=True)
        if text is not None and name != "console.txt":
            path.write_text(text)
        assert main(["report", "--results", str(fixture), "--only", "E2"]) == 1
        said = capsys.readouterr().err
        assert said.count("\n") == 1 and f"shim-cpuid-shadow.1/{name}: " in said, (text, said)
        page = (fixture / "report.html").read_text()
        assert "13.00" in page and "numbers are left out:</strong> " in page and "shim-cpuid-shadow" in page


def test_without_the_files_made_of_a_trace_there_is_no_flame_graph_and_the_rest_is_there(fixture, capsys):
    write(fixture, "kvm-stacks")
    assert main(["report", "--results", str(fixture), "--only", "E2"]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "kvm-stacks.1/round.csv: No such file" in said
    page = (fixture / "report.html").read_text()
    assert "13.00" in page and "Flame graph" not in page


def test_a_run_whose_mark_is_damaged_is_not_kept_and_the_others_are(fixture, tmp_path, capsys):
    (fixture / "runs" / "shim-cpuid-trap.1" / "before.json").write_text('{"schema": 1')
    assert main(["keep", "--results", str(fixture), str(tmp_path / "kept")]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "shim-cpuid-trap.1/before.json" in said
    assert len(ResultSet(tmp_path / "kept").finished("*")) == 2


def test_an_experiment_whose_stats_lack_something_is_one_line_and_the_others_are_there(fixture, capsys):
    write(fixture, "linux-off", about={"kind": "timed"})
    assert main(["report", "--results", str(fixture)]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "E11: something isn't in its runs' stats" in said and "translate_ns" in said
    page = (fixture / "report.html").read_text()
    assert "13.00" in page and "Something that this is made of can't be read" in page
    assert main(["compare", str(fixture), str(fixture)]) == 0


def test_a_run_that_cannot_be_compared_is_one_line_and_the_others_are(fixture, tmp_path, capsys):
    other = tmp_path / "other"
    write(other, "shim-cpuid-trap", rounds=cpuid(7, 4), insns=50)
    write(other, "shim-cpuid-shadow", rounds=cpuid(0, 1))
    (other / "runs" / "shim-cpuid-shadow.1" / "stats.json").write_text('{"schema": 1, "l1": [{}]}')
    assert main(["compare", str(fixture), str(other)]) == 1
    said = capsys.readouterr()
    assert "guest instructions" in said.out and said.err.count("\n") == 1 and "shim-cpuid-shadow.1/stats.json" in said.err


def test_a_counted_run_has_the_instruction_clock_and_a_timed_one_has_not():
    for run in RUNS.values():
        assert run.native or run.host_clock or ("insns" in run.words("turtles", "guest", "stats")) == (run.kind == COUNTED)


def test_the_page_needs_nothing_but_itself(fixture):
    page, failed = render(fixture, EXPERIMENTS)
    parser = Page()
    parser.feed(page)
    assert parser.faults == [] and parser.open == []
    assert "url(http" not in page and "@import" not in page
    assert page.count("<svg") >= 1
    assert failed == []


def test_thirteen_exits_are_found_in_stats(fixture):
    page, _ = render(fixture, [e for e in EXPERIMENTS if e.id == "E2"])
    assert "l1shim, trap: 13 exits" in page and "13.00" in page


def test_the_repositorys_results_are_read_and_all_that_ran_is_drawn():
    results = ResultSet(Path(__file__).resolve().parents[2] / "results")
    drawn = {e.id: section for e, section in sections(results, EXPERIMENTS)}
    assert not results.problems
    assert [id_ for id_, section in drawn.items() if section and not section.tables] == []
    assert [e.id for e in EXPERIMENTS if not e.not_run and not drawn[e.id]] == []
    here = {f"{id_}-{n}.svg" for id_, section in drawn.items() if section for n in range(1, len(section.figures) + 1)}
    assert {path.name for path in (results.folder / "figures").glob("E*[0-9].svg")} <= here


def test_a_wrong_count_fails_a_check(tmp_path):
    write(tmp_path, "shim-cpuid-trap", rounds=cpuid(6, 4))
    write(tmp_path, "shim-cpuid-shadow", rounds=cpuid(6, 4))
    _, failed = render(tmp_path, [e for e in EXPERIMENTS if e.id == "E2"])
    assert any("13 exits" in line for line in failed) and any("shadow" in line for line in failed)


def test_an_experiment_that_did_not_run_shows_its_reason_and_no_table():
    for e in EXPERIMENTS:
        if e.not_run:
            page, _ = render("nowhere", [e])
            body = page[page.index(f'id="{e.id}"'):page.index("<h2>Sources")]
            assert e.not_run in body.replace("&#39;", "'") and "<table" not in body


def test_an_experiment_without_results_shows_no_numbers(tmp_path):
    page, _ = render(tmp_path, [EXPERIMENTS[0]])
    assert "No results yet" in page and "<svg" not in page


def test_text_of_consoles_and_commands_is_escaped(fixture, tmp_path):
    about = {"command": "turtles <script>alert(1)</script>"}
    write(fixture, "shim-cpuid-rewrite-full", rounds=cpuid(7, 1), about=about)
    page, _ = render(fixture, EXPERIMENTS)
    assert "<script>" not in page


def test_truncated_stats_are_one_line(fixture):
    path = fixture / "runs" / "shim-cpuid-trap.1" / "stats.json"
    path.write_text(path.read_text()[:30])
    with pytest.raises(LabError, match="cut off"):
        read_stats(path)


def test_the_command_line_says_what_is_unknown(fixture, capsys):
    assert main(["run", "--only", "E99"]) == 1
    assert "E99: no such experiment" in capsys.readouterr().err
    assert main(["list", "--only", ","]) == 1
    assert "no experiment is named" in capsys.readouterr().err


def test_the_report_is_written_for_a_half_filled_set(fixture, capsys):
    assert main(["report", "--results", str(fixture)]) == 0
    assert (fixture / "report.html").stat().st_size > 1000


def test_figures_are_written_as_svg(fixture, capsys):
    assert main(["plot", "--results", str(fixture), "--only", "E2"]) == 0
    assert (fixture / "figures" / "E2-1.svg").read_text().startswith("<svg")


def test_the_same_results_make_the_same_page(fixture):
    assert render(fixture, EXPERIMENTS) == render(fixture, EXPERIMENTS)


def test_compare_shows_what_differs_alone(fixture, tmp_path):
    other = tmp_path / "other"
    write(other, "shim-cpuid-trap", rounds=cpuid(7, 4), insns=50)
    table = compare(fixture, other)
    assert list(table["number"]) == ["guest instructions"] and table["B/A"][0] == "0.500" and list(table["kind"]) == ["counted"]
    assert compare(fixture, fixture).empty


def test_compare_says_what_is_apart_and_what_only_one_set_has(fixture, tmp_path, capsys):
    other = tmp_path / "other"
    write(other, "shim-cpuid-trap", rounds=cpuid(7, 4, 1500))
    for number, (mine, yours) in enumerate(((100, 90), (102, 91), (101, 103)), 1):
        about = {"kind": "timed"}
        write(fixture, "kvm-cpuid-time-trap", number, console=f"row cpuid 9 9 min {mine}\nrow out 9 9 min {mine}\n", about=about)
        write(other, "kvm-cpuid-time-trap", number, console=f"row cpuid 9 9 min {mine - 50}\nrow out 9 9 min {yours}\n", about=about)
    assert main(["compare", str(fixture), str(other)]) == 0
    said = capsys.readouterr().out
    assert "alone: shim-cpuid-rewrite, shim-cpuid-shadow" in said and "exits CPUID" in said
    assert "row cpuid/cycles" in said and "row out/cycles" not in said and "1 numbers whose ranges overlap" in said
    assert main(["compare", str(fixture), str(other), "--all", "--only", "E1"]) == 0
    said = capsys.readouterr().out
    assert "row out/cycles" in said and "shim-cpuid-rewrite" not in said


def test_compare_of_two_sizes_is_one_line(fixture, tmp_path, capsys):
    other = tmp_path / "other"
    write(other, "shim-cpuid-trap", rounds=cpuid(6, 4))
    (other / "set.json").write_text('{"small": true}')
    assert main(["compare", str(fixture), str(other)]) == 1
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("command", ["compare", "report", "plot"])
def test_nothing_is_made_of_nothing(tmp_path, capsys, command):
    nowhere = tmp_path / "nowhere"
    assert main([command, *([str(nowhere)] * 2 if command == "compare" else ["--results", str(nowhere)])]) == 1
    said = capsys.readouterr().err
    assert "no results there" in said and said.count("\n") == 1 and not nowhere.exists()


def test_a_reader_that_has_enough_is_no_error(fixture):
    lab = Path(__file__).resolve().parents[1] / "lab"
    for words in (["list", "--results", fixture], ["compare", fixture, fixture]):
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run([sys.executable, lab, *words], stdout=writer, stderr=subprocess.PIPE, text=True)
        os.close(writer)
        assert (done.returncode, done.stderr) == (0, "")


def test_what_is_kept_names_no_file_of_the_machine(fixture, tmp_path, capsys):
    kept = tmp_path / "kept"
    assert main(["keep", "--results", str(fixture), str(kept)]) == 0
    assert not any(str(tmp_path) in file.read_text() for file in kept.rglob("*.*") if file.is_file())
    assert len(ResultSet(kept).finished("shim-cpuid-trap")) == 1


def test_what_is_kept_takes_the_place_of_what_was_there(fixture, tmp_path, capsys):
    kept = tmp_path / "kept"
    write(kept, "nano")
    assert main(["keep", "--results", str(fixture), str(kept)]) == 0
    assert sorted(p.name for p in (kept / "runs").iterdir()) == sorted(p.name for p in (fixture / "runs").iterdir())
    assert not list(kept.glob("*.new"))


def test_nothing_is_kept_of_nothing_nor_in_itself(fixture, tmp_path, capsys):
    for source, why in ((fixture, "in itself"), (tmp_path / "empty", "no results there")):
        assert main(["keep", "--results", str(source), str(fixture)]) == 1
        assert why in capsys.readouterr().err
        assert len(ResultSet(fixture).finished("*")) == 3


def test_rows_of_both_kinds_are_read_from_a_console(tmp_path):
    write(tmp_path, "x", console="junk\r\nrow cpuid 123\r\nrow cpuid.l1 100 55 min 50\r\n")
    result = ResultSet(tmp_path).one("x")
    assert result.row("cpuid") == 123 and result.row("port") is None
    assert result.shim_rows() == {"cpuid.l1": 50}


def test_a_sample_has_its_median_and_its_range():
    sample = Sample([3, 1, 2])
    assert sample.median == 2 and sample.errors() == (1, 1) and "1…3" in sample.text()
    assert not Sample([]) and Sample([]).text() == "–"


def test_samples_over_each_other_have_the_range_that_both_allow():
    assert Sample([4, 6, 10]).over(Sample([2, 3, 5])).values == [4 / 5, 2, 5]
    assert Sample([1, 2]).apart(Sample([3, 4])) and not Sample([1, 3]).apart(Sample([3, 4]))


def test_a_stack_of_repeated_times_has_error_bars():
    parts = [None, ("L1", [1.0]), ("L0", [2.0])]
    plain, repeated = (stacked("x", ["a"], parts, "cycles", totals=t) for t in ((), [Sample([2, 3, 9])]))
    assert repeated.count("<path") > plain.count("<path") and "L1" in plain


def test_a_bar_below_zero_is_seen():
    svg = bars("x", ["a", "b"], [("turtles", "timed", [Sample([-4, -2, 1]), 8])], "%")
    assert re.search(r">−\d+</text>", svg), "the axis has numbers below 0, with the typographer's minus"


def test_shares_by_few_samples_are_no_check(tmp_path):
    e5 = next(e for e in EXPERIMENTS if e.id == "E5")
    for samples, checks in ((6, 0), (60, 1)):
        folder = tmp_path / str(samples)
        write(folder, "linux-compile", about={"kind": "timed"})
        path = folder / "runs" / "linux-compile.1" / "stats.json"
        stats = json.loads(path.read_text())
        stats["l1"][0]["profile"] = {"l2": 0, "l1": samples // 2, "l0_for_l2": 0, "l0_for_l1": samples // 2, "switching": 0}
        path.write_text(json.dumps(stats))
        assert len(e5.analyse(ResultSet(folder)).checks) == checks


def test_the_model_meets_the_columns_that_it_is_fitted_on():
    for name in model.SEEN:
        assert abs(model.error(model.fit(), name)) < 0.001


def test_the_model_is_near_the_unseen_columns_and_in_their_order():
    fitted = model.fit()
    assert abs(model.error(fitted, "nested, 3.5.2")) < 0.15 and abs(model.error(fitted, "nested, both")) < 0.5
    ours = [fitted.cycles(column.accesses, name in model.ALL_FIELDS) for name, column in FIGURE_10.items()]
    assert ours == sorted(ours, reverse=True)


def test_no_line_of_the_laboratory_names_a_machine():
    for path in Path(__file__).resolve().parents[1].rglob("*.py"):
        assert not re.search(r"/(home|root|tmp)/", path.read_text()) or path == Path(__file__).resolve()
