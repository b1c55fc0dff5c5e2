// SPDX-License-Identifier: MIT
//! Checksums, run-length coding, number text and small numeric kernels: integer, vector and
//! floating-point code whose answers are the same on every correct machine, bit for bit.
//!
//! ```
//! assert_eq!(codec::crc32(b"123456789"), 0xcbf4_3926);
//! ```

pub mod numeric;

use describe_derive::Describe;

include!(concat!(env!("OUT_DIR"), "/crc_table.rs"));

/// The architecture that the build script was told.
pub const TARGET_ARCH: &str = env!("CODEC_TARGET_ARCH");

#[derive(Describe, Debug, Clone, PartialEq)]
pub struct Frame {
    pub kind: Kind,
    pub length: u32,
    pub payload: Vec<u8>,
    pub checksum: u32,
}

#[derive(Describe, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Raw,
    RunLength,
}

pub fn crc32(bytes: &[u8]) -> u32 {
    !bytes
        .iter()
        .fold(!0, |crc, b| CRC_TABLE[((crc ^ u32::from(*b)) & 0xff) as usize] ^ (crc >> 8))
}

pub fn run_length_encode(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = bytes;
    while let Some(&first) = rest.first() {
        let run = rest.iter().take(255).take_while(|b| **b == first).count();
        out.extend([run as u8, first]);
        rest = &rest[run..];
    }
    out
}

pub fn run_length_decode(bytes: &[u8]) -> Option<Vec<u8>> {
    let pairs = bytes.chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return None;
    }
    let mut out = Vec::new();
    for pair in pairs {
        out.extend(std::iter::repeat(pair[1]).take(usize::from(pair[0])));
    }
    Some(out)
}

impl Frame {
    pub fn pack(kind: Kind, data: &[u8]) -> Frame {
        let payload = match kind {
            Kind::Raw => data.to_vec(),
            Kind::RunLength => run_length_encode(data),
        };
        Frame { kind, length: data.len() as u32, checksum: crc32(data), payload }
    }

    pub fn unpack(&self) -> Option<Vec<u8>> {
        let data = match self.kind {
            Kind::Raw => self.payload.clone(),
            Kind::RunLength => run_length_decode(&self.payload)?,
        };
        (data.len() == self.length as usize && crc32(&data) == self.checksum).then_some(data)
    }
}

/// Joins numbers with spaces, through itoa.
pub fn join_numbers(numbers: &[i64]) -> String {
    let mut buffer = itoa::Buffer::new();
    let mut out = String::new();
    for number in numbers {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(buffer.format(*number));
    }
    out
}

/// Counts lines with memchr, whose AArch64 code is NEON intrinsics.
pub fn count_lines(text: &[u8]) -> usize {
    memchr::memchr_iter(b'\n', text).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc_of_the_check_string() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
    }

    #[test]
    fn the_build_script_saw_the_right_target() {
        assert_eq!(TARGET_ARCH, std::env::consts::ARCH);
    }

    #[test]
    fn describe_names_fields_and_variants() {
        assert_eq!(Frame::NAME, "Frame");
        assert_eq!(Frame::PARTS, ["kind", "length", "payload", "checksum"]);
        assert_eq!(Kind::PARTS, ["Raw", "RunLength"]);
    }

    #[test]
    fn run_length_is_undone() {
        let data: Vec<u8> = (0..5000u32).map(|i| (i * i / 700) as u8).collect();
        assert_eq!(run_length_decode(&run_length_encode(&data)).unwrap(), data);
    }

    #[test]
    fn run_length_refuses_half_a_pair() {
        assert_eq!(run_length_decode(&[3, 1, 2]), None);
    }

    #[test]
    fn numbers_as_text() {
        assert_eq!(
            join_numbers(&[0, -1, 42, i64::MIN, i64::MAX]),
            "0 -1 42 -9223372036854775808 9223372036854775807"
        );
    }

    #[test]
    fn lines_are_counted_at_every_offset() {
        let text: Vec<u8> = (0..3000).map(|i| if i % 7 == 3 { b'\n' } else { b'x' }).collect();
        for start in 0..70 {
            let expected = text[start..].iter().filter(|b| **b == b'\n').count();
            assert_eq!(count_lines(&text[start..]), expected);
        }
    }

    #[test]
    #[should_panic]
    fn indexing_past_the_end_panics() {
        let data = run_length_encode(b"aaa");
        std::hint::black_box(data[std::hint::black_box(99)]);
    }

    #[test]
    #[should_panic(expected = "attempt to add with overflow")]
    fn overflow_panics_in_a_debug_build() {
        let top = std::hint::black_box(i32::MAX);
        std::hint::black_box(top + 1);
    }

    #[test]
    #[should_panic(expected = "attempt to divide by zero")]
    fn division_by_zero_panics() {
        let zero = std::hint::black_box(0u64);
        std::hint::black_box(17 / zero);
    }
}
