#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# stress.sh SECONDS: programs that check their own results, all at the same time, again and again. A line PASS or FAIL for each with the
# number of times that it has run, one for the kernel's log; SUMMARY at the end.
end=$(($(date +%s) + $1))
folder=/tmp/stress
mkdir -p $folder

pipeline()
{
	seq 1 20000 | sort -rn | gzip -c | gunzip | sort -n | sha256sum
}

forks()
{
	i=0
	while [ $i -lt 100 ]; do
		(exit $((i % 100)))
		[ $? = $((i % 100)) ] || { echo "a shell's exit code changed"; return 1; }
		i=$((i + 1))
	done
}

files()
{
	at=$folder/files.$$
	mkdir -p "$at"
	head -c 3000000 /dev/urandom > "$at/a"
	cp "$at/a" "$at/b"
	dd if="$at/a" of="$at/c" bs=4093 2> /dev/null
	cmp "$at/a" "$at/b" && cmp "$at/b" "$at/c"
	status=$?
	rm -r "$at"
	return $status
}

same_pipeline()
{
	[ "$(pipeline)" = "$expected" ] || { echo "a pipeline changed its data"; return 1; }
}

same_warehouse()
{
	[ "$(warehouse transactions=20000 | grep check)" = "$business" ] || { echo "the business changed"; return 1; }
}

# worker NAME COMMAND...
worker()
{
	name=$1 times=0
	shift
	while [ "$(date +%s)" -lt "$end" ]; do
		if ! "$@" > "$folder/$name.last" 2>&1; then
			cp "$folder/$name.last" "$folder/$name.failed"
			break
		fi
		times=$((times + 1))
	done
	echo $times > "$folder/$name.times"
}

expected=$(pipeline)
business=$(warehouse transactions=20000 | grep check)
dmesg -c > /dev/null
worker rows rows &
worker selfcheck selfcheck &
worker litmus litmus 3 &
worker pipeline same_pipeline &
worker forks forks &
worker files files &
worker business same_warehouse &
wait
passed=0 failed=0
for name in rows selfcheck litmus pipeline forks files business; do
	if [ -e $folder/$name.failed ] || [ "$(cat $folder/$name.times)" = 0 ]; then
		echo "FAIL: stress: $name: $(grep FAIL $folder/$name.last || tail -n 1 $folder/$name.last)"
		failed=$((failed + 1))
	else
		echo "PASS: stress: $name: $(cat $folder/$name.times) times"
		passed=$((passed + 1))
	fi
done
if dmesg | grep -E 'BUG|WARNING|Oops|Call Trace|lockup|stall|hung_task|segfault|general protection|clocksource.*unstable'; then
	echo "FAIL: stress: kernel_log"
	failed=$((failed + 1))
else
	echo "PASS: stress: kernel_log"
	passed=$((passed + 1))
fi
echo "SUMMARY $passed passed, $failed failed"
