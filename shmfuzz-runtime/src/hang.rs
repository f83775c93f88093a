//! When a call counts as hanging: the decision, without a clock, a process or a file.
//!
//! A call hangs when it went on for the timeout *and* its process either used that much CPU time
//! or is blocked. Wall time alone would find hangs on every busy machine. Both sides of fuzzing and
//! the replay of findings ask here, so that what one calls a hang is one to the others.

use std::time::Duration;

/// How many looks in a row must find a process blocked.
const BLOCKED_LOOKS: u32 = 5;

/// What is looked at while a call goes on.
pub trait Senses {
    /// CPU time of the process so far; `None` if it is not known.
    fn cpu_time(&mut self) -> Option<Duration>;
    /// Whether no thread of the process is running or ready to.
    fn is_blocked(&mut self) -> bool;
}

/// The watch over one call at a time.
#[derive(Debug)]
pub struct CallWatch {
    timeout: Duration,
    /// CPU time at the first look at this call.
    cpu: Option<Duration>,
    blocked_looks: u32,
}

impl CallWatch {
    /// Over calls that may take this long.
    pub fn new(timeout: Duration) -> Self {
        Self { timeout, cpu: None, blocked_looks: 0 }
    }

    /// Longest time of one call.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// How often to look.
    pub fn interval(&self) -> Duration {
        (self.timeout / 20).clamp(Duration::from_millis(10), Duration::from_millis(100))
    }

    /// Another call has begun.
    pub fn restart(&mut self) {
        (self.cpu, self.blocked_looks) = (None, 0);
    }

    /// One look, when the call has gone on for this long: whether it hangs.
    pub fn look(&mut self, elapsed: Duration, senses: &mut impl Senses) -> bool {
        let Some(cpu) = senses.cpu_time() else { return elapsed >= self.timeout };
        let used = cpu.saturating_sub(*self.cpu.get_or_insert(cpu));
        if elapsed < self.timeout / 2 {
            return false;
        }
        self.blocked_looks = if senses.is_blocked() { self.blocked_looks + 1 } else { 0 };
        if elapsed < self.timeout {
            return false;
        }
        let spins = used >= self.timeout.mul_f32(0.8);
        let is_blocked = self.blocked_looks >= BLOCKED_LOOKS && used < self.timeout / 5;
        // What now computes and now sleeps is neither, but it must end some time.
        let patience = self.timeout.saturating_mul(5).saturating_add(Duration::from_secs(1));
        spins || is_blocked || elapsed >= patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A process that uses some part of a core, and of which it is known or not.
    struct Scripted {
        cpu: Option<Duration>,
        blocked: bool,
    }

    impl Senses for Scripted {
        fn cpu_time(&mut self) -> Option<Duration> {
            self.cpu
        }

        fn is_blocked(&mut self) -> bool {
            self.blocked
        }
    }

    const MS: Duration = Duration::from_millis(1);

    fn found_after(percent: u32, mut process: Scripted) -> Duration {
        let mut watch = CallWatch::new(MS * 1000);
        let mut elapsed = Duration::ZERO;
        while !watch.look(elapsed, &mut process) {
            elapsed += watch.interval();
            process.cpu = process.cpu.map(|cpu| cpu + watch.interval() * percent / 100);
        }
        elapsed
    }

    #[test]
    fn a_hang_spins_or_is_blocked_or_outlasts_all_patience() {
        for (percent, blocked, ms) in
            [(100, false, 1000), (30, false, 2700), (1, true, 1000), (0, false, 6000)]
        {
            let process = Scripted { cpu: Some(MS * 70), blocked };
            assert_eq!(found_after(percent, process), MS * ms, "{percent} % {blocked}");
        }
    }

    #[test]
    fn where_nothing_is_known_the_clock_decides() {
        assert_eq!(found_after(0, Scripted { cpu: None, blocked: false }), MS * 1000);
    }

    #[test]
    fn one_call_is_not_blamed_for_the_cpu_time_of_the_one_before() {
        let mut watch = CallWatch::new(MS * 1000);
        let mut process = Scripted { cpu: Some(MS), blocked: false };
        assert!(!watch.look(MS, &mut process));
        process.cpu = Some(MS * 2000);
        watch.restart();
        assert!(!watch.look(MS, &mut process));
        assert!(!watch.look(MS * 1000, &mut process));
    }
}
