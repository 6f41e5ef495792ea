OBJS += l0/account/stats.o l0/account/tables.o
TESTS += test_stats
TEST_OBJS_test_stats := l0/account/tests/test_stats.o
