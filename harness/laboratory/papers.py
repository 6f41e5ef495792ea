# SPDX-License-Identifier: GPL-2.0-or-later
"""
Published numbers, each with its source. `read` says how we know it: printed in the text, digitised from a figure, quoted by a
second source, or from memory. Machines and decades differ from ours: shapes, counts and ratios are to be compared.
"""
from dataclasses import dataclass

SOURCES = {
    "Turtles": "Ben-Yehuda et al., The Turtles Project: Design and Implementation of Nested Virtualization, OSDI 2010",
    "Adams": "Adams and Agesen, A Comparison of Software and Hardware Techniques for x86 Virtualization, ASPLOS 2006",
    "DVH": "Lim and Nieh, Optimizing Nested Virtualization Performance Using Direct Virtual Hardware, ASPLOS 2020",
    "NEVE": "Lim et al., NEVE: Nested Virtualization Extensions for ARM, SOSP 2017",
    "PVM": "Huang et al., PVM: Efficient Shadow Paging for Deploying Secure Containers in Cloud-native Environment, SOSP 2023",
    "Bhargava": "Bhargava et al., Accelerating Two-Dimensional Page Walks for Virtualized Systems, ASPLOS 2008",
    "HyperTurtle": "Ben Zur et al., HyperTurtle, USENIX ATC 2025",
    "Clusters": "Agesen et al., Software Techniques for Avoiding Hardware Virtualization Exits, USENIX ATC 2012",
    "Janus": "Janus, OSDI 2026",
    "KVM": "the cover letter of nested EPT for KVM (Linux kernel)",
    "HAXM": "pull request 130 of intel/haxm, counts by hand of what an L1 does",
}
PRINTED, DIGITISED, QUOTED, DERIVED = "printed", "read off a figure", "quoted by a second source", "derived"


@dataclass(frozen=True)
class Published:
    value: float
    unit: str
    source: str  # a key of SOURCES
    where: str
    read: str = PRINTED

    def text(self):
        return f"{self.value:,g}"

    def cite(self):
        return f"{self.source}, {self.where} ({self.read})"


def turtles(value, unit, where, read=PRINTED):
    return Published(value, unit, "Turtles", where, read)


# Figure 10: cycles of a cpuid by owner. VMCS accesses: section 4.3 (7 vmreads, 4 vmwrites)
@dataclass(frozen=True)
class Column:
    total: float
    l1: float
    l0: float
    switches: float
    accesses: int


FIGURE_10 = {
    "nested": Column(58500, 8000, 38500, 12000, 11),
    "nested, 3.5.1": Column(43000, 5000, 26000, 12000, 11),
    "nested, 3.5.2": Column(28200, 5500, 19400, 3300, 0),
    "nested, both": Column(11900, 3350, 5300, 3200, 0),
}
OUR_VARIANT = {"nested": "trap-full", "nested, 3.5.1": "trap", "nested, 3.5.2": "rewrite-full", "nested, both": "rewrite"}
SINGLE_CPUID = turtles(2600, "cycles", "figure 10")
CPUID_VMREADS = turtles(7, "vmreads", "section 4.3")
CPUID_VMWRITES = turtles(4, "vmwrites", "section 4.3")
CPUID_EXITS = turtles(13, "exits", "section 4.3")
CPUID_EXITS_DRW = turtles(2, "exits", "section 4.3")
PIO_EXITS = turtles(31, "exits of L1", "section 4.3")
PIO_EXITS_DRW = turtles(14, "exits of L1", "section 4.3")
MODERN_KVM_READS = Published(8, "vmreads", "HAXM", "6 to 10 vmreads, 2 to 6 vmwrites of KVM")

# Table 2: kernbench in seconds (standard deviation), SPECjbb's score; host, guest, nested, nested with direct VMCS access
TABLE_2 = {"kernbench": ((324.3, 1.5), (355, 10), (406.3, 6.7), (391.5, 3.1)), "SPECjbb": ((90493, 1104), (83599, 1230), (77065, 1716), (78347, 566))}
# Table 3: overhead over a single-level guest with VMware Server as L1, %
SPECJBB_KVM = 7.8  # the same in table 2, KVM as L1, %
TABLE_3 = {"kernbench": 14.98, "SPECjbb": 8.85}
# Figure 5: % of the nested run's cycles: guest (L2), L1, L0, mode switches. L0 5.17 is printed, the rest read off the figure
FIGURE_5 = {
    "kernbench": {"guest": (84.7, 0, 1.66, 0.13), "nested": (90.4, 1.40, 5.17, 3.05), "nested, 3.5.2": (90.7, 1.25, 4.44, 0.75)},
    "SPECjbb": {"guest": (97.0, 0, 2.96, 0.09), "nested": (92.1, 1.01, 5.00, 1.92), "nested, 3.5.2": (94.3, 0.91, 4.40, 0.44)},
}

