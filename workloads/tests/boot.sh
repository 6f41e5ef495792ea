#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian's kernel under turtles: the guest's own self-check, and two runs with the instruction clock that must be one.
turtles=$BUILD/turtles
limit=${BOOT_SECONDS:-300}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

. .ci/tap.sh

if [ ! -e "$GUEST/initramfs.cpio" ]; then
	skip_all "Debian's kernel boots" "no guest images: make guest"
fi

# boot WHAT OPTION...
boot()
{
	local what=$1
	shift
	"$turtles" run --kernel "$GUEST/vmlinuz" --initrd "$GUEST/initramfs.cpio" --memory 512 --no-reboot \
		--append "console=ttyS0 panic=-1 turtles.run=$what" --timeout "$limit" "$@" < /dev/null
}

# Each check of the guest is one of ours.
for clock in host insns; do
	boot check --clock $clock --stats "$folder/stats" > "$folder/console" 2> "$folder/errors"
	status=$?
	[ $status = 0 ] || sed 's/^/# /' "$folder/errors"
	ok $status "Debian's kernel boots and powers off, clock $clock"
	[ ! -s "$folder/errors" ]
	ok $? "turtles itself has nothing to say, clock $clock"
	guest_says "guest, clock $clock" "$folder/console"
	grep -q '^SUMMARY [0-9]* passed, 0 failed' "$folder/console"
	ok $? "the guest's self-check comes to its end without a failure, clock $clock"
	[ -s "$folder/stats" ]
	ok $? "stats are written, clock $clock"
	tail -n 25 "$folder/console" | sed 's/^/# /'
done

# The last of them once more: everything in it has to be the same, the number of instructions included.
mv "$folder/console" "$folder/console.1"
mv "$folder/stats" "$folder/stats.1"
boot check --clock insns --stats "$folder/stats" > "$folder/console" 2>&1
diff "$folder/console.1" "$folder/console" > "$folder/diff"
status=$?
head -n 10 "$folder/diff" | sed 's/^/# /'
ok $status "two runs with the instruction clock print the same"
diff "$folder/stats.1" "$folder/stats" > "$folder/diff"
status=$?
sed 's/^/# /' "$folder/diff"
ok $status "two runs with the instruction clock have the same stats"

# With a code cache of less than a tenth of what the guest runs: parts of it are emptied all the time, which is nobody's business.
boot check --clock insns --code-cache 2M --stats "$folder/stats" > "$folder/console" 2>&1
diff "$folder/console.1" "$folder/console" > "$folder/diff"
status=$?
head -n 10 "$folder/diff" | sed 's/^/# /'
ok $status "a run with a small code cache prints the same"
evictions=$(sed -n 's/.*"evictions": *\([0-9]*\).*/\1/p' "$folder/stats")
echo "# $evictions evictions"
[ "${evictions:-0}" -gt 100 ]
ok $? "parts of the cache were emptied"

# The same with four vCPUs, which all wait when a part is emptied
boot check --vcpus 4 --code-cache 4M --stats "$folder/stats" > "$folder/console" 2>&1
grep -q '^SUMMARY [0-9]* passed, 0 failed' "$folder/console"
status=$?
[ $status = 0 ] || tail -n 20 "$folder/console" | sed 's/^/# /'
ok $status "four vCPUs with a small code cache"

# Four vCPUs and the instruction clock
for run in 1 2; do
	boot check --vcpus 4 --clock insns --stats "$folder/stats.smp$run" > "$folder/console.smp$run" 2>&1 &
done
wait
grep -q '^SUMMARY [0-9]* passed, 0 failed' "$folder/console.smp1"
status=$?
[ $status = 0 ] || grep '^FAIL' "$folder/console.smp1" | sed 's/^/# /'
ok $status "with four vCPUs the guest's self-check comes to its end without a failure"
grep -q 'Brought up 1 node, 4 CPUs' "$folder/console.smp1"
ok $? "the guest has brought up four CPUs"
diff "$folder/console.smp1" "$folder/console.smp2" > "$folder/diff"
status=$?
head -n 10 "$folder/diff" | sed 's/^/# /'
ok $status "two runs with four vCPUs and the instruction clock print the same"
diff <(grep -v "$folder" "$folder/stats.smp1") <(grep -v "$folder" "$folder/stats.smp2") > "$folder/diff"
status=$?
sed 's/^/# /' "$folder/diff"
ok $status "two runs with four vCPUs and the instruction clock have the same stats"

# what make demo shows
boot demo --summary > "$folder/console" 2> "$folder/errors"
ok $? "the demo boots and powers off"
grep -q '^row fault ' "$folder/console"
ok $? "the demo's rows come to their end"
for number in "wall time to user space" "guest instructions " "guest instructions per second" "blocks translated" \
	"translating an instruction" "translating a block" "share spent in translating"; do
	grep -qE "^$number +[0-9]+(\.[0-9]+)?( |$)" "$folder/errors"
	ok $? "the demo's summary has: $number"
done
plan
