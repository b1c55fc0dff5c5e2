// SPDX-License-Identifier: MIT
//! A worker pool, and what the tests share. The tests of this crate are about the operating system:
//! processes, signals, threads, files and sockets.

use std::sync::{mpsc, Arc, Mutex};
use std::thread;

/// Applies `work` to every item on `threads` threads; the answers come in the order of the items.
pub fn parallel_map<T, R>(threads: usize, items: Vec<T>, work: fn(T) -> R) -> Vec<R>
where
    T: Send + 'static,
    R: Send + 'static,
{
    let queue = Arc::new(Mutex::new(items.into_iter().enumerate()));
    let (sender, receiver) = mpsc::channel();
    let handles: Vec<_> = (0..threads)
        .map(|_| {
            let (queue, sender) = (Arc::clone(&queue), sender.clone());
            thread::spawn(move || loop {
                let next = queue.lock().unwrap().next();
                let Some((index, item)) = next else { break };
                sender.send((index, work(item))).unwrap();
            })
        })
        .collect();
    drop(sender);
    let mut answers: Vec<_> = receiver.into_iter().collect();
    handles.into_iter().for_each(|h| h.join().unwrap());
    answers.sort_by_key(|(index, _)| *index);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

/// True under `cargo nextest run`, where a test is a process of its own. The tests that are meant to
/// fail, die or hang do so only there: in `cargo test` they would take the others with them.
pub fn under_nextest() -> bool {
    std::env::var_os("NEXTEST").is_some_and(|value| value == "1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parallel_map_keeps_the_order() {
        let answers = parallel_map(8, (0..500u64).collect(), |n| n * n);
        assert!(answers.iter().enumerate().all(|(i, a)| *a == (i * i) as u64));
    }

    #[test]
    fn parallel_map_of_nothing() {
        assert_eq!(parallel_map(4, Vec::<u8>::new(), |n| n), []);
    }
}
