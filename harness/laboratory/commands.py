# SPDX-License-Identifier: GPL-2.0-or-later
"""
The command lines of all runs. Experiments share them: a run is named once and made once, whoever asks for it.

A Run is *counted* (instruction clock: the same to the last exit each time, so once is enough) or *timed* (host clock, repeated).
"""
from dataclasses import dataclass

COUNTED = "counted"
TIMED = "timed"


@dataclass(frozen=True)
class Run:
    name: str
    kind: str  # COUNTED or TIMED
    seconds: float  # on an idle machine, for the progress bar
    arguments: tuple  # of turtles; {guest} stands for the guests' folder
    exit_code: int = 0
    expects: str = ""  # a regular expression that the console must have
    native: bool = False  # the arguments are a program of this host and what it is given: no turtles, no stats

    def words(self, turtles, guest, stats):
        """The command as a list of words; stats is the file for --stats."""
        words = [word.replace("{guest}", guest) for word in self.arguments]
        if self.native:
            return words
        clock = ["--clock", "insns"] if self.kind == COUNTED else []
        return [turtles, *words[:1], *clock, "--stats", stats, *words[1:]]

    def times(self, repeat):
        return 1 if self.kind == COUNTED else repeat


def shim(name, kind, append, *options, seconds=1.0, memory="64"):
    """l1shim as L1"""
    return Run(name, kind, seconds, (
        "run", "--kernel", "{guest}/bin/l1shim", "--memory", memory, "--cpu", "Skylake-Server,+vmx", "--device",
        "isa-debug-exit,iobase=0xf4,iosize=0x4", "--no-reboot", *options, "--append", append),
        exit_code=33, expects=r"(?m)^row ")


def kvm(name, kind, what, *options, seconds=5.0, expects="ended with exit code 0", append=""):
    """Debian's KVM as L1, turtles as its VMM, Debian's Linux as L2, which runs `what`"""
    return Run(name, kind, seconds, (
        "run", "--cpu", "Skylake-Server,+vmx", "--kernel", "{guest}/vmlinuz", "--initrd", "{guest}/nested.cpio", "--memory",
        "1024", "--no-reboot", *options, "--append",
        f"console=ttyS0 panic=-1 rdinit=/nested turtles.run={what}{append}"), expects=expects)


def linux(name, kind, what, *options, seconds=3.0, expects="init: user space"):
    """Debian's Linux as L1, no hypervisor"""
    return Run(name, kind, seconds, (
        "run", "--kernel", "{guest}/vmlinuz", "--initrd", "{guest}/initramfs.cpio", "--memory", "512", "--no-reboot", *options,
        "--append", f"console=ttyS0 panic=-1 turtles.run={what}"), expects=expects)


# Turtles' L1 made 7 VMREADs and 4 VMWRITEs for a cpuid: l1shim has 2 and 1 of its own.
TURTLES_L1 = "payload=cpuid vmreads=5 vmwrites=3"
ROW_PASSES = 5  # of workloads/rows.c
CPUIDS = 10000  # in a pass of the row cpuid
PORTS = 1000  # in a pass of the row port

# how L1's VMCS is reached, and how much of it an entry copies: the columns of Turtles' figure 10, and hardware's shadowing
VARIANTS = {
    "trap-full": ("--vmcs-access", "trap", "--vmcs-merge", "full"),
    "trap": ("--vmcs-access", "trap"),
    "shadow": ("--vmcs-access", "shadow"),
    "rewrite-full": ("--vmcs-access", "rewrite", "--vmcs-merge", "full"),
    "rewrite": ("--vmcs-access", "rewrite"),
}
MMUS = ("merge", "walk", "shadow")


def all_runs():
    runs = []
    for name, options in VARIANTS.items():
        runs.append(shim(f"shim-cpuid-{name}", COUNTED, f"{TURTLES_L1} rounds=10000 counts=1", *options))
        runs.append(shim(f"shim-cpuid-time-{name}", TIMED, f"{TURTLES_L1} rounds=200000", *options, seconds=1.5))
        runs.append(kvm(f"kvm-cpuid-{name}", COUNTED, "rows:cpuid", *options))
        runs.append(kvm(f"kvm-cpuid-time-{name}", TIMED, "rows:cpuid,port", *options, seconds=6))
    for name in ("trap", "shadow", "rewrite"):
        runs.append(kvm(f"kvm-off-{name}", COUNTED, "off", *VARIANTS[name]))
    runs.append(linux("linux-cpuid", TIMED, "rows:cpuid,port", expects=r"(?m)^row cpuid "))

    for name in ("trap", "rewrite"):
        runs.append(shim(f"shim-all-time-{name}", TIMED, "rounds=20000 steps=100", *VARIANTS[name], seconds=3))
        runs.append(kvm(f"kvm-rows-{name}", COUNTED, "rows", *VARIANTS[name], seconds=9))
        runs.append(kvm(f"kvm-rows-time-{name}", TIMED, "rows", *VARIANTS[name], seconds=9))

    for mmu in MMUS:
        runs.append(shim(f"shim-touch-{mmu}", COUNTED, "payload=touch,memory rounds=10000 counts=1 steps=100", "--mmu", mmu))
        runs.append(shim(f"shim-touch-time-{mmu}", TIMED, "payload=touch,memory rounds=20000 steps=1000", "--mmu", mmu, seconds=2))
        runs.append(kvm(f"kvm-memory-{mmu}", COUNTED, "rows:fault,fork,chase", "--mmu", mmu, seconds=10))
        runs.append(kvm(f"kvm-memory-time-{mmu}", TIMED, "rows:fault,fork,chase", "--mmu", mmu, seconds=10))

    runs.append(linux("linux-off", TIMED, "off"))
    runs.append(linux("linux-rows", TIMED, "rows", seconds=4, expects=r"(?m)^row fault "))
    runs.append(Run("native-rows", TIMED, 2, ("{guest}/bin/rows", "syscall", "fork", "fault", "chase", "int", "sort"),
                    expects=r"(?m)^row fault ", native=True))

    runs.append(Run("nano", TIMED, 2, (
        "run", "--kernel", "{guest}/bin/nano", "--memory", "64", "--device", "isa-debug-exit,iobase=0xf4,iosize=0x4", "--no-reboot"),
        exit_code=33, expects=r"(?m)^row rdtsc "))

    deeper = " turtles.l2=l1shim turtles.cpu=Skylake-Server,+vmx turtles.append="
    ended = "its guest ended with exit code 33"
    runs.append(kvm("kvm-shim-time", TIMED, "none", append=f"{deeper}rounds=1000,steps=100", seconds=8, expects=ended))
    for rounds in (1000, 2000):
        for payload in ("cpuid", "vmcall", "out", "rdmsr", "ud", "touch"):
            runs.append(kvm(f"kvm-shim-{payload}-{rounds}", COUNTED, "none", "--vmcs-access", "trap",
                            append=f"{deeper}payload={payload},rounds={rounds}", seconds=4, expects=ended))
            runs.append(shim(f"shim-{payload}-{rounds}", COUNTED, f"payload={payload} rounds={rounds} counts=1",
                             "--vmcs-access", "trap"))
    return {run.name: run for run in runs}


RUNS = all_runs()
