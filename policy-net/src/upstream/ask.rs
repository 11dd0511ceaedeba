//! One request's way through an [`Upstream`]: attempt by attempt, until one is answered.

use policy_ha::{BackendId, Outcome, Preference, Tried};
use policy_proto::Request;
use tokio::time::Instant;

use crate::{
    Answer, AttemptError, Balance, Connect, Event, Exhausted, Lease, Retry, Upstream,
    attempt::Attempt, attempt_limit, budget::Budget, upstream::Member,
};

impl<C: Connect> Upstream<C> {
    /// Asks one service after the other until one has answered, at the latest until the deadline.
    ///
    /// Each attempt has the smaller of its service's timeout and of a fair share of what is left,
    /// at least 5 s, so that the services behind it have their turn: see
    /// [`attempt_limit`](crate::attempt_limit). When only services are left that are down and not due
    /// for a trial, then what they take together is bounded by
    /// [`last_resort`](crate::UpstreamOptions::last_resort).
    ///
    /// A connection that was kept and fails before a byte of an answer is replaced by a new one,
    /// once and within the same attempt: as a rule the server closed it while it was idle. Nobody is
    /// blamed. Whether the server had read the request by then can be known in some cases only, and
    /// with [`Retry::Unsent`] it is done in those.
    ///
    /// `on_event` is called as things happen, and must not block. Use [`Preference::None`] unless
    /// the request belongs to others: then what [`Answer::stick`] of the last one says.
    ///
    /// # Errors
    ///
    /// [`Exhausted`], with what each service that was asked did.
    #[expect(
        clippy::manual_async_fn,
        reason = "that would hold its arguments twice"
    )]
    pub fn ask(
        &self,
        request: &Request,
        preference: Preference,
        mut on_event: impl FnMut(Event<'_>),
    ) -> impl Future<Output = Result<Answer, Exhausted>> {
        async move {
            let options = &self.shared.options;
            let mut now = Instant::now();
            let mut budget = Budget::new(now, options);
            let preference = options.balance.preference(request, preference);
            let mut tried = Tried::new();
            let mut attempts = Vec::new();
            loop {
                let next = self.next_attempt(request, now, preference, &mut tried, &mut budget);
                let Some(attempt) = next else {
                    return Err(Exhausted { attempts });
                };
                let Attempt {
                    backend, member, ..
                } = attempt;
                // It outlives the attempt, which may be dropped half-way: it tells how far that came.
                let mut lease = None;
                let result = attempt.run(&mut lease, &mut on_event).await;
                let result = result.and_then(|answer| member.accept(answer));
                let end = Instant::now();
                let took = end.saturating_duration_since(now);
                now = end;
                let error = match result {
                    Ok(response) => {
                        member.record.answered();
                        if let Some(lease) = lease {
                            lease.give_back_at(now);
                        }
                        on_event(Event::Answered {
                            backend,
                            response: &response,
                            took,
                        });
                        self.observe(now, backend, Outcome::Success, None, &mut on_event);
                        return Ok(Answer {
                            backend,
                            response,
                            stick: Balance::stick(backend, preference),
                        });
                    }
                    Err(error) => error,
                };
                member.record.failed();
                on_event(Event::Failed {
                    backend,
                    error: &error,
                    took,
                });
                let was_closed = lease.as_ref().is_some_and(|lease| lease.was_closed(&error));
                if error.blames_server() && !was_closed {
                    let connected = lease.as_ref().is_some_and(Lease::is_connected);
                    member.record.at_fault(connected);
                    // That a last resort fails is no news: it was down, and had little time. If it
                    // counted, such requests could put off for ever the trial that has a fair chance.
                    if !tried.is_last_resort() {
                        let outcome = Outcome::Failure { took };
                        self.observe(now, backend, outcome, Some(&error), &mut on_event);
                    }
                }
                let unsent = lease.as_ref().is_none_or(|lease| lease.unsent(&error));
                if let AttemptError::NotAllowed { .. } = error
                    && let Some(lease) = lease
                {
                    // The answer was whole: another one can follow.
                    lease.give_back_at(now);
                }
                attempts.push((backend, error));
                if options.retry == Retry::Unsent && !unsent {
                    return Err(Exhausted { attempts });
                }
            }
        }
    }

    /// Who is to be asked now, and for how long at most; nothing if nobody is left, or no time.
    fn next_attempt<'a>(
        &'a self,
        request: &'a Request,
        now: Instant,
        preference: Preference,
        tried: &mut Tried,
        budget: &mut Budget<'_>,
    ) -> Option<Attempt<'a, C>> {
        let left = budget.left(now);
        if left.is_zero() {
            return None;
        }
        let Turn {
            backend,
            member,
            unasked,
            is_sole,
        } = self.pick(now, preference, tried)?;
        let limit = match tried.is_last_resort() {
            false => attempt_limit(member.timeout, left, unasked),
            true => budget.last_resort(now, member.timeout, unasked),
        };
        // Where nobody else is up, a place that comes free is the best that can be hoped for.
        let wait = match is_sole {
            true => limit,
            false => self.shared.options.wait.min(limit),
        };
        (!limit.is_zero()).then(|| Attempt {
            upstream: self,
            backend,
            member,
            request,
            began: now,
            until: now.checked_add(limit),
            wait_until: now.checked_add(wait),
        })
    }

    /// Who is next.
    fn pick(&self, now: Instant, preference: Preference, tried: &mut Tried) -> Option<Turn<'_, C>> {
        let mut balancer = self.balancer();
        let unasked = balancer.left(*tried);
        let services = &self.shared.services;
        let in_use = |id: BackendId| Some(services.get(id.index())?.pool.in_use());
        let now = now.into_std();
        let backend = match self.shared.options.balance {
            Balance::LeastLoaded => {
                balancer.pick_least_loaded(now, preference, tried, |id| in_use(id).unwrap_or(0))
            }
            _ => balancer.pick(now, preference, tried),
        }?;
        let member = services.get(backend.index())?;
        Some(Turn {
            backend,
            member,
            unasked,
            is_sole: balancer.left_up(*tried) == 0,
        })
    }

    pub(crate) fn observe(
        &self,
        now: Instant,
        backend: BackendId,
        outcome: Outcome,
        because: Option<&AttemptError>,
        on_event: &mut impl FnMut(Event<'_>),
    ) {
        let transition = self.balancer().observe(now.into_std(), backend, outcome);
        if let Some(transition) = transition {
            on_event(Event::Changed {
                backend,
                transition,
                because,
            });
        }
    }
}

/// Who is to be asked.
struct Turn<'a, C: Connect> {
    backend: BackendId,
    member: &'a Member<C>,
    /// How many are left for this request, this one included.
    unasked: usize,
    /// None of the others is up.
    is_sole: bool,
}
