#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A host with VT, which the machine that this runs on needn't be: L1 is one, a Linux whose /dev/kvm has turtles' VT under it. turtles runs there
# with --engine auto, which has to choose kvm for a guest that is no hypervisor, and direct for one that may be. DEEP=1 (make check-kvm) also has
# that hypervisor run a guest: user code of an L2 under a translated L1, on VT.
turtles=$BUILD/turtles
limit=${BOOT_SECONDS:-300}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

. .ci/tap.sh

# boot IMAGE WORDS: what L1 said, to $folder/console
boot()
{
	"$turtles" run --engine bt --cpu Skylake-Server,+vmx --kernel "$GUEST/vmlinuz" --initrd "$GUEST/$1" --memory 2048 --no-reboot \
		--append "console=ttyS0 quiet panic=-1 rdinit=/nested turtles.options=--engine,auto turtles.run=rows:units=20,int,matmul $2" \
		--timeout "$limit" > "$folder/console" 2>&1 < /dev/null
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

if [ ! -e "$GUEST/nested.cpio" ] || [ -n "$SANITIZE" ]; then
	skip_all "turtles on a host with VT" "no guest images, or a build with sanitizers"
fi
boot nested.cpio ""
there "a guest that is no hypervisor runs under KVM altogether" '^turtles: a: engine kvm: /dev/kvm is with VT'
there "it ends well" 'its guest ended with exit code 0'
[ "$(number 'kvm exits')" -gt 0 ]
ok $? "KVM counted its exits: $(number 'kvm exits')"

boot nested.cpio turtles.cpu=Skylake-Server,+vmx
there "one that may be a hypervisor is translated but for its user code, and a line says why" \
	'^turtles: a: engine direct: /dev/kvm is with VT: .*not kvm: the guest may be a hypervisor'
there "its programs compute what they have to" '^row matmul '
[ "$(number 'direct runs')" -gt 10 ]
ok $? "its user code ran on VT: $(number 'direct runs') times"

if [ -n "$DEEP" ] && [ -e "$GUEST/nested3.cpio" ]; then
	boot nested3.cpio turtles.levels=3
	there "the hypervisor's guest computes what it has to" '^row matmul '
	there "it ends well, and so does its VMM" 'its guest ended with exit code 0'
	[ "$(number 'direct runs_l2')" -gt 10 ]
	ok $? "L2's user code ran on VT under a translated L1: $(number 'direct runs_l2') times"
fi
plan
