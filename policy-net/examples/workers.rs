//! A policy server with several workers: threads that have a runtime each and share one listening socket.
//!
//! On tokio's multi-threaded runtime `serve` needs nothing of this. Threads of their own are for what a worker keeps to
//! itself, and cost less where requests are many and quick.
//!
//! ```text
//! cargo run -p policy-net --example workers 127.0.0.1:10031
//! ```

use std::{error::Error, net::TcpListener, thread};

use policy_net::{Drain, Listener, Request, Response, serve};
use tokio::runtime::{Builder, Runtime};

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1);
    let socket = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:10031"))?;
    socket.set_nonblocking(true)?;
    let drain = Drain::default();
    let workers: Vec<_> = (0..thread::available_parallelism()?.get())
        .map(|_| {
            let (socket, drain) = (socket.try_clone()?, drain.clone());
            Ok(thread::spawn(move || work(socket, &drain)))
        })
        .collect::<Result<_, std::io::Error>>()?;
    println!("listening on {}", socket.local_addr()?);
    // The workers have it.
    drop(socket);

    runtime()?.block_on(tokio::signal::ctrl_c())?;
    drain.begin();
    for worker in workers {
        if !matches!(worker.join(), Ok(Ok(()))) {
            return Err("a worker has failed".into());
        }
    }
    Ok(())
}

fn work(socket: TcpListener, drain: &Drain) -> std::io::Result<()> {
    runtime()?.block_on(async {
        let listener = Listener::from(tokio::net::TcpListener::from_std(socket)?);
        let handler = async |_: Request| Ok(Response::dunno());
        serve(listener, handler, drain.begun()).await;
        Ok(())
    })
}

fn runtime() -> std::io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}
