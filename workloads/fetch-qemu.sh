#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# fetch-qemu.sh FOLDER: get Debian's QEMU for x86, the libraries that it names and its firmware. The packages are downloaded
# and unpacked into FOLDER/root-qemu, never installed. It comes behind fetch.sh, which sees that apt has lists.
set -eu
cd "$1"

die()
{
	echo "fetch-qemu.sh: $*" >&2
	exit 1
}

# What qemu-system-common depends on is for its modules (displays, sound, network disks), and the C library is there.
depends="apt-cache depends --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances"
libraries='\(lib[^ ]*\|zlib[^ ]*\)'
direct=$($depends qemu-system-x86 | sed -n "s/^ *|*Depends: $libraries\$/\\1/p")
[ -n "$direct" ] || die "apt doesn't know qemu-system-x86: run as root: apt-get update"
# shellcheck disable=SC2086
all=$($depends --recurse $direct | sed -n "s/^$libraries\$/\\1/p" | sort -u | grep -vx libc6)

rm -rf packages-qemu root-qemu.new
mkdir packages-qemu root-qemu.new
# as root apt warns that its own user can't write here: only its errors are of interest
# shellcheck disable=SC2086
(cd packages-qemu && apt-get download -qq qemu-system-x86 qemu-system-data seabios $all 2> log) ||
	{ cat packages-qemu/log >&2; die "can't download QEMU"; }
for package in packages-qemu/*.deb; do
	dpkg -x "$package" root-qemu.new
done
touch root-qemu.new
rm -rf packages-qemu root-qemu
mv root-qemu.new root-qemu
