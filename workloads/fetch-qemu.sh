#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# fetch-qemu.sh FOLDER: get Debian's QEMU for x86, the libraries that it names and its firmware. The packages are downloaded
# and unpacked into FOLDER/root-qemu, never installed.
set -eu
. "$(dirname "$0")/apt.sh"
cd "$1"
apt_knows qemu-system-x86

# What qemu-system-common depends on is for its modules (displays, sound, network disks), and the C library is there.
depends="apt-cache depends --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances"
libraries='\(lib[^ ]*\|zlib[^ ]*\)'
direct=$($depends qemu-system-x86 | sed -n "s/^ *|*Depends: $libraries\$/\\1/p")
# shellcheck disable=SC2086
all=$($depends --recurse $direct | sed -n "s/^$libraries\$/\\1/p" | sort -u | grep -vx libc6)

# shellcheck disable=SC2086
unpack root-qemu.new qemu-system-x86 qemu-system-data seabios $all
touch root-qemu.new # dpkg gives it a time of its own
rm -rf root-qemu
mv root-qemu.new root-qemu
