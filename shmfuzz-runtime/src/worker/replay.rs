//! The replaying job: one input again, or one after the other, to see whether a failure comes
//! back.

use super::execute::Outcome;
use super::{Worker, WorkerError};
use crate::message::{JobEnd, Replay, Replayed};
use crate::record::InputKind;
use crate::sequence;
use crate::turn::Turn;

impl Worker {
    pub(super) fn replay(&mut self, turn: &mut Turn, ask: Replay) -> Result<Replayed, WorkerError> {
        let value = self.mapping.value_copy(turn).map_err(WorkerError::Mapping)?;
        let mut replayed = Replayed { end: JobEnd::Done, execs: 0, rejected: false };
        let mut inputs = match ask.is_sequence {
            true => sequence::unpack(&value).unwrap_or_default(),
            false => vec![&value[..]],
        };
        let kind = self.test.record.kind;
        inputs.retain(|input| kind == InputKind::Bytes || std::str::from_utf8(input).is_ok());
        replayed.rejected = inputs.is_empty();
        let mut area = self.mapping.input_area(turn).map_err(WorkerError::Mapping)?;
        for input in (0..ask.times).flat_map(|_| &inputs) {
            if self.is_stopped() {
                replayed.end = JobEnd::Stopped;
                break;
            }
            // The body may have written over its input.
            area.assign(input);
            replayed.execs += 1;
            let outcome = self.executor.call(&area);
            self.coverage.called();
            self.coverage.clear();
            match outcome {
                Outcome::Kept => replayed.rejected = false,
                Outcome::Rejected => replayed.rejected = true,
                Outcome::Failed(words) => {
                    self.executor.report(&words, &area);
                    replayed.end = JobEnd::Failed;
                    break;
                }
            }
        }
        Ok(replayed)
    }
}
