# SPDX-License-Identifier: GPL-2.0-or-later
"""The experiments, in the order of their numbers. A module for each that runs here; what can't run is listed with its reason."""
from . import cpuid, depth, engines, memory, not_run, operations, programs, reasons, second, several, translation

EXPERIMENTS = sorted(
    [*cpuid.EXPERIMENTS, *reasons.EXPERIMENTS, *memory.EXPERIMENTS, *programs.EXPERIMENTS, *operations.EXPERIMENTS, *translation.EXPERIMENTS,
     *depth.EXPERIMENTS, *engines.EXPERIMENTS, *second.EXPERIMENTS, *several.EXPERIMENTS, *not_run.EXPERIMENTS], key=lambda e: int(e.id[1:]))
