#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# nested-initramfs.sh FOLDER TURTLES [FILE...]: make FOLDER/nested.cpio, the initramfs of an L1 that runs Debian's KVM with
# TURTLES as its VMM. It is FOLDER/initramfs.cpio with a second archive behind it (the kernel unpacks both): TURTLES with its
# libraries, the kernel's KVM modules, and in /l2 what L2 boots: the kernel, the same initramfs.cpio, the guests of
# workloads/wild, and the FILEs.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=$(cd "$1" && pwd)
turtles=$2
shift 2
version=$(cat "$folder/version")
modules=$folder/root-kernel/lib/modules/$version/kernel
root=$folder/nested

rm -rf "$root"
mkdir -p "$root/bin" "$root/kvm" "$root/l2" "$root/lib/x86_64-linux-gnu"
cp "$here/guest/nested" "$here/guest/life" "$root/"
cp "$here/guest/nested-bench" "$root/bin/nested-bench"
chmod +x "$root/nested" "$root/life" "$root/bin/nested-bench"
cp "$turtles" "$root/bin/turtles"
ldd "$turtles" | sed -n 's,.*=> \(/[^ ]*\) .*,\1,p' | while read -r file; do
	cp -L "$file" "$root/lib/x86_64-linux-gnu/"
done
for module in virt/lib/irqbypass arch/x86/kvm/kvm arch/x86/kvm/kvm-intel arch/x86/kvm/kvm-amd; do
	cp "$modules/$module.ko" "$root/kvm/"
done
cp "$folder/vmlinuz" "$folder/initramfs.cpio" "$folder/bin/wild" "$root/l2/"
[ $# = 0 ] || cp "$@" "$root/l2/"

# names are sorted, times are 0, owners are root
chmod -R u+rwX,go+rX,go-w "$root"
find "$root" -exec touch -h -d @0 {} +
(cd "$root" && find . -mindepth 1 | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0 --reproducible) > "$folder/nested.overlay"
cat "$folder/initramfs.cpio" "$folder/nested.overlay" > "$folder/nested.new"
rm -rf "$root" "$folder/nested.overlay"
mv "$folder/nested.new" "$folder/nested.cpio"
