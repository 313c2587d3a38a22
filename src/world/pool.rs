//! Connections that one request uses after the other.
//!
//! After a pause of the machine, an open load has hundreds of requests to send at once. If each of them opened a
//! connection, that would take longer than to answer them, meanwhile more would be due, and the load would never recover:
//! a server drops what its queue of new connections has no room for, which the kernel sends again after a second, two,
//! four. So a pool can be told to grow by little at a time. Whoever finds nothing in it waits for what comes first: a
//! connection that another is done with, or room for one more.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// By how many connections a pool may grow within [`WINDOW`].
const GROWTH: usize = 128;
/// See [`GROWTH`].
const WINDOW: Duration = Duration::from_millis(128);

/// Connections, or whatever else is used by one at a time.
#[derive(Debug)]
pub(crate) struct Pool<T> {
    state: Mutex<State<T>>,
    /// Without, it grows as it is asked.
    growth: Option<Arc<Semaphore>>,
}

#[derive(Debug)]
struct State<T> {
    /// What nobody uses; what has rested least is the last.
    resting: Vec<T>,
    /// Who wants one, in order. There is nobody while anything rests.
    waiting: VecDeque<oneshot::Sender<T>>,
}

/// What somebody gets who asks a pool.
pub(crate) enum Taken<T> {
    /// This one.
    Resting(T),
    /// None, and the permission to make another.
    Room(Room),
}

/// Room for one in a pool. It counts as growth for some time, and no longer than the one in it is kept.
#[derive(Debug, Clone, Default)]
pub(crate) struct Room {
    _growth: Option<Arc<Mutex<Option<OwnedSemaphorePermit>>>>,
}

/// Somebody's place among those who wait. What comes too late goes back.
struct Waiting<'p, T> {
    pool: &'p Pool<T>,
    told: oneshot::Receiver<T>,
}

impl<T> Pool<T> {
    /// One that grows as it is asked.
    pub(crate) fn new() -> Self {
        Self { state: Mutex::new(State { resting: Vec::new(), waiting: VecDeque::new() }), growth: None }
    }

    /// One that grows by little at a time.
    pub(crate) fn growing_slowly() -> Self {
        Self { growth: Some(Arc::new(Semaphore::new(GROWTH))), ..Self::new() }
    }

    /// Waits for what rests, or for room. Who came first gets it first.
    pub(crate) async fn take(&self) -> Taken<T> {
        let (growth, mut waiting) = {
            let mut state = self.lock();
            if let Some(one) = state.resting.pop() {
                return Taken::Resting(one);
            }
            let Some(growth) = &self.growth else { return Taken::Room(Room::default()) };
            if let Ok(permit) = growth.clone().try_acquire_owned() {
                return Taken::Room(Room::of(permit));
            }
            while state.waiting.pop_front_if(|first| first.is_closed()).is_some() {}
            let (tell, told) = oneshot::channel();
            state.waiting.push_back(tell);
            (growth, Waiting { pool: self, told })
        };
        let permit = pin!(growth.clone().acquire_owned());
        futures_util::select_biased! {
            one = (&mut waiting.told).fuse() => one.map_or_else(|_| Taken::Room(Room::default()), Taken::Resting),
            // Nobody closes it.
            permit = permit.fuse() => Taken::Room(permit.map_or_else(|_| Room::default(), Room::of)),
        }
    }

    /// Gives one back: to who has waited longest, or it rests.
    pub(crate) fn put(&self, mut one: T) {
        let mut state = self.lock();
        while let Some(first) = state.waiting.pop_front() {
            match first.send(one) {
                Ok(()) => return,
                Err(back) => one = back,
            }
        }
        state.resting.push(one);
    }

    /// Drops those that have rested longest, as long as `is_old` says so; says whether any is left.
    pub(crate) fn drop_old(&self, is_old: impl Fn(&T) -> bool) -> bool {
        let mut state = self.lock();
        let old = state.resting.partition_point(is_old);
        state.resting.drain(..old);
        !state.resting.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Room {
    fn of(permit: OwnedSemaphorePermit) -> Self {
        let growth = Arc::new(Mutex::new(Some(permit)));
        let held = Arc::downgrade(&growth);
        tokio::spawn(async move {
            tokio::time::sleep(WINDOW).await;
            if let Some(growth) = held.upgrade() {
                growth.lock().unwrap_or_else(PoisonError::into_inner).take();
            }
        });
        Self { _growth: Some(growth) }
    }
}

impl<T> Drop for Waiting<'_, T> {
    fn drop(&mut self) {
        self.told.close();
        if let Ok(late) = self.told.try_recv() {
            self.pool.put(late);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join;
    use tokio::time::{Instant, sleep, timeout};

    use super::*;

    /// Takes all the room that there is at once.
    async fn full() -> (Pool<u32>, Vec<Room>) {
        let pool = Pool::growing_slowly();
        let mut rooms = Vec::new();
        for _ in 0..GROWTH {
            rooms.push(room(&pool).await);
        }
        (pool, rooms)
    }

    async fn room(pool: &Pool<u32>) -> Room {
        match pool.take().await {
            Taken::Room(room) => room,
            Taken::Resting(one) => panic!("{one} rests"),
        }
    }

    async fn resting(pool: &Pool<u32>) -> u32 {
        match pool.take().await {
            Taken::Resting(one) => one,
            Taken::Room(_) => panic!("nothing rests"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_grows_by_so_many_at_a_time() {
        let began = Instant::now();
        let (pool, _rooms) = full().await;
        assert_eq!(began.elapsed(), Duration::ZERO);
        room(&pool).await;
        assert_eq!(began.elapsed().as_millis(), WINDOW.as_millis());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_gone_makes_room_at_once() {
        let began = Instant::now();
        let (pool, mut rooms) = full().await;
        for _ in 0..3 {
            rooms.pop();
            rooms.push(room(&pool).await);
        }
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_longest_gets_what_comes_back() {
        let (pool, _rooms) = full().await;
        let mut first = Box::pin(resting(&pool));
        let mut second = Box::pin(resting(&pool));
        assert!(timeout(Duration::from_millis(1), join(&mut first, &mut second)).await.is_err());
        pool.put(1);
        pool.put(2);
        pool.put(3);
        assert_eq!((second.await, first.await, resting(&pool).await), (2, 1, 3));
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_for_somebody_who_has_left_is_not_lost() {
        let (pool, _rooms) = full().await;
        let mut left = Box::pin(pool.take());
        assert!(timeout(Duration::from_millis(1), &mut left).await.is_err());
        pool.put(1);
        drop(left);
        assert_eq!(resting(&pool).await, 1);
        // Neither is it where nobody has looked yet.
        drop(Box::pin(pool.take()));
        pool.put(2);
        sleep(WINDOW).await;
        assert_eq!(resting(&pool).await, 2);
    }
}
