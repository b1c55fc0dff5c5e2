# Building, installing and removing a package; the data base. This case changes the root and undoes it.
mkdir -p pkg/DEBIAN pkg/usr/share/grus-smoke; echo content > pkg/usr/share/grus-smoke/file
printf 'Package: grus-smoke\nVersion: 1.2-3\nArchitecture: all\nMaintainer: Nobody <nobody@example.org>\nDescription: a test\n' > pkg/DEBIAN/control
for s in preinst postinst prerm postrm; do printf '#!/bin/sh\nset -e\necho %s "$@"\n' $s > pkg/DEBIAN/$s; chmod 755 pkg/DEBIAN/$s; done
dpkg-deb --root-owner-group -b pkg grus-smoke.deb; dpkg-deb -I grus-smoke.deb | tail -6; dpkg-deb -c grus-smoke.deb | awk '{print $1, $6}'
dpkg -i grus-smoke.deb; echo $?; dpkg -s grus-smoke | head -3; dpkg -L grus-smoke; cat /usr/share/grus-smoke/file
dpkg -V grus-smoke; echo broken > /usr/share/grus-smoke/file; dpkg -V grus-smoke
dpkg -r grus-smoke; dpkg -P grus-smoke; ls /usr/share/grus-smoke; echo $?
dpkg -l | awk '/^ii/ {sub(/:.*/, "", $2); print $2}' | grep -xE 'bash|dpkg|gcc|perl-base|libc6'; dpkg-query -W -f '${Package} ${Version}\n' bash coreutils; dpkg --audit; dpkg -S /bin/bash; dpkg --compare-versions 1.2~rc1 lt 1.2; echo $?
