#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A run as others see it: filters on all threads, no files but its own, a keeper that ends with it.
turtles=$BUILD/turtles
folder=$(mktemp -d)
trap 'kill $(jobs -p) 2> /dev/null; rm -rf "$folder"' EXIT

. .ci/tap.sh

if [ ! -e "$GUEST/bin/wild" ]; then
	skip_all "a run is in its sandbox" "no guest images: make guest"
fi
if [ -n "$SANITIZE" ]; then
	skip_all "a run is in its sandbox" "sanitizers look at the process from the outside"
fi

# begin OPTION...: a run of two L1s that spin, $pid
begin()
{
	"$turtles" run --kernel "$GUEST/bin/wild" --memory 64 --append spins --serial null --l1 a --l1 b,vcpus=2 "$@" \
		< /dev/null > "$folder/output" 2> "$folder/errors" &
	pid=$!
	for ((i = 0; i < 400; i++)); do
		[ "$(cat "/proc/$pid"/task/*/comm 2> /dev/null | grep -c vcpu)" -ge 2 ] && break
		sleep 0.02
	done
	sleep 0.2
}

keeper() { pgrep -P "$pid" -x turtles-keeper; }

exec 8< /etc/passwd 9> "$folder/inherited"
begin
if grep -q '^turtles: no sandbox' "$folder/errors"; then
	skip_all "a run is in its sandbox" "$(sed -n 's/.*no sandbox: //p' "$folder/errors")"
fi
all=$(cat "/proc/$pid"/task/*/status | grep -c '^Seccomp:')
[ "$all" -ge 4 ] && [ "$(cat "/proc/$pid"/task/*/status | grep -c '^Seccomp:[[:space:]]*2')" = "$all" ]
ok $? "every thread has its filter"
grep -q '^NoNewPrivs:[[:space:]]*1' "/proc/$pid/status"
ok $? "no rights can be won"
find "/proc/$pid/fd" -mindepth 1 -printf '%l\n' | grep -v "^$folder/\(output\|errors\)$\|^/dev/null$\|^socket:\|^anon_inode:\|^/memfd:turtles" > "$folder/files"
[ ! -s "$folder/files" ]
status=$?
sed 's/^/# /' "$folder/files"
ok $status "no file is open that isn't its own"
[ "$(keeper | wc -l)" = 1 ] && k=$(keeper)
ok $? "there is a keeper"
kill -TERM "$pid"
wait "$pid"
[ $? = 143 ] && [ ! -e "/proc/$k" ]
ok $? "it ends with the run"
begin
k=$(keeper)
kill -KILL "$pid"
wait "$pid" 2> /dev/null
for ((i = 0; i < 100; i++)); do
	[ -e "/proc/$k" ] || break
	sleep 0.02
done
[ -n "$k" ] && [ ! -e "/proc/$k" ]
ok $? "also if that is killed"

# its console, which nobody reads yet, is opened when the keeper is there and the sandbox isn't
mkfifo "$folder/fifo"
"$turtles" run --kernel "$GUEST/bin/wild" --memory 64 --append spins --serial "file:$folder/fifo" --timeout 20 \
	< /dev/null > "$folder/output" 2> "$folder/errors" &
pid=$!
for ((i = 0; i < 400; i++)); do
	[ -n "$(keeper)" ] && break
	sleep 0.02
done
sleep 0.2
kill -KILL "$(keeper)"
sleep 0.1
timeout 10 cat "$folder/fifo"
wait "$pid"
[ $? = 3 ] && [ "$(wc -l < "$folder/errors")" = 1 ] && grep -q '^turtles: sandbox: the process that opens its files has ended' "$folder/errors"
status=$?
[ $status = 0 ] || sed 's/^/# /' "$folder/errors"
ok $status "a run whose keeper is gone before it begins says so and ends"

begin --sandbox off
grep -q '^Seccomp:[[:space:]]*0' "/proc/$pid/status" && [ -z "$(keeper)" ] && [ -e "/proc/$pid/fd/9" ]
ok $? "--sandbox off: nothing of it"
kill -TERM "$pid"
wait "$pid"

plan
