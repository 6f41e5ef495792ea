#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# --trace, turtles trace and turtles report with the small L1: what was recorded is what was counted, whatever ends the recording.
turtles=$BUILD/turtles
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

. .ci/tap.sh

if [ ! -e "$GUEST/bin/l1shim" ]; then
	skip_all "the trace has what was counted" "no guest images: make guest"
fi

# shim ARGUMENTS OPTION...: the small L1 with arguments; it ends with 33
shim()
{
	local arguments=$1
	shift
	"$turtles" run --cpu Skylake-Server,+vmx --kernel "$GUEST/bin/l1shim" --memory 64 --append "$arguments" --timeout 100 \
		--device isa-debug-exit,iobase=0xf4,iosize=0x4 --no-reboot "$@" < /dev/null > "$folder/console" 2> "$folder/errors"
}

# same WHAT FILE FILE
same()
{
	diff "$2" "$3" > "$folder/diff"
	local status=$?
	head -n 10 "$folder/diff" | sed 's/^/# /'
	ok $status "$1"
}

# of a stats file: what was counted and timed of the exits
vmx()
{
	sed -n '/"vmx"/,$p' "$1"
}

cd "$folder" || exit
case $turtles in /*) ;; *) turtles=$OLDPWD/$turtles ;; esac
case $GUEST in /*) ;; *) GUEST=$OLDPWD/$GUEST ;; esac

shim 'payload=cpuid,touch,out rounds=500 vmreads=7' --vmcs-access trap --stats stats --trace trace
[ $? = 33 ] || sed 's/^/# /' errors console
"$turtles" trace trace --export stats -o counted
vmx stats > a
vmx counted > b
same "with the host's clock all numbers of the trace are those of the stats, times as well" a b
grep -q '"ns": [1-9]' a && grep -q '"guest_rip": [1-9]' a
ok $? "they have times and fields"
"$turtles" trace trace --summary > a
"$turtles" report stats > b
same "the tables are the same" a b
"$turtles" report stats stats > both
grep -c '^== stats: a' both | grep -qx 2
ok $? "several stats files give a table each, with a heading"
"$turtles" trace trace > lines
awk '{ now = substr($3, 1, length($3) - 1) + 0 } now < last { exit 1 } { last = now }' lines
ok $? "time doesn't go back"
[ "$("$turtles" trace trace --reason CPUID --level 2 | grep -c kvm_nested_vmexit:)" = "$(grep -c 'L2.*reason CPUID' lines)" ]
ok $? "a filter lets through what it names"
first=$("$turtles" trace trace --reason CPUID --level 2 | sed -n 's/.* round \([0-9]*\).*/\1/p' | head -n 1)
"$turtles" trace trace --round "$first" > a
grep " round $first\( \|$\)" lines > b
same "--round prints a round from its exit to its entry" a b
[[ "$(head -n 1 a)" == *kvm_nested_vmexit:*CPUID* && "$(tail -n 1 a)" == *kvm_entry:* ]]
ok $? "it begins and ends so"
"$turtles" trace - < trace | cmp -s - lines
ok $? "a trace can come through a pipe"
"$turtles" trace trace --export collapsed | awk '{ n += $2 } END { print n }' > a
grep -c 'kvm_exit:\|kvm_nested_vmexit:' lines > b
same "the stacks have every exit once" a b
"$turtles" trace trace --export csv | sed 1d | wc -l > a
wc -l < lines > b
same "the rows have every record once" a b

"$turtles" trace trace 2> errors | head -n 1 > a
[ "$(wc -l < a)" = 1 ] && [ ! -s errors ]
ok $? "turtles trace | head ends without a word"
(trap '' PIPE; "$turtles" trace trace 2> errors | head -n 1 > a)
[ "$(wc -l < a)" = 1 ] && [ ! -s errors ]
ok $? "where its parent ignores SIGPIPE, too"
if [ -e /dev/full ]; then
	"$turtles" trace trace 2> errors > /dev/full
	[ $? = 3 ] && grep -q 'standard output: No space' errors
	ok $? "nobody takes the output: exit code 3"
