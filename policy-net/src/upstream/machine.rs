//! The state machine of an upstream behind its lock, and its timer.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use super::{Connect, backend::Target, driver::Driver};
use crate::timer::{Ring, Timer, now};

/// What the clones of an upstream share.
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
                driver: Driver::new(Weak::clone(me), targets),
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
        deferred.run();
        result
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
