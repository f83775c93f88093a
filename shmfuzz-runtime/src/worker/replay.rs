//! The replaying job: one input again, to see whether a failure comes back.

use super::execute::Outcome;
use super::{Worker, WorkerError};
use crate::message::{JobEnd, Replay, Replayed};
use crate::record::InputKind;
use crate::turn::Turn;

impl Worker {
    pub(super) fn replay(&mut self, turn: &mut Turn, ask: Replay) -> Result<Replayed, WorkerError> {
        let input = self.mapping.value_copy(turn).map_err(WorkerError::Mapping)?;
        let mut replayed = Replayed { end: JobEnd::Done, execs: 0, rejected: false };
        if self.test.record.kind == InputKind::Text && std::str::from_utf8(&input).is_err() {
            replayed.rejected = true;
            return Ok(replayed);
        }
        let mut area = self.mapping.input_area(turn).map_err(WorkerError::Mapping)?;
        for _ in 0..ask.times {
            if self.is_stopped() {
                replayed.end = JobEnd::Stopped;
                break;
            }
            // The body may have written over its input.
            area.assign(&input);
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