fi
echo before > result
head -c 20000 trace > short
"$turtles" trace short --export csv -o result 2> errors
[ $? = 2 ] && grep -q 'short: the file is cut short' errors && [ "$(wc -l < errors)" = 1 ] && [ "$(wc -l < result)" -gt 10 ]
ok $? "a trace that is cut short is read up to there, and told"
head -c 5000 trace > short
"$turtles" trace short --export csv -o result 2> errors
[ $? = 2 ] && grep -q 'within the header' errors && [ "$(wc -l < result)" -gt 10 ] && [ -z "$(find . -name '*.tmp')" ]
ok $? "what can't be read leaves the result of before alone"

for run in 1 2; do
	shim 'payload=cpuid,hlt rounds=300' --clock insns --trace trace.$run
	"$turtles" trace trace.$run > lines.$run
done
same "with the instruction clock two runs have one trace" lines.1 lines.2
"$turtles" trace trace.1 --summary | grep -q '^CPUID .* - '
ok $? "and no time in the table"

shim 'payload=cpuid,out rounds=300' --stats stats --trace trace,reasons=CPUID
"$turtles" trace trace --summary | grep '^CPUID' > a
"$turtles" report stats | grep '^CPUID' > b
same "a trace of one reason has its whole rounds" a b
! "$turtles" trace trace | grep -v 'round [1-9]' | grep -qv CPUID
ok $? "and nothing else"

shim 'payload=cpuid rounds=2000' --trace trace,limit=100K
[ $? = 33 ] && grep -q 'limit is reached' errors && [ "$(wc -l < errors)" = 1 ] && [ "$(stat -c %s trace)" -le 102400 ]
ok $? "a limit ends the trace with a line, not the guest"
"$turtles" trace trace 2> errors | wc -l > a
[ "$(cat a)" -gt 1000 ] && grep -q 'ended at its limit' errors
ok $? "what fitted is there"
# a disk that is full behind the first step of the file, where a disk of one's own can be had
small()
{
	mkdir -p small
	mount -t tmpfs -o size=10m none small 2> errors || return 77
	shim 'payload=cpuid rounds=20000 vmreads=7' --vmcs-access trap --trace small/trace
	[ $? = 33 ] && grep -q 'small/trace: No space left on device: the trace ends with [0-9]* records, the guest goes on' errors &&
		"$turtles" trace small/trace --summary 2>&1 > a | grep -q 'ended when the disk was full, with 1[0-9]* records' &&
		grep -q '^CPUID  *[1-9]' a
}
export -f small shim
export turtles GUEST folder
unshare -rm bash -c small
status=$?
if [ $status = 77 ] || ! unshare -rm true 2> errors; then
	skip "a full disk ends the trace with a line, not the guest" "no mount namespaces here"
else
	ok $status "a full disk ends the trace with a line, not the guest"
fi

# until it has recorded something: then it is killed
"$turtles" run --cpu Skylake-Server,+vmx --kernel "$GUEST/bin/l1shim" --append 'payload=cpuid rounds=100000000' --timeout 100 \
	--trace killed < /dev/null > console 2>&1 &
for _ in {1..300}; do
	sleep 0.1
	[ "$(timeout 10 "$turtles" trace killed --level 2 2> errors | head -n 100 | wc -l)" = 100 ] && break
done
kill -KILL $!
wait 2> /dev/null
"$turtles" trace killed --summary > a 2> errors
status=$?
[ $status = 0 ] && grep -q 'killed or still goes on' errors && grep -q '^CPUID  *[1-9]' a
ok $? "the trace of a run that is killed is there up to that moment"

timeout 10 "$turtles" run --kernel "$GUEST/bin/l1shim" --trace /dev/null 2> errors < /dev/null
[ $? = 3 ] && grep -q '/dev/null: not a regular file' errors && [ "$(wc -l < errors)" = 1 ]
ok $? "a device can't be a trace"
plan
