OBJS += l0/cli/main.o l0/cli/options.o l0/cli/option_table.o l0/cli/values.o l0/cli/help.o
OBJS += l0/cli/commands.o l0/cli/command_trace.o l0/cli/command_report.o
OBJS += l0/cli/console.o l0/cli/terminal.o
TESTS += test_values test_options test_console
TEST_OBJS_test_values := l0/cli/tests/test_values.o
TEST_OBJS_test_options := l0/cli/tests/test_options.o
TEST_OBJS_test_console := l0/cli/tests/test_console.o
