#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# initramfs.sh FOLDER PROGRAM...: make FOLDER/initramfs.cpio out of what fetch.sh got there, the guest's scripts and
# our programs. The same inputs give the same bytes: names are sorted, times are 0, owners are root.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=$(cd "$1" && pwd)
shift
version=$(cat "$folder/version")
root=$folder/initramfs
busybox=$folder/root-busybox-static/bin/busybox
tcc=$folder/root-tcc/usr
library=usr/lib/x86_64-linux-gnu

rm -rf "$root"
mkdir -p "$root/bin" "$root/proc" "$root/sys" "$root/dev" "$root/tmp" "$root/share" "$root/$library" \
	"$root/lib/x86_64-linux-gnu" "$root/lib64"
cp "$here/guest/init" "$root/init"
cp "$here/guest/check.sh" "$here/guest/stress.sh" "$root/share/"
cp "$busybox" "$root/bin/busybox"
for name in $("$busybox" --list); do
	[ "$name" = busybox ] || ln -s busybox "$root/bin/$name"
done
cp "$@" "$root/bin/"

# the compiler, and what it links programs with
cp "$tcc/bin/tcc" "$root/bin/"
cp -r "$tcc/lib/x86_64-linux-gnu/tcc" "$root/$library/tcc"
rm -f "$root/$library/tcc/"i386* "$root/$library/tcc/"b*.o
for file in crt1.o crti.o crtn.o libc.so libc_nonshared.a; do
	cp "/$library/$file" "$root/$library/"
done
for file in libc.so.6 libm.so.6 libdl.so.2 libpthread.so.0 ld-linux-x86-64.so.2; do
	cp -L "/lib/x86_64-linux-gnu/$file" "$root/lib/x86_64-linux-gnu/"
done
ln -s /lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 "$root/lib64/ld-linux-x86-64.so.2"

# the modules that check.sh loads, with what they depend on
modules="loop aesni-intel sha1-ssse3 sha256-ssse3 sha512-ssse3 crc32c-intel crct10dif-pclmul"
"$busybox" depmod -b "$folder/root-kernel" "$version"
all=$folder/root-kernel/lib/modules/$version
mkdir -p "$root/lib/modules/$version"
for module in $modules; do
	# modules.dep: file: file file ...
	sed -n "s,^\(.*/$module\.ko\):,\1,p" "$all/modules.dep"
done | tr ' ' '\n' | sort -u | while read -r file; do
	[ -n "$file" ] || continue
	mkdir -p "$root/lib/modules/$version/$(dirname "$file")"
	cp "$all/$file" "$root/lib/modules/$version/$file"
done
cp "$all/modules.builtin" "$all/modules.order" "$root/lib/modules/$version/"
"$busybox" depmod -b "$root" "$version"

chmod -R u+rwX,go+rX,go-w "$root"
find "$root" -exec touch -h -d @0 {} +
(cd "$root" && find . -mindepth 1 | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0 --reproducible) > "$folder/initramfs.new"
mv "$folder/initramfs.new" "$folder/initramfs.cpio"
