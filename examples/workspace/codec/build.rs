// SPDX-License-Identifier: MIT
//! Makes the CRC-32 table and records which target the compiler was told. A build script is the
//! first program of a build that is compiled and then run at once, inside the emulated root.

use std::{env, fmt::Write, fs, path::Path};

fn main() {
    let mut text = String::from("pub static CRC_TABLE: [u32; 256] = [\n");
    for n in 0..256u32 {
        let mut value = n;
        for _ in 0..8 {
            value = if value & 1 != 0 { 0xedb8_8320 ^ (value >> 1) } else { value >> 1 };
        }
        writeln!(text, "    {value:#010x},").unwrap();
    }
    text.push_str("];\n");
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    fs::write(Path::new(&out).join("crc_table.rs"), text).expect("OUT_DIR is writable");
    println!("cargo:rustc-env=CODEC_TARGET_ARCH={}", env::var("CARGO_CFG_TARGET_ARCH").unwrap());
    println!("cargo:rerun-if-changed=build.rs");
}
