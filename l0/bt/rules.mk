OBJS += l0/bt/emit.o
GENERAL_OBJS += l0/bt/cache.o
OBJS += l0/bt/thunks.o
OBJS += l0/bt/translate.o
OBJS += l0/bt/rules.o
OBJS += l0/bt/lower_mem.o
OBJS += l0/bt/lower_plain.o
OBJS += l0/bt/lower_stack.o
OBJS += l0/bt/lower_flow.o
OBJS += l0/bt/lower_callout.o
OBJS += l0/bt/lower_vector.o
OBJS += l0/bt/lower_system.o
GENERAL_OBJS += l0/bt/runtime.o
GENERAL_OBJS += l0/bt/vector.o
include l0/bt/fuzz.mk
TESTS += test_translate
TEST_OBJS_test_translate := l0/bt/tests/test_translate.o l0/bt/tests/bt_bench.o
