# SPDX-License-Identifier: GPL-2.0-or-later
"""
The command lines of all runs. Experiments share them: a run is named once and made once, whoever asks for it.

A Run is *counted* (instruction clock: the same to the last exit each time, so once is enough) or *timed* (host clock, repeated). Each is there
in two sizes: the small form does the same with less work and leaves out what only repeats it; `make check` runs it for the shapes that must hold.
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
    work: int = 0  # operations that it is about, 0: that isn't a number; see results.added()
    trace: str = ""  # behind --trace FILE: a trace is part of the run. Others have one if they are counted, up to a limit
    after: tuple = ()  # (file, words of turtles trace) made of the trace when the run is over
    mark: str = ""  # a regular expression: when the console has it, the stats of that moment are kept as before.json
    host_clock: bool = False  # counted, but with the host's clock: only what its rounds are made of is the same each time
    small: bool = True  # part of the small form

    def words(self, turtles, guest, stats):
        """The command as a list of words; stats is the file for --stats."""
        words = [word.replace("{guest}", guest) for word in self.arguments]
        if self.native:
            return words
        clock = ["--clock", "insns"] if self.kind == COUNTED and not self.host_clock else []
        return [turtles, *words[:1], *clock, "--stats", stats, *words[1:]]

    def times(self, repeat):
        return 1 if self.kind == COUNTED else repeat


LINUX_IS_UP, KVM_IS_UP = "init: user space", r"nested: \d+ CPUs"  # marks behind which a program's time begins
NESTED = ("--cpu", "Skylake-Server,+vmx")
DEBUG_EXIT = ("--device", "isa-debug-exit,iobase=0xf4,iosize=0x4")
ENDED = "its guest ended with exit code 33"


def shim(name, kind, append, *options, seconds=1.0, **more):
    """l1shim as L1"""
    return Run(name, kind, seconds, ("run", "--kernel", "{guest}/bin/l1shim", "--memory", "64", *NESTED, *DEBUG_EXIT, "--no-reboot", *options,
                                     "--append", append), exit_code=33, expects=r"(?m)^row ", **more)


def nano(name, kind, append, *options, seconds=1.0, **more):
    """workloads/nano as L1"""
    return Run(name, kind, seconds, ("run", "--kernel", "{guest}/bin/nano", "--memory", "64", "--device", "pc-testdev", *DEBUG_EXIT, "--no-reboot",
                                     *options, "--append", append), exit_code=33, expects=r"(?m)^row ", **more)


def kvm(name, kind, what, *options, seconds=5.0, expects="ended with exit code 0", append="", initrd="nested", memory="1024", **more):
    """Debian's KVM as L1, turtles as its VMM, Debian's Linux as L2, which runs `what`"""
    return Run(name, kind, seconds, (
        "run", *NESTED, "--kernel", "{guest}/vmlinuz", "--initrd", f"{{guest}}/{initrd}.cpio", "--memory", memory, "--no-reboot", *options, "--append",
        f"console=ttyS0 panic=-1 rdinit=/nested turtles.run={what}{append}"), expects=expects, **more)


def kvm_bare(name, kind, program, append, *options, level=2, seconds=2.0, cpu="", vcpus=1, **more):
    """KVM as L1 with a kernel of ours as L2; with level=3 the same KVM as L2, and the kernel as L3"""
    if vcpus > 1:
        options = (*options, "--vcpus", str(vcpus))
    words = f" turtles.l2={program} turtles.levels={level} turtles.vcpus={vcpus}{cpu} turtles.append={append.replace(' ', ',')}"
    return kvm(name, kind, "none", *options, append=words, seconds=seconds + 3 * (level - 2), expects=ENDED,
               initrd="nested" if level == 2 else "nested3", memory="1024" if level == 2 else "2048", **more)


def xen(name, kind, what, *options, seconds=10.0, **more):
    """Debian's Xen as L1 with a first domain of Linux, which starts Linux as L2. Xen waits for its clock chip, which takes an instruction clock an age."""
    what = what.replace(",", "+")
    return Run(name, kind, seconds, (
        "run", *NESTED, "--kernel", "{guest}/xen", "--initrd", f"{{guest}}/vmlinuz-dom0 console=hvc0 rdinit=/xen-dom0 quiet turtles.run={what},{{guest}}/xen.cpio",
        "--memory", "1536", "--no-reboot", *options, "--append", "com1=115200,8n1 console=com1 noreboot dom0_mem=768M"),
        expects="xen: its guest ended with exit code 0", host_clock=True, **more)


