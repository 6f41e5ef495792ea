GENERAL_OBJS += ept-merge/ept_format.o
GENERAL_OBJS += ept-merge/ept_walk.o
