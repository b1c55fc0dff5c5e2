// SPDX-License-Identifier: MIT
//! Integration tests of the codec crate.

use codec::{Frame, Kind};
use std::collections::{BTreeMap, HashMap};

#[test]
fn a_frame_is_undone() {
    let data = vec![7u8; 1000];
    for kind in [Kind::Raw, Kind::RunLength] {
        assert_eq!(Frame::pack(kind, &data).unpack(), Some(data.clone()));
    }
}

#[test]
fn damage_is_noticed() {
    let mut frame = Frame::pack(Kind::Raw, b"some text");
    frame.payload[3] ^= 0x20;
    assert_eq!(frame.unpack(), None);
}

#[test]
fn a_frame_prints() {
    assert_eq!(
        format!("{:?}", Frame::pack(Kind::RunLength, b"aab")),
        "Frame { kind: RunLength, length: 3, payload: [2, 97, 1, 98], checksum: 1762534039 }"
    );
}

#[test]
fn maps_agree() {
    // HashMap takes its keys from getrandom: the order differs in every run, the content may not.
    let hash: HashMap<u32, u32> = (0..1000).map(|i| (i * 7919 % 1009, i)).collect();
    let tree: BTreeMap<u32, u32> = hash.iter().map(|(k, v)| (*k, *v)).collect();
    assert_eq!(tree.len(), 1000);
    assert!(tree.iter().all(|(k, v)| hash[k] == *v));
}
