# Guests: Debian's kernel, an initramfs with our programs, and guests of our own.
GUEST_CFLAGS := -std=gnu11 -O2 $(WARN) -D_GNU_SOURCE -static -pthread
GUEST_PROGRAMS := $(GUEST)/bin/rows $(GUEST)/bin/selfcheck

$(GUEST)/bin/rows: workloads/rows.c
	@mkdir -p $(@D)
	gcc $(GUEST_CFLAGS) -o $@ $^

$(GUEST)/bin/selfcheck: $(wildcard workloads/check/*.c) workloads/check/check.h
	@mkdir -p $(@D)
	gcc $(GUEST_CFLAGS) -o $@ $(filter %.c,$^) -lm

# 32-bit code without any library: no multilib needed
WILD_CFLAGS := -m32 -march=i686 -std=gnu11 -O2 $(WARN) -ffreestanding -fno-pic -fno-stack-protector -fcf-protection=none \
	-fno-asynchronous-unwind-tables -mgeneral-regs-only -nostdlib -static -no-pie -Wl,--build-id=none -Wl,--no-warn-rwx-segments
$(GUEST)/bin/wild: $(wildcard workloads/wild/*)
	@mkdir -p $(@D)
	gcc $(WILD_CFLAGS) -Wl,-T,workloads/wild/wild.ld -o $@ $(filter %.S %.c,$^)

# fetched once; `rm -r build/guest` gets what Debian has by then
$(GUEST)/vmlinuz: | $(PACKAGES)-guest
	workloads/fetch.sh $(GUEST)

$(GUEST)/initramfs.cpio: workloads/initramfs.sh $(wildcard workloads/guest/*) $(GUEST_PROGRAMS) $(GUEST)/vmlinuz
	workloads/initramfs.sh $(GUEST) $(GUEST_PROGRAMS)

# L1 with Debian's KVM, this turtles as its VMM, and what L2 boots
$(GUEST)/nested.cpio: workloads/nested-initramfs.sh workloads/guest/nested $(GUEST)/initramfs.cpio $(BUILD)/turtles
	workloads/nested-initramfs.sh $(GUEST) $(BUILD)/turtles

$(GUEST)/nested3.cpio: workloads/deeper-initramfs.sh $(GUEST)/nested.cpio
	workloads/deeper-initramfs.sh $(GUEST)

# LEVELS=3: L2 runs the same KVM with turtles, which boots L3
LEVELS := 2
NESTED_MEMORY_2 := 1024
NESTED_MEMORY_3 := 2048
NESTED_INITRD_2 := $(GUEST)/nested.cpio
NESTED_INITRD_3 := $(GUEST)/nested3.cpio

demo-nested: $(BUILD)/turtles $(NESTED_INITRD_$(LEVELS))
	$(BUILD)/turtles run --cpu Skylake-Server,+vmx --memory $(NESTED_MEMORY_$(LEVELS)) --kernel $(GUEST)/vmlinuz \
		--initrd $(NESTED_INITRD_$(LEVELS)) --no-reboot --summary \
		--append 'console=ttyS0 panic=-1 rdinit=/nested turtles.run=demo turtles.levels=$(LEVELS)'

.PHONY: demo-nested

# It carries this turtles: one with sanitizers would take minutes there, and its tests are skipped.
guest: $(GUEST)/vmlinuz $(GUEST)/initramfs.cpio $(if $(SANITIZE),,$(GUEST)/nested.cpio)

TESTS += test_wild
TEST_OBJS_test_wild := workloads/tests/test_wild.o l0/run/tests/program.o
$(BUILD)/tests/test_wild: | $(BUILD)/turtles $(GUEST)/bin/wild

TEST_SCRIPTS += workloads/tests/boot.sh workloads/tests/nested.sh workloads/tests/bad_kernels.sh .ci/tests/cli.sh .ci/tests/headers.sh
