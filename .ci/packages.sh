#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# packages.sh GROUP STAMP: see that the packages of a group of .ci/packages are installed, then touch STAMP.
set -eu
group=$1
stamp=$2
packages=$(sed -n "s/^$group //p" "$(dirname "$0")/packages")
mkdir -p "$(dirname "$stamp")"

if ! command -v dpkg-query > /dev/null; then
	echo "not a Debian system: this needs what Debian calls $packages" >&2
	touch "$stamp"
	exit 0
fi

missing=
for package in $packages; do
	case $(dpkg-query -W -f '${db:Status-Status}' "$package" 2> /dev/null || true) in
	installed) ;;
	*) missing="$missing $package" ;;
	esac
done

if [ -n "$missing" ]; then
	if [ "$(id -u)" = 0 ]; then
		sudo=
	elif sudo -n true 2> /dev/null || { [ -t 0 ] && command -v sudo > /dev/null; }; then
		sudo=sudo
	else
		echo "packages are missing; as root, run: apt-get install$missing" >&2
		exit 1
	fi
	echo "installing$missing"
	# the lists may be missing or old
	# shellcheck disable=SC2086
	{ $sudo apt-get update -qq &&
		$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $missing; } > /dev/null ||
		{ echo "that failed; as root, run: apt-get install$missing" >&2; exit 1; }
fi
touch "$stamp"
