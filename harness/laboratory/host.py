# SPDX-License-Identifier: GPL-2.0-or-later
"""What a run was made on, without the machine's name."""
import hashlib
import os
import platform
import re
import subprocess
from pathlib import Path

from . import ROOT


def kvm_class():
    """Opening /dev/kvm says little: it may be KVM on VT, or a KVM that has to do without."""
    if not Path("/dev/kvm").exists():
        return "none"
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "there, but not for this user"
    flags = re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.M)
    if flags and {"vmx", "svm"} & set(flags.group(1).split()):
        return "on VT"
    return "without VT (no vmx or svm in /proc/cpuinfo)"


def describe():
    """The host now; the kernel's local suffix is nobody's business."""
    cpuinfo = Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*:\s*(.*)$", cpuinfo, re.M)
    load = os.getloadavg()
    cores = os.cpu_count() or 1
    return {
        "cpu": model.group(1) if model else platform.machine(),
        "cores": cores,
        "kernel": platform.release().split("-")[0],
        "kvm": kvm_class(),
        "load": round(load[0], 2),
        "busy": load[0] >= cores,
    }


def versions(turtles, guest):
    """Which turtles, which guests."""
    def output(*words):
        try:
            return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60).stdout.strip()
        except (OSError, subprocess.TimeoutExpired):
            return ""

    path = ROOT / turtles
    kernel = ROOT / guest / "version"
    return {
        "turtles": output(turtles, "--version"),
        "turtles_sha256": hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path.exists() else "",
        "commit": output("git", "describe", "--always", "--dirty"),
        "guest_kernel": kernel.read_text().strip() if kernel.exists() else "",
        "python": platform.python_version(),
    }
