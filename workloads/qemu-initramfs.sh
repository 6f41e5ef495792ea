#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# qemu-initramfs.sh FOLDER: make FOLDER/qemu.cpio, the initramfs of an L1 whose VMM is Debian's QEMU: nested.cpio, and behind it
# an archive with QEMU, its libraries, and the firmware of the machines microvm and pc.
set -eu
folder=$(cd "$1" && pwd)
from=$folder/root-qemu
root=$folder/qemu
library=lib/x86_64-linux-gnu

rm -rf "$root"
mkdir -p "$root/usr/bin" "$root/usr/share/qemu" "$root/usr/share/seabios" "$root/$library"
cp "$from/usr/bin/qemu-system-x86_64" "$root/usr/bin/"
for file in bios-microvm.bin linuxboot_dma.bin multiboot_dma.bin kvmvapic.bin; do
	cp -L "$from/usr/share/qemu/$file" "$root/usr/share/qemu/"
done
for file in bios-256k.bin vgabios-stdvga.bin; do
	cp "$from/usr/share/seabios/$file" "$root/usr/share/seabios/"
done

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
needs "$root/usr/bin/qemu-system-x86_64"

# names are sorted, times are 0, owners are root
chmod -R u+rwX,go+rX,go-w "$root"
find "$root" -exec touch -h -d @0 {} +
(cd "$root" && find . -mindepth 1 | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0 --reproducible) > "$folder/qemu.overlay"
cat "$folder/nested.cpio" "$folder/qemu.overlay" > "$folder/qemu.new"
rm -rf "$root" "$folder/qemu.overlay"
mv "$folder/qemu.new" "$folder/qemu.cpio"
