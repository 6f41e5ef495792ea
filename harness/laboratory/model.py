# SPDX-License-Identifier: GPL-2.0-or-later
"""
The cost of a reflected exit on VT hardware, from counts: C = (2 + v) * S + v * e + X + F + h, where v is the number of L1's exits in
the round but for its VM entry (its VMCS accesses, mostly), S an exit and an entry, e the emulation of one access, X what L0 does to
reflect and to enter again, F what copying all fields of the VMCS costs more than copying those that changed, h L1's handler.

Fitted on two columns of Turtles' figure 10, those in which VMCS accesses exit: all fields copied, and only changed ones (3.5.1), whose
difference is F. They can't tell X from v * e; so e is taken to be what L0 needs for the plainest exit there is, the
single-level cpuid of column 1 (1,500 cycles). The other two columns, without such exits, are unseen.
"""
from dataclasses import dataclass, fields

from .papers import FIGURE_10

PLAIN_EXIT = 1500  # L0's part of a single-level cpuid, figure 10, column 1
SEEN = ("nested", "nested, 3.5.1")
ALL_FIELDS = ("nested", "nested, 3.5.2")


@dataclass(frozen=True)
class Model:
    switch: float  # S
    emulate: float  # e
    reflect: float  # X
    copy: float  # F
    handler: float  # h

    def cycles(self, exits, all_fields=False):
        """exits: v"""
        return (2 + exits) * self.switch + exits * self.emulate + self.reflect + self.copy * all_fields + self.handler

    def saved(self, exits):
        """What so many exits of L1 less take away, whatever else a round costs"""
        return exits * (self.switch + self.emulate)


def on(fitted, switch):
    """The same L0 and L1 on a CPU whose exit and entry cost so much: all costs in that proportion"""
    factor = switch / fitted.switch
    return Model(*(getattr(fitted, f.name) * factor for f in fields(Model)))


def fit(full=FIGURE_10["nested"], changed=FIGURE_10["nested, 3.5.1"]):
    switch = full.switches / (2 + full.accesses)
    copy = full.total - changed.total
    # what the columns' bars leave of L0 and L1, whose sum is what matters here
    rest = changed.total - (2 + changed.accesses) * switch - changed.accesses * PLAIN_EXIT
    return Model(switch, PLAIN_EXIT, rest - changed.l1, copy, changed.l1)


def error(model, name):
    """Of the total of a column of figure 10, as a part of what was published"""
    column = FIGURE_10[name]
    return model.cycles(column.accesses, name in ALL_FIELDS) / column.total - 1
