// SPDX-License-Identifier: MIT
//! Threads, atomics, panics and time.

use std::cell::Cell;
use std::panic;
use std::sync::atomic::{AtomicU16, AtomicU64, AtomicU8, Ordering};
use std::sync::{Arc, Barrier, Condvar, Mutex, Once, RwLock};
use std::thread;
use std::time::{Duration, Instant};

#[test]
fn atomics_lose_no_increment() {
    let (wide, narrow, byte) = (AtomicU64::new(0), AtomicU16::new(0), AtomicU8::new(0));
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..5000 {
                    wide.fetch_add(1, Ordering::Relaxed);
                    narrow.fetch_add(1, Ordering::AcqRel);
                    byte.fetch_xor(1, Ordering::SeqCst);
                }
            });
        }
    });
    assert_eq!((wide.into_inner(), narrow.into_inner(), byte.into_inner()), (40_000, 40_000, 0));
}

#[test]
fn compare_exchange_loops() {
    let top = AtomicU64::new(0);
    thread::scope(|scope| {
        for n in 0..8u64 {
            let top = &top;
            scope.spawn(move || {
                for i in 0..2000 {
                    top.fetch_update(Ordering::AcqRel, Ordering::Acquire, |v| Some(v.max(i * 8 + n))).unwrap();
                }
            });
        }
    });
    assert_eq!(top.into_inner(), 1999 * 8 + 7);
}

#[test]
fn a_mutex_guards() {
    let total = Mutex::new(0u64);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..2000).for_each(|_| *total.lock().unwrap() += 1));
        }
    });
    assert_eq!(total.into_inner().unwrap(), 16_000);
}

#[test]
fn a_barrier_releases_one_leader() {
    let barrier = Barrier::new(8);
    let leaders = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                if barrier.wait().is_leader() {
                    leaders.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(leaders.into_inner(), 1);
}

#[test]
fn a_condition_variable_hands_over() {
    let pair = Arc::new((Mutex::new(0), Condvar::new()));
    let other = Arc::clone(&pair);
    let ponger = thread::spawn(move || {
        let (lock, turned) = &*other;
        for n in 0..200 {
            let mut turn = turned.wait_while(lock.lock().unwrap(), |t| *t != 2 * n + 1).unwrap();
            *turn += 1;
            turned.notify_one();
        }
    });
    let (lock, turned) = &*pair;
    for n in 0..200 {
        *lock.lock().unwrap() += 1;
        turned.notify_one();
        drop(turned.wait_while(lock.lock().unwrap(), |t| *t != 2 * n + 2).unwrap());
    }
    ponger.join().unwrap();
    assert_eq!(*lock.lock().unwrap(), 400);
}

#[test]
fn readers_and_a_writer() {
    let shared = RwLock::new((0u64, 0u64));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..1000 {
                    let pair = shared.read().unwrap();
                    assert_eq!(pair.0, pair.1);
                }
            });
        }
        for _ in 0..1000 {
            let mut pair = shared.write().unwrap();
            pair.0 += 1;
            pair.1 += 1;
        }
    });
    assert_eq!(shared.into_inner().unwrap(), (1000, 1000));
}

#[test]
fn once_runs_once() {
    static ONCE: Once = Once::new();
    static RUNS: AtomicU64 = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                ONCE.call_once(|| {
                    RUNS.fetch_add(1, Ordering::Relaxed);
                })
            });
        }
    });
    assert_eq!(RUNS.load(Ordering::Relaxed), 1);
}

#[test]
fn thread_locals_are_local_and_dropped() {
    static DROPS: AtomicU64 = AtomicU64::new(0);
    struct Noisy(Cell<u32>);
    impl Drop for Noisy {
        fn drop(&mut self) {
            DROPS.fetch_add(u64::from(self.0.get()), Ordering::Relaxed);
        }
    }
    thread_local!(static LOCAL: Noisy = const { Noisy(Cell::new(1)) });
    let handles: Vec<_> =
        (0..10).map(|n| thread::spawn(move || LOCAL.with(|l| l.0.set(l.0.get() + n)))).collect();
    handles.into_iter().for_each(|h| h.join().unwrap());
    assert_eq!(DROPS.load(Ordering::Relaxed), 55);
}

#[test]
fn a_panic_in_a_thread_is_caught_by_join() {
    let error = thread::spawn(|| panic!("said {}", std::hint::black_box(42))).join().unwrap_err();
    assert_eq!(error.downcast_ref::<String>().unwrap(), "said 42");
}

#[test]
fn unwinding_runs_the_destructors() {
    let count = AtomicU64::new(0);
    struct Guard<'a>(&'a AtomicU64);
    impl Drop for Guard<'_> {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    fn nest(depth: u32, count: &AtomicU64) {
        let _guard = Guard(count);
        if depth == 0 {
            panic!("deep");
        }
        nest(depth - 1, count);
    }
    assert!(panic::catch_unwind(panic::AssertUnwindSafe(|| nest(50, &count))).is_err());
    assert_eq!(count.into_inner(), 51);
}

#[test]
#[should_panic(expected = "PoisonError")]
fn a_poisoned_mutex_panics() {
    let lock = Arc::new(Mutex::new(()));
    let inner = Arc::clone(&lock);
    let _ = thread::spawn(move || {
        let _guard = inner.lock().unwrap();
        panic!("poisons it");
    })
    .join();
    drop(lock.lock().unwrap());
}

#[test]
fn parking_ends_by_unpark_and_by_time() {
    let sleeper = thread::spawn(thread::park);
    sleeper.thread().unpark();
    sleeper.join().unwrap();
    let start = Instant::now();
    thread::park_timeout(Duration::from_millis(30));
    assert!(start.elapsed() < Duration::from_secs(60));
}

#[test]
fn time_goes_forward() {
    let start = Instant::now();
    thread::sleep(Duration::from_millis(20));
    assert!(start.elapsed() >= Duration::from_millis(20));
    let mut last = Instant::now();
    for _ in 0..1000 {
        let now = Instant::now();
        assert!(now >= last);
        last = now;
    }
}

#[test]
fn a_hundred_threads_with_small_stacks() {
    let handles: Vec<_> = (0..100u64)
        .map(|n| thread::Builder::new().stack_size(64 << 10).spawn(move || n * 2).unwrap())
        .collect();
    assert_eq!(handles.into_iter().map(|h| h.join().unwrap()).sum::<u64>(), 9900);
}
