#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Several L1s in one process: each is what it is alone, whatever becomes of the others.
turtles=$BUILD/turtles
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

. .ci/tap.sh

if [ ! -e "$GUEST/bin/l1shim" ] || [ ! -e "$GUEST/bin/wild" ]; then
	skip_all "several L1s are what each is alone" "no guest images: make guest"
fi
case $turtles in /*) ;; *) turtles=$PWD/$turtles ;; esac
case $GUEST in /*) ;; *) GUEST=$PWD/$GUEST ;; esac
cd "$folder" || exit

common="--timeout 100 --memory 64 --no-reboot --cpu Skylake-Server,+vmx --device isa-debug-exit,iobase=0xf4,iosize=0x4"
shim=kernel=$GUEST/bin/l1shim
wild=kernel=$GUEST/bin/wild,device=isa-debug-exit,,iobase=0x4f4,,iosize=4

# lab OPTION...: several L1s; its exit code is in $code
lab()
{
	# shellcheck disable=SC2086
	"$turtles" run $common "$@" < /dev/null > output 2> errors
	code=$?
}

# l1 STATS NAME: the L1's own object, line by line
l1()
{
	awk -v name="\"name\": \"$2\"" '
		/^    [{]$/ { text = ""; wanted = 0 }
		{ text = text $0 "\n"; if (index($0, name)) wanted = 1 }
		/^    [}],?$/ && wanted { sub(/[}],\n$/, "}\n", text); printf "%s", text }' "$1"
}

# same WHAT FILE FILE
same()
{
	diff "$2" "$3" > difference
	local status=$?
	head -n 10 difference | sed 's/^/# /'
	ok $status "$1"
}

# told TEXT WHAT: a line on stderr
told()
{
	grep -q "$1" errors
	local status=$?
	[ $status = 0 ] || sed 's/^/# /' errors
	ok $status "$2"
}

# By the instruction clock each is exactly what it is alone.
payloads=(cpuid "touch,out" hlt "cpuid,out")
options=()
for i in 0 1 2 3; do
	name=n$i
	own="payload=${payloads[$i]} rounds=300 vmreads=$((i + 1))"
	lab --clock insns --stats alone.$i --l1 "name=$name,$shim,append=${own//,/,,},serial=file:console.alone.$i"
	options+=(--l1 "name=$name,$shim,append=${own//,/,,},serial=file:console.$i")
done
lab --clock insns --stats together "${options[@]}"
[ "$code" = 33 ]
ok $? "four end as each ends"
for i in 0 1 2 3; do
	same "the console of the L1 number $i is what it is alone" console.alone.$i console.$i
	[ "$(wc -l < console.$i)" -gt 3 ]
	ok $? "and it has said something"
	l1 alone.$i n$i > a
	l1 together n$i > b
	same "its counts are what they are alone" a b
	grep -q '"CPUID"\|"HLT"' b && grep -q '"starts": 1' b
	ok $? "and they are there"
done

# One that dies takes nobody with it.
lab --clock insns --stats together "${options[@]:0:4}" \
	--l1 "name=bad,$wild,append=triple_faults,serial=null" \
	--l1 "name=halts,$wild,append=halts_with_interrupts_off,serial=null" \
	--l1 "name=random,$wild,append=runs_random_code,,7,serial=null,timeout=3" \
	--l1 "name=late,$wild,append=spins,serial=null,timeout=0.3"
told '^turtles: bad: guest: triple fault at rip' "a triple fault is told with the L1's name"
told '^turtles: bad: has ended with exit code 4' "its exit code, too"
told '^turtles: halts: guest halted with interrupts off' "one that halts for ever ends alone"
told '^turtles: late: timeout: the guest still runs after 0.300 s' "a time limit ends one L1"
[ "$code" = 33 ]
ok $? "the exit code is the first one's that isn't 0"
for i in 0 1; do
	same "the console of the L1 number $i is what it is alone" console.alone.$i console.$i
	l1 alone.$i n$i > a
	l1 together n$i > b
	same "its counts, too" a b
done
l1 together bad | grep -q '"status": "guest-panicked"' && l1 together bad | grep -q '"exit_code": 4' &&
	l1 together late | grep -q '"exit_code": 124'
ok $? "the stats say how each has ended"

# a run's folder
lab --clock insns --directory run --stats stats --control control "${options[@]:0:2}" --l1 "name=t,$shim,append=payload=cpuid,trace=trace,serial=null"
[ "$code" = 33 ] && [ -s run/stats ] && [ -s run/trace ] && [ ! -e run/control ] && cmp -s run/console.0 console.alone.0
ok $? "what a run writes is in its folder"
mv run first
"$turtles" run --config first/config.json --no-reboot < /dev/null > output 2> errors
[ $? = 33 ] && cmp -s first/config.json run/config.json && cmp -s first/console.0 run/console.0
ok $? "its configuration there makes the same run"
for name in n0 t; do
	l1 first/stats $name > a
	l1 run/stats $name > b
	same "with the counts of $name" a b
done

# what is logged of two at once says of whom it is
lab --trace-log io,translate,exception --l1 "name=aa,$wild,append=reads_every_port,serial=null" --l1 "name=bb,$wild,append=reads_every_port,serial=null"
! grep -qv '^aa: \|^bb: \|^turtles: ' errors && grep -q '^aa: io: space=port' errors && grep -q '^bb:   [0-9a-f]*: ' errors
ok $? "each line of a log has the name of its L1"

# what is said before they run, too
lab --engine auto --stats stats --l1 "name=aa,$wild,append=resets,serial=null" --l1 "name=bb,engine=bt,$wild,append=resets,serial=null"
[ "$code" = 0 ] && [ "$(grep -c '^turtles: aa: engine [a-z]*: ' errors)" = 1 ] && ! grep -qv '^turtles: ' errors
ok $? "so has the line of --engine auto"
chosen=$(sed -n 's/^turtles: aa: engine \([a-z]*\): .*/\1/p' errors)
l1 stats aa | grep -q "\"engine\": \"$chosen\"" && l1 stats bb | grep -q '"engine": "bt"'
ok $? "the stats have what was chosen, and what was asked for"
lab --l1 "name=a,$wild,append=resets,serial=null,shares=1" --l1 "name=b,$wild,append=resets,serial=null,shares=10000"
told '^turtles: a: --shares: 1 beside 10000 can' "weights that can't be are told"
rm -f a-name
lab --l1 "name=aa,$wild,append=resets" --l1 "name=bb,kernel=$PWD/a-name"
[ "$code" = 3 ] && grep -q '^turtles: bb: .*a-name: could not open kernel' errors
ok $? "one that can't be built is told by its name"

