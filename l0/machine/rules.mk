# SPDX-License-Identifier: GPL-2.0-or-later
OBJS += l0/machine/acpi.o
OBJS += l0/machine/aml.o
OBJS += l0/machine/boot.o
OBJS += l0/machine/dsdt.o
OBJS += l0/machine/firmware.o
OBJS += l0/machine/load.o
OBJS += l0/machine/load_elf.o
OBJS += l0/machine/load_linux.o
OBJS += l0/machine/load_multiboot.o
OBJS += l0/machine/load_pvh.o
OBJS += l0/machine/loader.o
OBJS += l0/machine/machine.o
OBJS += l0/machine/memory.o
OBJS += l0/machine/memory_map.o

MACHINE_TEST := l0/machine/tests/images.o
LOAD_TEST := $(MACHINE_TEST) l0/machine/tests/ram_machine.o
TESTS += test_memory test_boot test_firmware test_load test_load_errors test_load_fuzz test_acpi test_machine
TEST_OBJS_test_memory := l0/machine/tests/test_memory.o
TEST_OBJS_test_boot := l0/machine/tests/test_boot.o
TEST_OBJS_test_firmware := l0/machine/tests/test_firmware.o $(LOAD_TEST)
TEST_OBJS_test_load := l0/machine/tests/test_load.o $(LOAD_TEST)
TEST_OBJS_test_load_errors := l0/machine/tests/test_load_errors.o $(LOAD_TEST)
TEST_OBJS_test_load_fuzz := l0/machine/tests/test_load_fuzz.o $(LOAD_TEST)
TEST_OBJS_test_acpi := l0/machine/tests/test_acpi.o $(LOAD_TEST)
TEST_OBJS_test_machine := l0/machine/tests/test_machine.o $(MACHINE_TEST)
