# Our own L1, and what it runs as L2: 64-bit code without any library, so that any x86 compiler does.
GUEST_CC ?= gcc
L1SHIM_CFLAGS := -m64 -march=x86-64 -std=gnu11 -O2 $(WARN) -I. -ffreestanding -fno-pic -fno-stack-protector -fcf-protection=none \
	-fasynchronous-unwind-tables -fno-strict-aliasing -mno-red-zone -mgeneral-regs-only -nostdlib -static \
	-Wl,--build-id=none -Wl,--eh-frame-hdr -Wl,--no-warn-rwx-segments
L1SHIM_SOURCES := $(addprefix l1shim/,start.S enter.S main.c console.c cpu.c caps.c memory.c vmcs.c exits.c experiment.c) workloads/payload/payload.c

$(GUEST)/bin/l1shim: $(L1SHIM_SOURCES) $(wildcard l1shim/*.[h] l1shim/l1shim.ld workloads/payload/*.h vmcs-shadow/*.h) l0/vmx/exits.h
	@mkdir -p $(@D)
	$(GUEST_CC) $(L1SHIM_CFLAGS) -Wl,-T,l1shim/l1shim.ld -o $@ $(L1SHIM_SOURCES)

guest: $(GUEST)/bin/l1shim
# without a network, too
check: $(GUEST)/bin/l1shim

# ARGS: its command line
ARGS ?=
l1shim: $(BUILD)/turtles $(GUEST)/bin/l1shim
	@$(BUILD)/turtles run --cpu Skylake-Server,+vmx --kernel $(GUEST)/bin/l1shim --memory 64 --append '$(ARGS)' \
		--device isa-debug-exit,iobase=0xf4,iosize=0x4 --no-reboot --summary; [ $$? = 33 ]

.PHONY: l1shim

TEST_SCRIPTS += l1shim/tests/l1shim.sh
