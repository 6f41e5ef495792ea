# SPDX-License-Identifier: GPL-2.0-or-later
"""The run logic, with a turtles that runs nothing."""
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from laboratory import LabError
from laboratory.commands import COUNTED, TIMED, Run
from laboratory.results import ResultSet
from laboratory.runner import Progress, Runner

FAKE = str(Path(__file__).with_name("fake.py"))


def a_run(name, behaviour="", kind=TIMED, expects="^row"):
    return Run(name, kind, 1.0, ("run", "--append", behaviour), exit_code=33, expects=expects)


@pytest.fixture
def lab(tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_LOG", str(tmp_path / "log"))
    runner = Runner(tmp_path / "set", FAKE, out=io.StringIO())
    runner.called = lambda: (tmp_path / "log").read_text().splitlines()
    runner.names = lambda: sorted(p.name for p in runner.set.runs.iterdir())
    return runner


def test_a_timed_run_is_repeated_and_a_counted_one_is_not(lab):
    assert lab.run([a_run("t"), a_run("c", kind=COUNTED)], repeat=3) == []
    assert lab.names() == ["c.1", "t.1", "t.2", "t.3"]


def test_a_finished_run_is_kept(lab):
    lab.run([a_run("a", "first")], repeat=1)
    lab.run([a_run("a", "first"), a_run("b", "second")], repeat=1)
    assert lab.called() == ["first", "second"]


def test_again_makes_a_run_again(lab):
    lab.run([a_run("a", "first")], repeat=1)
    lab.run([a_run("a", "first")], repeat=1, again=True)
    assert lab.called() == ["first", "first"]


def test_a_half_run_is_redone(lab):
    half = lab.set.runs / "a.1.part"
    half.mkdir(parents=True)
    (half / "run.json").write_text("{}")
    assert not lab.set.has("a", 1)
    assert lab.run([a_run("a")], repeat=1) == []
    assert lab.names() == ["a.1"]


def test_a_run_that_fails_is_told_and_the_others_are_kept(lab):
    problems = lab.run([a_run("bad", "fails-once"), a_run("good")], repeat=1)
    assert len(problems) == 1 and "bad.1: exit code 4 instead of 33: turtles: the guest died" in problems[0]
    assert lab.names() == ["bad.1.failed", "good.1"]
    assert lab.run([a_run("bad", "fails-once"), a_run("good")], repeat=1) == []
    assert lab.names() == ["bad.1", "good.1"]


def test_truncated_stats_are_a_failure_of_one_line(lab):
    problems = lab.run([a_run("a", "truncated")], repeat=1)
    assert len(problems) == 1 and "cut off" in problems[0] and "\n" not in problems[0]


def test_another_schema_is_refused(lab):
    assert "schema 2" in lab.run([a_run("a", "schema")], repeat=1)[0]


def test_a_console_without_the_expected_line_is_a_failure(lab):
    assert "no line with" in lab.run([a_run("a", expects="never said")], repeat=1)[0]


def test_two_jobs_run_at_the_same_time(lab, monkeypatch):
    monkeypatch.setenv("FAKE_SECONDS", "0.4")
    lab.jobs = 2
    started = time.time()
    lab.run([a_run(name) for name in "ab"], repeat=1)
    times = [ResultSet(lab.set.folder).one(name).about for name in "ab"]
    assert abs(times[0]["started"] - times[1]["started"]) <= 1
    assert time.time() - started < 30 and lab.names() == ["a.1", "b.1"]


def test_a_run_says_how_it_was_made(lab):
    lab.run([a_run("a")], repeat=1)
    about = lab.set.one("a").about
    assert {"command", "host", "versions", "seconds", "exit_code"} <= set(about)
    assert {"cpu", "kernel", "kvm", "load"} <= set(about["host"])
    assert ".part" not in about["command"]


def test_a_missing_program_is_one_line(tmp_path):
    with pytest.raises(LabError, match="nowhere: no such program"):
        Runner(tmp_path, "nowhere", out=io.StringIO()).run([a_run("a")])


def test_a_missing_guest_is_one_line(lab):
    lab.guest = "build/no-guest-here"
    with pytest.raises(LabError, match="no such file, which run a needs"):
        lab.run([Run("a", TIMED, 1, ("run", "--kernel", "{guest}/kernel"))])


def test_two_laboratories_do_not_share_a_folder(lab):
    lab.set.runs.mkdir(parents=True)
    with lab._locked(), pytest.raises(LabError, match="another laboratory"):
        lab.run([a_run("a")])


def test_an_interrupt_leaves_a_half_run_and_the_next_one_goes_on(lab, tmp_path, monkeypatch):
    script = (f"import sys; sys.dont_write_bytecode = True; sys.path[:0] = {sys.path[:1]!r}\n"
              f"import signal; signal.signal(signal.SIGTERM, signal.default_int_handler)\n"
              f"from laboratory.runner import Runner; from laboratory.commands import Run\n"
              f"Runner({str(tmp_path / 'set')!r}, {FAKE!r}).run([Run(n, 'timed', 1, ('run', '--append', n), 33, '^row') for n in 'ab'], 1)\n")
    environment = {**os.environ, "FAKE_SECONDS": "30"}
    child = subprocess.Popen([sys.executable, "-c", script], env=environment, stderr=subprocess.DEVNULL)
    for _ in range(300):
        if (tmp_path / "log").exists():
            break
        time.sleep(0.1)
    child.send_signal(signal.SIGTERM)
    assert child.wait(timeout=60) != 0
    assert not lab.set.has("a", 1)
    assert lab.run([a_run("a"), a_run("b")], repeat=1) == []
    assert lab.names() == ["a.1", "b.1"]


def test_the_time_left_follows_the_pace():
    runs = [(a_run("a"), 1), (a_run("b"), 1), (a_run("c"), 1)]
    progress = Progress(runs, 1, io.StringIO())
    assert progress.left() == 3
    progress.finish(runs[0][0], 4.0)
    assert progress.left() == 8
