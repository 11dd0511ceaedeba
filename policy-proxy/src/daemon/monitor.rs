//! The monitor: once a second, beside the requests, it logs states that last and lines that were held back.

use std::time::{Duration, Instant};

use policy_ha::Mode;

use crate::{
    journal::{State, shortage::Shortage},
    proxy::{CurrentProxy, Proxy},
};

/// The main thread's view of the services.
#[derive(Debug)]
pub(crate) struct Monitor {
    current: CurrentProxy,
    /// For each service: the minutes of its being down that have been logged.
    told: Vec<u64>,
    /// The states that the service manager knows, and since when.
    status: Option<(Vec<bool>, Instant)>,
    shortage: Shortage,
}

impl Monitor {
    pub(crate) fn new(current: CurrentProxy) -> Self {
        Self {
            current,
            told: Vec::new(),
            status: None,
            shortage: Shortage::default(),
        }
    }

    /// The services have changed: each comes with its index in the list before, if it was there.
    pub(crate) fn renew(&mut self, kept: &[Option<usize>]) {
        let told = |kept: &Option<usize>| kept.and_then(|index| self.told.get(index).copied());
        let told = kept.iter().map(|kept| told(kept).unwrap_or_default());
        self.told = told.collect();
        self.status = None;
    }

    /// Logs what is to be logged now, and returns the text for the service manager if it has changed.
    pub(crate) fn tick(&mut self, now: Instant) -> Option<String> {
        let proxy = self.current.get();
        let journal = &proxy.journal;
        journal.say_ends_of_outages(now, |group| proxy.default_of(group));
        let states = proxy.states();
        self.told.resize(states.len(), 0);
        for (index, (state, told)) in states.iter().zip(&mut self.told).enumerate() {
            let down_for = state.down_for(now).filter(|_| state.mode != Mode::Disabled);
            let minutes = down_for.map_or(0, |time| time.as_secs() / MINUTE.as_secs());
            if let Some(down_for) = down_for.filter(|_| minutes > *told) {
                journal.still_down(index, down_for, state.is_untried_for(UNTRIED, now));
            }
            *told = minutes;
        }
        journal.say_held_back(now, false);
        let status = self.status(&proxy, &states, now);
        if let Some(memory) = self.shortage.look_at(&proxy.memory_waits) {
            journal.memory(memory, proxy.max_memory);
        }
        status
    }

    /// The text when a state has changed, or a service has been down for another minute.
    fn status(&mut self, proxy: &Proxy, states: &[State], now: Instant) -> Option<String> {
        let down: Vec<bool> = states.iter().map(State::is_down).collect();
        let is_known = self.status.as_ref().is_some_and(|(known, since)| {
            let is_old = now.saturating_duration_since(*since) >= MINUTE;
            *known == down && !(is_old && down.contains(&true))
        });
        if is_known {
            return None;
        }
        self.status = Some((down, now));
        Some(proxy.journal.status(states, now))
    }
}

