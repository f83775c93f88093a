//! Control messages, as they come through the channel.

use serde_core::{Deserialize, Serialize};
use shmfuzz_parsers::message::{ChannelError, LINE_LIMIT, Reply, Request, receive, send};
use shmfuzz_runtime::fuzz_test;
use std::fmt::Debug;

/// Reads a stream to its end: one line a message, and what is understood is understood again.
fn read_all<M>(mut stream: &[u8])
where
    M: Serialize + for<'de> Deserialize<'de> + Debug + PartialEq,
{
    loop {
        let line = stream.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default();
        let line = &line[..line.len().min(LINE_LIMIT as usize)];
        let before = stream.len();
        match receive::<M>(&mut stream) {
            Ok(message) => {
                let mut sent = Vec::new();
                send(&mut sent, &message).expect("a vector takes everything");
                assert_eq!(sent.iter().position(|byte| *byte == b'\n'), Some(sent.len() - 1));
                let again = receive::<M>(&mut &sent[..]).expect("it was understood before");
                assert_eq!(again, message);
            }
            Err(ChannelError::Closed) => {
                assert!(line.is_empty());
                return;
            }
            Err(ChannelError::Garbage { line: shown, .. }) => {
                assert!(shown.len() <= 3 * line.len())
            }
            Err(ChannelError::Io(error)) => panic!("a slice can always be read: {error}"),
        }
        assert_eq!(before - stream.len(), line.len(), "the line is read, and nothing else");
    }
}

/// What a worker reads.
#[fuzz_test(seeds = [
    "{\"request\":\"ping\"}\n{\"request\":\"stop\"}\n",
    "{\"request\":\"setup\",\"max_len\":9,\"silent\":[1,2],\"data_limit\":0,\"random\":7,\"by_work\":true,\"n_tokens\":1}\n",
    "{\"request\":\"load\",\"source\":\"inbox\",\"first\":3,\"budget_ms\":100}\n",
    "{\"request\":\"load\",\"source\":{\"input_area\":{\"tag\":5}},\"first\":0,\"budget_ms\":1}\n",
    "{\"request\":\"fuzz\",\"budget_ms\":1,\"max_execs\":null,\"silent\":[18446744073709551615]}\n",
    "{\"request\":\"minimize\",\"bucket\":1,\"budget_ms\":1,\"id\":1}\n",
    "{\"request\":\"replay\",\"times\":3}\nhello\n",
    "{\"request\":\"survey\",\"source\":\"attribute\",\"first\":0,\"times\":2,\"budget_ms\":9}",
])]
fn requests_come_back(stream: &[u8]) {
    read_all::<Request>(stream);
}

/// What the command reads.
#[fuzz_test(seeds = [
    "{\"reply\":\"pong\"}\n",
    "{\"reply\":\"replayed\",\"end\":\"done\",\"execs\":1,\"rejected\":false}\n",
    "{\"reply\":\"minimized\",\"end\":{\"needs_capacity\":{\"bytes\":5}},\"execs\":1,\"reproduced\":true}\n",
    "{\"reply\":\"nonsense\"}\n",
    "{\"reply\":\"po",
])]
fn replies_come_back(stream: &[u8]) {
    read_all::<Reply>(stream);
}
