#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian's KVM as L1 with Debian's kernel as L2: L2's self-check, L1's count of exits against ours, and two runs with the
# instruction clock that must be one.
turtles=$BUILD/turtles
limit=${NESTED_SECONDS:-300}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

. .ci/tap.sh

if [ -n "$SANITIZE" ]; then
	skip_all "Debian's KVM runs Linux" "with sanitizers it takes too long"
fi
if [ ! -e "$GUEST/nested.cpio" ]; then
	skip_all "Debian's KVM runs Linux" "no guest images: make guest"
fi

# nested WHAT OPTION...
nested()
{
	local what=$1
	shift
	"$turtles" run --cpu Skylake-Server,+vmx --kernel "$GUEST/vmlinuz" --initrd "$GUEST/nested.cpio" --memory 1024 --no-reboot \
		--append "console=ttyS0 panic=-1 rdinit=/nested turtles.run=$what" --timeout "$limit" "$@" < /dev/null
}

# sum of a number of all rounds in a stats file
reflected()
{
	sed -n 's/^ *"count": \([0-9]*\),*$/\1/p' "$1" | awk '{ n += $1 } END { print n + 0 }'
}

# With the instruction clock, L2's timers don't come late because the host is busy.
for run in 1 2; do
	nested check --clock insns --stats "$folder/stats.$run" --trace "$folder/trace.$run" > "$folder/console.$run" 2> "$folder/errors"
	status=$?
	[ $status = 0 ] || sed 's/^/# /' "$folder/errors"
	ok $status "L1 starts its guest and powers off, run $run"
done
guest_says L2 "$folder/console.1"
grep -q '^SUMMARY [0-9]* passed, 0 failed' "$folder/console.1"
ok $? "L2's self-check comes to its end without a failure"
grep -q 'nested: its guest ended with exit code 0' "$folder/console.1"
ok $? "L2 powers off, and its VMM ends well"
counted=$(sed -n 's/^kvm exits *\([0-9]*\).*/\1/p' "$folder/console.1")
ours=$(reflected "$folder/stats.1")
echo "# KVM in L1 counts $counted exits, L0 reflected $ours"
[ -n "$counted" ] && [ "$counted" = "$ours" ]
ok $? "KVM's count of exits in L1 is the number that L0 reflected"
tail -n 25 "$folder/console.1" | sed 's/^/# /'

diff "$folder/console.1" "$folder/console.2" > "$folder/diff"
status=$?
head -n 10 "$folder/diff" | sed 's/^/# /'
ok $status "the consoles of the two runs are the same"
# the command line has the name of the file
diff <(grep -v "$folder" "$folder/stats.1") <(grep -v "$folder" "$folder/stats.2") > "$folder/diff"
status=$?
head -n 10 "$folder/diff" | sed 's/^/# /'
ok $status "the stats of the two runs are the same"

# the traces: records begin where the header says
records()
{
	tail -c +$(($(od -An -tu4 -j12 -N4 "$1") + 1)) "$1"
}
cmp <(records "$folder/trace.1") <(records "$folder/trace.2") 2>&1 | sed 's/^/# /'
[ "${PIPESTATUS[0]}" = 0 ]
ok $? "the traces of the two runs have the same records"
rm "$folder/trace.2"
"$turtles" trace "$folder/trace.1" --summary > "$folder/summary" && "$turtles" report "$folder/stats.1" > "$folder/report" &&
	diff "$folder/summary" "$folder/report" > "$folder/diff"
status=$?
head -n 10 "$folder/diff" | sed 's/^/# /'
ok $status "the table of the trace is the table of the stats"
# L1's boot, and L2's begin
"$turtles" trace "$folder/trace.1" --to 2.2 | awk '
	{ for (i = 1; $i != "insns"; i++) continue; now = $(i + 1) }
	now < last { print "# line " NR ": the instruction count goes back: " $0; bad = 1; exit }
	{ last = now; n[$4]++ }
	END { exit bad || !n["kvm_exit:"] || !n["kvm_nested_vmexit:"] || !n["kvm_entry:"] }'