# Figure 6: cycles of an exit: single level, nested, nested with direct VMCS access
FIGURE_6 = {
    "EXTERNAL_INTERRUPT": (64500, 192000, 147000),
    "IO_INSTRUCTION": (12300, 183000, 130000),
    "MSR_READ": (4600, 128000, 86000),
    "CR_ACCESS": (6300, 91000, 38000),
    "APIC_ACCESS": (11800, 88000, 41000),
    "EXCEPTION_NMI": (4600, 42000, 21000),
    "MSR_WRITE": (None, 73000, 37000),
    "INTERRUPT_WINDOW": (3600, 70000, 32000),
    "CPUID": (2800, 64000, 31000),
    "EPT_VIOLATION": (24200, 49400, 40600),
}

# Figure 9: multi-dimensional paging over shadow-on-EPT; nested EPT's cover letter: make in seconds
MERGE_OVER_SHADOW = {"kernbench": turtles(3.47, "x", "figure 9", DIGITISED), "SPECjbb": turtles(1.02, "x", "figure 9", DIGITISED)}
MAKE_SECONDS = {"shadow on shadow": 105, "shadow on EPT": 87, "EPT on EPT": 29, "single-level EPT": 25}
WALKS = {"one level": 4, "two (EPT)": 24}
WALK_3D = Published(124, "references", "Bhargava", "the same once more: each of 4 tables behind 24, and 24 for the page", DERIVED)
# HyperTurtle: us of an EPT fault, and world switches for it; PVM: switches and exits for n levels that are write-protected
TOUCH_SWITCHES = {"HyperTurtle, L1": 2, "HyperTurtle, L2": 6, "PVM, tables write-protected": 14}
WALK_2D = Published(24, "references", "Bhargava", "n*m + n + m of a 4x4 walk")

# DVH table 3: cycles at L1, L2, L3
DVH = {"Hypercall": (1575, 37733, 857578), "DevNotify": (4984, 48390, 1008935), "ProgramTimer": (2005, 43359, 1033946),
       "SendIPI": (3273, 39456, 787971)}
# NEVE's x86 column: cycles single and nested, and exits of the nested one (from memory: low confidence)
NEVE_X86 = {"Hypercall": (1188, 36345), "Device I/O": (2307, 39108), "Virtual IPI": (2751, 45360), "Virtual EOI": (316, 316)}
# Agesen et al. 2012, table 1: a hardware exit and entry, cycles; the same for an exit of a nested guest under VMware Workstation 8
EXIT_CYCLES = {"Prescott": 3963, "Merom": 1579, "Penryn": 1266, "Nehalem": 1009, "Westmere": 761, "Sandy Bridge": 784}
NESTED_EXIT = Published(9794, "cycles", "Clusters", "table 1")
# PVM tables 1 and 2, KPTI on: microseconds of a round trip, KVM on bare metal and nested
PVM = {"vmcall": (0.46, 7.43), "ud": (1.66, 9.20), "rdmsr": (0.87, 8.18), "cpuid": (0.54, 7.10), "out": (3.79, 29.34)}

# Adams and Agesen: the translator and nanobenchmarks
TRANSLATE_CYCLES = Published(2300, "cycles an instruction", "Adams", "section 6")
TRANSLATE_UNITS = Published(229347 + 23909 + 6680, "units", "Adams", "boot and halt of a 64-bit Windows XP")
# A textbook's figure for the boot of a Windows
TEXTBOOK_UNITS, TEXTBOOK_UNIT_US, TEXTBOOK_SHARE = 950000, 3, 5
FORKWAIT = {"native": 6.0, "translated": 36.9, "hardware, shadow paging": 106.4}
NANO = {  # native, software VMM, hardware VMM, in cycles
    "syscall": (242, 2307, 246), "in": (3209, 216, 15826), "cr8wr": (150, 35, 177), "callret": (11, 51, 11),
    "pgfault": (1093, 3927, 11242), "divzero": (889, 3223, 1014), "ptemod": (1, 391, 12733)}
RDTSC = {"trap and emulate": 2030, "callout": 1254, "in the translated code": 216}
