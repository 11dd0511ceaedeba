//! A world in words, for a person who looks at one that breaks a law.

use std::fmt;

use super::plan::{Client, Plan, Service, Settings};

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (settings, default) = (
            format!("{:#?}", self.settings),
            format!("{:#?}", Settings::default()),
        );
        writeln!(f, "Settings that are not the default:")?;
        let usual: Vec<_> = default.lines().collect();
        for line in settings.lines().filter(|line| !usual.contains(line)) {
            writeln!(f, "  {}", line.trim())?;
        }
        writeln!(
            f,
            "Workers: {}, groups: {}, jitter {:?}, late by {:?}",
            self.workers,
            self.groups(),
            self.jitter,
            self.late
        )?;
        for (at, client) in self.clients.iter().enumerate() {
            let Client { asks, .. } = client;
            let client = Client {
                asks: Vec::new(),
                ..client.clone()
            };
            writeln!(f, "Client {at}: {client:?}")?;
            for ask in asks {
                writeln!(f, "  {ask:?}")?;
            }
        }
        for (at, service) in self.services.iter().enumerate() {
            let Service { servers, .. } = service;
            let service = Service {
                servers: Vec::new(),
                ..service.clone()
            };
            writeln!(f, "Service {at}: {service:?}")?;
            for (at, server) in servers.iter().enumerate() {
                writeln!(f, "  Server {at}: {server:?}")?;
            }
        }
        for (worker, span) in &self.pauses {
            writeln!(f, "Worker {worker} stands still: {span:?}")?;
        }
        for span in &self.scarce {
            writeln!(f, "No descriptor is left: {span:?}")?;
        }
        if let Some(drain) = self.drain {
            writeln!(f, "Drain at {drain:?}")?;
        }
        for (at, without) in &self.exchanges {
            writeln!(f, "The list without those of {without:b} at {at:?}")?;
        }
        Ok(())
    }
}
