#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# deeper-initramfs.sh FOLDER NAME: make FOLDER/NAME3.cpio, the initramfs of an L1 whose L2 is a hypervisor, too: NAME.cpio (nested
# or qemu), and behind it an archive with nested.cpio in /l2.
set -eu
folder=$(cd "$1" && pwd)
name=$2
root=$folder/deeper-$name

rm -rf "$root"
mkdir -p "$root/l2"
cp "$folder/nested.cpio" "$root/l2/"
chmod -R u+rwX,go+rX,go-w "$root"
find "$root" -exec touch -h -d @0 {} +
(cd "$root" && find . -mindepth 1 | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0 --reproducible) > "$folder/$name.overlay3"
cat "$folder/$name.cpio" "$folder/$name.overlay3" > "$folder/${name}3.new"
rm -rf "$root" "$folder/$name.overlay3"
mv "$folder/${name}3.new" "$folder/${name}3.cpio"
