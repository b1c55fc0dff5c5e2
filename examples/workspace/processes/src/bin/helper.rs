// SPDX-License-Identifier: MIT
//! What the tests start as a subprocess: `helper exit N | echo ARGS | cat | env NAME | sleep MS | abort |
//! overflow | arch | checksum`.

use std::io::{self, Read, Write};

fn recurse(depth: u64) -> u64 {
    let frame = std::hint::black_box([depth; 64]);
    if frame[3] == u64::MAX {
        return 0;
    }
    recurse(depth + 1) + std::hint::black_box(frame[63])
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let argument = |n: usize| args.get(n).cloned().unwrap_or_default();
    match argument(1).as_str() {
        "exit" => std::process::exit(argument(2).parse().unwrap()),
        "echo" => println!("{}", args[2..].join("|")),
        "cat" => {
            io::copy(&mut io::stdin(), &mut io::stdout()).unwrap();
        }
        "env" => println!("{}", std::env::var(argument(2)).unwrap_or("(unset)".into())),
        "cwd" => println!("{}", std::env::current_dir().unwrap().display()),
        "sleep" => std::thread::sleep(std::time::Duration::from_millis(argument(2).parse().unwrap())),
        "abort" => std::process::abort(),
        "overflow" => println!("{}", recurse(0)),
        "arch" => println!("{}", std::env::consts::ARCH),
        "argv0" => println!("{}", argument(0)),
        "checksum" => {
            let mut data = Vec::new();
            io::stdin().read_to_end(&mut data).unwrap();
            writeln!(io::stdout(), "{:08x}", codec::crc32(&data)).unwrap();
        }
        other => panic!("helper does not know {other:?}"),
    }
}
