#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# lint.sh: format, static analysis, both compilers' warnings, shell scripts. Everything is run; one line each.
set -u
status=0

step()
{
	name=$1
	shift
	if "$@" > build/logs/lint-"$name".log 2>&1; then
		echo "$name: clean"
	else
		echo "$name: complains:"
		cat build/logs/lint-"$name".log
		status=1
	fi
}

mkdir -p build/logs
sources=$(git ls-files '*.c' | grep -v '^workloads/')
guests=$(git ls-files 'workloads/*.c' | grep -v '^workloads/wild/')
wild=$(git ls-files 'workloads/wild/*.c') # 32-bit code without a library
all=$(git ls-files '*.c' '*.h')
shells=$(git ls-files '*.sh' .ci/run workloads/guest/init workloads/guest/nested workloads/guest/nested-bench workloads/guest/life workloads/guest/xen-dom0)
# shellcheck disable=SC2086
{
	step clang-format clang-format --dry-run -Werror $all
	step gcc make --no-print-directory -j2 CC=gcc BUILD=build/lint-gcc build/lint-gcc/turtles tests
	step clang make --no-print-directory -j2 CC=clang BUILD=build/lint-clang build/lint-clang/turtles tests
	step clang-fuzz make --no-print-directory -j2 CC=clang BUILD=build/lint-clang SECONDS=10 fuzz
	step l1shim-clang make --no-print-directory GUEST=build/lint-clang/guest GUEST_CC=clang build/lint-clang/guest/bin/l1shim
	step clang-tidy sh -c 'printf "%s\n" "$@" | xargs -n 1 -P 2 sh -c '\''clang-tidy --quiet "$0" -- -std=gnu11 -D_GNU_SOURCE -I.'\' sh $sources $guests
	step clang-tidy-32 sh -c 'printf "%s\n" "$@" | xargs -n 1 -P 2 sh -c '\''clang-tidy --quiet "$0" -- -m32 -std=gnu11 -ffreestanding -I.'\' sh $wild
	step cppcheck cppcheck -j2 --quiet --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
		--suppressions-list=.ci/cppcheck.suppressions --std=c11 -D__x86_64__ -D_GNU_SOURCE -I. $sources $guests $wild
	step shellcheck shellcheck -S warning $shells
}
exit $status
