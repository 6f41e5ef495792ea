#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# fetch.sh FOLDER: get what guests are made of from Debian's archive: the cloud kernel, busybox and tcc. The packages
# are downloaded and unpacked below FOLDER, never installed.
set -eu
folder=$1
mkdir -p "$folder/packages"
cd "$folder"

die()
{
	echo "fetch.sh: $*" >&2
	exit 1
}

# apt's lists may be missing, as in a fresh container
known()
{
	apt-cache show "$1" > /dev/null 2>&1
}
if ! known linux-image-cloud-amd64; then
	if [ "$(id -u)" = 0 ]; then
		apt-get update -qq
	elif sudo -n true 2> /dev/null; then
		sudo -n apt-get update -qq
	fi
	known linux-image-cloud-amd64 || die "apt doesn't know linux-image-cloud-amd64: run as root: apt-get update"
fi

kernel=$(apt-cache depends --no-recommends --no-suggests linux-image-cloud-amd64 |
	sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
[ -n "$kernel" ] || die "linux-image-cloud-amd64 depends on no kernel"

for package in "$kernel" busybox-static tcc; do
	rm -rf "root-$package"
	# as root apt warns that its own user can't write here: only its errors are of interest
	(cd packages && rm -f "${package}_"*.deb && apt-get download -qq "$package" 2> "$package.log") ||
		{ cat "packages/$package.log" >&2; die "can't download $package"; }
	rm -f "packages/$package.log"
	dpkg -x packages/"${package}"_*.deb "root-$package"
	rm -f packages/"${package}"_*.deb
done
rmdir packages
version=${kernel#linux-image-}
rm -rf root-kernel
mv "root-$kernel" root-kernel
echo "$version" > version.new
cp "root-kernel/boot/vmlinuz-$version" vmlinuz
mv version.new version
