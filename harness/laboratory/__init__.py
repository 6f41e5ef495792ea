# SPDX-License-Identifier: GPL-2.0-or-later
"""The laboratory. It knows turtles by its command line and its files only."""
from pathlib import Path

# Runs start in the repository's root, so that their command lines name no folder of this machine.
ROOT = Path(__file__).resolve().parents[2]


class LabError(Exception):
    """What a user can act upon: one line that says what and where."""
