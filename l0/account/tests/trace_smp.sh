#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# --trace of an L1 with several vCPUs, KVM, whose L2 has several as well: each vCPU's rounds are its own, and all of it adds up.
turtles=$BUILD/turtles
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

. .ci/tap.sh

if [ ! -e "$GUEST/nested.cpio" ]; then
	skip_all "the trace of several vCPUs" "no guest images: make guest"
fi
if [ -n "$SANITIZE" ]; then
	skip_all "the trace of several vCPUs" "with sanitizers it takes too long: test_trace_vcpus has what can be raced for"
fi
case $turtles in /*) ;; *) turtles=$PWD/$turtles ;; esac
case $GUEST in /*) ;; *) GUEST=$PWD/$GUEST ;; esac
cd "$folder" || exit

# nested PROGRAM OPTION...
nested()
{
	local program=$1
	shift
	"$turtles" run --cpu Skylake-Server,+vmx --kernel "$GUEST/vmlinuz" --initrd "$GUEST/nested.cpio" --memory 1024 --vcpus 2 --no-reboot \
		--append "console=ttyS0 quiet panic=-1 rdinit=/nested turtles.run=$program turtles.options=--vcpus,2" --timeout 280 "$@" \
		< /dev/null > console 2>&1
	local status=$?
	[ $status = 0 ] || tail -n 20 console | sed 's/^/# /'
	return $status
}

# of a stats file: what was counted and timed of the exits
vmx()
{
	sed -n '/"vmx"/,$p' "$1"
}

nested litmus:2 --vmcs-access trap --stats stats --trace trace,stacks=20
ok $? "KVM with 2 vCPUs runs a guest with 2 vCPUs, traced with stacks"
"$turtles" trace trace --export stats -o counted
diff <(vmx stats) <(vmx counted) > difference
status=$?
head -n 10 difference | sed 's/^/# /'
ok $status "all numbers of the trace are those of the stats"
"$turtles" trace trace --export csv > rows
cut -d , -f 2,4-6,8 rows | sed 1d | awk -F , '
	function wrong(what) { if (!bad++) print "# line " NR ": " $0 ": " what }
	$5 < last { wrong("time goes back") }
	{ last = $5; seen[$1]++ }
	$2 == "kvm_nested_vmexit" { if (open[$1]) wrong("a round in a round"); if ($4 != round[$1] + 1) wrong("a round is missing"); open[$1] = 1; round[$1] = $4 }
	open[$1] && $4 != round[$1] { wrong("another round is open") }
	!open[$1] && $4 != 0 { wrong("no round is open") }
	$2 == "kvm_entry" { open[$1] = 0 }
	END {
		for (vcpu in seen) { vcpus++; print "# vCPU " vcpu ": " seen[vcpu] " records, " round[vcpu] " rounds"; if (round[vcpu] < 1000) wrong("few rounds") }
		exit bad || vcpus != 2 }' > nesting
status=$?
cat nesting
ok $status "records are in the order of time, and on each vCPU rounds follow one another"
for vcpu in 0 1; do
	"$turtles" trace trace --vcpu $vcpu | grep -c "^. L[12] \[00$vcpu\]" > a
	grep -c "^[^,]*,$vcpu," rows > b
	cmp -s a b && "$turtles" trace trace --vcpu $vcpu --symbols trace.kallsyms --export collapsed |
		grep -q "^vCPU $vcpu;L2;.*;kvm_arch_vcpu_ioctl_run;.*vmx_[a-z_]*;.* [0-9]*$"
	ok $? "vCPU $vcpu is chosen, and its stacks have KVM's functions"
done
"$turtles" trace trace --vcpu 2 2> errors
[ $? = 2 ] && grep -q 'vCPUs 0 to 1' errors
ok $? "a vCPU that isn't there is refused"
"$turtles" trace trace --export chrome | grep -c '"name":"thread_name"' | grep -qx 4
ok $? "in Chrome's format each vCPU has its tracks"

for run in 1 2; do
	nested exec:true --clock insns --trace trace.$run
	ok $? "with the instruction clock, run $run"
	"$turtles" trace trace.$run > lines.$run
done
cmp lines.1 lines.2 > difference 2>&1 && grep -q '\[001\]' lines.1 && grep -q nested_vmexit lines.1
status=$?
sed 's/^/# /' difference
ok $status "they have one trace"
plan