const MINUTE: Duration = Duration::from_secs(60);
/// How long after it is due a trial is late: a request that might try the service comes sooner than that.
const UNTRIED: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use std::{io::Write, sync::Arc};

    use policy_ha::Status;

    use super::*;
    use crate::proxy::tests::{Worker, proxy};
    use policy_daemon::log::Log;

    #[test]
    fn what_stays_down_is_told_once_a_minute_and_what_was_held_back_after_one() {
        let (mut monitor, log) = monitor();
        let up = Some("a up, b up; 0 default actions".to_owned());
        assert_eq!(monitor.tick(Instant::now()), up);
        ask_in_vain(&monitor.current.get());
        ask_in_vain(&monitor.current.get());
        let down = Instant::now();
        let first = lines(&log);
        assert_eq!(first.len(), 5, "{first:?}");

        let mut tick = |seconds| {
            let status = monitor.tick(down + Duration::from_secs(seconds));
            (status, lines(&log))
        };
        let status = Some("a down 1s, b down 1s; 2 default actions".to_owned());
        assert_eq!(tick(1), (status, vec![]));
        assert_eq!(tick(2), (None, vec![]), "nothing has changed");
        assert_eq!(tick(59), (None, vec![]));

        let (status, told) = tick(61);
        let status = status.unwrap();
        assert_eq!(status, "a down 61s, b down 61s; 2 default actions");
        for name in ["a", "b"] {
            let begin = format!("[LOG warning]: '{name}' (127.0.0.1:1) is still down since ");
            let end = " (61s): Connection refused; no request has come to it lately";
            let is_told = |line: &&String| line.starts_with(&begin) && line.ends_with(end);
            assert_eq!(told.iter().filter(is_told).count(), 1, "{told:?}");
        }
        for held in [
            "Could not open socket to 'a'",
            "Could not open socket to 'b'",
            "no service",
        ] {
            let is_told = |line: &&String| line.contains(held);
            assert_eq!(told.iter().filter(is_told).count(), 1, "{told:?}");
        }
        assert_eq!(told.len(), 5, "{told:?}");

        let (_, told) = tick(119);
        assert_eq!(told, [""; 0]);
        let (_, told) = tick(600);
        assert_eq!(
            told.len(),
            2,
            "one line each, however long it was: {told:?}"
        );
        assert!(told[0].contains(" (600s): "), "{told:?}");
        let day = 24 * 60 * 60;
        let (_, told) = tick(day);
        let since = told[0].split("since ").nth(1).unwrap();
        assert_eq!(since.find(" ("), Some("Nov 28 12:58:24".len()), "{since}");
    }

    #[test]
    fn what_stays_down_although_it_is_asked_is_told_without_a_word_more() {
        let (monitor, log) = monitor();
        ask_in_vain(&monitor.current.get());
        let state = &monitor.current.get().states()[0];
        let Status::Down { due, .. } = state.status else {
            panic!("it is down");
        };
        assert!(!state.is_untried_for(UNTRIED, due + UNTRIED - Duration::from_millis(1)));
        assert!(state.is_untried_for(UNTRIED, due + UNTRIED));
        monitor
            .current
            .get()
            .journal
            .still_down(0, Duration::from_secs(61), false);
        let told = lines(&log);
        assert!(
            told.last().unwrap().ends_with("(61s): Connection refused"),
            "{told:?}"
        );
    }

    #[test]
    fn a_service_that_may_not_be_asked_is_not_told_to_be_down() {
        let (mut monitor, log) = monitor();
        ask_in_vain(&monitor.current.get());
        let proxy = monitor.current.get();
        let mut balancer = proxy.shared[0].balancer();
        let a = balancer.ids().next().unwrap();
        balancer.set_mode(a, Mode::Disabled);
        drop(balancer);
        lines(&log);
        let later = Instant::now() + Duration::from_secs(61);
        let status = monitor.tick(later).unwrap();
        assert!(
            status.starts_with("a down 61s (disabled), b down 61s;"),
            "{status}"
        );
        let told = lines(&log);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("'b'"), "{told:?}");
    }

    /// Two services that refuse.
    fn monitor() -> (Monitor, Log) {
        let (proxy, log) = proxy(&["a=127.0.0.1:1", "b=127.0.0.1:1"]);
        (Monitor::new(CurrentProxy::new(proxy)), log)
    }

    fn ask_in_vain(proxy: &Arc<Proxy>) {
        let mut worker = Worker::new(proxy);
        let mut client = worker.client();
        client
            .write_all(b"request=smtpd_access_policy\n\n")
            .unwrap();
        worker.reply(&mut client, b"action=dunno\n\n");
    }

    fn lines(log: &Log) -> Vec<String> {
        let lines = String::from_utf8(log.take_buffered()).unwrap();
        lines.lines().map(str::to_owned).collect()
    }
}
