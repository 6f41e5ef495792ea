GENERAL_OBJS += ept-merge/ept_format.o
GENERAL_OBJS += ept-merge/ept_walk.o
GENERAL_OBJS += ept-merge/ept_pool.o
GENERAL_OBJS += ept-merge/ept_merge.o
GENERAL_OBJS += ept-merge/ept_through.o
GENERAL_OBJS += ept-merge/ept_cache.o
GENERAL_OBJS += ept-merge/ept_check.o
