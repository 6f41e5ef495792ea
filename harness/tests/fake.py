#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A turtles that runs nothing: it writes stats, notes that it was called, and does what --append tells it."""
import json
import os
import signal
import sys
import time
from pathlib import Path

arguments = sys.argv[1:]
if arguments == ["--version"]:
    print("turtles fake")
    sys.exit(0)
option = {name: arguments[arguments.index(name) + 1] for name in ("--stats", "--append") if name in arguments}
behaviour = option.get("--append", "")
if arguments[:1] == ["trace"]:
    print("turtles: no such trace", file=sys.stderr)
    sys.exit(2)
Path(os.environ["FAKE_LOG"] + ".pid").write_text(str(os.getpid()))
with open(os.environ["FAKE_LOG"], "a") as log:
    log.write(f"{behaviour}\n")
if "marks" in behaviour:
    def so_far(*_):
        half = {"schema": 1, "run": {"insns": 500}, "l1": [{"name": "a", "bt": {"callouts": 1, "tlb_misses": 1}}]}
        new = Path(option["--stats"] + ".new")
        new.write_text(json.dumps(half))
        new.rename(option["--stats"])

    signal.signal(signal.SIGUSR1, so_far)
print("row cpuid 1000 155 min 150")
if "talks" in behaviour:
    print("x" * 1000000, flush=True)
sys.stdout.flush()
time.sleep(float(os.environ.get("FAKE_SECONDS", "0")))
broken_once = Path(os.environ["FAKE_LOG"] + ".broken")
if "fails-once" in behaviour and not broken_once.exists():
    broken_once.touch()
    print("turtles: the guest died", file=sys.stderr)
    sys.exit(4)
stats = {"schema": 2 if "schema" in behaviour else 1, "host": {}, "run": {"insns": 1000},
         "l1": [{"name": "a", "bt": {"callouts": 1, "tlb_misses": 2},
                 "vmx": {"rounds": [{"reason": "CPUID", "count": 10, "rounds": 9, "insns": 90, "l1_exits": {"VMREAD": 63, "VMRESUME": 9}}],
                         "l1_exits": {"VMREAD": 70, "VMRESUME": 9}}}]}
text = json.dumps(stats)
Path(option["--stats"]).write_text(text[:40] if "truncated" in behaviour else text)
sys.exit(33)
