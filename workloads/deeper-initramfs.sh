#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# deeper-initramfs.sh FOLDER: make FOLDER/nested3.cpio, the initramfs of an L1 whose L2 is a hypervisor, too: nested.cpio, and
# behind it an archive with nested.cpio in /l2.
set -eu
folder=$(cd "$1" && pwd)
root=$folder/deeper

rm -rf "$root"
mkdir -p "$root/l2"
cp "$folder/nested.cpio" "$root/l2/"
chmod -R u+rwX,go+rX,go-w "$root"
find "$root" -exec touch -h -d @0 {} +
(cd "$root" && find . -mindepth 1 | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0 --reproducible) > "$folder/deeper.overlay"
cat "$folder/nested.cpio" "$folder/deeper.overlay" > "$folder/nested3.new"
rm -rf "$root" "$folder/deeper.overlay"
mv "$folder/nested3.new" "$folder/nested3.cpio"
