//! The commands of an administrator, which `hapolicy ctl` sends to a daemon.

mod status;
mod trial;

use std::{fmt::Write, sync::Arc};

use policy_daemon::{
    control::{Control, DaemonStatus, Done},
    trace::Traces,
};
use policy_flow::Shared;
use policy_ha::{BackendId, Mode};

use crate::proxy::{CurrentProxy, Proxy};

/// The commands, carried out on the proxy of the settings that hold.
#[derive(Debug)]
pub(crate) struct ProxyControl {
    pub(crate) current: CurrentProxy,
}

impl ProxyControl {
    /// A service that is down is asked, while nothing is held; what came of it is noted then.
    fn try_now(&self, name: &str) -> Result<Done, String> {
        let asked = self.commands().ask(name)?;
        let _held = self.current.hold();
        self.commands().asked(name, asked)
    }

    fn commands(&self) -> Commands {
        Commands {
            proxy: self.current.get(),
        }
    }
}

/// The commands, carried out on a proxy.
struct Commands {
    proxy: Arc<Proxy>,
}

impl Control for ProxyControl {
    fn command(&self, words: &[String], daemon: &DaemonStatus) -> Result<Done, String> {
        if let [word, name] = words
            && word == "try"
        {
            return self.try_now(name);
        }
        let _held = self.current.hold();
        self.commands().command(words, daemon)
    }

    fn traces(&self) -> Option<Traces> {
        Some(self.current.get().journal.traces.clone())
    }
}

impl Commands {
    fn command(&self, words: &[String], daemon: &DaemonStatus) -> Result<Done, String> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words[..] {
            ["status"] => Ok(Done::shown(status::table(&self.proxy, daemon))),
            ["status", "--json"] => Ok(Done::shown(status::json(&self.proxy, daemon))),
            ["drain", name] => self.set_mode(name, Mode::Drain),
            ["disable", name] => self.set_mode(name, Mode::Disabled),
            ["enable", name] => self.set_mode(name, Mode::Enabled),
            ["weight", name, number] => self.set_weight(name, number),
            _ => Err(format!("unknown command: {}", words.join(" "))),
        }
    }

    fn set_mode(&self, name: &str, mode: Mode) -> Result<Done, String> {
        let (shared, id) = self.find(name)?;
        let old = {
            let mut balancer = shared.balancer();
            let old = balancer.mode(id);
            balancer.set_mode(id, mode);
            old
        };
        let what = match mode {
            Mode::Enabled => "gets requests again",
            Mode::Drain => "gets no new messages, and those of messages that it has begun",
            Mode::Disabled => "gets no requests",
        };
        if old == mode {
            return Ok(Done::shown(format!("'{name}' {what} (as before)\n")));
        }
        let mut line = format!("'{name}' {what}");
        if let Some(nobody) = self.proxy.nobody_to_ask() {
            _ = write!(line, "; {nobody}");
        }
        Ok(Done::changed(line))
    }

    fn set_weight(&self, name: &str, number: &str) -> Result<Done, String> {
        let (shared, id) = self.find(name)?;
        let wrong = || format!("weight '{number}' is not a number from 1 to 1000");
        let weight = number.parse().map_err(|_| wrong())?;
        let mut balancer = shared.balancer();
        let old = balancer.weight(id);
        balancer.set_weight(id, weight).map_err(|_| wrong())?;
        Ok(Done::changed(format!(
            "'{name}' has weight {weight}, it had {old}"
        )))
    }

    /// The service of this name.
    fn find(&self, name: &str) -> Result<(&Shared, BackendId), String> {
        let index = self.index_of(name)?;
        self.proxy
            .health_of(index)
            .ok_or_else(|| NO_SERVICE.to_owned())
    }

    fn index_of(&self, name: &str) -> Result<usize, String> {
        let mut names = self.proxy.journal.names();
        let index = names.position(|known| known == name);
        index.ok_or_else(|| {
            let known: Vec<_> = self.proxy.journal.names().collect();
            format!("no service '{name}': there are {}", known.join(", "))
        })
    }
}

const NO_SERVICE: &str = "there is no service";
