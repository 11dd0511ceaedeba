//! A policy server over TLS, for clients in other networks. Postfix itself speaks no TLS to policy servers: it reaches this
//! one through stunnel, or through hapolicy and a tunnel.
//!
//! ```text
//! openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -keyout key.pem -out cert.pem
//! cargo run -p policy-net --example tls inet:127.0.0.1:10031 cert.pem key.pem
//! printf 'request=smtpd_access_policy\n\n' | openssl s_client -quiet -connect 127.0.0.1:10031
//! ```

use std::{env::args, error::Error, sync::Arc, time::Duration};

use policy_net::{
    Clients, Drain, Listener, Peer, Request, Response, ServeOptions, accept, serve_connection,
};
use tokio::time::timeout;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let [endpoint, certificate, key] = [1, 2, 3].map(|index| args().nth(index).unwrap_or_default());
    let certificates = CertificateDer::pem_file_iter(certificate)?.collect::<Result<_, _>>()?;
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(certificates, PrivateKeyDer::from_pem_file(key)?)?;
    let acceptor = TlsAcceptor::from(Arc::new(config));

    let listener = Listener::bind(&endpoint.parse()?).await?;
    println!("listening on {}", listener.endpoint()?);
    let options = ServeOptions::default();
    let clients = Clients::new(options);
    let connection = |io, peer: Peer, drain: Drain| {
        let (acceptor, clients) = (acceptor.clone(), clients.clone());
        async move {
            // The time-outs of the clients begin with a session.
            let Ok(Ok(session)) = timeout(HANDSHAKE, acceptor.accept(io)).await else {
                return eprintln!("{peer}: no TLS");
            };
            let handler = async |_: Request| Ok(Response::dunno());
            let served = serve_connection(session, &handler, clients, &peer, drain.begun()).await;
            if let Err(error) = served {
                eprintln!("{peer}: {error}");
            }
        }
    };
    let shutdown = async { tokio::signal::ctrl_c().await.unwrap_or_default() };
    accept(listener, &options, connection, shutdown).await;
    Ok(())
}

const HANDSHAKE: Duration = Duration::from_secs(10);