def linux(name, kind, what, *options, seconds=3.0, expects="init: user space", initrd="initramfs", **more):
    """Debian's Linux as L1, no hypervisor"""
    return Run(name, kind, seconds, (
        "run", "--kernel", "{guest}/vmlinuz", "--initrd", f"{{guest}}/{initrd}.cpio", "--memory", "512", "--no-reboot", *options,
        "--append", f"console=ttyS0 panic=-1 turtles.run={what}"), expects=expects, **more)


def native(name, seconds, *words, expects=r"(?m)^row ", **more):
    """A program of the guests' on this host"""
    return Run(name, TIMED, seconds, words, expects=expects, native=True, **more)


# Turtles' L1 made 7 VMREADs and 4 VMWRITEs for a cpuid: l1shim has 2 and 1 of its own.
TURTLES_L1 = "payload=cpuid vmreads=5 vmwrites=3"

# how L1's VMCS is reached, and how much of it an entry copies: the columns of Turtles' figure 10, and hardware's shadowing
VARIANTS = {
    "trap-full": ("--vmcs-access", "trap", "--vmcs-merge", "full"),
    "trap": ("--vmcs-access", "trap"),
    "shadow": ("--vmcs-access", "shadow"),
    "rewrite-full": ("--vmcs-access", "rewrite", "--vmcs-merge", "full"),
    "rewrite": ("--vmcs-access", "rewrite"),
}
AUTO = ("--engine", "auto")  # user code directly where /dev/kvm can do it, else as without
TRAP, REWRITE = VARIANTS["trap"], VARIANTS["rewrite"]
MMUS = ("merge", "walk", "shadow")
# (EPT01's pages, EPT12's pages): options of turtles, and of l1shim
NO_CACHE = ("--walk-cache", "off")
PAGES = {"4k": ((*NO_CACHE, "--huge-pages", "off"), "large=0"), "2m12": ((*NO_CACHE, "--huge-pages", "off"), "large=1"), "2m01": (NO_CACHE, "large=0"), "2m": (NO_CACHE, "large=1"),
         "cache": (("--huge-pages", "off"), "large=0")}

# operations at each level; those of two CPUs stand apart
OPERATIONS = ("cpuid", "vmcall", "pio", "mmio", "timer", "eoi", "rdmsr", "ud")
LEVELS = (1, 2, 3)

# programs of E4 and E5: what init runs
PROGRAMS = {"compile": "compile", "warehouse": "warehouse"}


class Size:
    """full(many, few) is what the full form has of something, and the small form of the same"""

    def __init__(self, small):
        self.small = small

    def __call__(self, many, few):
        return few if self.small else many


