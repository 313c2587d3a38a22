//! Plays a load: users who ask again and again, or requests that come at a rate.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::FutureExt as _;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::play::Player;
use crate::event::At;
use crate::scenario::Send;
use crate::scenario::step::{Load, Pace, Stretch};
use crate::source::Span;
use crate::traffic::{self, Arrivals, Departures};
use crate::world::Random;

/// Sends everything, and returns once the last answer has ended.
///
/// # Errors
/// The machine's, if it gives no thread.
pub(super) async fn play(player: &Player, step: usize, load: &Load) -> io::Result<()> {
    let request = Arc::new(load.request.clone());
    let asking = Asking { player: player.clone(), step, request };
    let begin = Instant::now();
    let end = load.lasts.map(|lasts| begin + lasts.0);
    // Known from the beginning on, so that no stop is missed.
    let stopped = player.stopped();
    match &load.pace {
        Pace::Users { count, think } => {
            closed(asking, *count, *think, end, stopped).await;
            Ok(())
        }
        Pace::Rate { profile, poisson } => {
            let chance = poisson.then(|| player.world().seed.stream(&format!("load/{step}")));
            let sending = open(asking, profile.clone(), chance, begin, end, stopped);
            if player.world().net.is_memory() {
                return sending.await;
            }
            // One of the runtime's threads sends: each task that comes from outside of them has one of them woken.
            let mut alone = JoinSet::new();
            alone.spawn(sending);
            alone.join_all().await.into_iter().collect()
        }
    }
}

/// What every request of a load has in common.
#[derive(Clone)]
struct Asking {
    player: Player,
    step: usize,
    request: Arc<Send>,
}

/// Users who wait for an answer before they ask again.
async fn closed(asking: Asking, users: u32, think: Span, end: Option<Instant>, stopped: watch::Receiver<u64>) {
    let left = Arc::new(AtomicU32::new(asking.request.times));
    let mut all = JoinSet::new();
    // In real time to sleep for nothing takes up to a millisecond; in virtual time nothing may take any, and it goes on
    // only while all sleep.
    let sleeps = !think.0.is_zero() || asking.player.world().net.is_memory();
    for _ in 0..users {
        let (asking, left, mut stopped) = (asking.clone(), left.clone(), stopped.clone());
        all.spawn(async move {
            while end.is_none_or(|end| Instant::now() < end) && !stopped.has_changed().unwrap_or(true) && take(&left) {
                asking.player.ask(asking.step, &asking.request, None).await;
                if sleeps && until_stopped(&mut stopped, sleep(think.0)).await.is_none() {
                    break;
                }
            }
        });
    }
    all.join_all().await;
}

/// Takes one of the requests that are left.
fn take(left: &AtomicU32) -> bool {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
}

/// Requests that come at a rate, whatever becomes of them.
async fn open(
    asking: Asking,
    profile: Vec<Stretch>,
    chance: Option<Random>,
    begin: Instant,
    end: Option<Instant>,
    mut stopped: watch::Receiver<u64>,
) -> io::Result<()> {
    let clock = asking.player.world().clock;
    let moments = arrivals(&profile, chance).take(asking.request.times as usize).map(move |due| begin + due);
    let moments = moments.take_while(move |at| end.is_none_or(|end| *at < end));
    let mut departures = if asking.player.world().net.is_memory() {
        Departures::by_the_runtime(moments)
    } else {
        Departures::in_real_time(moments)?
    };
    let mut all = JoinSet::new();
    while let Some(at) = until_stopped(&mut stopped, departures.next()).await.flatten() {
        let asking = asking.clone();
        let intended: At = clock.at(at);
        // A task is moved about as it begins and ends, and this is a large one.
        all.spawn(Box::pin(async move { asking.player.ask(asking.step, &asking.request, Some(intended)).await }));
        while all.try_join_next().is_some() {}
    }
    all.join_all().await;
    Ok(())
}

fn arrivals(profile: &[Stretch], chance: Option<Random>) -> impl Iterator<Item = std::time::Duration> + use<> {
    let stretch = |one: &Stretch| traffic::Stretch { lasts: one.lasts.map(|span| span.0), from: one.from, to: one.to };
    let mut chance = chance;
    Arrivals::new(profile.iter().map(stretch).collect(), move || match &mut chance {
        Some(chance) => chance.exponential(1.0),
        None => 1.0,
    })
}

/// Waits for `work`, or until loads are stopped: none then.
async fn until_stopped<T>(stopped: &mut watch::Receiver<u64>, work: impl Future<Output = T>) -> Option<T> {
    let (stopped, work) = (pin!(stopped.changed()), pin!(work));
    futures_util::select_biased! {
        _ = stopped.fuse() => None,
        done = work.fuse() => Some(done),
    }
}
