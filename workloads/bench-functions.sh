# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154
# bench-functions.sh: what bench.sh and bench-nested.sh share. They set `results`, a folder with a file of lines "ROW NUMBER" for each
# column, and `columns`, the names of those files; a column is a program that runs the guest.

# progress TEXT: on the terminal's last line
progress()
{
	[ -t 2 ] && echo -ne "$1\e[K\r" >&2
	[ -t 2 ] || echo "$1" >&2
}

# microseconds of the host's clock
host_clock()
{
	echo "${EPOCHREALTIME/./}"
}

# note COLUMN ROW NUMBER
note()
{
	echo "$2 $3" >> "$results/$1"
}

# median COLUMN ROW
median()
{
	sed -n "s/^$2 //p" "$results/$1" | sort -n | awk '{ v[NR] = $1 } END { if (NR) print v[int((NR + 1) / 2)] }'
}

# host_line RUNS: what the numbers are of; complains if there isn't a core to spare for what is measured
host_line()
{
	local load

	read -r _ load _ < /proc/loadavg
	echo "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores, Linux $(uname -r); medians of $1 runs"
	[ "${load%.*}" -lt "$(nproc)" ] || echo "this machine has other work to do (load $load): these times are hardly worth anything" >&2
}

# table WIDTH: lines of words to columns, the first (where _ is a space) to the left, the others to the right
table()
{
	awk -v width="$1" '{ gsub("_", " ", $1); printf "%-" width "s", $1; for (i = 2; i <= NF; i++) printf "%14s", $i; print "" }'
}
