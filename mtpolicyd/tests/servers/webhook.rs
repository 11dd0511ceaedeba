//! A web server with TLS is told of a block, where its certificate can be verified.

use std::sync::Arc;

use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use tokio::net::TcpListener;
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};

use super::{
    support::run,
    world::{Frame, World, web_request},
};

/// A web server on 127.0.0.1 whose certificate has signed itself, in `server.pem` of the directory.
async fn server(directory: &std::path::Path) -> (TcpListener, TlsAcceptor) {
    let path = |name: &str| directory.join(name).display().to_string();
    let (key, certificate) = (path("server.key"), path("server.pem"));
    let words = "req -x509 -days 2 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=server \
                 -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE";
    let words: Vec<&str> = words.split(' ').filter(|word| !word.is_empty()).collect();
    run(
        "openssl",
        &[&words[..], &["-keyout", &key, "-out", &certificate]].concat(),
    );
    let certificates = vec![CertificateDer::from_pem_file(&certificate).unwrap()];
    let key = PrivateKeyDer::from_pem_file(&key).unwrap();
    let config = ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(certificates, key).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    (listener, TlsAcceptor::from(Arc::new(config)))
}

/// A limit of one mail, and whom it tells.
fn world(url: &str, authorities: &str) -> World {
    let connections = "<Connection limits>\nmodule=Memory\n</Connection>\n";
    let plugins = format!(
        "limits=1/1h\ncount_at=RCPT\naction=\"reject over\"\non_block_url={url}\non_block_cafile={authorities}"
    );
    World::new(connections, &Frame::of("Limit").plugins(&plugins))
}

#[tokio::test]
async fn a_verified_server_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let (listener, acceptor) = server(directory.path()).await;
    let url = format!("https://{}/hook", listener.local_addr().unwrap());
    let authorities = directory.path().join("server.pem").display().to_string();
    let world = world(&url, &authorities);
    assert_eq!(world.ask("instance=1").await, "ok");
    assert_eq!(world.ask("instance=2").await, "reject over");
    let (stream, _) = listener.accept().await.unwrap();
    let mut stream = acceptor.accept(stream).await.unwrap();
    let request = web_request(&mut stream).await;
    assert!(request.starts_with("POST /hook HTTP/1.1\r\n"), "{request}");
}

#[tokio::test]
async fn a_server_of_another_authority_is_told_nothing() {
    let (directory, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (listener, acceptor) = server(directory.path()).await;
    _ = server(other.path()).await;
    let url = format!("https://{}/hook", listener.local_addr().unwrap());
    let authorities = other.path().join("server.pem").display().to_string();
    let world = world(&url, &authorities);
    for instance in ["instance=1", "instance=2"] {
        world.ask(instance).await;
    }
    let (stream, _) = listener.accept().await.unwrap();
    assert!(acceptor.accept(stream).await.is_err());
}
