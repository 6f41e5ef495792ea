#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# deeper-initramfs.sh FOLDER NAME BASE FILE: make FOLDER/NAME.cpio, the initramfs of an L1 whose L2 boots with FOLDER/FILE:
# BASE.cpio (nested or qemu), and behind it an archive with FILE in /l2.
set -eu
folder=$(cd "$1" && pwd)
name=$2
base=$3
file=$4
root=$folder/deeper-$name

rm -rf "$root"
mkdir -p "$root/l2"
cp "$folder/$file" "$root/l2/"
chmod -R u+rwX,go+rX,go-w "$root"
find "$root" -exec touch -h -d @0 {} +
(cd "$root" && find . -mindepth 1 | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0 --reproducible) > "$folder/$name.overlay"
cat "$folder/$base.cpio" "$folder/$name.overlay" > "$folder/$name.new"
rm -rf "$root" "$folder/$name.overlay"
mv "$folder/$name.new" "$folder/$name.cpio"
