#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vCPUs that run at the same time: what processors promise each other (workloads/smp), in L1 and in L2, and Linux's self-check.
turtles=$BUILD/turtles
limit=${SMP_SECONDS:-300}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

. .ci/tap.sh

if [ ! -e "$GUEST/nested.cpio" ]; then
	skip_all "several vCPUs at once" "no guest images: make guest"
fi

# A result without its numbers, which differ from run to run
results()
{
	sed -E 's/^((PASS|FAIL): [a-z]+: [a-z0-9_]+).*/\1/' "$1"
}

# complete NAME FILE
complete()
{
	guest_says "$1" <(results "$2")
	grep -q '^SUMMARY:* .* 0 \(unexpected failures\|failed\)' "$2"
	status=$?
	[ $status = 0 ] || tail -n 20 "$2" | sed 's/^/# /'
	ok $status "$1 comes to its end without a failure"
}

# first_pu: the host CPU with the lowest number that this process may use
first_pu()
{
	taskset -cp $$ | sed 's/.*: //; s/[,-].*//'
}

for vcpus in 2 4; do
	"$turtles" run --kernel "$GUEST/vmlinuz" --initrd "$GUEST/initramfs.cpio" --memory 512 --vcpus $vcpus --no-reboot \
		--append "console=ttyS0 quiet panic=-1 turtles.run=litmus:20" --timeout "$limit" < /dev/null > "$folder/console" 2>&1
	ok $? "$vcpus vCPUs boot and power off"
	complete "litmus, $vcpus vCPUs" "$folder/console"
done
# crowded FILE: a run's console
crowded()
{
	"$turtles" run --kernel "$GUEST/vmlinuz" --initrd "$GUEST/initramfs.cpio" --memory 512 --vcpus 4 --place "$(first_pu)" --no-reboot \
		--append "console=ttyS0 quiet panic=-1 turtles.run=litmus:2" --timeout "$limit" < /dev/null > "$1" 2>&1
	grep 'a_ticket_lock' "$1" | sed 's/^/# /'
}
# it is a thousand times as often where nobody else wants the CPU; whoever does gets it from who gives way
handed_on()
{
	sed -nE 's/.*a_ticket_lock.*: ([0-9]+) times a second with PAUSE, ([0-9]+) without.*/\1 \2/p' "$1" |
		awk -v f="$2" '{ found = $1 > f * $2 } END { exit !found }'
}
crowded "$folder/console"
complete "litmus, 4 vCPUs on one CPU" "$folder/console"
for ((try = 0; try < 3; try++)); do
	handed_on "$folder/console" 10 && break
	crowded "$folder/console"
done
handed_on "$folder/console" 3
ok $? "who waits with PAUSE doesn't keep a lock's holder from its CPU"
"$turtles" run --kernel "$GUEST/vmlinuz" --initrd "$GUEST/initramfs.cpio" --memory 512 --vcpus 4 --no-reboot \
	--append "console=ttyS0 quiet panic=-1 turtles.run=check" --timeout "$limit" < /dev/null > "$folder/console" 2>&1
complete "self-check, 4 vCPUs" "$folder/console"
"$turtles" run --cpu Skylake-Server,+vmx --kernel "$GUEST/vmlinuz" --initrd "$GUEST/nested.cpio" --memory 1024 --vcpus 2 --no-reboot \
	--append "console=ttyS0 quiet panic=-1 rdinit=/nested turtles.run=litmus:20 turtles.options=--vcpus,2" \
	--timeout "$limit" < /dev/null > "$folder/console" 2>&1
ok $? "an L1 with 2 vCPUs runs an L2 with 2 vCPUs"
complete "litmus, L2 with 2 vCPUs" "$folder/console"
plan