def _cpuid(n):
    """E1, E2, E8"""
    for name, options in VARIANTS.items():
        least = name in ("trap", "shadow", "rewrite")
        yield shim(f"shim-cpuid-{name}", COUNTED, f"{TURTLES_L1} rounds={n(10000, 1000)} counts=1", *options, small=least)
        yield shim(f"shim-cpuid-time-{name}", TIMED, f"{TURTLES_L1} rounds={n(200000, 5000)}", *options, seconds=1.5, small=name in ("trap-full", "rewrite"))
        for rounds in (n(1000, 200), n(2000, 400)):
            part = "few" if rounds == n(1000, 200) else "many"
            yield kvm_bare(f"kvm-cpuid-{name}-{part}", COUNTED, "nano", f"ops=cpuid rounds={rounds} batches=1", *options, work=2 * rounds, small=least)
        yield kvm_bare(f"kvm-cpuid-time-{name}", TIMED, "nano", f"ops=cpuid rounds={n(50000, 2000)} batches={n(19, 3)}", "--profile", *options,
                       seconds=4, work=n(50000, 2000) * n(20, 4), mark=KVM_IS_UP, small=name in ("trap-full", "rewrite"))
    for rounds in (n(1000, 200), n(2000, 400)):
        part = "few" if rounds == n(1000, 200) else "many"
        for name in ("trap", "shadow", "rewrite"):
            yield xen(f"xen-cpuid-{name}-{part}", COUNTED, "exec:true" if part == "few" else "rows:cpuid", *VARIANTS[name], work=0 if part == "few" else 50000,
                      small=name == "trap")
        yield shim(f"shim-least-{part}", COUNTED, f"payload=cpuid rounds={rounds}", *TRAP, work=rounds)
    yield kvm_bare("kvm-stacks", COUNTED, "nano", f"ops=cpuid rounds={n(1000, 200)} batches=1", *TRAP, trace=",stacks=all,reasons=CPUID",
                   work=n(2000, 400), after=(("collapsed.txt", ("--reason", "CPUID", "--level", "1", "--export", "collapsed")),
                                             ("round.csv", ("--round", str(n(500, 150)), "--export", "csv"))))


def _reasons(n):
    """E3"""
    for name, options in (("trap", TRAP), ("rewrite", REWRITE)):
        yield shim(f"shim-all-time-{name}", TIMED, f"rounds={n(20000, 1000)} steps=100", *options, seconds=3, small=name == "rewrite")
        yield kvm(f"kvm-rows-{name}", COUNTED, n("rows", "rows:syscall,fault"), *options, seconds=9)
        yield kvm(f"kvm-rows-time-{name}", TIMED, "rows", *options, seconds=9, small=False)
        # what Linux as L2 hardly ever does
        for run, kind in (("kvm-reasons", COUNTED), ("kvm-reasons-time", TIMED)):
            yield kvm_bare(f"{run}-{name}", kind, "nano", f"ops=ud+cr0+apic+window rounds={n(1000, 100)} batches=1", *options, seconds=2, small=kind == COUNTED)


def _programs(n):
    """E4, E5: programs natively, in L1, in L2; E12"""
    compile_ = "exec:compile,passes={},files={},/compile".format(n(4, 2), n(4, 1))
    trade = "exec:warehouse,{}".format(n("seconds=3", "seconds=1"))
    for program, what in (("compile", compile_), ("warehouse", trade)):
        initrd = "compile" if program == "compile" else "initramfs"
        nested, memory = ("compile-nested", "1400") if program == "compile" else ("nested", "1024")
        extra = f" turtles.initrd={initrd}.cpio"
        words = what.removeprefix("exec:").replace(",/compile", ",{guest}/compile").split(",")
        yield native(f"native-{program}", 3, f"{{guest}}/bin/{words[0]}", *words[1:], expects=r"(?m)^check ")
        yield linux(f"linux-{program}", TIMED, what, "--profile", expects=r"(?m)^check ", initrd=initrd, seconds=8, mark=LINUX_IS_UP)
        for name, options in (("trap", TRAP), ("rewrite", REWRITE)):
            small = name == "rewrite" or program == "warehouse"
            yield kvm(f"kvm-{program}-{name}", TIMED, what, "--profile", *options, expects=r"(?m)^check ", append=extra, initrd=nested, memory=memory,
                      seconds=11, small=small, mark=LINUX_IS_UP)

    yield xen("xen-warehouse-rewrite", TIMED, trade, *REWRITE, seconds=13, small=False)
    rows = n(("int", "sort", "chase", "syscall", "fork", "fault", "forkwait"), ("syscall", "fork"))
    yield native("native-rows", 6, "{guest}/bin/rows", *rows)
    yield linux("linux-rows", TIMED, f"rows:{','.join(rows)}", seconds=9, expects=r"(?m)^row fork ")
    for name, options in (("rewrite", REWRITE), ("trap", TRAP)):
        yield kvm(f"kvm-forks-{name}", TIMED, f"rows:{','.join(rows)}", *options, seconds=13, expects=r"(?m)^row fork ", small=name == "rewrite")
    # a process begins translated: a computing row has to be of some length to say what it runs at
    for name, level in (("linux-rows-auto", linux), ("kvm-forks-auto", kvm)):
        yield level(name, TIMED, f"rows:units={n(30, 2)},{','.join(rows)}", *AUTO, seconds=13, expects=r"(?m)^row fork ")


