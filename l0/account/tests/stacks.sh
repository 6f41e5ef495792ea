#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# --trace FILE,stacks=: which calls in the small L1 led to its exits, told by its .eh_frame; its run is the same one.
turtles=$BUILD/turtles
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

. .ci/tap.sh

if [ ! -e "$GUEST/bin/l1shim" ]; then
	skip_all "calls that led to an exit are told" "no guest images: make guest"
fi
cd "$folder" || exit
case $turtles in /*) ;; *) turtles=$OLDPWD/$turtles ;; esac
case $GUEST in /*) ;; *) GUEST=$OLDPWD/$GUEST ;; esac
shim=$GUEST/bin/l1shim

# run TRACE OPTION...: the small L1; it ends with 33
run()
{
	local trace=$1
	shift
	"$turtles" run --cpu Skylake-Server,+vmx --kernel "$shim" --memory 64 --append 'payload=cpuid rounds=200' --timeout 100 \
		--vmcs-access trap --device isa-debug-exit,iobase=0xf4,iosize=0x4 --no-reboot --trace "$trace" "$@" < /dev/null 2> errors
}

run without --clock insns > console.without
run with,stacks=all --clock insns > console.with
[ $? = 33 ] || sed 's/^/# /' errors console.with
cmp -s console.without console.with
ok $? "the guest says the same with stacks and without"
"$turtles" trace without > lines.without
"$turtles" trace with | grep -v '^	' > lines.with
cmp -s lines.without lines.with && [ "$(wc -l < lines.with)" -gt 1000 ]
ok $? "and has the same exits, at the same instructions"
run again,stacks=all --clock insns > console.with
cmp -s <("$turtles" trace with) <("$turtles" trace again)
ok $? "two runs have the same stacks"

"$turtles" trace with --symbols "$shim" --export collapsed > stacks
sed 's/^/# /' stacks | head -n 40
for line in 'L2;CPUID 200' \
	'L2;CPUID;l2_exit;on_exit;VMREAD 200' \
	'L2;CPUID;l2_exit;VMRESUME 199' \
	'L1;_start;shim_main;experiment;l2_run;VMLAUNCH 1'; do
	grep -qxF "$line" stacks
	ok $? "$line"
done
grep -q '^L1;_start;shim_main;experiment;vmcs_create;.*VMWRITE [1-9]' stacks
ok $? "the calls that led to a VMWRITE are the program's"
awk '{ n += $NF } END { print n }' stacks > a
grep -c 'kvm_exit:\|kvm_nested_vmexit:' lines.without > b
cmp -s a b
ok $? "every exit is in one stack"
"$turtles" trace with --symbols "$shim" --export collapsed --weight insns --reason CPUID | awk '{ n += $NF } END { print n }' > a
"$turtles" trace without --export collapsed --weight insns --reason CPUID | awk '{ n += $NF } END { print n }' > b
cmp -s a b && [ "$(cat a)" -gt 1000 ]
ok $? "instructions are shared out among the stacks of a round, and none is lost"
"$turtles" trace with --symbols "$shim" --round 7 > a
grep -q '^	 *[0-9a-f]* on_exit+0x[0-9a-f]*$' a
ok $? "a line has its stack below it"
"$turtles" trace with --symbols "$shim" --round 7 --export chrome | grep -q '"stack":\["on_exit","l2_exit"\]'
ok $? "and Chrome's events have it"
"$turtles" trace with --export collapsed | grep -q '^L2;CPUID;0x[0-9a-f]*;0x[0-9a-f]*;VMREAD 200$'
ok $? "without symbols addresses are told"

run some,stacks=100 --clock insns > console.with
"$turtles" trace some --symbols "$shim" > lines
chosen=$(awk '/^\t/ && !stack { chosen++ } { stack = /^\t/ } END { print chosen }' \
	<("$turtles" trace some))
all=$(grep -c ' L1 .*kvm_exit:' lines.without)
[ "$chosen" = $(((all + 99) / 100)) ]
ok $? "every hundredth exit of L1 has its stack: $chosen of $all"
"$turtles" trace some --symbols "$shim" --export collapsed --level 1 | awk '{ n += $NF } END { print n }' | grep -qx "$chosen"
ok $? "and no others are among the collapsed stacks"

"$turtles" run --kernel "$shim" --trace t,stacks=0 2> errors < /dev/null
[ $? = 2 ] && grep -q "stacks: '0' is neither all nor a number" errors
ok $? "every 0th is refused"
"$turtles" trace with --symbols "$shim@100000" --export collapsed | cmp -s - stacks
ok $? "the address where a program was may be given"
"$turtles" trace with --symbols "$shim@7700000" --export collapsed | grep -q '^L2;CPUID;0x[0-9a-f]*;0x[0-9a-f]*;VMREAD 200$'
ok $? "and moves its functions"
echo nonsense > symbols
"$turtles" trace with --symbols symbols 2> errors
[ $? = 2 ] && grep -q 'symbols: neither an ELF file nor lines of ADDRESS TYPE NAME' errors && [ "$(wc -l < errors)" = 1 ]
ok $? "a file without symbols is told"
echo '0000000000000000 T _stext' > symbols
"$turtles" trace with --symbols symbols 2> errors
[ $? = 2 ] && grep -q 'all addresses are 0' errors
ok $? "as is one whose addresses are hidden"
nm "$shim" 2> errors | sed 's/^/00000000/;s/^0*/00000000/' > symbols
if [ -s symbols ]; then
	"$turtles" trace with --symbols symbols --export collapsed | cmp -s - stacks
	ok $? "a text of symbols says what the ELF file does"
fi
echo old > with.kallsyms
run with,stacks=all > console.with
[ $? = 33 ] && [ -z "$(find . -name '*.kallsyms')" ]
ok $? "no symbols are left of a guest that isn't Linux, nor those of an earlier run"
plan
