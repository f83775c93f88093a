//! Instrumented. Prints what a closed and an open gate recorded.
use std::hint::black_box;

#[inline(never)]
fn compare(data: &[u8]) -> u32 {
    let mut result = 0;
    if data.len() > 3 && u32::from_le_bytes([data[0], data[1], data[2], data[3]]) == 0x6a09_e667 {
        result += 1;
    }
    if data.starts_with(b"nineteen bytes long") {
        result += 2;
    }
    result
}

fn main() {
    let data = black_box(b"neither of the two constants".to_vec());
    let closed = recorder::record(0, || black_box(compare(black_box(&data))));
    let open = recorder::record(u64::MAX, || black_box(compare(black_box(&data))));
    println!(
        r#"{{"counters":{},"moved":{},"closed":{},"integers":{},"bytes":{}}}"#,
        recorder::counters(),
        open.moved,
        closed.calls,
        open.calls,
        open.bytes
    );
}
