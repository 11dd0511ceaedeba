//! The settings of a world, as the state machine takes them.

use std::time::Duration;

use policy_flow::{BackendConfig, ClientOptions, UpstreamOptions};
use policy_ha::{Backend, Config};

use super::{
    hand::address_of,
    plan::{Plan, Service},
};

pub(crate) fn backend(at: usize, service: &Service) -> Backend {
    Backend::new(service.priority, service.weight).with_key(at as u64)
}

pub(crate) fn config(service: &Service, first: usize) -> BackendConfig {
    let mut config = BackendConfig::default();
    config.backend = Backend::new(service.priority, service.weight);
    config.timeout = service.timeout;
    config.keep = service.keep;
    config.refresh = service.refresh;
    config.host = "policy.example.net".into();
    if service.look_up.is_none() {
        let server = service.name(Duration::ZERO).first();
        config.address =
            server.map(|server| address_of(first + server, service.servers[*server].is_unix));
    }
    config
}

pub(crate) fn balancer(plan: &Plan) -> Config {
    Config::default()
        .with_seed(plan.seed)
        .with_max_failures(plan.settings.max_failures)
}

pub(crate) fn options(plan: &Plan) -> UpstreamOptions {
    let settings = &plan.settings;
    let mut options = UpstreamOptions::default();
    options.deadline = settings.deadline;
    options.connect = settings.connect;
    options.wait = settings.wait;
    options.last_resort = settings.last_resort;
    options.retry = settings.retry;
    options.strategy = settings.strategy.clone();
    options.max_connections = settings.max_connections;
    options.max_opening = settings.max_opening;
    options.max_age = settings.max_age;
    options.memory = settings.answer_memory;
    options.balancer = balancer(plan);
    options
}

pub(crate) fn client_options(plan: &Plan) -> ClientOptions {
    let settings = &plan.settings;
    let mut options = ClientOptions::default();
    options.idle = settings.idle;
    options.request = settings.request;
    options.memory_wait = settings.memory_wait;
    options.memory = settings.memory;
    options
}
