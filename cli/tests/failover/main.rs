//! Failover: the service that is asked when one fails, and the cost to a request, with one client and with many.

mod echo_server;
mod health_check;
mod options;
mod outage;
mod own_answers;
mod under_load;
