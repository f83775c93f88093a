//! What goes to a worker with a request, and what may come back.
//!
//! Invariant: all that goes into the mapping fits, or an error says what did not and the request is
//! not sent.

use crate::coordinator::action::{Freight, Known};
use shmfuzz_runtime::entries::{self, EntryChange, InboxInput, LogEntry, Origin};
use shmfuzz_runtime::mapping::Mapping;
use shmfuzz_runtime::message::{JobEnd, Reply, Request};
use shmfuzz_runtime::turn::Turn;

/// Puts the freight into the mapping.
pub(super) fn load(mapping: &Mapping, turn: &mut Turn, freight: Freight) -> Result<(), String> {
    match freight {
        Freight::None => Ok(()),
        Freight::Inbox(inputs) => {
            let n_inputs = inputs.len();
            let inputs = inputs.into_iter().map(|(tag, input)| InboxInput { tag, input });
            match entries::fill_inbox(mapping, turn, inputs) {
                n if n == n_inputs => Ok(()),
                n => Err(format!("internal error: {n} of {n_inputs} inputs fit the inbox")),
            }
        }
        Freight::Known(known) => {
            let n_known = known.len();
            match entries::fill_known(mapping, turn, known.iter().map(as_entry)) {
                n if n == n_known => Ok(()),
                n => Err(format!("internal error: {n} of {n_known} entries fit the inbox")),
            }
        }
        Freight::Input(input) => mapping
            .grow(turn, input.len())
            .and_then(|()| mapping.set_value(turn, &input))
            .map_err(|e| e.to_string()),
        Freight::Room(bytes) => mapping.grow(turn, bytes).map_err(|e| e.to_string()),
    }
}

/// As it goes through the inbox. The receiver numbers its entries itself.
fn as_entry(known: &Known) -> LogEntry<&[u8], &[u32]> {
    LogEntry {
        change: EntryChange::New,
        id: 0,
        parent: None,
        origin: Origin::Inbox(known.tag),
        work: known.work,
        features: &known.features,
        input: &known.input,
    }
}

/// Whether a reply is to a request.
pub(super) fn is_answer(request: &Request, reply: &Reply) -> bool {
    matches!(
        (request, reply),
        (Request::Ping {}, Reply::Pong {})
            | (Request::Setup(_), Reply::Ready {})
            | (Request::Load(_), Reply::Loaded(_))
            | (Request::Fuzz(_), Reply::Fuzzed(_))
            | (Request::Minimize(_), Reply::Minimized(_))
            | (Request::Replay(_), Reply::Replayed(_))
            | (Request::Survey(_), Reply::Surveyed(_))
    )
}

/// Whether a job that may be on record ended with a failure.
pub(super) fn has_failed(reply: &Reply) -> bool {
    let end = match reply {
        Reply::Loaded(loaded) => loaded.end,
        Reply::Fuzzed(fuzzed) => fuzzed.end,
        _ => return false,
    };
    end == JobEnd::Failed
}
