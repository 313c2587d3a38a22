//! Threads that share out a server's connections. A connection stays on one of them, and so does whatever its
//! requests call, so that nobody wakes anybody on another core.
//!
//! ```text
//!             ┌─▶ lane 0: connections, their requests, the calls upstream
//!  accept ────┤
//!             └─▶ lane 1: the same for others
//! ```

use std::cell::Cell;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::runtime::{Builder, Handle};
use tokio::sync::watch;

thread_local! {
    static HERE: Cell<usize> = const { Cell::new(0) };
}

/// The lanes of a server. They end once this is dropped, and whatever runs on them.
#[derive(Debug)]
pub struct Lanes {
    runtimes: Vec<Handle>,
    turn: AtomicUsize,
    /// Dropped at the end.
    _open: watch::Sender<()>,
}

impl Lanes {
    /// Starts `count` threads, at least one.
    ///
    /// # Errors
    /// The machine's, if it gives no threads.
    pub fn start(count: usize) -> io::Result<Arc<Self>> {
        let (open, _) = watch::channel(());
        let lane = |number| lane(number, open.subscribe());
        let runtimes = (0..count.max(1)).map(lane).collect::<io::Result<_>>()?;
        Ok(Arc::new(Self { runtimes, turn: AtomicUsize::new(0), _open: open }))
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.runtimes.len()
    }

    /// The lane that the current thread is, from 0; 0 for any other thread.
    #[must_use]
    pub fn here() -> usize {
        HERE.get()
    }

    /// Runs a connection on the lane whose turn it is.
    pub(super) fn spawn(&self, connection: impl Future<Output = ()> + Send + 'static) {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        self.runtimes[turn % self.runtimes.len()].spawn(connection);
    }
}

fn lane(number: usize, mut open: watch::Receiver<()>) -> io::Result<Handle> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    std::thread::Builder::new().name(format!("lane-{number}")).spawn(move || {
        HERE.set(number);
        runtime.block_on(async { while open.changed().await.is_ok() {} });
    })?;
    Ok(handle)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use bytes::Bytes;
    use http::{Request, Response};
    use http_body_util::{BodyExt as _, Full};
    use hyper::body::Incoming;

    use super::*;
    use crate::topology::Authority;
    use crate::world::caller::Caller;
    use crate::world::connector::Connector;
    use crate::world::serve::serve;
    use crate::world::{Listener, Net};

    async fn listener(net: &Net, host: &str) -> Listener {
        net.listen_on(&Authority::new(host, 80), (Ipv4Addr::LOCALHOST, 0).into()).await.unwrap()
    }

    fn caller(net: &Net) -> Caller {
        Caller::new(Connector::new(net.clone()))
    }

    async fn asked(caller: &Caller, uri: &str) -> String {
        let answer = caller.call(Request::get(uri).body(Full::default()).unwrap()).await.unwrap();
        String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn a_connection_stays_on_its_lane_and_so_do_the_calls_of_its_requests() {
        let net = Net::real(Lanes::start(2).unwrap());
        let behind = listener(&Net::tcp(), "behind").await;
        let address = behind.address().unwrap();
        let _behind =
            serve(behind, |_: Request<Incoming>| async { Response::new(Full::new(Bytes::from_static(b"well"))) });
        let upstream = caller(&net);
        let front = serve(listener(&net, "front").await, move |_: Request<Incoming>| {
            let upstream = upstream.clone();
            async move {
                let said = asked(&upstream, &format!("http://{address}/")).await;
                Response::new(Full::new(Bytes::from(format!("lane {}: {said}", Lanes::here()))))
            }
        });
        let clients = [caller(&net), caller(&net), caller(&net), caller(&net)];
        for _ in 0..3 {
            for (number, client) in clients.iter().enumerate() {
                assert_eq!(asked(client, "http://front/").await, format!("lane {}: well", number % 2));
            }
        }
        // One for each client, and one upstream for each lane.
        assert_eq!(net.connections(), 4 + 2);
        front.drain().await;
    }
}
