GENERAL_OBJS += l0/vmx/vmx.o
GENERAL_OBJS += l0/vmx/insn.o
GENERAL_OBJS += l0/vmx/entry.o
GENERAL_OBJS += l0/vmx/exit.o
GENERAL_OBJS += l0/vmx/intercept.o
GENERAL_OBJS += l0/vmx/nested_mmu.o
OBJS += l0/vmx/log.o
GENERAL_OBJS += l0/vmx/ept01.o
