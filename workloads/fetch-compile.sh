#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# fetch-compile.sh FOLDER: get what workloads/compile.c compiles, newlib (a C library), into FOLDER/compile: the files of compile.list with
# what they include, that list, and the compiler's flags. Debian's package is unpacked, never installed.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/apt.sh"
cd "$1"
apt_knows newlib-source
unpack root-newlib newlib-source
rm -rf compile compile.new newlib
mkdir newlib compile.new
tar -xJf root-newlib/usr/src/newlib/newlib-*.tar.xz -C newlib
tree=$(echo newlib/*/newlib)
for folder in libc/stdio libc/stdlib libc/locale libm/math libm/common; do
	mkdir -p "compile.new/$folder"
	cp "$tree/$folder"/*.[ch] "compile.new/$folder/"
done
cp -r "$tree/libc/include" compile.new/libc/
# no headers but these and the compiler's own
cat > compile.new/flags << END
-O2
-w
-nostdinc
-isystem
$(gcc -print-file-name=include)
-Ilibc/include
-Ilibm/common
-Ilibm/math
-Ilibc/stdio
-Ilibc/stdlib
END
while read -r file; do
	[ -f "compile.new/$file" ] || die "newlib-source has no $file"
done < "$here/compile.list"
cp "$here/compile.list" compile.new/list
rm -rf newlib root-newlib
mv compile.new compile
