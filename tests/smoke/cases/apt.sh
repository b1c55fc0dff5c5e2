# What can be asked without a network, and the resolver.
apt-get --version | head -1; apt-config dump | grep -c .; apt-mark showmanual | wc -l | grep -c .
mkdir -p repo/dists; (mkdir -p p/DEBIAN; printf 'Package: grus-apt\nVersion: 1\nArchitecture: all\nMaintainer: N <n@example.org>\nDepends: bash\nDescription: x\n' > p/DEBIAN/control; dpkg-deb --root-owner-group -b p repo/grus-apt.deb) | tail -1
apt-get install -s ./repo/grus-apt.deb | grep -E '^(Inst|Conf)' | cut -d' ' -f1-3; apt-get install -y -qq ./repo/grus-apt.deb < /dev/null 2>&1 | grep -E 'Unpacking|Setting up'; apt-get purge -y -qq grus-apt 2>&1 | grep -E '^Removing'
apt-cache policy bash | head -3; apt-cache depends --installed bash | head -3; apt-get check -qq; echo $?; apt-get install -s no-such-package-anywhere; echo $?