# exit codes
lab --l1 "name=a,$wild,append=resets,serial=null" --l1 "name=b,$wild,append=triple_faults,serial=null" \
	--l1 "name=c,$wild,append=spins,serial=null,timeout=0.2"
[ "$code" = 4 ]
ok $? "0, 4, 124 make 4"
lab --l1 "name=a,$wild,append=resets,serial=null" --l1 "name=b,$wild,append=resets,serial=null"
[ "$code" = 0 ]
ok $? "0, 0 make 0"
lab --l1 "name=a,$wild,append=resets" --l1 "name=b,kernel=/nonexistent"
[ "$code" = 3 ] && [ "$(wc -l < errors)" = 1 ] && [ ! -s output ]
ok $? "one that can't be built: nothing is started"
lab --l1 "name=a,$wild,append=resets,serial=file:/nonexistent/x" --l1 "name=b,$wild"
[ "$code" = 3 ] && [ "$(wc -l < errors)" = 1 ] && grep -q 'a: serial port 0: could not open /nonexistent/x' errors
ok $? "one whose console can't be opened, too"
for file in /nonexistent /dev/null; do
	"$turtles" run --config $file < /dev/null > output 2> errors
	echo $?
done > codes
[ "$(paste -sd ' ' codes)" = "3 2" ]
ok $? "a file of --config that can't be read is the host's fault, one that is no such file the user's"
# a result that couldn't be written is told before there is one
for options in "--stats /nonexistent/stats" "--directory folder --stats nowhere/stats" "--stats ."; do
	# shellcheck disable=SC2086
	lab $options --l1 "name=a,$wild,append=resets"
	[ "$code" = 3 ] && [ "$(wc -l < errors)" = 1 ] && grep -q '^turtles: stats: could not write' errors && [ ! -s output ]
	ok $? "$options: nothing is started"
