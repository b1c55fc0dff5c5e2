# cargo without dependencies of others: a workspace with a build script, a proc-macro, tests; nextest over it.
export CARGO_TERM_QUIET=true CARGO_NET_OFFLINE=true
cargo new --vcs none app; cargo new --vcs none --lib app/mac; cd app
printf '\n[lib]\nproc-macro = true\n' >> mac/Cargo.toml; printf 'mac = { path = "mac" }\n[workspace]\nmembers = ["mac"]\n' >> Cargo.toml
echo '#[proc_macro] pub fn answer(_: proc_macro::TokenStream) -> proc_macro::TokenStream { "42".parse().unwrap() }' | sed '1i extern crate proc_macro;' > mac/src/lib.rs
echo 'fn main() { println!("cargo:rustc-env=BUILT={}", std::env::var("OPT_LEVEL").unwrap()); }' > build.rs
echo 'fn main() { println!("{} {}", mac::answer!(), env!("BUILT")); } #[test] fn good() { assert_eq!(mac::answer!(), 42) } #[test] fn bad() { assert_eq!(mac::answer!(), 41) }' > src/main.rs
cargo run; cargo run --release; cargo check; cargo test 2>&1 | grep -E '^test (good|bad|result)' | sed 's/; finished.*//' | sort; cargo metadata --format-version 1 --no-deps | python3 -c 'import json,sys; print([p["name"] for p in json.load(sys.stdin)["packages"]])'
cargo nextest run --no-fail-fast 2>&1 | grep -oE '(PASS|FAIL|SIG).*' | sed -E 's/; finished in.*//; s/\[[^]]*\]//; s/ +/ /g; s/\([^)]*\) //' | sort -u; cargo tree; cargo nonsense; echo $?; cargo build --bin missing; echo $?
