# Guests: Debian's kernel, and an initramfs with our programs. They don't depend on how turtles is built.
GUEST := build/guest
GUEST_CFLAGS := -std=gnu11 -O2 $(WARN) -D_GNU_SOURCE -static -pthread
GUEST_PROGRAMS := $(GUEST)/bin/rows $(GUEST)/bin/selfcheck

$(GUEST)/bin/rows: workloads/rows.c
	@mkdir -p $(@D)
	gcc $(GUEST_CFLAGS) -o $@ $^

$(GUEST)/bin/selfcheck: $(wildcard workloads/check/*.c) workloads/check/check.h
	@mkdir -p $(@D)
	gcc $(GUEST_CFLAGS) -o $@ $(filter %.c,$^) -lm

# fetched once; `rm -r build/guest` gets what Debian has by then
$(GUEST)/vmlinuz: | $(PACKAGES)-guest
	workloads/fetch.sh $(GUEST)

$(GUEST)/initramfs.cpio: workloads/initramfs.sh $(wildcard workloads/guest/*) $(GUEST_PROGRAMS) $(GUEST)/vmlinuz
	workloads/initramfs.sh $(GUEST) $(GUEST_PROGRAMS)

guest: $(GUEST)/vmlinuz $(GUEST)/initramfs.cpio

TEST_SCRIPTS += workloads/tests/boot.sh .ci/tests/cli.sh .ci/tests/headers.sh
