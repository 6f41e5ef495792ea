OBJS += l0/account/stats.o l0/account/tables.o l0/account/rounds_report.o
GENERAL_OBJS += l0/account/rounds.o
TESTS += test_stats
TEST_OBJS_test_stats := l0/account/tests/test_stats.o
TESTS += test_rounds
TEST_OBJS_test_rounds := l0/account/tests/test_rounds.o