def _engines(n):
    """E13"""
    for program in ("int", "sort", "syscall", "fork", "fault"):
        yield linux(f"engine-{program}", TIMED, f"rows:units={n(60, 20)},{program}", *AUTO, seconds=3, expects=rf"(?m)^row {program} ")


def _memory(n):
    """E6, E17"""
    for mmu in MMUS:
        yield shim(f"shim-touch-{mmu}", COUNTED, f"payload=touch,memory rounds={n(10000, 1000)} counts=1 steps=100", "--mmu", mmu)
        yield shim(f"shim-touch-time-{mmu}", TIMED, f"payload=touch,memory rounds={n(20000, 500)} steps=1000", "--mmu", mmu, seconds=2, small=False)
        yield kvm(f"kvm-memory-{mmu}", COUNTED, n("rows:fault,fork,chase,pages", "rows:fault"), "--mmu", mmu, seconds=10, small=mmu != "walk")
        yield kvm(f"kvm-memory-time-{mmu}", TIMED, "rows:fault,fork,chase,pages", "--mmu", mmu, seconds=10, small=False)
    yield linux("linux-memory-time", TIMED, "rows:fault,fork,chase,pages", seconds=3, small=False)
    for pages, (options, append) in PAGES.items():
        for mmu in ("merge", "walk"):
            for part, steps in (("few", 1000), ("many", 2000)):
                yield shim(f"shim-walk-{pages}-{mmu}-{part}", COUNTED, f"payload=walk rounds=100 steps={steps} {append}", "--mmu", mmu, *options,
                           work=100 * steps, small=pages in ("4k", "2m"))


def _operations(n):
    """E9, E10"""
    yield nano("nano", TIMED, n("", "rounds=1000 batches=5"), seconds=2)
    yield nano("nano-auto", TIMED, n("", "rounds=1000 batches=5"), *AUTO, seconds=2)
    for part, steps in (("few", 100), ("many", 200)):
        yield shim(f"shim-tsc-{part}", COUNTED, f"payload=tsc rounds=100 steps={steps}", *REWRITE, work=100 * steps, host_clock=True)
    yield shim("shim-tsc-time", TIMED, f"payload=vmcall,rdtsc,tsc rounds={n(2000, 200)} steps=1000", *REWRITE, seconds=1)
    rows = ("callret", "rdtsc", "syscall", "divzero", "segv")
    yield native("native-operations", 1, "{guest}/bin/rows", *rows)
    for name, options in (("linux-operations", ()), ("linux-operations-auto", AUTO)):
        yield linux(name, TIMED, f"rows:{','.join(rows)}", *options, seconds=4, expects=r"(?m)^row segv ")


