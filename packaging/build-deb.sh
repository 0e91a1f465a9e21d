#!/usr/bin/env bash
# Makes a Debian package of what is built: both programs, the web app, a systemd unit and a config file.
#   packaging/build-deb.sh BIN_FOLDER [OUTPUT_FOLDER]      BIN_FOLDER: build/release/bin
# Needs dpkg-dev and web/dist. Prints the name of the package.
set -euo pipefail
bin=$(realpath "${1:?the folder of sluice and sluice-worker, such as build/release/bin}")
out=$(realpath "${2:-.}")
cd "$(dirname "$0")/.."
for file in "$bin/sluice" "$bin/sluice-worker" web/dist/index.html; do
  [ -r "$file" ] || { echo "build-deb: there is no $file: build it first" >&2; exit 1; }
done

version=$(cat VERSION)
arch=$(dpkg --print-architecture)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/debian/sluice
umask 022
install -d "$root/usr/bin" "$root/usr/share/sluice" "$root/usr/share/doc/sluice" "$root/DEBIAN"
for program in sluice sluice-worker; do
  install -m 755 "$bin/$program" "$root/usr/bin/$program"
  strip --strip-unneeded "$root/usr/bin/$program"
done
cp -r --no-preserve=mode,ownership web/dist "$root/usr/share/sluice/web"
cp --no-preserve=mode,ownership README.md SECURITY.md docs/*.md "$root/usr/share/doc/sluice/"
install -D -m 644 packaging/sluice.service "$root/usr/lib/systemd/system/sluice.service"
install -D -m 644 packaging/60-sluice.conf "$root/usr/lib/sysctl.d/60-sluice.conf"
install -D -m 644 packaging/sluice.toml "$root/etc/sluice/sluice.toml"
for script in postinst prerm postrm; do install -m 755 "packaging/$script" "$root/DEBIAN/$script"; done
echo /etc/sluice/sluice.toml > "$root/DEBIAN/conffiles"

# What the programs link to, by the packages that have it here.
printf 'Source: sluice\n\nPackage: sluice\nArchitecture: any\n' > "$work/debian/control"
if ! depends=$(cd "$work" &&
  dpkg-shlibdeps -O debian/sluice/usr/bin/sluice debian/sluice/usr/bin/sluice-worker 2>shlibs.log); then
  cat "$work/shlibs.log" >&2
  exit 1
fi
depends=${depends#shlibs:Depends=}
cat > "$root/DEBIAN/control" <<CONTROL
Package: sluice
Version: $version
Architecture: $arch
Maintainer: Sluice
Section: video
Priority: optional
Installed-Size: $(du -sk "$root" | cut -f1)
Depends: $depends, adduser, procps
Recommends: ffmpeg
Description: WebRTC media server for broadcasts, calls and meetings
 Forwards audio, video and data among browsers and other clients, with rooms,
 signalling, ingest by ffmpeg, GStreamer and WHIP, and a web app.
CONTROL
package=$out/sluice_${version}_$arch.deb
dpkg-deb --root-owner-group --build "$root" "$package" >/dev/null
echo "$package"