done
echo mine > mine
lab --stats mine --l1 "name=a,$wild,append=resets" --l1 "name=b,kernel=/nonexistent"
[ "$code" = 3 ] && [ "$(cat mine)" = mine ] && [ "$(echo mine*)" = mine ]
ok $? "a run that can't begin leaves an earlier one's stats"
mkdir elsewhere && : > elsewhere/stats && ln -s elsewhere/stats link
lab --stats link --l1 "name=a,$wild,append=resets,serial=null"
[ "$code" = 0 ] && [ -L link ] && [ -s elsewhere/stats ]
ok $? "stats go where a symbolic link leads to"
mkfifo pipe
timeout 60 cat pipe > got &
lab --stats pipe --l1 "name=a,$wild,append=resets,serial=null"
wait $!
[ "$code" = 0 ] && grep -q '"exit_code": 0' got
ok $? "a pipe's reader gets the stats, and isn't told before that they have ended"
if [ -e /dev/full ]; then
	lab --l1 "name=a,$wild,append=floods_the_console,serial=file:/dev/full" --l1 "name=b,$wild,append=resets,serial=null"
	told '^turtles: a: output of serial port 0: No space left on device' "a full disk ends the L1 that writes to it"
	[ "$code" = 3 ] && grep -q 'b: has ended with exit code 0' errors
	ok $? "and no other"
fi
# in_background OPTION...: several L1s, of which b ends at once; returns when it has, the process is $pid
in_background()
{
	: > errors
	# shellcheck disable=SC2086
	"$turtles" run $common "$@" < /dev/null > output 2> errors &
	pid=$!
	for ((i = 0; i < 400; i++)); do
		grep -q 'b: has ended' errors && return
		sleep 0.05
	done
}

spins="$wild,append=spins,serial=null"
faults="$wild,append=triple_faults,serial=null"
in_background --stats stats --l1 "name=a,$spins" --l1 "name=b,$faults" --l1 "name=c,$spins"
kill -TERM $pid
wait $pid
[ $? = 143 ] && [ "$(grep -c 'exit code 143' errors)" = 2 ] && grep -q 'b: has ended with exit code 4' errors
ok $? "a signal ends all that run"
l1 stats a | grep -q shutdown && l1 stats b | grep -q guest-panicked && l1 stats c | grep -q '"exit_code": 143'
ok $? "the stats are written"

# standard streams that are closed aren't something else's
for closed in "<&- >&- 2>&-" "<&-" ">&-" "2>&-"; do
	rm -f stats
	# shellcheck disable=SC2086
	eval "timeout 20 \"$turtles\" run $common --stats stats --l1 \"name=a,$shim,append=payload=cpuid\" < /dev/null > output 2> errors $closed"
	[ $? = 33 ] && [ -s stats ] && { [[ " $closed" = *" >&-"* ]] || [ -s output ]; }
	ok $? "a run with $closed is a run"
done

# SIGUSR1 while one has ended and others run
rm stats
in_background --stats stats --l1 "name=a,$spins" --l1 "name=b,$faults"
kill -USR1 $pid
for ((i = 0; i < 400; i++)); do
	[ -e stats ] && l1 stats a 2> /dev/null | grep -q running && break
	sleep 0.05
done
l1 stats a | grep -q '"status": "running"' && l1 stats b | grep -q '"status": "guest-panicked"'
ok $? "on SIGUSR1 the stats have those that run and those that don't"
kill -TERM $pid
wait $pid
[ $? = 143 ]
ok $? "the exit code is the signal's"

plan
