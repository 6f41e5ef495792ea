#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# fetch.sh FOLDER: get what guests are made of from Debian's archive: the cloud kernel, busybox and tcc. The packages
# are downloaded and unpacked below FOLDER, never installed.
set -eu
. "$(dirname "$0")/apt.sh"
mkdir -p "$1"
cd "$1"

apt_knows linux-image-cloud-amd64
kernel=$(apt-cache depends --no-recommends --no-suggests linux-image-cloud-amd64 |
	sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
[ -n "$kernel" ] || die "linux-image-cloud-amd64 depends on no kernel"

unpack root-kernel "$kernel"
unpack root-busybox-static busybox-static
unpack root-tcc tcc
version=${kernel#linux-image-}
echo "$version" > version.new
cp "root-kernel/boot/vmlinuz-$version" vmlinuz
mv version.new version
