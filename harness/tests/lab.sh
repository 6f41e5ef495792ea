#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The laboratory's tests as TAP: pytest with a fake turtles, then E2 in a small form with the real one.
missing=$(/usr/bin/python3 -c '
import importlib.util
print(*(name for name in ("pytest", "pandas", "matplotlib", "jinja2") if not importlib.util.find_spec(name)))' 2> /dev/null)
if [ ! -x /usr/bin/python3 ] || [ -n "$missing" ]; then
	echo "ok 1 - the laboratory # SKIP ${missing:-python3} missing: .ci/packages has the group harness"
	echo "1..1"
	exit
fi
# a line for each test: NAME PASSED, FAILED, SKIPPED
/usr/bin/python3 -B -m pytest -q -p no:cacheprovider --tb=short -rA harness/tests 2>&1 | awk '
	{ lines[NR] = $0 }
	/^(PASSED|FAILED|ERROR|SKIPPED) / {
		n++
		name = $2
		sub(/^.*::/, "", name)
		gsub(/_/, " ", name)
		if ($1 == "PASSED") print "ok " n " - " name
		else if ($1 == "SKIPPED") { $1 = ""; print "ok " n " - a test # SKIP" $0 }
		else { print "not ok " n " - " name; failed = 1 }
	}
	END {
		if (failed || !n) for (i = 1; i <= NR; i++) print "# " lines[i]
		print "1.." (n ? n : 1)
	}'
