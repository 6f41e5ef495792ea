# SPDX-License-Identifier: GPL-2.0-or-later
"""Registered, and not run: with the reason, and without a number."""
from ..section import Experiment

_LIST = (
    ("E7", "Network throughput nested", "Turtles, figures 7 and 8", "turtles' machine has no network device, and there is no second machine"),
    ("E14", "A port write that reaches user space, send combining", "Sugerman et al. 2001", "turtles' machine has no network device"),
    ("E15", "Clusters of exits", "Agesen et al. 2012", "turtles doesn't translate an inner monitor's clusters of exits as one"),
    ("E19", "VPID, clean fields, bitmap caches as switches", "messages of Linux kernel commits",
     "turtles offers no enlightened VMCS; what VPID costs is a run of l1shim with vpid=0"),
    ("E20", "Dirty tracking: write protection against a log", "Janus, OSDI 2026", "there is no migration and no dirty tracking in turtles"),
)

EXPERIMENTS = [Experiment(id=id_, title=title, question="", method="", reproduces=source, not_run=reason)
               for id_, title, source, reason in _LIST]
