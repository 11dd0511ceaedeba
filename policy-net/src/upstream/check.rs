//! The check of backends that are down, as a future.

use std::{future::poll_fn, mem, task::Poll};

use policy_flow::Check;

use super::{Connect, Event, Upstream, machine::Inner};

impl<C: Connect> Upstream<C> {
    /// Looks at the backends that are down, without an end, and brings those back that pass. Spawn it
    /// beside a server that lives long: nothing spawns it. It is cancel safe; dropping it ends all checks that are under way. There is one such look at a time: a
    /// later call takes the place of an earlier one.
    ///
    /// There is one check of a backend at a time, and it takes one of its connections, if one is
    /// free: never one's place in the queue. It has the time of an attempt: that of connecting, and in
    /// all the backend's own timeout. The connection is kept for requests. A check that fails puts
    /// off the backend's next trial by a request for as long as it took.
    ///
    /// A backend that an operator has disabled is not looked at.
    ///
    /// `on_event` is told of checks and what comes of them, and of all else that is on the way of no request; at most
    /// 1,024 events wait for this future to be polled, others are lost.
    ///
    /// ```
    /// use policy_net::{
    ///     BackendConfig, Check, Connector, Endpoint, Listener, Request, Status, Upstream, UpstreamOptions,
    /// };
    /// use std::time::Duration;
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("policy.sock");
    /// let endpoint = Endpoint::Unix(path);
    /// let backend = BackendConfig::new("mx1", Connector::new(endpoint.clone()));
    /// let upstream = Upstream::new(UpstreamOptions::default(), [backend])?;
    /// let id = upstream.ids()[0];
    ///
    /// let request = Request::from_attributes([("request", "smtpd_access_policy")])?;
    /// upstream.ask(&request).await.unwrap_err();
    /// assert_ne!(upstream.status(id), Some(Status::Up));
    ///
    /// // Its server is started, and no request need find out.
    /// let _listener = Listener::bind(&endpoint).await?;
    /// let check = Check::new(Duration::from_millis(5));
    /// let is_up = async {
    ///     while upstream.status(id) != Some(Status::Up) {
    ///         tokio::time::sleep(Duration::from_millis(1)).await;
    ///     }
    /// };
    /// tokio::select! {
    ///     () = upstream.check(&check, |_| {}) => unreachable!("it does not end by itself"),
    ///     () = is_up => {}
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn check(&self, check: &Check, mut on_event: impl FnMut(Event)) {
        let watching = Watching::begin(&self.inner, check);
        poll_fn(|cx| {
            let (events, _old) = watching.upstream.look(|_, driver| {
                let watcher = &mut driver.watcher;
                if watcher.serial != watching.serial {
                    return Default::default();
                }
                let old = watcher.waker.replace(cx.waker().clone());
                (mem::take(&mut watcher.events), old)
            });
            events.into_iter().for_each(&mut on_event);
            Poll::<()>::Pending
        })
        .await;
    }
}

/// The checks of one call, until it is dropped.
struct Watching<'a, C: Connect> {
    upstream: &'a Inner<C>,
    serial: u64,
}

impl<'a, C: Connect> Watching<'a, C> {
    fn begin(upstream: &'a Inner<C>, check: &Check) -> Self {
        let check = check.clone();
        let (serial, _old) = upstream.with(|flow, driver| {
            flow.end_checks(driver);
            flow.check(check);
            let watcher = &mut driver.watcher;
            watcher.serial += 1;
            watcher.is_there = true;
            watcher.events = Default::default();
            (watcher.serial, watcher.waker.take())
        });
        Self { upstream, serial }
    }
}

impl<C: Connect> Drop for Watching<'_, C> {
    fn drop(&mut self) {
        let _old = self.upstream.with(|flow, driver| {
            if driver.watcher.serial != self.serial {
                return None;
            }
            driver.watcher.is_there = false;
            driver.watcher.events = Default::default();
            flow.end_checks(driver);
            driver.watcher.waker.take()
        });
    }
}
