# A program at every level of optimisation; panics, threads, overflow, the messages of wrong programs.
cat > a.rs <<'R'
use std::{collections::HashMap, process::Command, sync::mpsc, thread};
fn collatz(mut n: u64) -> u32 { let mut c = 0; while n != 1 { n = if n % 2 == 0 { n / 2 } else { 3 * n + 1 }; c += 1; } c }
fn main() {
    println!("{:?}", (1..3000).map(|n| (collatz(n), n)).max());
    let mut words: HashMap<String, u32> = HashMap::new();
    for i in 0..1000u32 { *words.entry(format!("w{}", i.wrapping_mul(2654435761) % 13)).or_default() += i; }
    let mut list: Vec<_> = words.into_iter().collect(); list.sort(); println!("{:?}", &list[..3]);
    let (tx, rx) = mpsc::channel(); for i in 0..8u64 { let tx = tx.clone(); thread::spawn(move || tx.send((0..=i * 1000).sum::<u64>()).unwrap()); } drop(tx);
    println!("{}", rx.iter().sum::<u64>());
    println!("{} {:?} {:e} {}", f64::MAX, 0.1f32 + 0.2, 1.0 / 3.0, (-1.5f64) as u8);
    println!("{:?}", Command::new("/no/such").spawn().map(|_| ()).map_err(|e| e.kind()));
    println!("{:?}", std::panic::catch_unwind(|| "x".parse::<i32>().unwrap()).is_err());
    let v = vec![1, 2, 3]; std::process::exit(v[std::env::args().count()]);
}
R
for o in '-C opt-level=0 -g' '-C opt-level=3 -C lto=fat' '-C panic=abort -C opt-level=s'; do rustc $o a.rs -o a && ./a; echo $?; done
echo 'fn main() { let s = String::new(); drop(s); println!("{s}"); }' > wrong.rs; rustc --color=never wrong.rs; echo $?
echo 'fn f(n: u64) -> u64 { if n == 0 { 0 } else { 1 + f(n - 1) + f(0) } } fn main() { println!("{}", f(u64::MAX)); }' > deep.rs; rustc -A warnings deep.rs && ./deep 2>&1 | grep -o 'has overflowed its stack'; ./deep > /dev/null 2>&1; echo $?
echo '#[test] fn t() {} #[test] #[should_panic] fn p() { panic!() }' > t.rs; rustc --test t.rs && ./t --test-threads 1 -q | grep -o 'ok. 2 passed'
