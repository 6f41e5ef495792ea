# The differential fuzzer: make fuzz SECONDS=n SUBJECT=turtles|direct MODES=list; test_fuzz is its share of make check.
FUZZ_DIR := l0/bt/tests
FUZZ_OBJS := $(addprefix $(FUZZ_DIR)/fuzz_,bt.o bt_loop.o broken.o compare.o engine.o flags.o gen.o insn.o native.o remote.o state.o)

TESTS += test_fuzz
TEST_OBJS_test_fuzz := $(FUZZ_DIR)/test_fuzz.o $(FUZZ_OBJS)
$(BUILD)/tests/test_fuzz: | $(BUILD)/tests/fuzz-native

# runs while the guest's vector state is live
$(BUILD)/$(FUZZ_DIR)/fuzz_bt_loop.o: CFLAGS_ALL += -mgeneral-regs-only

$(BUILD)/tests/fuzz: $(addprefix $(BUILD)/,$(FUZZ_DIR)/fuzz_main.o $(FUZZ_OBJS)) $(BUILD)/libl0.a | $(BUILD)/tests/fuzz-native
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS_ALL) $(LDFLAGS) -o $@ $(filter %.o,$^) $(BUILD)/libl0.a $(LIBS)

# The native side has no C library and so no sanitizer; it lies far from where cases could find it.
$(BUILD)/tests/fuzz-native: $(FUZZ_DIR)/fuzz_executor.c $(FUZZ_DIR)/fuzz_executor.h $(FUZZ_DIR)/fuzz_target.h l0/cpu/types.h
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 $(WARN) -ffreestanding -fno-stack-protector -fcf-protection=none -fPIE -mgeneral-regs-only -nostdlib \
		-static -Wl,-Ttext-segment=0x5a0000000000 -Wl,-z,noexecstack -Wl,--build-id=none -o $@ $<

SECONDS ?= 60
SUBJECT ?= turtles
MODES ?= all
fuzz: $(BUILD)/tests/fuzz
	$(BUILD)/tests/fuzz --seconds $(SECONDS) --seed $$(date +%s) --modes $(MODES) --subject $(SUBJECT)

.PHONY: fuzz
