#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian's QEMU as L1's VMM on L1's KVM, machines microvm and pc: what `make demo VMM=qemu` boots.
turtles=$BUILD/turtles
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

. .ci/tap.sh

if [ -n "$SANITIZE" ] || [ ! -e "$GUEST/qemu.cpio" ]; then
	skip_all "QEMU runs Linux on L1's KVM" "no guest images (make guest), or sanitizers, with which it takes too long"
fi

for machine in microvm pc; do
	timeout -k 5 120 "$turtles" run --cpu Skylake-Server,+vmx --kernel "$GUEST/vmlinuz" --initrd "$GUEST/qemu.cpio" --memory 1024 \
		--no-reboot --clock insns --stats "$folder/stats" --append "console=ttyS0 panic=-1 rdinit=/nested turtles.vmm=qemu \
turtles.machine=$machine turtles.run=nothing" < /dev/null > "$folder/console" 2> "$folder/errors"
	status=$?
	[ $status = 0 ] && [ ! -s "$folder/errors" ] || { sed 's/^/# /' "$folder/errors"; false; }
	ok $? "L1 powers off after QEMU's $machine"
	# L2's own first program, and its last word
	grep -q '^init: turtles.run=nothing' "$folder/console" && grep -q 'nested: its guest ended with exit code 0' "$folder/console"
	status=$?
	[ $status = 0 ] || tail -n 25 "$folder/console" | sed 's/^/# /'
	ok $status "L2 boots to user space and powers off, machine $machine"
	grep -q '"reason": "IO_INSTRUCTION"' "$folder/stats"
	ok $? "its exits are counted, machine $machine"
done
plan
