# SPDX-License-Identifier: GPL-2.0-or-later
"""Experiments in a small form, with the real turtles and the smallest L1: the shapes that must hold. Then the page in a browser."""
import io
import os
import shutil
import subprocess

import pytest

from laboratory import ROOT
from laboratory.commands import RUNS
from laboratory.experiments import EXPERIMENTS
from laboratory.report import render
from laboratory.runner import Runner

TURTLES, GUEST = os.environ.get("BUILD", "build") + "/turtles", os.environ.get("GUEST", "build/guest")
NAMES = [f"shim-cpuid-{v}" for v in ("trap", "shadow", "rewrite")] + [f"shim-touch-{m}" for m in ("merge", "walk")] + \
    [f"{p}-{n}" for p in ("shim-vmcall", "shim-out") for n in (1000, 2000)]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    if not (ROOT / TURTLES).exists() or not (ROOT / GUEST / "bin/l1shim").exists():
        pytest.skip("no turtles or no l1shim: make build/turtles guest")
    folder = tmp_path_factory.mktemp("results")
    assert Runner(folder, TURTLES, GUEST, out=io.StringIO()).run([RUNS[name] for name in NAMES]) == []
    html, failed = render(folder, EXPERIMENTS)
    (folder / "report.html").write_text(html)
    return folder / "report.html", html, failed


def test_what_must_hold_of_the_smallest_l1_holds(page):
    _, html, failed = page
    assert failed == []
    for line in ("l1shim, trap: exits are VMREADs + VMWRITEs + 2", "l1shim, trap: 13 exits", "l1shim, rewrite: 2 exits",
                 "l1shim: shadow has fewer exits", "shim-touch: a walk with merged tables reads fewer entries"):
        assert f'"holds">{line}' in html.replace("&#34;", '"'), line


def test_the_page_renders_in_a_browser_without_the_network(page):
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if not browser:
        pytest.skip("no chromium here")
    path, _, _ = page
    log = path.with_name("net.json")
    done = subprocess.run([browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={path.parent / 'profile'}",
                           "--host-resolver-rules=MAP * ~NOTFOUND", f"--log-net-log={log}", "--dump-dom", path.as_uri()],
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and done.stdout.count("<svg") >= 2
    assert "Uncaught" not in done.stderr
