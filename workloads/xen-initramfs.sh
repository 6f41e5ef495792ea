#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# xen-initramfs.sh FOLDER: make FOLDER/xen.cpio, the initramfs of Xen's first domain, which starts another one: FOLDER/initramfs.cpio, and
# behind it an archive with Xen's tools and their libraries, the modules that they need, and in /l2 what L2 boots.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=$(cd "$1" && pwd)
from=$folder/root-xen
root=$folder/xen-root
library=lib/x86_64-linux-gnu
version=$(basename "$from"/lib/modules/*)

rm -rf "$root"
mkdir -p "$root/xen/bin" "$root/xen/modules" "$root/$library" "$root/l2"
cp "$here/guest/xen-dom0" "$root/xen-dom0"
chmod +x "$root/xen-dom0"
for program in xl xenstored xenconsoled xen-init-dom0; do
	cp "$from"/usr/lib/xen-*/bin/$program "$root/xen/bin/"
done
for module in xen-evtchn xenfs/xenfs xen-privcmd xen-gntdev xen-gntalloc; do
	cp "$from/lib/modules/$version/kernel/drivers/xen/$module.ko" "$root/xen/modules/"
done
cp "$folder/vmlinuz" "$folder/initramfs.cpio" "$root/l2/"

# needs FILE: copies the libraries that FILE names, and those that these name
needs()
{
	readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | while read -r name; do
		[ ! -e "$root/$library/$name" ] || continue
		for place in "$from/$library" "$from/usr/$library" "/$library" "/usr/$library"; do
			[ ! -e "$place/$name" ] || break
		done
		cp -L "$place/$name" "$root/$library/"
		needs "$root/$library/$name"
	done
}
for program in "$root"/xen/bin/*; do
	needs "$program"
done
# what a thread that is cancelled asks for
cp -L "/$library/libgcc_s.so.1" "$root/$library/"
mkdir -p "$root/etc/xen"
echo 'autoballoon = "off"' > "$root/etc/xen/xl.conf"

# names are sorted, times are 0, owners are root
chmod -R u+rwX,go+rX,go-w "$root"
find "$root" -exec touch -h -d @0 {} +
(cd "$root" && find . -mindepth 1 | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0 --reproducible) > "$folder/xen.overlay"
cat "$folder/initramfs.cpio" "$folder/xen.overlay" > "$folder/xen.new.cpio"
rm -rf "$root" "$folder/xen.overlay"
mv "$folder/xen.new.cpio" "$folder/xen.cpio"
