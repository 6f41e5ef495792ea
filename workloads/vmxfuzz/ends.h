/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the guest and the test that runs it have to know of each other. */
#ifndef WORKLOADS_VMXFUZZ_ENDS_H
#define WORKLOADS_VMXFUZZ_ENDS_H

#define VMXFUZZ_MEMORY_MIB 64
#define VMXFUZZ_DEBUG_EXIT 0x4f4

/* What it writes to isa-debug-exit: all rounds are done; it was harmed by what it let L2 or VMX do, */
#define VMXFUZZ_DONE 0x20
#define VMXFUZZ_HARMED 0x21
/* and the exit code that comes of it. */
#define VMXFUZZ_EXIT(v) ((v) << 1 | 1)

#endif
