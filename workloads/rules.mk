# Guests: Debian's kernel, an initramfs with our programs, and guests of our own.
GUEST_CFLAGS := -std=gnu11 -O2 $(WARN) -D_GNU_SOURCE -static -pthread
GUEST_PROGRAMS := $(GUEST)/bin/rows $(GUEST)/bin/selfcheck $(GUEST)/bin/warehouse $(GUEST)/bin/compile $(GUEST)/bin/litmus

$(GUEST)/bin/rows $(GUEST)/bin/warehouse $(GUEST)/bin/compile: $(GUEST)/bin/%: workloads/%.c
	@mkdir -p $(@D)
	gcc $(GUEST_CFLAGS) -o $@ $^

$(GUEST)/bin/selfcheck: $(wildcard workloads/check/*.c) workloads/check/check.h
	@mkdir -p $(@D)
	gcc $(GUEST_CFLAGS) -o $@ $(filter %.c,$^) -lm

$(GUEST)/bin/litmus: $(wildcard workloads/smp/*.c) workloads/smp/litmus.h
	@mkdir -p $(@D)
	gcc $(GUEST_CFLAGS) -o $@ $(filter %.c,$^)

# 32-bit code without any library: no multilib needed
WILD_CFLAGS := -m32 -march=i686 -std=gnu11 -O2 $(WARN) -ffreestanding -fno-pic -fno-stack-protector -fcf-protection=none \
	-fno-asynchronous-unwind-tables -mgeneral-regs-only -nostdlib -static -no-pie -Wl,--build-id=none -Wl,--no-warn-rwx-segments
$(GUEST)/bin/wild: $(wildcard workloads/wild/*)
	@mkdir -p $(@D)
	gcc $(WILD_CFLAGS) -Wl,-T,workloads/wild/wild.ld -o $@ $(filter %.S %.c,$^)

# 64-bit code without any library, in an ELF file as multiboot wants it
BARE64_CFLAGS := -m64 -march=x86-64 -std=gnu11 -O2 $(WARN) -ffreestanding -fno-pic -mno-red-zone -fno-stack-protector \
	-fcf-protection=none -fno-asynchronous-unwind-tables -mgeneral-regs-only -nostdlib -static -no-pie -Wl,--build-id=none \
	-Wl,--no-warn-rwx-segments -Wl,-z,max-page-size=4096
$(GUEST)/bin/vmxfuzz: $(wildcard workloads/vmxfuzz/*) vmcs-shadow/vmcs_fields.h vmcs-shadow/vmx_controls.h
	@mkdir -p $(@D)
	gcc $(BARE64_CFLAGS) -Wl,-T,workloads/vmxfuzz/vmxfuzz.ld -o $@.64 $(filter %.S %.c,$^)
	objcopy -O elf32-i386 $@.64 $@
	rm $@.64

$(GUEST)/bin/nano: $(wildcard workloads/nano/*) workloads/vmxfuzz/vmxfuzz.ld
	@mkdir -p $(@D)
	gcc $(BARE64_CFLAGS) -Wl,-T,workloads/vmxfuzz/vmxfuzz.ld -o $@.64 $(filter %.S %.c,$^)
	objcopy -O elf32-i386 $@.64 $@
	rm $@.64

guest: $(GUEST)/bin/nano $(GUEST)/bin/vmxfuzz
# without a network, too
check: $(GUEST)/bin/nano

# fetched once; `rm -r build/guest` gets what Debian has by then
$(GUEST)/vmlinuz: | $(PACKAGES)-guest
	workloads/fetch.sh $(GUEST)

$(GUEST)/initramfs.cpio: workloads/initramfs.sh $(wildcard workloads/guest/*) $(GUEST_PROGRAMS) $(GUEST)/vmlinuz
	workloads/initramfs.sh $(GUEST) $(GUEST_PROGRAMS)

# L1 with Debian's KVM, this turtles as its VMM, and what L2 boots
$(GUEST)/nested.cpio: workloads/nested-initramfs.sh workloads/guest/nested workloads/guest/nested-bench workloads/guest/life \
		$(GUEST)/bin/wild $(GUEST)/bin/l1shim $(GUEST)/bin/nano $(GUEST)/initramfs.cpio $(BUILD)/turtles
	workloads/nested-initramfs.sh $(GUEST) $(BUILD)/turtles $(GUEST)/bin/l1shim $(GUEST)/bin/nano

$(GUEST)/nested3.cpio $(GUEST)/qemu3.cpio: $(GUEST)/%3.cpio: $(GUEST)/%.cpio workloads/deeper-initramfs.sh $(GUEST)/nested.cpio
	workloads/deeper-initramfs.sh $(GUEST) $*3 $* nested.cpio

$(GUEST)/root-qemu: workloads/fetch-qemu.sh | $(GUEST)/vmlinuz
	workloads/fetch-qemu.sh $(GUEST)

# the same with Debian's QEMU
$(GUEST)/qemu.cpio: workloads/qemu-initramfs.sh $(GUEST)/nested.cpio $(GUEST)/root-qemu
	workloads/qemu-initramfs.sh $(GUEST)

# a source tree, a compiler, and the initramfs of an L1 or L2 that compiles it, and of an L1 whose L2 does
$(GUEST)/compile/list: workloads/fetch-compile.sh workloads/compile.list | $(GUEST)/vmlinuz
	workloads/fetch-compile.sh $(GUEST)

$(GUEST)/compile.cpio: workloads/compile-initramfs.sh $(GUEST)/compile/list $(GUEST)/initramfs.cpio
	workloads/compile-initramfs.sh $(GUEST)

$(GUEST)/compile-nested.cpio: $(GUEST)/compile.cpio $(GUEST)/nested.cpio workloads/deeper-initramfs.sh
	workloads/deeper-initramfs.sh $(GUEST) compile-nested nested compile.cpio

# Debian's Xen as L1, its first domain, and what L2 boots
$(GUEST)/xen: workloads/fetch-xen.sh | $(GUEST)/vmlinuz
	workloads/fetch-xen.sh $(GUEST)

$(GUEST)/xen.cpio: workloads/xen-initramfs.sh workloads/guest/xen-dom0 $(GUEST)/xen $(GUEST)/initramfs.cpio
	workloads/xen-initramfs.sh $(GUEST)

# make demo: Debian's kernel as a guest of its own KVM. LEVELS=1: no hypervisor in the guest; 3: L2 runs KVM, too, which boots L3.
# VMM: what runs L2 on L1's KVM, turtles or qemu; MACHINE: QEMU's, microvm or pc. KVM: parameters of L1's module kvm-intel, as
# ept=0,unrestricted_guest=0. OPTIONS: more of L0's, as --vmcs-access trap.
LEVELS := 2
KVM :=
OPTIONS :=
VMM := turtles
MACHINE := microvm
DEMO_turtles_1 := $(GUEST)/initramfs.cpio --memory 512
DEMO_turtles_2 := $(GUEST)/nested.cpio --memory 1024
DEMO_turtles_3 := $(GUEST)/nested3.cpio --memory 2048
DEMO_qemu_2 := $(GUEST)/qemu.cpio --memory 1024
DEMO_qemu_3 := $(GUEST)/qemu3.cpio --memory 2048
DEMO := $(DEMO_$(VMM)_$(LEVELS))
DEMO_CPU_2 := --cpu Skylake-Server,+vmx
DEMO_CPU_3 := $(DEMO_CPU_2)
DEMO_APPEND := console=ttyS0 panic=-1 turtles.run=demo
DEMO_APPEND_2 := rdinit=/nested $(addprefix turtles.kvm=,$(KVM)) $(if $(filter qemu,$(VMM)),turtles.vmm=qemu turtles.machine=$(MACHINE))
DEMO_APPEND_3 := $(DEMO_APPEND_2) turtles.levels=3

demo: $(BUILD)/turtles $(GUEST)/vmlinuz $(firstword $(DEMO))
	@[ -n "$(DEMO)" ] || { echo "make demo: LEVELS is 1, 2 or 3, VMM turtles or, with more levels than one, qemu" >&2; exit 2; }
	$(BUILD)/turtles run $(DEMO_CPU_$(LEVELS)) --kernel $(GUEST)/vmlinuz --initrd $(DEMO) --no-reboot --summary $(OPTIONS) \
		--append '$(strip $(DEMO_APPEND) $(DEMO_APPEND_$(LEVELS)))'

# It carries this turtles: one with sanitizers would take minutes there, and its tests are skipped.
guest: $(GUEST)/vmlinuz $(GUEST)/initramfs.cpio $(if $(SANITIZE),,$(GUEST)/nested.cpio $(GUEST)/qemu.cpio $(GUEST)/nested3.cpio $(GUEST)/compile-nested.cpio $(GUEST)/xen.cpio)

TESTS += test_wild
TEST_OBJS_test_wild := workloads/tests/test_wild.o l0/run/tests/program.o
$(BUILD)/tests/test_wild: | $(BUILD)/turtles $(GUEST)/bin/wild

TESTS += test_vmxfuzz
TEST_OBJS_test_vmxfuzz := workloads/tests/test_vmxfuzz.o l0/run/tests/program.o
$(BUILD)/tests/test_vmxfuzz: | $(BUILD)/turtles $(GUEST)/bin/vmxfuzz

# KVM with every set of parameters that workloads/guest/life knows, not only those of the short list; and turtles on L1's VT, a level deeper
check-kvm: $(BUILD)/turtles $(GUEST)/nested.cpio $(GUEST)/nested3.cpio
	@LIFE=all-parameters DEEP=1 .ci/check.sh workloads/tests/l2_life.sh workloads/tests/smp.sh l0/direct/tests/vt.sh

.PHONY: check-kvm

TEST_SCRIPTS += workloads/tests/boot.sh workloads/tests/nested.sh workloads/tests/qemu.sh workloads/tests/l2_life.sh workloads/tests/smp.sh workloads/tests/bad_kernels.sh .ci/tests/cli.sh .ci/tests/headers.sh
