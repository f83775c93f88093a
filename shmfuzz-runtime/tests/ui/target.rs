use shmfuzz_runtime::fuzz_target;

fuzz_target!();

fuzz_target!(parse);

fuzz_target!(start: (), |data: &[u8]| {});

fuzz_target!(init: () |data: &[u8]| {});

fuzz_target!(init: 1 + 1, parse);

fuzz_target!(|| {});

fuzz_target!(|data: &[u8], depth: u8| {});

fuzz_target!(move |data: &[u8]| {});

fuzz_target!(|data: &'static [u8]| {});

fuzz_target!(|data: impl AsRef<[u8]>| {});

fuzz_target!(|data: &[u8]| -> Corpus true);

fuzz_target!(|data: &[u8]| {}, "more");

fn main() {}
