#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# L1 outlives its guests: L2s that triple-fault or are killed, 60 starts in a row without L0 growing, KVM unloaded and loaded
# with other parameters (the short list; all of them: make check-kvm). LIFE: what L1 does, see guest/life.
turtles=$BUILD/turtles
life=${LIFE:-starts,ends,parameters}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

. .ci/tap.sh

if [ -n "$SANITIZE" ] || [ ! -e "$GUEST/nested.cpio" ]; then
	skip_all "L1 outlives its guests" "no guest images (make guest), or sanitizers, with which it takes too long"
fi

# number NAME FILE: of a stats file
number()
{
	sed -n "s/^ *\"$1\": \([0-9]*\),*$/\1/p" "$2" 2> /dev/null | head -n 1
}

alive()
{
	kill -0 "$pid" 2> /dev/null
}

"$turtles" run --cpu Skylake-Server,+vmx --kernel "$GUEST/vmlinuz" --initrd "$GUEST/nested.cpio" --memory 1024 --no-reboot \
	--timeout "${LIFE_SECONDS:-600}" --stats "$folder/stats" --code-cache 16M \
	--append "console=ttyS0 quiet panic=-1 rdinit=/life turtles.life=$life" \
	< /dev/null > "$folder/console" 2> "$folder/errors" &
pid=$!

# L1 tells when it has started L2 ten times, and when it has done so 50 times more: what L0 says of itself then
for mark in warm over; do
	while alive && ! grep -q "^mark: $mark" "$folder/console"; do
		sleep 0.1
	done
	rm -f "$folder/stats"
	alive && kill -USR1 "$pid"
	while alive && [ -z "$(number rss_bytes "$folder/stats")" ]; do
		sleep 0.1
	done
	[ ! -e "$folder/stats" ] || mv "$folder/stats" "$folder/$mark"
done
wait "$pid"
status=$?

# L1's verdicts are ours
while IFS= read -r line; do
	line=${line%$'\r'}
	case $line in
	"PASS: "*) ok 0 "${line#PASS: }" ;;
	"FAIL: "*) ok 1 "${line#FAIL: }" ;;
	"life: "*) echo "# ${line#life: }" ;;
	esac
done < "$folder/console"
[ $status = 0 ] && [ ! -s "$folder/errors" ] && grep -q '^SUMMARY [1-9][0-9]* passed, 0 failed' "$folder/console" ||
	{ tail -n 10 "$folder/console" "$folder/errors" | sed 's/^/# /'; false; }
ok $? "L1 goes on to its own end"

# Each start has other pages and so translates a little anew. The cache of translated code is so small that it is full by then, and
# has all of its memory: what L0 grows by is 1 MiB at most, 20 KiB for a start.
grown()
{
	echo $(($(number "$1" "$folder/over") - $(number "$1" "$folder/warm")))
}
if [[ $life == *starts* ]]; then
	[ -s "$folder/over" ] && memory=$(grown rss_bytes) && evictions=$(number evictions "$folder/warm") &&
		echo "# 50 starts: L0 has grown by $((memory >> 10)) KiB; $evictions parts of the code cache had been emptied before" &&
		[ "$(number rss_bytes "$folder/warm")" -gt 0 ] && [ "$evictions" -gt 0 ] && [ $memory -lt $((1 << 20)) ]
	ok $? "50 starts of an L2 leave nothing in L0"
fi
plan
