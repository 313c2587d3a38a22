//! Ctrl-C, SIGTERM, and SIGHUP where nobody has it ignored.

use std::io;

use anyhow::Context as _;

use super::Exit;
use crate::lab::Interrupt;

/// What asks a run or a server to end when the process is asked to; asked twice, the process ends at once, its
/// terminal given back.
pub(super) fn interrupt() -> anyhow::Result<Interrupt> {
    let interrupt = Interrupt::default();
    let of_signals = interrupt.clone();
    watch(move |signal, count| {
        // A screen takes Ctrl-C as a key, so that the first signal may be the second one. SIGTERM it hears
        // as well as we do, which is once.
        if count > 1 || (signal == Signal::Interrupt && of_signals.is_triggered()) {
            crate::tui::restore();
            std::process::exit(i32::from(Exit::Interrupted.code()));
        }
        of_signals.trigger();
    })
    .context("cannot wait for signals")?;
    Ok(interrupt)
}

/// How the process is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    /// SIGTERM, or SIGHUP: its terminal is gone.
    Terminate,
    /// Ctrl-C, or SIGINT from elsewhere.
    Interrupt,
}

/// Calls `on_signal` with the signal and 1, 2, … each time the process is asked to end.
///
/// The signals are awaited on a thread of their own, because a lab in virtual time has no IO driver.
///
/// # Errors
/// The machine's, if it gives no thread or no signal handler.
pub(super) fn watch(on_signal: impl Fn(Signal, u32) + Send + 'static) -> io::Result<()> {
    use futures_util::FutureExt as _;
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut terminate, mut interrupt, mut hang_up) = {
        let _inside = runtime.enter();
        let hang_up = if is_hangup_ignored() { None } else { Some(signal(SignalKind::hangup())?) };
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?, hang_up)
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(async {
            let mut count = 0;
            loop {
                let closed = async {
                    match &mut hang_up {
                        Some(hang_up) => hang_up.recv().await,
                        None => std::future::pending().await,
                    }
                };
                let signal = futures_util::select_biased! {
                    _ = Box::pin(terminate.recv()).fuse() => Signal::Terminate,
                    _ = Box::pin(interrupt.recv()).fuse() => Signal::Interrupt,
                    // Both the system and a shell tell of a terminal that is closed: that is not to ask twice.
                    _ = Box::pin(closed).fuse() => if count == 0 { Signal::Terminate } else { continue },
                };
                count += 1;
                on_signal(signal, count);
            }
        });
    })?;
    Ok(())
}

/// Whether whoever started the process wants it to outlive its terminal, as `nohup` does. Where the system does
/// not say, nobody does.
fn is_hangup_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // The signals from 1 on, as bits; SIGHUP is the first.
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}
