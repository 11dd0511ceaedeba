//! The state machine of an upstream in its lock, with its timer and its tasks.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::Waker,
};

use policy_flow::LinkId;
use tokio::runtime::Handle;

use super::{
    Connect,
    backend::Target,
    driver::{Deferred, Driver, Task},
    link::Link,
    link_task::{LinkTask, News, Tell},
    resolve::LookUp,
};
use crate::timer::{Ring, Timer, now};

/// The part of an upstream that its clones share.
pub(super) struct Inner<C: Connect> {
    me: Weak<Self>,
    machine: Mutex<Machine<C>>,
    timer: Timer,
}

struct Machine<C: Connect> {
    flow: policy_flow::Upstream,
    driver: Driver<C>,
}

impl<C: Connect> Inner<C> {
    pub(super) fn new(flow: policy_flow::Upstream, targets: Vec<Target<C>>) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            me: Weak::clone(me),
            machine: Mutex::new(Machine {
                flow,
                driver: Driver::new(targets),
            }),
            timer: Timer::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Machine<C>> {
        // Nothing that holds the lock can panic half-way but a user's connection, which is given up then.
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at it.
    pub(super) fn look<T>(
        &self,
        look: impl FnOnce(&policy_flow::Upstream, &mut Driver<C>) -> T,
    ) -> T {
        let Machine { flow, driver } = &mut *self.lock();
        look(flow, driver)
    }

    /// Has the state machine do something now.
    pub(super) fn with<T>(
        &self,
        act: impl FnOnce(&mut policy_flow::Upstream, &mut Driver<C>) -> T,
    ) -> T {
        let (result, deferred, next) = {
            let Machine { flow, driver } = &mut *self.lock();
            flow.set_now(now());
            flow.recycle();
            let result = act(flow, driver);
            while let Some(done) = flow.take_done() {
                driver.done(done);
            }
            (result, driver.take_deferred(), flow.next_timer())
        };
        self.timer
            .set(next, || Weak::clone(&self.me) as Weak<dyn Ring>);
        self.run(deferred);
        result
    }

    fn run(&self, deferred: Deferred<C>) {
        deferred.wakes.into_iter().for_each(Waker::wake);
        for task in deferred.tasks {
            let upstream = Weak::clone(&self.me);
            match task {
                Task::Connect {
                    id,
                    link,
                    connect,
                    address,
                } => spawn(LinkTask::new(upstream, id, link, connect).run(address)),
                Task::LookUp { backend, connect } => {
                    let tell = move |found| {
                        if let Some(upstream) = upstream.upgrade() {
                            upstream.with(|flow, driver| flow.resolved(backend, found, driver));
                        }
                    };
                    spawn(LookUp::new(tell).run(connect));
                }
            }
        }
    }
}

/// Outside of a runtime a task is dropped, and says what has become of it.
fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    if let Ok(runtime) = Handle::try_current() {
        runtime.spawn(task);
    }
}

impl<C: Connect> Tell<C::Io> for Weak<Inner<C>> {
    fn tell(&self, id: LinkId, link: &Arc<Link<C::Io>>, news: News<'_>) -> Option<usize> {
        self.upgrade()?.with(|flow, driver| {
            if !driver.is_current(id, link) {
                return None;
            }
            match news {
                News::Connected => flow.connected(id, driver),
                News::Data(data) => flow.data(id, data, driver),
                News::Flushed => flow.link_flushed(id),
                News::Ended => flow.ended(id, driver),
                News::Failed(failure) => flow.link_failed(id, failure, driver),
                News::Waiting => {}
            }
            driver.is_current(id, link).then(|| flow.room(id))
        })
    }
}

impl<C: Connect> Ring for Inner<C> {
    fn ring(&self) {
        self.with(|flow, driver| flow.tick(driver));
    }
}

impl<C: Connect> fmt::Debug for Inner<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.look(|_, driver| f.debug_list().entries(driver.targets()).finish())
    }
}
