OBJS += l0/cli/main.o l0/cli/options.o l0/cli/option_table.o l0/cli/lab_options.o l0/cli/config_file.o l0/cli/config_json.o l0/cli/directory.o l0/cli/values.o l0/cli/help.o
OBJS += l0/cli/commands.o l0/cli/command_trace.o l0/cli/command_report.o l0/cli/command_ctl.o l0/cli/command_top.o l0/cli/command_doctor.o l0/cli/doctor_cpu.o l0/cli/doctor_host.o l0/cli/cgroup.o l0/cli/top_screen.o l0/cli/top_table.o l0/cli/control_client.o
OBJS += l0/cli/console.o l0/cli/console_open.o l0/cli/console_lines.o l0/cli/outlet.o l0/cli/terminal.o l0/cli/unix_socket.o
TESTS += test_values test_options test_config_file
TESTS += test_console test_console_readers test_console_ports
TEST_OBJS_test_values := l0/cli/tests/test_values.o
TEST_OBJS_test_options := l0/cli/tests/test_options.o
TEST_OBJS_test_console := l0/cli/tests/test_console.o l0/cli/tests/console_session.o
TEST_OBJS_test_console_readers := l0/cli/tests/test_console_readers.o l0/cli/tests/console_session.o
TEST_OBJS_test_console_ports := l0/cli/tests/test_console_ports.o l0/cli/tests/console_session.o
TEST_OBJS_test_config_file := l0/cli/tests/test_config_file.o
TESTS += test_top
TEST_OBJS_test_top := l0/cli/tests/test_top.o l0/run/tests/program.o
$(BUILD)/tests/test_top: | $(BUILD)/turtles $(GUEST)/bin/l1shim
TESTS += test_cgroup
TEST_OBJS_test_cgroup := l0/cli/tests/test_cgroup.o
TESTS += test_doctor
TEST_OBJS_test_doctor := l0/cli/tests/test_doctor.o l0/run/tests/program.o
$(BUILD)/tests/test_doctor: | $(BUILD)/turtles
