//! Ctrl-C and SIGTERM.

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
    /// SIGTERM.
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
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut terminate = {
        let _inside = runtime.enter();
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?
    };
    let mut interrupt = {
        let _inside = runtime.enter();
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())?
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(async {
            for count in 1.. {
                let signal = futures_util::select_biased! {
                    _ = futures_util::FutureExt::fuse(Box::pin(terminate.recv())) => Signal::Terminate,
                    _ = futures_util::FutureExt::fuse(Box::pin(interrupt.recv())) => Signal::Interrupt,
                };
                on_signal(signal, count);
            }
        });
    })?;
    Ok(())
}
