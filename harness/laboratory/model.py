# SPDX-License-Identifier: GPL-2.0-or-later
"""
The cost of a reflected exit on VT hardware, from counts: C = (2 + v) * S + X + v * e + h, where v is the number of L1's VMCS
accesses that exit, S an exit and an entry, e the emulation of one access, X what L0 does to reflect and to enter again, h L1's handler.

Fitted on one column of Turtles' figure 10 (nested, nothing optimised), which alone can't tell X from v * e; so e is taken to be what
L0 needs for the plainest exit there is, the single-level cpuid of column 1 (1,500 cycles). The other columns are unseen.
"""
from dataclasses import dataclass

from .papers import FIGURE_10

PLAIN_EXIT = 1500  # L0's part of a single-level cpuid, figure 10, column 1


@dataclass(frozen=True)
class Model:
    switch: float  # S
    emulate: float  # e
    reflect: float  # X
    handler: float  # h

    def cycles(self, accesses, others=0):
        """accesses: v; others: exits of L1 in the round that are neither VMCS accesses nor the entry"""
        trapped = accesses + others
        return (2 + trapped) * self.switch + trapped * self.emulate + self.reflect + self.handler


def fit(column=FIGURE_10["nested"]):
    switch = column.switches / (2 + column.accesses)
    return Model(switch, PLAIN_EXIT, column.l0 - column.accesses * PLAIN_EXIT, column.l1)


def error(model, column):
    """Of the total, as a part of what was published"""
    return model.cycles(column.accesses) / column.total - 1
