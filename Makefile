# SPDX-License-Identifier: GPL-2.0-or-later
# turtles: make help
MAKEFLAGS += --no-builtin-rules
.SUFFIXES:

comma := ,
BUILD ?= build
CC ?= gcc
ifeq ($(origin CC),default)
CC := gcc
endif
SANITIZE ?=
OPT ?= -O2
WARN := -Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Werror
CFLAGS_ALL := -std=gnu11 -g $(OPT) $(WARN) -fno-strict-aliasing -pthread -MMD -MP -D_GNU_SOURCE -I.
LDFLAGS_ALL := -pthread
ifneq ($(SANITIZE),)
BUILD := build/$(subst $(comma),-,$(SANITIZE))
CFLAGS_ALL += -fsanitize=$(SANITIZE) -fno-sanitize-recover=undefined -fno-omit-frame-pointer
LDFLAGS_ALL += -fsanitize=$(SANITIZE)
endif
LIBS := -lZydis -ljansson -lncurses -ltinfo -lhwloc -lseccomp -lunwind-x86_64 -lunwind

# Guests, which don't depend on how turtles is built.
GUEST := build/guest

# Debian packages are installed when they are first needed: $(PACKAGES)-<group> stands for a group of .ci/packages.
PACKAGES := build/packages

all: $(BUILD)/turtles

