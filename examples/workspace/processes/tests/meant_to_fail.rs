// SPDX-License-Identifier: MIT
//! Tests that fail, die by a signal or hang, on purpose: nextest has to report each as it does natively.
//! `../../expected-results.txt` says which. In `cargo test` they do nothing.

use processes::under_nextest;
use std::{fs, path::Path, process, thread, time::Duration};

#[test]
fn fails_by_a_panic() {
    assert!(!under_nextest(), "meant to fail");
}

#[test]
#[should_panic]
fn fails_because_it_does_not_panic() {
    if !under_nextest() {
        panic!("satisfied");
    }
}

#[test]
fn fails_by_its_exit_code() {
    if under_nextest() {
        process::exit(7);
    }
}

#[test]
fn dies_by_sigabrt() {
    if under_nextest() {
        process::abort();
    }
}

#[test]
fn dies_by_sigsegv() {
    if under_nextest() {
        unsafe { std::hint::black_box(8 as *mut u32).write_volatile(1) };
    }
}

#[test]
fn dies_by_sigkill() {
    if under_nextest() {
        unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
        thread::sleep(Duration::from_secs(600));
    }
}

#[test]
fn outlives_its_timeout() {
    if under_nextest() {
        thread::sleep(Duration::from_secs(600));
    }
}

#[test]
fn outlives_its_timeout_and_ignores_sigterm() {
    if under_nextest() {
        unsafe { libc::signal(libc::SIGTERM, libc::SIG_IGN) };
        thread::sleep(Duration::from_secs(600));
    }
}

#[test]
fn passes_at_the_second_attempt() {
    if let Some(run) = std::env::var_os("NEXTEST_RUN_ID") {
        let mark = Path::new(env!("CARGO_TARGET_TMPDIR")).join(run);
        if mark.exists() {
            fs::remove_file(mark).unwrap();
        } else {
            fs::write(mark, "").unwrap();
            panic!("meant to fail once");
        }
    }
}

#[test]
fn fails_at_every_attempt() {
    assert!(!under_nextest(), "meant to fail");
}

#[test]
#[ignore = "shows that an ignored test stays ignored"]
fn is_ignored() {
    panic!("nobody runs this");
}
