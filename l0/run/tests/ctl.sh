#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A run under the control socket: held, reset, ended and started again, one L1 at a time.
turtles=$BUILD/turtles
folder=$(mktemp -d)
trap 'kill $(jobs -p) 2> /dev/null; kill -CONT $(jobs -p) 2> /dev/null; rm -rf "$folder"' EXIT

. .ci/tap.sh

if [ ! -e "$GUEST/bin/wild" ] || [ ! -e "$GUEST/vmlinuz" ]; then
	skip_all "a run obeys its control socket" "no guest images: make guest"
fi
case $turtles in /*) ;; *) turtles=$PWD/$turtles ;; esac
case $GUEST in /*) ;; *) GUEST=$PWD/$GUEST ;; esac
cd "$folder" || exit

common="--timeout 100 --memory 64 --control socket"
wild="kernel=$GUEST/bin/wild,device=isa-debug-exit,,iobase=0x4f4,,iosize=4,serial=null"

# begin OPTION...: a run in the background, $pid, and its events in the file events
begin()
{
	rm -f socket
	# shellcheck disable=SC2086
	"$turtles" run $common "$@" < "${input:-/dev/null}" > output 2> errors &
	pid=$!
	for ((i = 0; i < 400; i++)); do
		ctl query-version > version 2> /dev/null && break
		sleep 0.02
	done
	"$turtles" ctl socket --events > events 2> /dev/null &
	sleep 0.1
}

ctl()
{
	"$turtles" ctl socket "$@"
}

# status NAME STATUS: within 10 seconds it is so
status()
{
	local i
	for ((i = 0; i < 500; i++)); do
		ctl query-status "l1=$1" 2> /dev/null | grep -q "\"status\": \"$2\"" && return
		sleep 0.02
	done
	return 1
}

# event TEXT: within 10 seconds it has come
event()
{
	local i
	for ((i = 0; i < 500; i++)); do
		grep -q "$1" events && return
		sleep 0.02
	done
	sed 's/^/# /' events
	return 1
}

insns()
{
	ctl query-stats "l1=$1" | sed -n '/"life"/,$s/^ *"insns": \([0-9]*\),*$/\1/p' | head -n 1
}

# end CODE WHAT
end()
{
	wait "$pid"
	local code=$?
	[ "$code" = "$1" ] || { echo "# exit code $code"; sed 's/^/# /' errors; }
	[ "$code" = "$1" ]
	ok $? "$2"
}

# for the end of this: a run that is stopped, and one who asks it
"$turtles" run --kernel "$GUEST/bin/wild" --memory 64 --append spins --serial null --control stands > /dev/null 2>&1 < /dev/null &
stands=$!
for ((i = 0; i < 400; i++)); do
	"$turtles" ctl stands > /dev/null 2>&1 && break
	sleep 0.02
done
kill -STOP $stands
timeout 60 "$turtles" ctl stands > /dev/null 2> waited < /dev/null &
waits=$!

begin --l1 "a,$wild,append=spins" --l1 "b,$wild,append=triple_faults,no-reboot,hold" \
	--l1 "c,$wild,append=spins,hold"
ctl cont l1=b && status b guest-panicked
ok $? "one that has died is told"
event '"SHUTDOWN","data":{"l1":"b","guest":true,"reason":"guest-panic","exit-code":4'
ok $? "as an event, too"
status a running && status c prelaunch
ok $? "others run, or wait for their beginning"
[ "$(insns c)" = 0 ] && [ "$(insns a)" -gt 0 ]
ok $? "who waits has executed nothing"
ctl cont l1=c && status c running && event '"RESUME","data":{"l1":"c"}'
ok $? "until it is told to go on"
ctl stop l1=a && status a paused && status c running && event '"STOP","data":{"l1":"a"}'
ok $? "one stands still, the other doesn't"
x=$(insns a) y=$(insns c)
sleep 0.3
[ "$(insns a)" = "$x" ] && [ "$(insns c)" -gt "$y" ]
ok $? "so say their instructions"
ctl stop l1=a && ctl stop l1=a && status a paused
ok $? "twice is once"
ctl system_reset l1=a && event '"RESET","data":{"l1":"a","guest":false,"reason":"host-qmp-system-reset"}' &&
	status a paused && [ "$(grep -c '"STOP"' events)" = 1 ]
ok $? "a reset leaves it standing"
ctl cont l1=a && status a running && sleep 0.1 && [ "$(insns a)" -gt "$x" ]
ok $? "it goes on"
ctl stop && status a paused && status c paused && ctl query-status | grep -q '"running": false'
ok $? "all stand still"
ctl cont && status a running && status c running && ctl query-status | grep -q '"running": true'
ok $? "all go on"
ctl quit l1=c && status c shutdown && status a running &&
	event '"SHUTDOWN","data":{"l1":"c","guest":false,"reason":"host-qmp-quit","exit-code":0'
ok $? "one is ended"
ctl start l1=c && status c prelaunch && event '"START","data":{"l1":"c"}'
ok $? "and started again, as it was"
for words in "stop l1=x" "frobnicate" "stop l2=a" "start" "start l1=a" "stop l1" "system_reset l1=b" "stop l1=b" "cont l1=b" "stop l1=a l1=c"; do
	# shellcheck disable=SC2086
	ctl $words > refused 2>&1
	[ $? = 2 ] && [ "$(wc -l < refused)" = 1 ]
	ok $? "'$words' is refused with a line"
done
status c prelaunch && status a running
ok $? "and nothing has come of it"
ctl query-l1s | grep -c '"name"' | grep -qx 3
ok $? "all are listed"

# killed and started again: nothing is left of it
threads() { find "/proc/$pid/task" -mindepth 1 -maxdepth 1 | wc -l; }
files() { find "/proc/$pid/fd" -mindepth 1 | wc -l; }
rss() { sed -n 's/^VmRSS:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$pid/status"; }
size() { sed -n 's/^VmSize:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$pid/status"; }
again()
{
	ctl cont l1=c && ctl quit l1=c && status c shutdown && ctl start l1=c && ctl start l1=b && ctl cont l1=b && status b guest-panicked
}
# is_again COMMAND WANT: within 5 seconds it prints that; a client that has gone is noticed a moment later
is_again()
{
	local i
	for ((i = 0; i < 250; i++)); do
		[ "$("$1")" = "$2" ] && return
		sleep 0.02
	done
	echo "# $1: $("$1") instead of $2"
	return 1
}
again && again
sleep 0.3
x=$(threads) y=$(files) r=$(rss) s=$(size)
for ((round = 0; round < 15; round++)); do
	again || break
done
[ "$round" = 15 ]
ok $? "L1s are ended and started again fifteen times"
is_again threads "$x"
ok $? "no thread is left of them"
is_again files "$y"
ok $? "no file is left open"
echo "# resident: $r kB, then $(rss) kB; mapped: $s kB, then $(size) kB"
if [ -n "$SANITIZE" ]; then
	skip "no memory is left" "sanitizers keep what is freed"
else
	# malloc() moves half a megabyte from a mapping of its own into an arena, by chance, once in each: the same after 60 rounds
	[ "$(size)" -le $((s + 2048)) ] && [ "$(rss)" -le $((r + r / 4 + 1024)) ]
	ok $? "no memory is left"
fi
ctl query-l1s l1=c | grep -q '"starts": 19'
ok $? "it is counted"
ctl quit
end 4 "quit ends the run; one had died"
grep -q '"l1":"a","guest":false,"reason":"host-qmp-quit"' events
ok $? "the last event says so"
[ ! -e socket ]
ok $? "the socket is gone"

# nor of what /dev/kvm had for them
for engine in direct kvm; do
	if ! "$turtles" run --kernel "$GUEST/bin/wild" --memory 64 --append resets --no-reboot --serial null --engine $engine 2> errors < /dev/null; then
		skip "--engine $engine leaves nothing of an L1" "$(head -n 1 errors)"
		continue
	fi
	begin --engine $engine --l1 "a,$wild,append=spins,vcpus=2" --l1 "b,$wild,append=spins,engine=bt"
	round_trip() { status a running && ctl quit l1=a && status a shutdown; }
	round_trip
	sleep 0.3
	x=$(threads) y=$(files)
	for ((round = 0; round < 5; round++)); do
		ctl start l1=a && round_trip || break
	done
	[ "$round" = 5 ] && is_again threads "$x" && is_again files "$y"
	ok $? "--engine $engine leaves no thread and no file of an L1"
	# whoever runs a vCPU doesn't keep others from its numbers
	ctl start l1=a && status a running && sleep 0.5
	start=$(date +%s%N)
	for ((round = 0; round < 10; round++)); do
		timeout 20 "$turtles" ctl socket query-stats l1=a > /dev/null || break
	done
	ms=$((($(date +%s%N) - start) / 1000000))
	echo "# ten times the stats: $ms ms"
	[ "$round" = 10 ] && [ $ms -lt 2000 ]
	ok $? "--engine $engine: the stats come at once"
	ctl quit
	end 0 "--engine $engine: quit ends the run"
done

# a reader of its console that sleeps
mkfifo fifo
exec 7<> fifo
begin --l1 "a,${wild/serial=null/serial=file:fifo},append=floods_the_console" --l1 "b,$wild,append=spins"
status a running && sleep 1
for ((round = 0; round < 20; round++)); do
	timeout 10 "$turtles" ctl socket stop l1=a && status a paused && ctl cont l1=a && status a running || break
done
[ "$round" = 20 ] && status b running
ok $? "one that waits for a reader can be held, and again"
timeout 10 head -c 1280000 <&7 > text
! grep -qvx '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ[.]' text && [ "$(wc -l < text)" = 20000 ]
ok $? "nothing of what it says gets lost"
sleep 0.5
timeout 10 "$turtles" ctl socket system_reset l1=a && event '"RESET","data":{"l1":"a"'
ok $? "it can be reset"
timeout 10 "$turtles" ctl socket stop l1=a && status a paused
ok $? "and held again"
ctl quit
end 0 "quit ends it"
exec 7<&-

# a kernel that is gone
cp "$GUEST/bin/wild" kernel
begin --no-shutdown --l1 "a,${wild/kernel=*,dev/kernel=kernel,dev},append=spins" --l1 "b,$wild,append=spins"
rm kernel
ctl system_reset l1=a && status a shutdown && ctl query-l1s l1=a | grep -q '"exit-code": 3' &&
	event '"SHUTDOWN","data":{"l1":"a","guest":false,"reason":"host-error","exit-code":3,"text":"reset: kernel: could not open' &&
	status b running
ok $? "a machine whose kernel is gone can't be reset: the host's fault, its end, and no other's"
ctl start l1=a > refused 2>&1
[ $? = 2 ] && grep -q '^turtles: ctl: start: a: kernel: could not open kernel: No such file' refused && [ "$(wc -l < refused)" = 1 ]
ok $? "nor started again"
cp "$GUEST/bin/wild" kernel
ctl start l1=a && status a running
ok $? "until it is back"
ctl quit
end 0 "quit ends them"

# what ends by itself, and a run that goes on without L1s
begin --no-shutdown --l1 "a,$wild,append=resets,no-reboot,hold" --l1 "b,$wild,append=resets,no-reboot"
ctl cont && status a shutdown && status b shutdown
ok $? "with --no-shutdown the run is there when its L1s aren't"
event '"l1":"a","guest":true,"reason":"guest-reset","exit-code":0'
ok $? "and said that they had reset themselves"
ctl start l1=a && status a prelaunch && ctl cont l1=a && status a shutdown
ok $? "they can be started"
ctl quit
end 0 "quit ends it"

# what one has left that has crashed is there when it runs again
begin --no-shutdown --l1 "a,$wild,append=triple_faults,no-reboot,trace=trace" --l1 "b,$wild,append=spins"
status a guest-panicked
cp trace first && : > trace.kallsyms
ctl start l1=a && status a guest-panicked && cmp -s trace.1 first && [ -e trace.1.kallsyms ] && ! cmp -s trace first
ok $? "the trace of its first life is kept"
cp trace second
ctl start l1=a && status a guest-panicked && cmp -s trace.1 first && cmp -s trace.2 second &&
	"$turtles" trace trace > /dev/null && "$turtles" trace trace.2 > /dev/null && [ "$(echo trace*)" = "trace trace.1 trace.1.kallsyms trace.2" ]
ok $? "so is that of the second"
ctl quit
end 4 "quit ends the run"

# --no-reboot
begin --l1 "a,$wild,append=spins,no-reboot" --l1 "b,$wild,append=spins"
status a running && ctl system_reset && event '"l1":"a","guest":false,"reason":"host-qmp-system-reset"' && status a shutdown &&
	status b running
ok $? "with --no-reboot a reset is the end"
kill -TERM "$pid"
end 143 "a signal ends the run"
event '"l1":"b","guest":false,"reason":"host-signal","exit-code":143'
ok $? "and is told"

# a run that is told to end is gone before who has told it has the CPU again
cpu=$(taskset -cp $$ | sed 's/.*: //; s/[,-].*//')
for ((round = 0; round < 8; round++)); do
	begin --hold --l1 "a,$wild,append=spins" --l1 "b,$wild,append=spins"
	taskset -cap "$cpu" "$pid" > affinity
	taskset -c "$cpu" nice -n 19 "$turtles" ctl socket quit > refused 2>&1 || break
	wait "$pid"
