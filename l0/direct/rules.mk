OBJS += l0/direct/kvm.o
OBJS += l0/direct/kvm_cpuid.o
OBJS += l0/direct/kvm_exits.o
OBJS += l0/direct/kvm_irqchip.o
OBJS += l0/direct/kvm_state.o
OBJS += l0/direct/kvm_stats.o

TEST_SCRIPTS += l0/direct/tests/kvm.sh
