// SPDX-License-Identifier: MIT
//! Files, memory maps, sockets and signals.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI32, Ordering};

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn files_are_written_and_read() {
    let scratch = Scratch::new("files");
    let path = scratch.0.join("a");
    let mut file = OpenOptions::new().read(true).write(true).create_new(true).open(&path).unwrap();
    file.write_all(b"0123456789").unwrap();
    file.seek(SeekFrom::Start(4)).unwrap();
    let mut tail = String::new();
    file.read_to_string(&mut tail).unwrap();
    assert_eq!(tail, "456789");
    file.set_len(3).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().len(), 3);
    fs::rename(&path, scratch.0.join("b")).unwrap();
    assert!(!path.exists());
}

#[test]
fn directories_are_listed() {
    let scratch = Scratch::new("list");
    for n in 0..300 {
        File::create(scratch.0.join(format!("file-{n}"))).unwrap();
    }
    assert_eq!(fs::read_dir(&scratch.0).unwrap().map(|e| e.unwrap().file_name()).count(), 300);
}

#[test]
fn links_are_followed() {
    let scratch = Scratch::new("links");
    fs::write(scratch.0.join("real"), "text").unwrap();
    std::os::unix::fs::symlink("real", scratch.0.join("soft")).unwrap();
    assert_eq!(fs::read_link(scratch.0.join("soft")).unwrap(), PathBuf::from("real"));
    assert_eq!(fs::read_to_string(scratch.0.join("soft")).unwrap(), "text");
    assert!(fs::canonicalize(scratch.0.join("soft")).unwrap().ends_with("real"));
}

#[test]
fn a_shared_map_reaches_the_file() {
    let scratch = Scratch::new("map");
    let path = scratch.0.join("m");
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path).unwrap();
    file.set_len(8192).unwrap();
    unsafe {
        let map = libc::mmap(
            std::ptr::null_mut(), 8192, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED, file.as_raw_fd(), 0,
        );
        assert_ne!(map, libc::MAP_FAILED);
        map.cast::<u8>().add(5000).write_volatile(77);
        assert_eq!(libc::munmap(map, 8192), 0);
    }
    assert_eq!(fs::read(&path).unwrap()[5000], 77);
}

#[test]
fn tcp_on_the_loopback() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut line = String::new();
        BufReader::new(stream.try_clone().unwrap()).read_line(&mut line).unwrap();
        stream.write_all(line.to_uppercase().as_bytes()).unwrap();
    });
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"hello\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    server.join().unwrap();
    assert_eq!(answer, "HELLO\n");
}

#[test]
fn a_pair_of_unix_sockets() {
    let (mut a, mut b) = UnixStream::pair().unwrap();
    a.write_all(&[1, 2, 3]).unwrap();
    a.shutdown(std::net::Shutdown::Write).unwrap();
    let mut got = Vec::new();
    b.read_to_end(&mut got).unwrap();
    assert_eq!(got, [1, 2, 3]);
}

#[test]
fn a_signal_handler_gets_number_and_value() {
    static SEEN: AtomicI32 = AtomicI32::new(0);
    extern "C" fn handler(number: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
        let value = unsafe { (*info).si_value().sival_ptr as usize as i32 };
        SEEN.store(number * 1000 + value, Ordering::SeqCst);
    }
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
        assert_eq!(libc::sigaction(libc::SIGUSR2, &action, std::ptr::null_mut()), 0);
        let value = libc::sigval { sival_ptr: 321usize as *mut libc::c_void };
        assert_eq!(libc::pthread_sigqueue(libc::pthread_self(), libc::SIGUSR2, value), 0);
    }
    assert_eq!(SEEN.load(Ordering::SeqCst), libc::SIGUSR2 * 1000 + 321);
}

#[test]
fn a_write_to_a_closed_pipe_is_an_error() {
    // Rust ignores SIGPIPE at its start; exec must have kept nothing of ours.
    let (a, b) = UnixStream::pair().unwrap();
    drop(b);
    assert_eq!((&a).write(b"x").unwrap_err().kind(), std::io::ErrorKind::BrokenPipe);
}

#[test]
fn uname_and_auxv_say_one_thing() {
    let machine = unsafe {
        let mut name: libc::utsname = std::mem::zeroed();
        assert_eq!(libc::uname(&mut name), 0);
        std::ffi::CStr::from_ptr(name.machine.as_ptr()).to_str().unwrap().to_owned()
    };
    assert_eq!(machine, std::env::consts::ARCH);
    let page = unsafe { libc::getauxval(libc::AT_PAGESZ) };
    assert_eq!(page, unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as libc::c_ulong);
}
