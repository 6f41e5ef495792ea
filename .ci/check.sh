#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# check.sh TEST...: run test programs and scripts that print TAP, show what fails, and end with one line
# "N passed, N failed, N skipped". Exit code 1 if something failed or nothing passed.
set -u
export CMOCKA_MESSAGE_OUTPUT=TAP
logs=$BUILD/logs
mkdir -p "$logs"
passed=0 failed=0 skipped=0

for test in "$@"; do
	log=$logs/$(basename "$test").log
	timeout -k 10 900 "$test" > "$log" 2>&1 < /dev/null
	status=$?
	# a program that ended before its plan was fulfilled, or badly with nothing "not ok", failed once more
	counts=$(awk -v status="$status" '
		/^1\.\.[0-9]+/ { plan += substr($1, 4) }
		/^(not )?ok / && /# SKIP/ { skip++; next }
		/^ok / { pass++ }
		/^not ok / { fail++ }
		END {
			lost = plan - pass - fail - skip
			if (lost < 0) lost = 0
			if (!fail && !lost && (status || pass + skip == 0)) lost = 1
			print pass + 0, fail + lost, skip + 0
		}' "$log")
	# shellcheck disable=SC2086
	set -- $counts
	if [ "$2" -gt 0 ]; then
		echo "== $test: $2 failed, exit code $status; its log:"
		grep -v '^ok ' "$log"
	else
		echo "$(basename "$test"): $1 passed$([ "$3" = 0 ] || echo ", $3 skipped")"
		grep '# SKIP' "$log"
	fi
	passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
done
echo "$passed passed, $failed failed, $skipped skipped" | tee "$logs/count"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