done
sed 's/^/# /' refused
[ "$round" = 8 ]
ok $? "who ends a run is told nothing else than that it has"

# the guest's time stands still
uptime()
{
	# the guest's shell expands it
	# shellcheck disable=SC2016
	echo 'echo up $(cut -d. -f1 /proc/uptime) $(date +%s) .' >&9
	for ((i = 0; i < 500; i++)); do
		sed -n 's/^up \([0-9]*\) [0-9]* \..*/\1/p' output | sed -n "$1p" | grep . && return
		sleep 0.02
	done
	echo no
}
mkfifo in
input=in
exec 9<> in
for engine in bt direct; do
	if [ $engine = direct ] && ! "$turtles" doctor --json | grep -q '"direct": true'; then
		skip "a Linux that runs directly can be held" "$("$turtles" doctor | sed -n 's/.* - user_code *//p')"
		continue
	fi
	begin --kernel "$GUEST/vmlinuz" --initrd "$GUEST/initramfs.cpio" --memory 256 --vcpus 2 --engine $engine \
		--append 'console=ttyS0 quiet turtles.run=shell'
	for ((i = 0; i < 1000; i++)); do
		grep -q '^/ # ' output && break
		sleep 0.02
	done
	start=$(date +%s)
	a=$(uptime 1)
	ctl stop
	sleep 4
	ctl cont
	b=$(uptime 2)
	passed=$(($(date +%s) - start))
	echo "# up $a s, then $b s; in the host $passed s"
	[ "$a" != no ] && [ "$b" != no ] && [ $((passed - (b - a))) -ge 3 ]
	ok $? "a Linux with two vCPUs, engine $engine, that has stood still for four seconds hasn't noticed"
	# what a thread keeps for its vCPU goes with it, now and then unnoticed
	for k in 3 4 5 6 7 8; do
		ctl stop
		sleep 0.1
		ctl cont
		c=$(uptime "$k")
	done
	[ "$c" != no ] && ! grep -q 'Segmentation\|Aborted\|Illegal' output
	ok $? "nor after six more"
	! grep -q 'stall\|lockup\|unstable' output
	ok $? "nor complained"
	ctl quit
	end 0 "quit ends it"
done

wait $waits
[ $? = 3 ] && grep -q '^turtles: ctl: stands: no greeting in ' waited && [ "$(wc -l < waited)" = 1 ]
ok $? "who asks a run that is stopped is told so after a while"
kill -KILL $stands
wait $stands 2> /dev/null

plan
