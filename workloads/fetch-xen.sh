#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# fetch-xen.sh FOLDER: get Debian's Xen, its tools with their libraries, and the kernel that can be its first domain (the cloud kernel
# can't), into FOLDER/root-xen; the hypervisor becomes FOLDER/xen, the kernel FOLDER/vmlinuz-dom0. Unpacked, never installed.
set -eu
. "$(dirname "$0")/apt.sh"
cd "$1"
version=$(cat version)
plain=linux-image-$(echo "$version" | sed 's/-cloud//')
apt_knows "$plain"
apt_knows xen-system-amd64
depends="apt-cache depends --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances"
hypervisor=$($depends xen-system-amd64 | sed -n 's/.*Depends: \(xen-hypervisor-[0-9].*\)/\1/p' | head -n 1)
tools=xen-utils-${hypervisor#xen-hypervisor-}
tools=${tools%-amd64}
[ -n "$hypervisor" ] || die "xen-system-amd64 depends on no hypervisor"
# libraries of Xen's own and those that they name
misc=$($depends "$tools" | sed -n 's/.*Depends: \(libxenmisc[^ ]*\)/\1/p')
libraries=$($depends "$tools" "$misc" | sed -n 's/^ *|*Depends: \(lib[^ ]*\|zlib1g\)$/\1/p' | sort -u | grep -vx libc6)
# shellcheck disable=SC2086
unpack root-xen.new "$plain" "$hypervisor" "$tools" libxentoolcore1 $libraries
gunzip -c root-xen.new/boot/xen-*-amd64.gz > xen.new
cp root-xen.new/boot/vmlinuz-* vmlinuz-dom0
touch root-xen.new
rm -rf root-xen
mv xen.new xen
mv root-xen.new root-xen
