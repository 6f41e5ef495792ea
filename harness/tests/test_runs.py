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
from laboratory.runner import Progress, Runner, with_trace

FAKE = str(Path(__file__).with_name("fake.py"))
HARNESS = str(Path(__file__).resolve().parents[1])


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


def test_a_run_that_cannot_be_read_any_more_is_made_again(lab):
    runs = [a_run(name, name) for name in "abc"]
    assert lab.run(runs, repeat=2) == []
    (lab.set.runs / "a.2" / "stats.json").write_text('{"schema": 1')
    (lab.set.runs / "b.1" / "run.json").write_text("{}")
    assert lab.run(runs, repeat=2) == []
    assert lab.called()[6:] == ["a", "b"] and lab.names() == ["a.1", "a.2", "b.1", "b.2", "c.1", "c.2"]
    said = lab.out.getvalue()
    assert "a.2/stats.json: not JSON, or cut off" in said and "b.1/run.json" in said and said.count("made again") == 2


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


def _hears_ctrl_c():
    """These tests may run in the background of a shell, which has SIGINT ignored there."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _interrupted(tmp_path, signal_):
    """Another laboratory is ended by a signal while its first guest runs: (the exit code, the guest's process ID)"""
    script = (f"import sys; sys.dont_write_bytecode = True; sys.path[:0] = [{HARNESS!r}]\n"
              f"import signal; signal.signal(signal.SIGTERM, signal.default_int_handler)\n"
              f"from laboratory.runner import Runner; from laboratory.commands import Run\n"
              f"Runner({str(tmp_path / 'set')!r}, {FAKE!r}).run([Run(n, 'timed', 1, ('run', '--append', n), 33, '^row') for n in 'ab'], 1)\n")
    environment = {**os.environ, "FAKE_SECONDS": "30"}
    child = subprocess.Popen([sys.executable, "-c", script], env=environment, stderr=subprocess.DEVNULL, preexec_fn=_hears_ctrl_c)
    for _ in range(300):
        if (tmp_path / "log").exists():
            break
        time.sleep(0.1)
    guest = int((tmp_path / "log.pid").read_text())
    child.send_signal(signal_)
    return child.wait(timeout=60), guest


def _gone(pid):
    for _ in range(100):
        try:
            os.kill(pid, 0)
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (ProcessLookupError, FileNotFoundError):
            return True
        if state == "Z":
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize("how", ["SIGTERM", "SIGINT", "SIGKILL"])
def test_what_an_end_leaves_half_is_made_again_and_its_guest_is_gone(lab, tmp_path, how):
    code, guest = _interrupted(tmp_path, getattr(signal, how))
    assert code != 0 and _gone(guest)
    assert not lab.set.has("a", 1) and lab.names() == ["a.1.part"]
    assert lab.run([a_run("a"), a_run("b")], repeat=1) == []
    assert lab.names() == ["a.1", "b.1"]


def _on_a_small_disk(tmp_path, command):
    """A shell command with a disk of 256 KiB at $DISK: (exit code, what it said)"""
    disk = tmp_path / "disk"
    disk.mkdir()
    words = f"mount -t tmpfs -o size=256k none {disk} && {command}"
    done = subprocess.run(["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", words], capture_output=True, text=True, timeout=120,
                          env={**os.environ, "DISK": str(disk), "FAKE_LOG": str(tmp_path / "log")})
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip("no file system can be mounted here")
    return done.returncode, done.stdout + done.stderr


def test_a_full_disk_is_one_line_and_what_was_finished_is_kept(tmp_path):
    script = (f"import sys; sys.dont_write_bytecode = True; sys.path[:0] = [{HARNESS!r}]; import os\n"
              f"from laboratory.runner import Runner; from laboratory.commands import Run\n"
              f"runs = [Run(n, 'timed', 1, ('run', '--append', n), 33, '^row') for n in ('first', 'talks', 'last')]\n"
              f"runner = Runner(os.environ['DISK'] + '/set', {FAKE!r})\n"
              f"print(*runner.run(runs, 1), *sorted(p.name for p in runner.set.runs.iterdir()), sep=chr(10))")
    code, said = _on_a_small_disk(tmp_path, f"{sys.executable} -c \"{script}\"")
    assert code == 0 and "Traceback" not in said
    assert [line for line in said.splitlines() if "talks.1" in line and "No space left" in line], said
    assert "first.1" in said.splitlines() and "last.1" in said.splitlines()


def test_a_report_on_a_full_disk_is_one_line_and_the_old_one_stays(tmp_path):
    lab_ = Path(__file__).resolve().parents[1] / "lab"
    command = (f"mkdir -p $DISK/set/runs/x.1 && touch $DISK/set/runs/x.1/run.json && echo old > $DISK/set/report.html && head -c 300000 /dev/zero > $DISK/zero 2> /dev/null; "
               f"{sys.executable} {lab_} report --results $DISK/set; echo code $?; cat $DISK/set/report.html")
    _, said = _on_a_small_disk(tmp_path, command)
    assert "code 1\nold\n" in said and said.count("No space left") == 1 and "report.html" in said and "Traceback" not in said, said


def test_what_does_not_fit_is_not_kept_and_what_was_there_stays(tmp_path):
    lab_ = Path(__file__).resolve().parents[1] / "lab"
    runs = tmp_path / "set" / "runs"
    for n in range(1, 40):
        folder = runs / f"x.{n}"
        folder.mkdir(parents=True)
        (folder / "run.json").write_text('{"name": "x", "kind": "timed", "native": true, "work": 0, "command": "x", "host": {}, "versions": {}}')
        (folder / "console.txt").write_text("row x 1\n" * 2000)
    _, said = _on_a_small_disk(tmp_path, f"mkdir -p $DISK/kept/runs/old.1; {sys.executable} {lab_} keep --results {tmp_path / 'set'} $DISK/kept; echo code $?; ls $DISK/kept $DISK/kept/runs")
    assert said.count("No space left") == 1 and "disk/kept" in said and "code 1\n" in said and "old.1" in said.splitlines(), said
    assert "Traceback" not in said and "runs.new" not in said.splitlines()


def test_the_command_line_is_stopped_by_ctrl_c_in_one_line(tmp_path):
    lab_ = Path(__file__).resolve().parents[1] / "lab"
    log = tmp_path / "log"
    child = subprocess.Popen([sys.executable, lab_, "run", "--only", "E11", "--turtles", FAKE, "--results", tmp_path / "set"],
                             env={**os.environ, "FAKE_SECONDS": "30", "FAKE_LOG": str(log)}, stderr=subprocess.PIPE, text=True, preexec_fn=_hears_ctrl_c)
    for _ in range(300):
        if log.exists() or child.poll() is not None:
            break
        time.sleep(0.1)
    if child.poll() is not None:
        assert "needs" in child.stderr.read()
        pytest.skip("no guests: make guest")
    child.send_signal(signal.SIGINT)
    assert child.wait(timeout=60) == 130
    said = child.stderr.read()
    assert "goes on with what is missing" in said and "Traceback" not in said


def test_the_progress_on_a_terminal_is_one_line_with_the_time_left():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    out = Terminal()
    progress = Progress([(a_run("a"), 1), (a_run("b"), 1)], 1, out)
    progress.show("a.1")
    progress.finish(a_run("a"), 60.0)
    progress.show("b.1")
    assert out.getvalue().count("\n") == 0 and "1/2, 1:00 left: b.1" in out.getvalue()
    progress.last -= 7
    progress.show("b.1")
    assert out.getvalue().endswith("1/2, 0:53 left: b.1\x1b[K")


def test_a_result_set_is_of_one_size(lab):
    lab.run([a_run("a")], repeat=1)
    with pytest.raises(LabError, match="holds runs of the full form"):
        Runner(lab.set.folder, FAKE, out=io.StringIO(), small=True).run([a_run("a")])


def test_a_counted_run_has_a_trace_and_a_timed_one_has_not(lab):
    lab.run([a_run("c", kind=COUNTED), a_run("t")], repeat=1)
    assert "--trace" in lab.set.one("c").about["command"] and "--trace" not in lab.set.one("t").about["command"]


def test_each_of_several_l1s_has_a_trace_of_its_own():
    assert with_trace(["turtles", "run", "--kernel", "k"], "t", ",limit=1M") == ["turtles", "run", "--trace", "t,limit=1M", "--kernel", "k"]
    words = with_trace(["turtles", "run", "--l1", "name=a", "--l1", "name=b", "--append", "x"], "t", ",limit=1M")
    assert words == ["turtles", "run", "--l1", "name=a,trace=t.a,,limit=1M", "--l1", "name=b,trace=t.b,,limit=1M", "--append", "x"]


def test_a_run_without_what_was_made_of_its_trace_is_made_again(lab):
    lab.run([a_run("a", kind=COUNTED)])
    run = Run("a", COUNTED, 1.0, ("run", "--append", ""), exit_code=33, expects="^row", after=(("x.csv", ()),))
    assert "turtles: no such trace" in lab.run([run])[0] and "a.1/x.csv: No such file or directory: it is made again" in lab.out.getvalue()
    (lab.set.runs / "a.1.failed").rename(lab.set.runs / "a.1")
    (lab.set.runs / "a.1" / "x.csv").write_text("")
    assert lab.run([run]) == []


def test_the_stats_at_a_mark_are_kept(lab, monkeypatch):
    monkeypatch.setenv("FAKE_SECONDS", "2")
    run = Run("a", TIMED, 1.0, ("run", "--append", "marks"), exit_code=33, expects="^row", mark="^row cpuid")
    assert lab.run([run], repeat=1) == []
    result = lab.set.one("a")
    assert result.stats["run"]["insns"] == 1000 and result.since_mark("bt") == {"callouts": 0, "tlb_misses": 1}


def test_a_mark_that_never_came_is_told(lab):
    problems = lab.run([Run("a", TIMED, 1.0, ("run", "--append", ""), exit_code=33, expects="^row", mark="never said")], repeat=1)
    assert len(problems) == 1 and "before.json" in problems[0]


def test_what_cannot_be_made_of_a_trace_is_told(lab):
    run = Run("a", COUNTED, 1.0, ("run", "--append", ""), exit_code=33, expects="^row", trace=",stacks=all", after=(("x.csv", ("--export", "csv")),))
    problems = lab.run([run])
    assert len(problems) == 1 and "turtles trace --export csv: turtles: no such trace" in problems[0] and lab.names() == ["a.1.failed"]


def test_the_time_left_follows_the_pace():
    runs = [(a_run("a"), 1), (a_run("b"), 1), (a_run("c"), 1)]
    progress = Progress(runs, 1, io.StringIO())
    assert progress.left() == 3
    progress.finish(runs[0][0], 4.0)
    assert progress.left() == 8
