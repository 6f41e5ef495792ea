#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian's kernel under turtles: the guest's own self-check, and two runs with the instruction clock that must be one.
turtles=$BUILD/turtles
limit=${BOOT_SECONDS:-300}
n=0
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

ok()
{
	n=$((n + 1))
	if [ "$1" = 0 ]; then echo "ok $n - $2"; else echo "not ok $n - $2"; fi
}

if [ ! -e "$GUEST/initramfs.cpio" ]; then
	echo "ok 1 - Debian's kernel boots # SKIP no guest images: make guest"
	echo "1..1"
	exit
fi

# boot WHAT OPTION...
boot()
{
	local what=$1
	shift
	"$turtles" run --kernel "$GUEST/vmlinuz" --initrd "$GUEST/initramfs.cpio" --memory 512 --no-reboot \
		--append "console=ttyS0 panic=-1 turtles.run=$what" --timeout "$limit" "$@" < /dev/null
}

# The guest's checks, with each clock. Debian's checks are ours: one line each.
for clock in host insns; do
	boot check --clock $clock --stats "$folder/stats" > "$folder/console" 2> "$folder/errors"
	status=$?
	[ $status = 0 ] || sed 's/^/# /' "$folder/errors"
	ok $status "Debian's kernel boots and powers off, clock $clock"
	while IFS= read -r line; do
		line=${line%$'\r'}
		case $line in
		"PASS: "*) ok 0 "guest, clock $clock: ${line#PASS: }" ;;
		"FAIL: "*) ok 1 "guest, clock $clock: ${line#FAIL: }" ;;
		"SKIP: "*) n=$((n + 1)); echo "ok $n - guest, clock $clock: ${line#SKIP: } # SKIP" ;;
		esac
	done < "$folder/console"
	grep -q '^SUMMARY [0-9]* passed, 0 failed' "$folder/console"
	ok $? "the guest's self-check comes to its end without a failure, clock $clock"
	[ -s "$folder/stats" ]
	ok $? "stats are written, clock $clock"
	tail -n 25 "$folder/console" | sed 's/^/# /'
done

for i in 1 2; do
	boot rows --clock insns --stats "$folder/stats.$i" > "$folder/console.$i" 2>&1
done
cmp "$folder/console.1" "$folder/console.2"
ok $? "two runs with the instruction clock print the same"
# the command line names the file of the stats: all else has to be the same
diff <(grep -v "stats\.1" "$folder/stats.1") <(grep -v "stats\.2" "$folder/stats.2")
ok $? "two runs with the instruction clock have the same stats"
grep -q '^row fault ' "$folder/console.1"
ok $? "the rows come to their end"
echo "1..$n"
