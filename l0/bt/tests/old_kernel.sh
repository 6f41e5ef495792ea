#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A host whose kernel doesn't know of FSGSBASE, as any before Linux 5.9: it is an L1 of turtles, and turtles runs in it, in its sandbox. WRGSBASE
# is #UD there, so translated code's soft TLB is selected by system calls (gs_base.h); the small L1 counts there what it counts here.
turtles=$BUILD/turtles
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

. .ci/tap.sh

# counts: what the small L1 counted, which doesn't depend on time
counts()
{
	tr -d '\r' | sed -n 's/^\(count l[12]_exits .*\)/\1/p' | grep -v -e EXTERNAL_INTERRUPT -e PREEMPTION_TIMER
}

if [ ! -e "$GUEST/nested.cpio" ] || [ -n "$SANITIZE" ]; then
	skip_all "turtles on an old kernel" "no guest images, or a build with sanitizers"
fi
"$turtles" run --engine bt --cpu Skylake-Server,+vmx --kernel "$GUEST/bin/l1shim" --memory 64 --append 'rounds=5 counts=1' \
	-device isa-debug-exit,iobase=0xf4,iosize=4 < /dev/null 2> /dev/null | counts > "$folder/here"
[ "$(wc -l < "$folder/here")" -gt 15 ]
ok $? "the small L1 counts the exits of its L2s"
"$turtles" run --engine bt --cpu Skylake-Server,+vmx --kernel "$GUEST/vmlinuz" --initrd "$GUEST/nested.cpio" --memory 1024 --no-reboot \
	--append "console=ttyS0 quiet panic=-1 rdinit=/nested nofsgsbase turtles.l2=l1shim turtles.cpu=Skylake-Server,+vmx \
turtles.options=--engine,bt turtles.append=rounds=5,counts=1 turtles.doctor" --timeout "${BOOT_SECONDS:-300}" \
	> "$folder/console" 2>&1 < /dev/null
grep -q 'its guest ended with exit code 33' "$folder/console"
ok $? "on a kernel without FSGSBASE it ends well"
counts < "$folder/console" > "$folder/there"
diff "$folder/here" "$folder/there" > "$folder/difference"
status=$?
sed 's/^/# /' "$folder/difference"
ok $status "and has counted the same"
tr -d '\r' < "$folder/console" | grep -q 'gs_base .*the kernel doesn.t let programs write FS and GS bases'
ok $? "the doctor says what it costs"
plan
