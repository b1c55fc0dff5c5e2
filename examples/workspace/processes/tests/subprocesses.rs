// SPDX-License-Identifier: MIT
//! Children: started, missing, piped, signalled, and the program started again through its own path.

use std::io::{ErrorKind, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, Stdio};

fn helper() -> Command {
    Command::new(env!("CARGO_BIN_EXE_helper"))
}

fn text(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_missing_program_is_not_found() {
    // posix_spawn through CLONE_VFORK: an emulator whose vfork is a fork loses the child's errno and
    // reports success.
    let error = Command::new("/no/such").spawn().map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[test]
fn a_missing_program_is_not_found_after_pre_exec() {
    // pre_exec makes std use fork and exec instead of posix_spawn.
    let mut command = Command::new("/no/such");
    unsafe { command.pre_exec(|| Ok(())) };
    assert_eq!(command.spawn().map(|_| ()).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn a_directory_is_not_a_program() {
    let error = Command::new("/").spawn().map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
}

#[test]
fn a_missing_working_directory_is_an_error() {
    let error = helper().arg("arch").current_dir("/no/such").spawn().map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[test]
fn exit_codes_come_through() {
    for code in [0, 1, 42, 255] {
        assert_eq!(helper().args(["exit", &code.to_string()]).status().unwrap().code(), Some(code));
    }
}

#[test]
fn arguments_come_through() {
    assert_eq!(text(helper().args(["echo", "", "a b", "-x", "é", "*"])), "|a b|-x|é|*\n");
}

#[test]
fn argv0_comes_through() {
    assert_eq!(text(helper().arg0("another name").arg("argv0")), "another name\n");
}

#[test]
fn the_environment_comes_through() {
    assert_eq!(text(helper().args(["env", "PROBE"]).env("PROBE", "x y")), "x y\n");
    assert_eq!(text(helper().args(["env", "PROBE"]).env_remove("PROBE")), "(unset)\n");
    assert_eq!(text(helper().args(["env", "HOME"]).env_clear()), "(unset)\n");
}

#[test]
fn the_working_directory_comes_through() {
    assert_eq!(text(helper().arg("cwd").current_dir("/usr")), "/usr\n");
}

#[test]
fn the_child_has_our_architecture() {
    assert_eq!(text(helper().arg("arch")), format!("{}\n", std::env::consts::ARCH));
}

#[test]
fn a_megabyte_through_a_child() {
    let data: Vec<u8> = (0..1_000_000u32).map(|n| (n >> 3) as u8).collect();
    let mut child =
        helper().arg("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let sent = data.clone();
    let writer = std::thread::spawn(move || stdin.write_all(&sent).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert_eq!(output.stdout, data);
}

#[test]
fn a_pipeline_of_two_children() {
    let mut first = helper().args(["echo", "1", "2"]).stdout(Stdio::piped()).spawn().unwrap();
    let second = helper().arg("checksum").stdin(first.stdout.take().unwrap()).output().unwrap();
    first.wait().unwrap();
    assert_eq!(String::from_utf8(second.stdout).unwrap(), format!("{:08x}\n", codec::crc32(b"1|2\n")));
}

#[test]
fn a_killed_child_reports_its_signal() {
    let mut child = helper().args(["sleep", "600000"]).spawn().unwrap();
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGKILL));
}

#[test]
fn an_aborting_child_reports_sigabrt() {
    assert_eq!(helper().arg("abort").status().unwrap().signal(), Some(libc::SIGABRT));
}

#[test]
fn stack_overflow_of_a_child_is_detected() {
    // The guard page raises SIGSEGV on the alternate stack; std's handler reports it and aborts.
    let output = helper().arg("overflow").output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.contains("has overflowed its stack"), "{message}");
    assert_eq!(output.status.signal(), Some(libc::SIGABRT));
}

#[test]
fn many_children_at_once() {
    let mut children: Vec<_> =
        (0..16).map(|n| helper().args(["exit", &n.to_string()]).spawn().unwrap()).collect();
    for (n, child) in children.iter_mut().enumerate() {
        assert_eq!(child.wait().unwrap().code(), Some(n as i32));
    }
}

#[test]
fn the_program_starts_itself_by_current_exe() {
    // What nextest's double spawn and rustc's linker re-execution do.
    let me = std::env::current_exe().unwrap();
    assert!(me.file_name().unwrap().to_string_lossy().starts_with("subprocesses"), "{me:?}");
    assert!(text(Command::new(&me).arg("--list")).contains("argv0_comes_through: test"));
}

#[test]
fn the_program_starts_itself_by_proc_self_exe() {
    assert!(text(Command::new("/proc/self/exe").arg("--list")).contains("argv0_comes_through: test"));
}

#[test]
fn scripts_run_by_their_first_line() {
    use std::os::unix::fs::PermissionsExt;
    let path = std::env::temp_dir().join(format!("script-{}.sh", std::process::id()));
    std::fs::write(&path, "#!/bin/sh -e\necho \"$1\"; exit 3\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    // Another test's child may hold the descriptor that wrote the file for a moment (ETXTBSY).
    let output = loop {
        match Command::new(&path).arg("said").output() {
            Err(e) if e.kind() == ErrorKind::ExecutableFileBusy => continue,
            other => break other.unwrap(),
        }
    };
    std::fs::remove_file(&path).unwrap();
    assert_eq!((output.stdout.as_slice(), output.status.code()), (b"said\n".as_slice(), Some(3)));
}
