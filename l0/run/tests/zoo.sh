#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Hypervisors of all kinds side by side, with guests of their own: Debian's KVM, the small L1, a fuzzer of VMX, a Linux without guests. Each
# is what it is alone, to the last count, also while others beside it are ended, reset and started again, or end themselves.
# ZOO_ROUNDS=N: the last part so many times, for hours if one likes.
turtles=$BUILD/turtles
rounds=${ZOO_ROUNDS:-1}
folder=$(mktemp -d)
trap 'kill $(jobs -p) 2> /dev/null; rm -rf "$folder"' EXIT

. .ci/tap.sh

if [ -n "$SANITIZE" ]; then
	skip_all "hypervisors live side by side" "with sanitizers it takes too long"
fi
for image in nested.cpio bin/l1shim bin/vmxfuzz bin/wild; do
	[ -e "$GUEST/$image" ] || skip_all "hypervisors live side by side" "no guest images: make guest"
done
case $turtles in /*) ;; *) turtles=$PWD/$turtles ;; esac
case $GUEST in /*) ;; *) GUEST=$PWD/$GUEST ;; esac
cd "$folder" || exit

common="--clock insns --cpu Skylake-Server,+vmx --no-reboot --timeout 280"
linux="kernel=$GUEST/vmlinuz,append=console=ttyS0 panic=-1"
l1_kvm="name=kvm,$linux rdinit=/nested turtles.run=check,initrd=$GUEST/nested.cpio,memory=1024"
l1_linux="name=linux,$linux turtles.run=check,initrd=$GUEST/initramfs.cpio,memory=512"
l1_shim="name=shim,kernel=$GUEST/bin/l1shim,append=rounds=200 vmreads=3,memory=64,device=isa-debug-exit,,iobase=0xf4,,iosize=0x4"
l1_fuzz="name=fuzz,kernel=$GUEST/bin/vmxfuzz,append=3,,700,memory=64,device=isa-debug-exit,,iobase=0x4f4,,iosize=4"
names=(kvm linux shim fuzz)

# run STATS L1...: at once; each one's console is a file with the name of STATS behind its own
run()
{
	local stats=$1 l1 options=()
	shift
	for l1 in "$@"; do
		local name=${l1#name=}
		options+=(--l1 "$l1,serial=file:${name%%,*}.$stats")
	done
	# shellcheck disable=SC2086
	"$turtles" run $common --stats "$stats" "${options[@]}" ${control:-} < /dev/null > output 2> "errors.$stats"
}

# of a stats file: the L1's own object, line by line
l1()
{
	awk -v name="\"name\": \"$2\"" '
		/^    [{]$/ { text = ""; wanted = 0 }
		{ text = text $0 "\n"; if (index($0, name)) wanted = 1 }
		/^    [}],?$/ && wanted { sub(/[}],\n$/, "}\n", text); printf "%s", text }' "$1"
}

# same NAME STATS WHEN: console and counts of an L1 are those that it had alone
same()
{
	cmp "$1.alone.$1" "$1.$2" > difference 2>&1
	local status=$?
	sed 's/^/# /' difference
	ok $status "$3 the console of $1 is what it is alone"
	l1 "alone.$1" "$1" > a
	l1 "$2" "$1" > b
	[ -s a ] && diff a b > difference
	status=$?
	head -n 10 difference | sed 's/^/# /'
	ok $status "$3 its counts are what they are alone"
}

for name in "${names[@]}"; do
	what=l1_$name
	run "alone.$name" "${!what}"
	echo "# $name alone: exit code $?, $(wc -l < "$name.alone.$name") lines"
done
grep -q '^SUMMARY [0-9]* passed, 0 failed' kvm.alone.kvm && grep -q '^SUMMARY [0-9]* passed, 0 failed' linux.alone.linux
ok $? "KVM's guest and a Linux alone check themselves and find nothing"
grep -q '"CPUID"' alone.shim && grep -q 'hash ' fuzz.alone.fuzz
ok $? "the small L1 and the fuzzer have done something"

run four "$l1_kvm" "$l1_linux" "$l1_shim" "$l1_fuzz"
for name in "${names[@]}"; do same "$name" four "four at once:"; done

# With the host's clock, each vCPU a thread: a KVM with two and a guest with two, a Linux with four, and the other two beside them.
results()
{
	sed -E 's/\r$//; s/^((PASS|FAIL): [a-z]+: [a-z0-9_]+).*/\1/; /^(PASS|FAIL|SKIP|SUMMARY)/!d' "$1"
}
common=${common/--clock insns/--clock host}
run smp "${l1_kvm/turtles.run=check/turtles.run=litmus:20 turtles.options=--vcpus,,2},vcpus=2" "$l1_linux,vcpus=4" "$l1_shim" "$l1_fuzz"
common=${common/--clock host/--clock insns}
for name in kvm linux; do
	guest_says "SMP L1s at once: $name" <(results $name.smp)
	grep -qE '^SUMMARY:? [0-9]+ (tests, 0 unexpected|passed, 0 failed)' $name.smp
	status=$?
	[ $status = 0 ] || tail -n 20 $name.smp errors.smp | sed 's/^/# /'
	ok $status "SMP L1s at once: $name comes to its end without a failure"
done
grep -q 'hash ' fuzz.smp && grep -q '^row ' shim.smp
ok $? "SMP L1s at once: the fuzzer and the small L1 come to their ends"

# Two that work, and three that have a hard life: what ends by itself is started again, what runs is reset or ended at random.
wild="kernel=$GUEST/bin/wild,memory=64,serial=null"
ctl() { "$turtles" ctl socket "$@" > answer 2>&1; }
hard_life()
{
	local actions=0 dead i
	for ((i = 0; i < 400; i++)); do
		ctl query-status && break
		sleep 0.05
	done
	while "$turtles" ctl socket query-status l1=kvm 2> /dev/null | grep -q '"status": "running"'; do
		for name in bad1 bad2 bad3; do
			dead=$(ctl query-status l1=$name && grep -c 'shutdown\|panicked' answer)
			case $dead,$((RANDOM % 4)) in
			1,*) ctl start l1=$name ;;
			0,0) ctl quit l1=$name ;;
			0,1) ctl system_reset l1=$name ;;
			0,2) ctl stop l1=$name && ctl cont l1=$name ;;
			esac
			actions=$((actions + 1))
		done
		sleep 0.05
	done
	"$turtles" ctl socket query-l1s > l1s
	ctl quit
	echo $actions
}
for ((round = 1; round <= rounds; round++)); do
	control="--control socket --no-shutdown --l1 name=bad1,$wild,append=triple_faults"
	control+=" --l1 name=bad2,$wild,append=runs_random_code,,$RANDOM"
	control+=" --l1 name=bad3,kernel=$GUEST/bin/vmxfuzz,append=$RANDOM,memory=64,serial=null"
	hard_life > actions &
	run hard "$l1_kvm" "$l1_shim"
	wait $!
	control=
	starts=$(sed -n 's/.*"starts": \([0-9]*\).*/\1/p' l1s | awk '{ n += $1 } END { print n + 0 }')
	echo "# $(cat actions) looks at three L1s that have a hard life; $starts starts in all"
	[ "$starts" -gt 20 ]
	ok $? "L1s were ended and started again"
	! grep -q 'internal error' errors.hard
	ok $? "none of that was an error of L0's"
	for name in kvm shim; do same $name hard "beside them:"; done
done

plan
