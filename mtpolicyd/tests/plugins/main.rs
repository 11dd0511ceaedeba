//! Plugins with what they look up in DNS, in stores and in files, each parameter with what it changes.

mod dbl;
mod fail2ban;
mod geoip;
mod greylist;
mod honeypot;
mod rbl;
mod regex_list;
mod reload;
mod spf;
mod stress;
mod support;
