# SPDX-License-Identifier: GPL-2.0-or-later
"""What an experiment is, and what it says in the report."""
from dataclasses import dataclass, field
from typing import Callable, Optional

KINDS = ("counted", "timed", "modelled", "published", "")


@dataclass
class Table:
    title: str
    columns: list  # (head, kind); kind is one of KINDS, "" for names
    rows: list  # of lists of text or numbers


@dataclass
class Figure:
    """Ours; beside it the paper's, redrawn from its published numbers, where it has one"""
    title: str
    svg: str
    paper: str = ""  # SVG
    paper_title: str = ""


@dataclass
class Section:
    tables: list = field(default_factory=list)
    figures: list = field(default_factory=list)
    agrees: list = field(default_factory=list)
    differs: list = field(default_factory=list)
    checks: list = field(default_factory=list)  # (what must hold, whether it does)
    unreadable: bool = False  # its runs don't hold what it is made of

    def check(self, what, holds):
        self.checks.append((what, bool(holds)))

    def table(self, title, columns, rows):
        if rows:
            self.tables.append(Table(title, columns, rows))

    def figure(self, title, svg, paper="", paper_title=""):
        self.figures.append(Figure(title, svg, paper, paper_title))

    def say(self, agrees, text):
        (self.agrees if agrees else self.differs).append(text)


@dataclass(frozen=True)
class Experiment:
    id: str
    title: str
    question: str
    method: str
    reproduces: str
    runs: tuple = ()  # names in commands.RUNS
    analyse: Optional[Callable] = None  # ResultSet -> Section
    not_run: str = ""  # the reason why it can't be run here: it has no runs and shows no numbers
