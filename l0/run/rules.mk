GENERAL_OBJS += l0/run/clock.o
GENERAL_OBJS += l0/run/loop.o l0/run/gate.o
OBJS += l0/run/thread.o
GENERAL_OBJS += l0/run/turns.o
OBJS += l0/run/trace.o
OBJS += l0/run/crash.o
OBJS += l0/run/profile.o
OBJS += l0/run/lab.o l0/run/guest.o l0/run/named_lines.o l0/run/control.o l0/run/lab_control.o l0/run/l1.o l0/run/life.o l0/run/numbers.o
OBJS += l0/run/engine_bt.o
TEST_SCRIPTS += l0/run/tests/lab.sh l0/run/tests/ctl.sh
TESTS += test_clock
TEST_OBJS_test_clock := l0/run/tests/test_clock.o
TESTS += test_program
TEST_OBJS_test_program := l0/run/tests/test_program.o l0/run/tests/program.o
$(BUILD)/tests/test_program: | $(BUILD)/turtles $(GUEST)/bin/wild
TESTS += test_control_socket
TEST_OBJS_test_control_socket := l0/run/tests/test_control_socket.o
