//! One worker's process: how it is started, killed as a group, and waited for.
//!
//! It owns the child and its place in the registry of live groups. Invariants: a group is killed
//! before its leader is reaped, so that its number cannot belong to anybody else yet, and the leader
//! is killed by its own number too, since it may have joined another group; every wait has a limit; a
//! process that is dropped is killed.

#[cfg_attr(target_os = "linux", path = "process/linux.rs")]
#[cfg_attr(not(target_os = "linux"), path = "process/elsewhere.rs")]
mod gauge;

use gauge::Gauge;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::collections::HashSet;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a killed process may take to end. Longer only if the kernel is stuck in a system call.
const DYING: Duration = Duration::from_secs(5);

/// The process groups that are alive, for whoever must end them all at once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Groups(Arc<Mutex<Registry>>);

#[derive(Debug, Default)]
struct Registry {
    alive: HashSet<Pid>,
    is_over: bool,
}

impl Groups {
    /// Kills all of them, and from now on each that is added, without waiting.
    pub(crate) fn kill_all(&self) {
        let mut registry = self.lock();
        registry.is_over = true;
        for group in &registry.alive {
            kill(*group);
        }
    }

    /// Adds a group whose leader is not reaped before [`Groups::remove`].
    pub(crate) fn add(&self, group: Pid) {
        let mut registry = self.lock();
        if registry.is_over {
            kill(group);
        }
        registry.alive.insert(group);
    }

    /// Forgets a group.
    pub(crate) fn remove(&self, group: Pid) {
        self.lock().alive.remove(&group);
    }

    fn lock(&self) -> MutexGuard<'_, Registry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn kill(leader: Pid) {
    // An error says that the group is gone already, which is what is wanted, or has no member: then
    // the leader has joined another one.
    let _ = kill_process_group(leader, Signal::KILL);
    let _ = kill_process(leader, Signal::KILL);
}

/// A process that leads its own group.
#[derive(Debug)]
pub(in crate::coordinator) struct Process {
    child: Child,
    pid: Pid,
    gauge: Gauge,
    groups: Groups,
    reaped: bool,
}

impl Process {
    /// Starts a process in a group of its own. The calling thread must outlive it: a parent-death
    /// signal is bound to the thread that spawned.
    ///
    /// # Errors
    /// If it cannot be started or observed.
    pub(in crate::coordinator) fn spawn(mut command: Command, groups: &Groups) -> io::Result<Self> {
        let mut child = command.process_group(0).spawn()?;
        // The command holds the descriptors meant for the child; ours must not stay open.
        drop(command);
        let pid = Pid::from_child(&child);
        let gauge = match Gauge::open(pid) {
            Ok(gauge) => gauge,
            Err(error) => {
                kill(pid);
                child.wait()?;
                return Err(error);
            }
        };
        groups.add(pid);
        Ok(Self { child, pid, gauge, groups: groups.clone(), reaped: false })
    }

    /// The child, for its pipes.
    pub(super) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Its number, which is nobody else's before it is reaped.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it uses.
    pub(super) fn gauge(&self) -> &shmfuzz_runtime::gauge::Gauge {
        self.gauge.figures()
    }

    /// A descriptor that becomes readable when the process has ended.
    pub(super) fn ended_fd(&self) -> BorrowedFd<'_> {
        self.gauge.ended_fd()
    }

    /// Waits until the process has ended by itself; whether it has. Does not reap it.
    pub(in crate::coordinator) fn ends_within(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let mut fds = [PollFd::from_borrowed_fd(self.ended_fd(), PollFlags::IN)];
            match rustix::event::poll(&mut fds, Some(&timespec(left))) {
                Ok(0) if left.is_zero() => return false,
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => return true,
                Err(_) => return false,
            }
        }
    }

    /// Kills the whole group.
    pub(in crate::coordinator) fn kill(&self) {
        if !self.reaped {
            kill(self.pid);
        }
    }

    /// Kills what is left of the group and reaps the leader; `None` if the kernel does not let it
    /// die in time. A leader that ended by itself keeps its own status.
    pub(in crate::coordinator) fn finish(&mut self) -> Option<ExitStatus> {
        self.kill();
        if !self.ends_within(DYING) {
            return None;
        }
        self.groups.remove(self.pid);
        self.reaped = true;
        self.child.wait().ok()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.reaped {
            self.finish();
        }
    }
}

/// A time limit as `poll` takes it.
pub(super) fn timespec(limit: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: limit.subsec_nanos().into(),
    }
}
