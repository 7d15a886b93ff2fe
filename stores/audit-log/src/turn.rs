//! When the writing thread gets a processor.
#![expect(unsafe_code, reason = "the scheduling policy of a thread is an operating system interface")]

/// Has the kernel begin this thread once a processor is free or another thread's turn is over, rather than cut that turn
/// short (`SCHED_BATCH`, sched(7)). Where processors are idle this changes nothing; where none is, the threads that answer
/// requests bring several records before the first of them is written, and all of them share a sync. That is most of
/// what a record costs then.
pub(crate) fn yield_to_others() {
    let priority: libc::c_int = 0;
    // SAFETY: the one parameter (`struct sched_param`) outlives the call, which changes this thread only.
    let outcome = unsafe {
        libc::syscall(libc::SYS_sched_setscheduler, 0 as libc::pid_t, libc::SCHED_BATCH, &raw const priority)
    };
    if outcome != 0 {
        let error = std::io::Error::last_os_error();
        tracing::debug!(%error, "the audit log's thread keeps its scheduling policy; syncs are shared by fewer records");
    }
}
