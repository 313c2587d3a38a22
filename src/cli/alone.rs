//! A simulator on its own, in real time, until it is told to end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::{Exit, signals};
use crate::event::Bus;
use crate::lab::Interrupt;
use crate::sim::log::Log;
use crate::topology::Authority;
use crate::world::net::Wrapper;
use crate::world::serve::Server;
use crate::world::{Clock, Credentials, Listener, Net, Seed, World};

/// A server that can be told to refuse what comes next.
pub(super) trait Drains {
    /// Refuses requests from now on.
    fn drain(&self);

    /// Whether it may stop listening: no request is under way that others should see it survive.
    fn is_idle(&self) -> bool {
        true
    }
}

/// Shows exchanges where errors are shown.
pub(super) fn log() -> Log {
    Arc::new(|lines: &str| eprint!("{lines}"))
}

/// How long requests under way may take once the server is told to end.
const GRACE: Duration = Duration::from_secs(30);
/// How often it is asked whether they have ended.
const LOOK: Duration = Duration::from_millis(10);

async fn until_idle(server: &impl Drains) {
    while !server.is_idle() {
        tokio::time::sleep(LOOK).await;
    }
}

/// Serves what `start` starts at `address`, with `wrapper` around its connections. A first signal drains it, a second ends it at once.
///
/// # Errors
/// The machine's, if it gives no runtime or no signal handler.
pub(super) fn serve<S: Drains>(
    what: &str,
    address: SocketAddr,
    seed: u64,
    wrapper: Option<Arc<dyn Wrapper>>,
    start: impl FnOnce(World, Listener) -> (S, Server),
) -> anyhow::Result<Exit> {
    let interrupt = Interrupt::default();
    let of_signals = interrupt.clone();
    signals::watch(move |_, count| {
        of_signals.trigger();
        if count > 1 {
            std::process::exit(1);
        }
    })?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let exit = runtime.block_on(async {
        let clock = Clock::real();
        let net = Net::tcp();
        let world = World {
            clock,
            bus: Bus::new(move || clock.now(), Vec::new()),
            credentials: Credentials::default(),
            seed: Seed(seed),
            net,
        };
        let authority = Authority::new("localhost", address.port());
        let listener = match world.net.listen_on(&authority, address).await {
            Ok(listener) => listener,
            Err(error) => {
                eprintln!("error: cannot listen at {address} for {what}: {error}");
                return Exit::Unavailable;
            }
        };
        let at = listener.address().unwrap_or(address);
        let scheme = if wrapper.is_some() { "https" } else { "http" };
        let (server, serving) = start(world, listener.wrapped(wrapper));
        eprintln!("{what} listens at {scheme}://{at}");
        interrupt.triggered().await;
        server.drain();
        // While requests are under way it goes on answering: new ones with a refusal, `/health` as before.
        let _ = tokio::time::timeout(GRACE, async {
            until_idle(&server).await;
            serving.drain().await;
        })
        .await;
        Exit::Passed
    });
    runtime.shutdown_background();
    Ok(exit)
}
