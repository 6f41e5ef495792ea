#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The program from outside: what scripts rely on, kvm-unit-tests' runner first. One line of message, a documented exit
# code, no guest needed.
turtles=$BUILD/turtles

. .ci/tap.sh

# says CODE WHERE TEXT ARGUMENT...: turtles exits with CODE and says TEXT in one line on stderr; nothing on stdout
says()
{
	local code=$1 text=$2 out err status
	shift 2
	out=$(timeout 60 "$turtles" "$@" 2> "$errors" < /dev/null)
	status=$?
	err=$(cat "$errors")
	[ "$status" = "$code" ] && [ -z "$out" ] && [[ "$err" == *"$text"* ]] && [ "$(wc -l < "$errors")" = 1 ] ||
		{ echo "# turtles $*: exit code $status, '$out', '$err'"; false; }
	ok $? "turtles $* exits with $code and says: $text"
}

# prints TEXT ARGUMENT...: turtles exits with 0 and prints TEXT somewhere; nothing on stderr
prints()
{
	local text=$1 out status
	shift
	out=$(timeout 60 "$turtles" "$@" 2> "$errors" < /dev/null)
	status=$?
	[ "$status" = 0 ] && [[ "$out" == *"$text"* ]] && [ ! -s "$errors" ] ||
		{ echo "# turtles $*: exit code $status"; false; }
	ok $? "turtles $* prints: $text"
}

errors=$(mktemp)
folder=$(mktemp -d)
trap 'rm -rf "$errors" "$folder"' EXIT

prints "turtles hypervisor version" --version
prints "turtles hypervisor version" -version
prints "--kernel FILE" --help
prints "--kernel FILE" -h
prints "--kernel FILE" help
prints "counted" help stats
prints "Ctrl-A x" help keys
prints "isa-debug-exit" help exit
prints "translate" help trace
prints "EPT_VIOLATION" help reasons
prints "--summary" trace --help
prints "STATS" report --help
prints ".SH OPTIONS" help man
prints "tcg" -accel help
prints "pc " -machine help
prints "" -cpu help
prints "" help cpu

says 2 "say what to do"
says 2 "'frob' is no command" frob
says 2 "help is about one of" help frob
says 2 "--kernel" run
says 2 "-frob" -frob
says 2 "-no-kvm-irqchip" -no-kvm-irqchip
says 2 "'hax'" -kernel K -machine accel=hax
says 2 "cpu" -kernel K -cpu nosuchcpu

# truncated, empty, and what is no file at all
: > "$folder/empty"
head -c 100 /dev/zero > "$folder/zeros"
head -c 1000000 /dev/urandom > "$folder/random"
printf '\177ELF' > "$folder/elf"
for file in empty zeros random elf; do
	timeout 60 "$turtles" -kernel "$folder/$file" 2> "$errors" < /dev/null > /dev/null
	status=$?
	{ [ $status = 2 ] || [ $status = 3 ]; } && [ "$(wc -l < "$errors")" = 1 ] && grep -q "$folder/$file" "$errors" ||
		{ echo "# exit code $status, $(cat "$errors")"; false; }
	ok $? "a kernel that is $file is refused in one line"
done
says 2 "$folder" -kernel "$folder"

# traces and stats that are none, or aren't there
says 2 "turtles trace FILE" trace
says 2 "unknown option" trace --frob T
says 2 "needs FORMAT" trace T --export
says 2 "chrome, csv" trace T --export svg
says 2 "no round" trace T --round 3-2
says 3 "nosuch: No such file" trace nosuch
says 3 "Is a directory" trace "$folder"
says 2 "turtles report STATS" report
says 3 "nosuch: No such file" report nosuch
for file in empty zeros random elf; do
	says 2 "$folder/$file: " trace "$folder/$file"
	says 2 "$folder/$file: " report "$folder/$file"
done
echo '{ "schema": 9, "l1": [] }' > "$folder/stats"
says 2 "stats of schema 9" report "$folder/stats"
echo '{ "schema": 1, "l1": [ { "name": "a", "vmx": { "rounds": 1 } } ] }' > "$folder/stats"
says 2 "missing: rounds" report "$folder/stats"

# What kvm-unit-tests' scripts ask, as they ask it
"$turtles" --help 2> /dev/null | grep -q QEMU
ok $? "--help looks like a QEMU"
"$turtles" -device '?' 2>&1 | grep -F -e '"testdev"' -e '"pc-testdev"' > /dev/null
ok $? "-device ? lists pc-testdev"
! "$turtles" -device '?' 2>&1 | grep -F pci-testdev > /dev/null
ok $? "-device ? doesn't list pci-testdev"
IFS='[ .]' read -r _ _ _ major minor micro _ <<< "$("$turtles" -h | head -1)"
[[ "$major$minor$micro" =~ ^[0-9]+$ ]]
ok $? "the version stands where it is looked for"
log=$("$turtles" --no-reboot -nodefaults -device pc-testdev -device isa-debug-exit,iobase=0xf4,iosize=0x4 \
	-display none -serial stdio -machine accel=tcg -kernel _NO_FILE_4Uhere_ -smp 1 2>&1)
grep "_NO_FILE_4Uhere_" <<< "$log" | grep -q -e "[Cc]ould not \(load\|open\) kernel" -e "error loading" -e "failed to load"
ok $? "a missing kernel is told in the words that are looked for"
smp=$("$turtles" -kernel _NO_FILE_4Uhere_ -smp 64 |& grep 'SMP CPUs')
smp=${smp##* }
[[ "$smp" =~ ^\([0-9]+\)$ ]]
ok $? "the largest number of vCPUs is told"

# the README's table of exit codes is the program's
"$turtles" help exit | while read -r line; do
	text=$(sed -E 's/^(\(V << 1\) \| 1|128 \+ N|several L1s|[0-9]+) +//' <<< "$line")
	tr -d '`' < README.md | grep -qF "| $text |" || { echo "# not in the README: $text"; exit 1; }
done
ok $? "the README has the exit codes that the program has"

# the man page is one
if command -v man > /dev/null; then
	"$turtles" help man > "$folder/turtles.1"
	page=$(MANWIDTH=100 LC_ALL=C man --warnings -l "$folder/turtles.1" 2> "$errors")
	[ ! -s "$errors" ] && [[ "$page" == *"--kernel FILE"* ]] && [[ "$page" == *"EXIT STATUS"* ]] ||
		{ echo "# $(head -3 "$errors")"; false; }
	ok $? "the man page is rendered without a warning"
else
	skip "the man page is rendered without a warning" "man is not installed"
fi
plan
