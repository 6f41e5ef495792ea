#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A host with VT, which the machine that this runs on needn't be. Such a host is an L1 of turtles, a Linux whose /dev/kvm has turtles' VT under it,
# and a guest of QEMU's TCG with its SVM. turtles runs there with --engine auto, which has to choose kvm for a guest that is no
# hypervisor, and direct for one that may be; and the small L1, translated there, has its L2s on that VT, whose exits it has to see as it does without.
# DEEP=1 (make check-kvm) also has Debian's KVM as that L1, with a Linux whose user code runs on VT, and its kernel translated, or there, too.
turtles=$BUILD/turtles
limit=${BOOT_SECONDS:-300}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

. .ci/tap.sh

# boot IMAGE WORDS: what L1 said, to $folder/console
boot()
{
	"$turtles" run --engine bt --cpu Skylake-Server,+vmx --kernel "$GUEST/vmlinuz" --initrd "$GUEST/$1" --memory 2560 --no-reboot \
		--append "console=ttyS0 quiet panic=-1 rdinit=/nested $2" --timeout "$limit" > "$folder/console" 2>&1 < /dev/null
}

# boot_tcg IMAGE WORDS: the same, and that host has an AMD CPU with SVM
boot_tcg()
{
	timeout "$limit" qemu-system-x86_64 -accel tcg -cpu EPYC,+svm -m 2560 -nographic -no-reboot -nic none -kernel "$GUEST/vmlinuz" \
		-initrd "$GUEST/$1" -append "console=ttyS0 quiet panic=-1 rdinit=/nested $2" > "$folder/console" 2>&1 < /dev/null
}

# number NAME: of the inner turtles' summary, the last one
number()
{
	tr -d '\r' < "$folder/console" | sed -n "s/^$1  *\([0-9][0-9]*\)\$/\1/p" | tail -n 1
}

# there TEXT PATTERN: a line of L1's
there()
{
	tr -d '\r' < "$folder/console" | grep -q "$2"
	ok $? "$1"
}

# on_vt TEXT AT_LEAST: L2s ran on VT so often, and nothing failed
on_vt()
{
	local runs
	runs=$(number 'direct vt_runs')
	[ "${runs:-0}" -ge "$2" ] && [ "$(number 'direct vt_violations')" -gt 0 ] && [ -z "$(number 'direct failures')" ]
	ok $? "$1: entered ${runs:-0} times"
}

# counts [PREFIX]: what the small L1 counted, which doesn't depend on time; PREFIX: of its lines, if it is one of several
counts()
{
	tr -d '\r' < "$folder/console" | sed -n "s/^$1\(count l[12]_exits .*\)/\1/p" | grep -v -e EXTERNAL_INTERRUPT -e PREEMPTION_TIMER
}

# same TEXT [PREFIX]: as counts, and they are those of the translated one
same()
{
	local status
	counts "$2" | diff "$folder/translated" - > "$folder/difference"
	status=$?
	sed 's/^/# /' "$folder/difference"
	ok $status "$1"
}

if [ ! -e "$GUEST/nested.cpio" ] || [ -n "$SANITIZE" ]; then
	skip_all "turtles on a host with VT" "no guest images, or a build with sanitizers"
fi
auto="turtles.options=--engine,auto turtles.run=rows:units=20,int,matmul"
boot nested.cpio "$auto"
there "a guest that is no hypervisor runs under KVM altogether" '^turtles: a: engine kvm: /dev/kvm is with VT'
there "it ends well" 'its guest ended with exit code 0'
[ "$(number 'kvm exits')" -gt 0 ]
ok $? "KVM counted its exits: $(number 'kvm exits')"

boot nested.cpio "$auto turtles.cpu=Skylake-Server,+vmx"
there "one that may be a hypervisor is translated but for its user code and its L2s, and a line says why" \
	'^turtles: a: engine direct: /dev/kvm is with VT: .*not kvm: the guest may be a hypervisor.*L2s run on VT'
there "its programs compute what they have to" '^row matmul '
[ "$(number 'direct runs')" -gt 10 ]
ok $? "its user code ran on VT: $(number 'direct runs') times"

shim="turtles.l2=l1shim turtles.cpu=Skylake-Server,+vmx turtles.append=rounds=5,counts=1"
boot nested.cpio "$shim turtles.options=--engine,bt"
counts > "$folder/translated"
[ "$(wc -l < "$folder/translated")" -gt 15 ]
ok $? "the small L1 counts the exits of its L2s, translated"
for host in VMX SVM; do
	if [ $host = SVM ] && ! command -v qemu-system-x86_64 > /dev/null; then
		skip "the small L1's L2s on SVM" "no qemu-system-x86_64"
		continue
	fi
	run=boot
	[ $host = VMX ] || run=boot_tcg
	for l1s in "" ,--l1,a,--l1,b; do
		# what /dev/kvm is, is found by time: beside other work an emulated VT may be taken for none
		for ((try = 0; try < 4; try++)); do
			$run nested.cpio "$shim turtles.options=--engine,direct,--direct,eager,--l2-vt,on$l1s"
			[ -z "$(number 'direct vt_runs')" ] || break
		done
		if [ -z "$l1s" ]; then
			there "$host: the small L1 ends well" 'its guest ended with exit code 33'
			same "$host: it has seen the same exits"
			on_vt "$host: its L2s were on VT" 1000
			continue
		fi
		for l1 in a b; do
			there "$host: two of them at once: $l1 ends well" "turtles: $l1: has ended with exit code 33"
			same "$host: two of them at once: $l1 has seen the same exits" "$l1| "
		done
		on_vt "$host: two of them at once: the L2s of the last one were on VT" 1000
	done
done

if [ -n "$DEEP" ] && [ -e "$GUEST/nested3.cpio" ]; then
	linux="turtles.run=rows:units=20,int,matmul turtles.cpu=Skylake-Server,+vmx turtles.levels=3"
	for vt in off on; do
		boot nested3.cpio "turtles.options=--engine,direct,--l2-vt,$vt $linux"
		there "--l2-vt $vt: the hypervisor's guest computes what it has to" '^row matmul '
		there "--l2-vt $vt: it ends well, and so does its VMM" 'its guest ended with exit code 0'
		if [ $vt = on ]; then
			on_vt "that guest was on VT, kernel and all, under a translated L1" 100
		else
			[ "$(number 'direct runs_l2')" -gt 10 ]
			ok $? "L2's user code ran on VT under a translated L1: $(number 'direct runs_l2') times"
		fi
	done
fi
plan
