//! When the requests of an open load leave.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// The moments of an open load, each told once it has come.
pub struct Departures(Clock);

enum Clock {
    Virtual(Box<dyn Iterator<Item = Instant> + Send>),
    /// With what has been told of at once and not been asked for yet.
    Real(mpsc::UnboundedReceiver<VecDeque<Instant>>, VecDeque<Instant>),
}

/// How long the thread sleeps at least where it sleeps at all, in real time. What is due meanwhile leaves together: to
/// wake for each request of a thousand a second or more would cost more than it is worth.
const LEAST: Duration = Duration::from_micros(500);
/// How long the thread sleeps at most before it looks whether anybody still listens.
const LOOK: Duration = Duration::from_millis(50);

impl Departures {
    /// These moments, in order, by the runtime's own clock, which may stand still.
    pub fn by_the_runtime(moments: impl Iterator<Item = Instant> + Send + 'static) -> Self {
        Self(Clock::Virtual(Box::new(moments)))
    }

    /// These moments, in order, in real time. A thread of its own waits for them, as the runtime's timers go by whole
    /// milliseconds and a request would leave up to two of them late.
    ///
    /// # Errors
    /// The machine's, if it gives no thread.
    pub fn in_real_time(moments: impl Iterator<Item = Instant> + Send + 'static) -> std::io::Result<Self> {
        let (due, told) = mpsc::unbounded_channel();
        let mut moments = moments.peekable();
        std::thread::Builder::new().name("departures".to_owned()).spawn(move || {
            while let Some(next) = moments.peek() {
                if !sleep_to(*next, || due.is_closed()) {
                    break;
                }
                let now = Instant::now();
                // Together, so that whoever waits is woken once.
                let come = std::iter::from_fn(|| moments.next_if(|moment| *moment <= now)).collect();
                if due.send(come).is_err() {
                    break;
                }
            }
        })?;
        Ok(Self(Clock::Real(told, VecDeque::new())))
    }

    /// Waits for the next moment; none after the last. Whoever drops the future in real time loses none.
    pub async fn next(&mut self) -> Option<Instant> {
        match &mut self.0 {
            Clock::Virtual(moments) => {
                let moment = moments.next()?;
                sleep_until(moment).await;
                Some(moment)
            }
            Clock::Real(told, come) => {
                if come.is_empty() {
                    *come = told.recv().await?;
                }
                come.pop_front()
            }
        }
    }
}

/// Sleeps until then; false if meanwhile it is over.
#[expect(clippy::disallowed_methods, reason = "a thread that does nothing else, in real time")]
fn sleep_to(moment: Instant, is_over: impl Fn() -> bool) -> bool {
    loop {
        let left = moment.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        std::thread::sleep(left.clamp(LEAST, LOOK));
        if is_over() {
            return false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every(gap: Duration) -> impl Iterator<Item = Instant> + Send + 'static {
        let begin = Instant::now();
        (0..).map(move |number: u32| begin + gap * number)
    }

    #[tokio::test(start_paused = true)]
    async fn in_virtual_time_each_leaves_at_its_moment() {
        let mut due = Departures::by_the_runtime(every(Duration::from_micros(1500)).take(3));
        let begin = Instant::now();
        let mut left = Vec::new();
        while let Some(moment) = due.next().await {
            left.push(((moment - begin).as_micros(), begin.elapsed().as_millis()));
        }
        // The runtime's clock goes by milliseconds.
        assert_eq!(left, [(0, 0), (1500, 2), (3000, 3)]);
    }

    #[tokio::test]
    async fn in_real_time_none_leaves_before_its_moment_and_none_is_lost() {
        let mut due = Departures::in_real_time(every(Duration::from_micros(300)).take(50)).expect("a thread");
        let mut left = 0;
        while let Some(moment) = due.next().await {
            assert!(Instant::now() >= moment);
            left += 1;
        }
        assert_eq!(left, 50);
    }
}
