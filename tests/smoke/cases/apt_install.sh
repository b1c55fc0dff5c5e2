# The archive's signature, the lists, and a package from it: what gpgv or sqv says decides. The root is left as it was.
o="-q -o Dir::State::Lists=$PWD/lists -o Dir::Cache=$PWD/cache -o APT::Sandbox::User=root"; mkdir -p lists/partial cache/archives/partial
step() { "$@" > out 2>&1 < /dev/null || { echo "failed: $*" >&2; tail -5 out >&2; exit 1; }; }
step apt-get $o update; grep -E '^(W|E|Err)' out; test -n "$(ls lists | grep Packages)" && echo updated
step apt-get $o install -y hello; grep -E '^(W|E|Err|Setting up hello)' out | sed 's/ (.*//'
hello; dpkg -s hello | grep -E '^(Package|Status)'; step apt-get $o purge -y hello; ls /usr/bin/hello 2>/dev/null; echo gone $?
