OBJS += l0/direct/kvm.o
OBJS += l0/direct/kvm_cpuid.o
OBJS += l0/direct/kvm_exits.o
OBJS += l0/direct/kvm_irqchip.o
OBJS += l0/direct/kvm_state.o
OBJS += l0/direct/kvm_stats.o
OBJS += l0/direct/engine_direct.o
OBJS += l0/direct/monitor.o
GENERAL_OBJS += l0/direct/rule.o
OBJS += l0/direct/user.o
OBJS += l0/direct/user_memory.o
OBJS += l0/direct/user_code.o
GENERAL_OBJS += l0/direct/user_general.o
OBJS += l0/direct/probe.o
OBJS += l0/direct/sensitive.o
OBJS += l0/direct/tables.o

TESTS += test_tables
TEST_OBJS_test_tables := l0/direct/tests/test_tables.o
TESTS += test_sensitive
TEST_OBJS_test_sensitive := l0/direct/tests/test_sensitive.o
TESTS += test_rule
TEST_OBJS_test_rule := l0/direct/tests/test_rule.o
TESTS += test_probe
TEST_OBJS_test_probe := l0/direct/tests/test_probe.o

TEST_SCRIPTS += l0/direct/tests/kvm.sh l0/direct/tests/user.sh l0/direct/tests/vt.sh
