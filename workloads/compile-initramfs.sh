#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# compile-initramfs.sh FOLDER: make FOLDER/compile.cpio, the initramfs of a guest that compiles: FOLDER/initramfs.cpio, and behind
# it an archive with FOLDER/compile as /compile and this machine's gcc as far as it makes object files of C.
set -eu
folder=$(cd "$1" && pwd)
root=$folder/compiler

rm -rf "$root"
cc1=$(gcc -print-prog-name=cc1)
mkdir -p "$root/usr/bin" "$root$(dirname "$cc1")" "$root/lib/x86_64-linux-gnu"
cp -r "$folder/compile" "$root/compile"
for program in gcc as; do
	cp -L "$(command -v $program)" "$root/usr/bin/$program"
done
cp "$cc1" "$root$cc1"
cp -r "$(gcc -print-file-name=include)" "$root$(dirname "$cc1")/"
ldd "$root/usr/bin/gcc" "$root/usr/bin/as" "$root$cc1" | sed -n 's,.*=> \(/[^ ]*\) .*,\1,p' | sort -u | while read -r file; do
	cp -L "$file" "$root/lib/x86_64-linux-gnu/"
done

# names are sorted, times are 0, owners are root
chmod -R u+rwX,go+rX,go-w "$root"
find "$root" -exec touch -h -d @0 {} +
(cd "$root" && find . -mindepth 1 | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0 --reproducible) > "$folder/compile.overlay"
cat "$folder/initramfs.cpio" "$folder/compile.overlay" > "$folder/compile.new.cpio"
rm -rf "$root" "$folder/compile.overlay"
mv "$folder/compile.new.cpio" "$folder/compile.cpio"