# Each folder's rules.mk adds objects: OBJS (the program), GENERAL_OBJS (the same, compiled without
# vector registers: see l0/cpu/vcpu.h), TESTS (one program for each name, from TEST_OBJS_<name>), TEST_SCRIPTS (scripts
# that print TAP).
OBJS :=
GENERAL_OBJS :=
TESTS :=
TEST_SCRIPTS :=
include $(sort $(wildcard l0/*/rules.mk vmcs-shadow/rules.mk ept-merge/rules.mk l1shim/rules.mk workloads/rules.mk harness/rules.mk))

# The guest's vector state may be live in the host's registers while these run.
$(addprefix $(BUILD)/,$(GENERAL_OBJS)): CFLAGS_ALL += -mgeneral-regs-only
$(addprefix $(BUILD)/,$(GENERAL_OBJS)): WITHOUT_LIBRARY = objcopy --redefine-syms=l0/cpu/general.syms $@
$(addprefix $(BUILD)/,$(GENERAL_OBJS)): l0/cpu/general.syms

$(BUILD)/%.o: %.c | $(PACKAGES)-build
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) $(CPPFLAGS) $(CFLAGS) -c $< -o $@
	$(WITHOUT_LIBRARY)

.DELETE_ON_ERROR:

$(BUILD)/%.o: %.S | $(PACKAGES)-build
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) $(CPPFLAGS) $(CFLAGS) -c $< -o $@

# everything but main(): what tests link against
LIB_OBJS := $(filter-out l0/cli/main.o,$(OBJS) $(GENERAL_OBJS))
$(BUILD)/libl0.a: $(addprefix $(BUILD)/,$(LIB_OBJS))
	@rm -f $@
	ar rcs $@ $^

$(BUILD)/turtles: $(BUILD)/l0/cli/main.o $(BUILD)/libl0.a
	$(CC) $(LDFLAGS_ALL) $(LDFLAGS) -o $@ $< $(BUILD)/libl0.a $(LIBS)

define test_rule
$$(addprefix $$(BUILD)/,$$(TEST_OBJS_$(1))): | $$(PACKAGES)-check
$$(BUILD)/tests/$(1): $$(addprefix $$(BUILD)/,$$(TEST_OBJS_$(1))) $$(BUILD)/libl0.a
	@mkdir -p $$(@D)
	$$(CC) $$(LDFLAGS_ALL) $$(LDFLAGS) -o $$@ $$(addprefix $$(BUILD)/,$$(TEST_OBJS_$(1))) $$(BUILD)/libl0.a -lcmocka $$(LIBS)
endef
$(foreach t,$(TESTS),$(eval $(call test_rule,$(t))))

tests: $(addprefix $(BUILD)/tests/,$(TESTS))

$(PACKAGES)-%: .ci/packages
	@.ci/packages.sh $* $@

# What a test script needs to know.
export BUILD GUEST CC SANITIZE

# Without a network the guest's images or the laboratory's packages are missing: what needs them then says SKIP.
check: $(BUILD)/turtles $(addprefix $(BUILD)/tests/,$(TESTS))
	-@$(MAKE) --no-print-directory -k guest $(PACKAGES)-harness
	@.ci/check.sh $(addprefix $(BUILD)/tests/,$(TESTS)) $(sort $(TEST_SCRIPTS))

bench: $(BUILD)/turtles guest
	@workloads/bench.sh
	@echo
	@workloads/bench-nested.sh
	@echo
	@workloads/bench-l1s.sh
	@echo
	@workloads/bench-direct.sh

bench-direct: $(BUILD)/turtles guest
	@workloads/bench-direct.sh

bench-nested: $(BUILD)/turtles guest
	@workloads/bench-nested.sh

lint: | $(PACKAGES)-build $(PACKAGES)-check $(PACKAGES)-lint
	@.ci/lint.sh

format: | $(PACKAGES)-lint
	git ls-files '*.c' '*.h' | xargs clang-format -i

man: $(BUILD)/turtles.1
$(BUILD)/turtles.1: $(BUILD)/turtles
	$(BUILD)/turtles help man > $@.new
	mv $@.new $@

help:
	@sed -n 's/^#: //p' $(firstword $(MAKEFILE_LIST))

#: make                 build/turtles
#: make demo            Debian's KVM as L1 boots Debian's kernel as L2, and what L2's exits cost, as a table
#:                      LEVELS=3: one deeper; LEVELS=1: Debian's kernel alone; VMM=qemu: Debian's QEMU runs L2 on L1's
#:                      KVM, with MACHINE=microvm or pc (SeaBIOS); KVM=ept=0,...: parameters of L1's kvm-intel;
#:                      OPTIONS='--vmcs-access trap': more options for turtles
#: make l1shim          our own small L1 and what single exits of its L2 cost; ARGS='payload=cpuid': its command line
#: make check           all tests; the last line counts them
#: make check-kvm       L1's KVM with many parameters, each boots L2: some minutes
#: make fuzz            translated code against this CPU; SECONDS=n (60), SUBJECT=direct MODES=null64: user code by /dev/kvm
#: make bench           turtles beside QEMU's TCG, as tables; RUNS=n of each (5; nested guests: 3)
#:                      and several L1s in one process: two at once against one after the other, shares of a CPU
#:                      and user code that runs directly by /dev/kvm against native and translated
#: make bench-direct    that alone
#: make bench-nested    the tables of nested guests alone; BOCHS=PROGRAM for a column of Bochs
#: make experiments     the papers' experiments, and a report of them; ONLY=E1,E3 JOBS=n REPEAT=n; Ctrl-C and again: it goes on
#: make lint            clang-format, clang-tidy, cppcheck, shellcheck, and both compilers' warnings
#: make format          clang-format over every file
#: make man             build/turtles.1, the man page
#: make guest           the guest's images in build/guest
#: make clean           remove build/ but for the guest's images; make distclean: all of it
#:
#: SANITIZE=address,undefined  with any of these: build and test with sanitizers, in build/address-undefined
#: CC=clang                    the other compiler
#:
#: Debian packages that are missing are installed as root or with sudo; otherwise one line says which.

clean:
	find build -mindepth 1 -maxdepth 1 ! -name guest -exec rm -rf {} + 2>/dev/null || true

distclean:
	rm -rf build

# where objects are: a run of the laboratory leaves whatever its L1s' names say
-include $(shell find $(addprefix $(BUILD)/,l0 l1shim vmcs-shadow ept-merge workloads) -type f -name '*.d' 2>/dev/null)

.PHONY: all tests check demo bench bench-direct bench-nested lint format man help guest clean distclean
