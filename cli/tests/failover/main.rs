//! Who is asked when a service fails, and what that costs a request, with one client and with many.

mod echo_server;
mod health_check;
mod options;
mod outage;
mod own_answers;
mod under_load;
