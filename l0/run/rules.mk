GENERAL_OBJS += l0/run/clock.o
