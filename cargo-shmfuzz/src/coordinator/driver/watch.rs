//! When a worker counts as hanging: the decision, without a clock, a process or a file.
//!
//! A call goes on while the count of calls stands still; whether it hangs, the runtime decides for
//! replays as well. Invariant: while calls go on, only the generous limit on the whole job ends it.

use shmfuzz_runtime::hang::{CallWatch, Senses};
use shmfuzz_runtime::layout::Phase;
use shmfuzz_runtime::message::Request;
use std::time::Duration;

/// How long a worker may take to start, or to do anything else in which no call is made.
const SILENCE: Duration = Duration::from_secs(60);

/// What to do about the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Go on.
    Fine,
    /// One call runs longer than the timeout.
    TimedOut,
    /// No answer, and no call that could be blamed.
    Unresponsive,
}

/// The watch over one request, or over the start of a worker.
#[derive(Debug)]
pub(super) struct Watch {
    call: CallWatch,
    /// For the whole job.
    limit: Duration,
    /// The count last seen, and when it was first seen, from the start of the job.
    count: u64,
    since: Duration,
}

impl Watch {
    /// Over the start of a worker, until it says hello.
    pub(super) fn start() -> Self {
        Self::new(SILENCE, SILENCE)
    }

    /// Over a request with this timeout for each of its calls.
    pub(super) fn request(request: &Request, timeout: Duration) -> Self {
        let (budget_ms, calls) = match request {
            Request::Ping {} | Request::Setup(_) | Request::Stop {} => (0, 1),
            Request::Load(load) => (load.budget_ms, 1),
            Request::Fuzz(fuzz) => (fuzz.budget_ms, 1),
            Request::Minimize(minimize) => (minimize.budget_ms, 1),
            Request::Replay(replay) => (0, replay.times),
            Request::Survey(survey) => (survey.budget_ms, survey.times),
        };
        // A budget in work can take many times its length on a slow or busy machine, and a job
        // may start one more call when its budget is all but used up.
        let budget = Duration::from_millis(budget_ms).saturating_mul(100);
        let calls = timeout.saturating_mul(calls.saturating_add(1)).saturating_mul(5);
        Self::new(timeout, SILENCE.saturating_add(budget).saturating_add(calls))
    }

    fn new(timeout: Duration, limit: Duration) -> Self {
        Self { call: CallWatch::new(timeout), limit, count: 0, since: Duration::ZERO }
    }

    /// Longest time of one call.
    pub(super) fn timeout(&self) -> Duration {
        self.call.timeout()
    }

    /// How often to look.
    pub(super) fn interval(&self) -> Duration {
        self.call.interval()
    }

    /// One look, `elapsed` after the start of the job. The senses are asked only when the count
    /// stands still, because they cost system calls.
    pub(super) fn look(
        &mut self,
        elapsed: Duration,
        count: u64,
        phase: Option<Phase>,
        senses: &mut impl Senses,
    ) -> Verdict {
        if count != self.count {
            (self.count, self.since) = (count, elapsed);
            self.call.restart();
        }
        let still = elapsed.saturating_sub(self.since);
        // A phase that is no phase was written by the target: then a call is what ran.
        let is_calling = count > 0 && !matches!(phase, Some(Phase::Starting | Phase::Idle));
        if is_calling && !still.is_zero() && self.call.look(still, senses) {
            Verdict::TimedOut
        } else if elapsed >= self.limit || (!is_calling && still >= SILENCE) {
            Verdict::Unresponsive
        } else {
            Verdict::Fine
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A process that uses some part of a core.
    struct Scripted {
        cpu: Duration,
        blocked: bool,
        asked: u32,
    }

    impl Senses for Scripted {
        fn cpu_time(&mut self) -> Option<Duration> {
            self.asked += 1;
            Some(self.cpu)
        }

        fn is_blocked(&mut self) -> bool {
            self.blocked
        }
    }

    const MS: Duration = Duration::from_millis(1);
    const FUZZ: Option<Phase> = Some(Phase::Fuzzing);

    fn watch(timeout: Duration) -> Watch {
        Watch::request(
            &Request::Replay(shmfuzz_runtime::message::Replay { times: 1, is_sequence: false }),
            timeout,
        )
    }

    /// When a worker that calls once and then uses `percent` of a core is found out.
    fn found_after(
        percent: u32,
        blocked: bool,
        phase: Option<Phase>,
        count: u64,
    ) -> (Duration, Verdict) {
        let mut watch = watch(MS * 1000);
        let mut process = Scripted { cpu: Duration::ZERO, blocked, asked: 0 };
        let mut elapsed = Duration::ZERO;
        loop {
            match watch.look(elapsed, count, phase, &mut process) {
                Verdict::Fine => {}
                verdict => return (elapsed, verdict),
            }
            elapsed += watch.interval();
            process.cpu += watch.interval() * percent / 100;
        }
    }

    #[test]
    fn a_spinning_call_is_found_when_it_has_had_its_cpu_time() {
        assert_eq!(found_after(100, false, FUZZ, 1), (MS * 1000, Verdict::TimedOut));
        // A quarter of a core each: the machine is busy, so the call gets its time later.
        let (elapsed, verdict) = found_after(25, false, FUZZ, 1);
        assert_eq!(verdict, Verdict::TimedOut);
        assert!(elapsed >= MS * 3200 && elapsed <= MS * 3300, "{elapsed:?}");
    }

    #[test]
    fn a_blocked_call_is_found_at_the_timeout() {
        assert_eq!(found_after(1, true, FUZZ, 1), (MS * 1000, Verdict::TimedOut));
        assert_eq!(found_after(1, true, None, 1), (MS * 1000, Verdict::TimedOut));
    }

    #[test]
    fn a_starved_worker_is_not_hanging_until_patience_ends() {
        assert_eq!(found_after(0, false, FUZZ, 1), (MS * 6000, Verdict::TimedOut));
    }

    #[test]
    fn no_call_is_blamed_before_one_was_made() {
        assert_eq!(found_after(100, false, FUZZ, 0), (SILENCE, Verdict::Unresponsive));
        assert_eq!(found_after(0, true, Some(Phase::Idle), 3).1, Verdict::Unresponsive);
    }

    #[test]
    fn calls_that_go_on_cost_no_system_call_and_end_with_the_job() {
        let mut watch = watch(MS * 100);
        let mut process = Scripted { cpu: Duration::ZERO, blocked: true, asked: 0 };
        let limit = watch.limit;
        for n in 1u32.. {
            let verdict = watch.look(MS * 50 * n, u64::from(n), FUZZ, &mut process);
            if MS * 50 * n >= limit {
                assert_eq!(verdict, Verdict::Unresponsive);
                break;
            }
            assert_eq!(verdict, Verdict::Fine);
        }
        assert_eq!(process.asked, 0);
    }

    #[test]
    fn looks_are_neither_rare_nor_frequent() {
        for (timeout, interval) in [(1, 10), (200, 10), (1000, 50), (10_000, 100)] {
            assert_eq!(watch(MS * timeout).interval(), MS * interval);
        }
    }
}
