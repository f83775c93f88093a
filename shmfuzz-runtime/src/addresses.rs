//! Where programs lie in memory that a thread starts: at random addresses, or at the same ones each
//! time.
//!
//! Unsafe lives here. Code that orders or hashes by address reaches other code in each process
//! otherwise, so runs that must repeat ask for the same addresses.

/// Has the programs that the calling thread starts from now on lie at the same addresses each
/// time; -> whether the system does that. It may not: containers often forbid it.
#[cfg(target_os = "linux")]
pub fn fix_for_children() -> bool {
    /// What the system takes for a question.
    const ASK: libc::c_ulong = 0xffff_ffff;
    // SAFETY: the call touches no memory; it concerns this thread and what it starts.
    let now = unsafe { libc::personality(ASK) };
    let Ok(now) = libc::c_ulong::try_from(now) else { return false };
    let wanted = now | libc::ADDR_NO_RANDOMIZE as libc::c_ulong;
    // SAFETY: as above.
    unsafe { libc::personality(wanted) != -1 }
}

/// Has the programs that the calling thread starts from now on lie at the same addresses each
/// time: no such thing is known of this system.
#[cfg(not(target_os = "linux"))]
pub fn fix_for_children() -> bool {
    false
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::process::Command;

    #[test]
    fn a_program_lies_where_it_lay_if_the_system_agrees() {
        let maps = |is_fixed: bool| {
            let start = move || {
                let is_fixed = is_fixed && super::fix_for_children();
                let output = Command::new("cat").arg("/proc/self/maps").output().unwrap();
                (is_fixed, output.stdout)
            };
            std::thread::spawn(start).join().unwrap()
        };
        let [(is_fixed, first), (_, second)] = [maps(true), maps(true)];
        assert_eq!(is_fixed, first == second);
        assert_ne!(maps(false).1, maps(false).1, "other threads' programs do not");
    }
}
