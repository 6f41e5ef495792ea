# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# For test scripts, which run in the repository's top folder: what they print is TAP, and .ci/check.sh counts it. The script ends
# with `plan`.
n=0

# ok STATUS NAME: 0 is a pass
ok()
{
	n=$((n + 1))
	if [ "$1" = 0 ]; then echo "ok $n - $2"; else echo "not ok $n - $2"; fi
}

# skip NAME WHY
skip()
{
	n=$((n + 1))
	echo "ok $n - $1 # SKIP $2"
}

plan()
{
	echo "1..$n"
}

# skip_all NAME WHY: the whole script, and end it
skip_all()
{
	skip "$1" "$2"
	plan
	exit
}

# guest_says WHOSE FILE: each line "PASS: name", "FAIL: name", "SKIP: name" of a guest's console is a test
guest_says()
{
	local line
	while IFS= read -r line; do
		line=${line%$'\r'}
		case $line in
		"PASS: "*) ok 0 "$1: ${line#PASS: }" ;;
		"FAIL: "*) ok 1 "$1: ${line#FAIL: }" ;;
		"SKIP: "*) skip "$1: ${line#SKIP: }" "" ;;
		esac
	done < "$2"
}