ok $? "instructions and exits are in one order"

# To the guests all ways to a VMCS and to L2's memory are one: L2 boots and powers off, and not even the instruction counts differ.
modes=(--vmcs-access\ {rewrite,shadow,trap} --mmu\ walk\ --vmcs-merge\ full)
for mode in "${modes[@]}"; do
	files=()
	[ "${mode##* }" = trap ] && files=(--stats "$folder/stats.trap" --trace "$folder/trace.trap,stacks=all")
	# shellcheck disable=SC2086
	nested off --clock insns $mode "${files[@]}" > "$folder/${mode##* }" 2> "$folder/errors.${mode##* }" &
	[ "$mode" = "${modes[1]}" ] && wait
done
wait
for mode in "${modes[@]}"; do
	grep -q 'nested: its guest ended with exit code 0' "$folder/${mode##* }"
	ok $? "L2 boots and powers off with $mode"
	[ "$mode" = "${modes[0]}" ] && continue # what the others are compared with
	diff "$folder/rewrite" "$folder/${mode##* }" > "$folder/diff"
	status=$?
	[ $status = 0 ] || head -n 10 "$folder/diff" "$folder/errors.${mode##* }" | sed 's/^/# /'
	ok $status "the console with $mode is the same"
done
# where every VMREAD and VMWRITE is an exit, the trace has all that was counted
"$turtles" trace "$folder/trace.trap" --export stats -o "$folder/counted" &&
	diff <(sed -n '/"vmx"/,$p' "$folder/stats.trap") <(sed -n '/"vmx"/,$p' "$folder/counted") > "$folder/diff"
status=$?
head -n 10 "$folder/diff" | sed 's/^/# /'
ok $status "every number of the trace is that of the stats"
# and with the names that were found in L1's memory, which functions of KVM they came from
"$turtles" trace "$folder/trace.trap" --symbols "$folder/trace.trap.kallsyms" --reason CPUID --export collapsed > "$folder/stacks"
cpuids=$("$turtles" trace "$folder/trace.trap" --reason CPUID --level 2 | grep -c kvm_nested_vmexit)
calls='L2;CPUID;entry_SYSCALL_64_after_hwframe;do_syscall_64;__x64_sys_ioctl;kvm_vcpu_ioctl;kvm_arch_vcpu_ioctl_run'
for line in "$calls;vmx_handle_exit;VMREAD" "$calls;vmx_vcpu_run;vmx_vcpu_enter_exit;__vmx_vcpu_run;VMRESUME"; do
	grep -q "^$line [1-9]" "$folder/stacks"
	ok $? "stacks of L2's CPUID: ${line##*ioctl_run;}"
done
awk -v calls="$calls;" -v cpuids="$cpuids" '
	/^L2;CPUID;/ { all += $NF }
	index($0, calls) == 1 { known += $NF }
	END { print "# " known " of " all " exits of L1 in rounds of " cpuids " CPUIDs came from there"; exit known < all * 0.99 || all < 5 * cpuids }' \
	"$folder/stacks"
ok $? "nearly all of L1's exits come from there"
# L1 without EPT is another L1 and has another console.
nested off --clock insns --mmu shadow > "$folder/shadow" 2> "$folder/errors"
grep -q 'nested: its guest ended with exit code 0' "$folder/shadow"
ok $? "L2 boots and powers off with --mmu shadow"
# its VMM has a thread for each vCPU of L2, and L1 a vCPU for each of these
nested "check turtles.vcpus=2" --vcpus 2 --clock insns > "$folder/smp" 2> "$folder/errors"
grep -q '^SUMMARY [0-9]* passed, 0 failed' "$folder/smp" && grep -q 'nested: its guest ended with exit code 0' "$folder/smp"
status=$?
[ $status = 0 ] || grep '^FAIL' "$folder/smp" | sed 's/^/# /'
ok $status "the self-check of an L2 with two vCPUs in an L1 with two comes to its end without a failure"
[ "$(grep -c 'Brought up 1 node, 2 CPUs' "$folder/smp")" = 2 ]
ok $? "both have brought up two CPUs"
plan
