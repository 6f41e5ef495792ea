# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-or-later
# apt.sh: what the scripts that fetch packages share; they source it.

die()
{
	echo "$(basename "$0"): $*" >&2
	exit 1
}

# apt_knows PACKAGE: or die; apt's lists may be missing, as in a fresh container
apt_knows()
{
	apt-cache show "$1" > /dev/null 2>&1 && return
	if [ "$(id -u)" = 0 ]; then
		apt-get update -qq
	elif sudo -n true 2> /dev/null; then
		sudo -n apt-get update -qq
	fi
	apt-cache show "$1" > /dev/null 2>&1 || die "apt doesn't know $1: run as root: apt-get update"
}

# unpack FOLDER PACKAGE...: download packages and unpack all of them into FOLDER, which is made anew
unpack()
{
	into=$1
	shift
	rm -rf "$into" "$into.packages"
	mkdir -p "$into" "$into.packages"
	# as root apt warns that its own user can't write here: only its errors are of interest
	(cd "$into.packages" && apt-get download -qq "$@" 2> log) ||
		{ cat "$into.packages/log" >&2; die "can't download $1"; }
	for package in "$into.packages"/*.deb; do
		dpkg -x "$package" "$into"
	done
	rm -rf "$into.packages"
}