def _depth(n):
    """E16, E18: the same operation at each level"""
    few = ("cpuid", "pio")
    for level in LEVELS:
        rounds, batches = {1: (n(20000, 1000), n(21, 3)), 2: (n(2000, 100), n(11, 3)), 3: (n(200, 20), n(5, 1))}[level]
        seconds = {1: 1, 2: 3, 3: 4}[level]

        def at(name, kind, append, *options, level=level, **more):
            if level == 1:
                vcpus = more.pop("vcpus", 1)
                return nano(name, kind, append, *NESTED, *options, *(("--vcpus", str(vcpus)) if vcpus > 1 else ()), **more)
            return kvm_bare(name, kind, "nano", append, *options, level=level, **more)

        yield at(f"nano{level}-time", TIMED, f"ops={'+'.join(OPERATIONS)} rounds={rounds} batches={batches}", seconds=seconds, small=level < 3)
        yield at(f"nano{level}-base", COUNTED, "ops=loop rounds=1 batches=1", *TRAP)
        for op in OPERATIONS:
            if level == 1 and op == "vmcall":
                continue  # nobody is below L1 whom it could call
            each = n(1000, 100) if level < 3 else n(200, 50)
            yield at(f"nano{level}-{op}", COUNTED, f"ops={op} rounds={each} batches=1", *TRAP, work=2 * each, small=op in few and (level < 3 or op == "cpuid"))
    for level in LEVELS:
        each, batches = {1: (n(500, 50), n(11, 3)), 2: (n(200, 20), n(5, 3)), 3: (n(50, 10), n(5, 1))}[level]
        bare = (lambda *a, level=level, **more: nano(*a, *NESTED, "--vcpus", "2", **more)) if level == 1 else \
            (lambda name, kind, append, *a, level=level, **more: kvm_bare(name, kind, "nano", append, *a, level=level, vcpus=2, **more))
        yield bare(f"nano{level}-ipi-time", TIMED, f"ops=ipi rounds={each} batches={batches}", seconds=3, small=level == 2)
        yield bare(f"nano{level}-ipi-base", COUNTED, "ops=ipi rounds=1 batches=1", *TRAP, work=2, small=False)
        yield bare(f"nano{level}-ipi", COUNTED, f"ops=ipi rounds={n(200, 50)} batches=1", *TRAP, work=2 * n(200, 50), small=False)
    yield linux("linux-getpid", TIMED, "rows:syscall", expects=r"(?m)^row syscall ", small=False)
    yield kvm("kvm-getpid", TIMED, "rows:syscall", expects=r"(?m)^row syscall ", small=False)


SEVERAL = (1, 2, 4)


def _several(n):
    """E21"""
    l1s = [("--l1", f"name={name}") for name in "abcdefgh"]
    for k in SEVERAL:
        each = tuple(word for pair in l1s[:k] for word in pair) if k > 1 else ()
        for guests in (1, 2):
            words = f" turtles.guests={guests} turtles.l2=nano turtles.append=ops=cpuid,batches=1,rounds={n(50000, 5000)}"
            yield kvm(f"several-{k}-{guests}", COUNTED, "none", *each, append=words, seconds=1 + 1.2 * k, expects=ENDED,
                      work=2 * guests * n(50000, 5000), small=k < 4)
    for k in (*SEVERAL, 8):
        each = tuple(word for pair in l1s[:k] for word in pair) if k > 1 else ()
        yield Run(f"fair-{k}", TIMED, 2.2, ("run", "--kernel", "{guest}/bin/l1shim", "--memory", "64", *NESTED, *DEBUG_EXIT, "--timeout", n("2", "1"), *each,
                                            "--append", "payload=loop rounds=1000000000 batches=1"), exit_code=124, small=k == 2)


def _translation(n):
    """E11"""
    yield linux("linux-off", TIMED, "off")
    yield linux("linux-all", TIMED, n("rows", "rows:int"), seconds=4, expects=r"(?m)^row int ", small=False)


def all_runs(small=False):
    n = Size(small)
    runs = {}
    for part in (_cpuid, _reasons, _programs, _memory, _operations, _engines, _depth, _several, _translation):
        for run in part(n):
            if run.small or not small:
                assert run.name not in runs, run.name
                runs[run.name] = run
    return runs


RUNS = all_runs()
