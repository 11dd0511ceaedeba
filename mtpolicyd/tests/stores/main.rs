//! The plugins that have databases, maps and other servers behind them: each parameter of each.

mod accounting;
mod cron;
mod greylist;
mod hosts;
mod keys_of_1x;
mod limit;
mod postfix_map;
mod proxy;
mod quota;
mod sessions;
mod sql_list;
mod sql_user_config;
mod world;
