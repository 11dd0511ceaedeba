//! TLS to a web server whose certificate is verified.

use std::{fmt, io, path::Path, sync::Arc};

use policy_store::read_file;
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{ClientConfig, RootCertStore},
};

/// Connects with TLS.
#[derive(Clone)]
pub(super) struct Tls(TlsConnector);

impl Tls {
    /// Trusts the authorities of a file of PEM. The file is read once: it may be out of reach later.
    pub(super) fn new(authorities: &Path) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        let text = read_file(authorities, MAX_FILE).map_err(|error| error.to_string())?;
        for certificate in CertificateDer::pem_slice_iter(&text) {
            let certificate = certificate.map_err(|error| error.to_string())?;
            // Systems have some that are too old for rustls.
            _ = roots.add(certificate);
        }
        if roots.is_empty() {
            return Err("it has no certificate".to_owned());
        }
        let config = ClientConfig::builder().with_root_certificates(roots);
        Ok(Self(TlsConnector::from(Arc::new(
            config.with_no_client_auth(),
        ))))
    }

    /// Greets a server, which has to be the one of this name or address.
    pub(super) async fn connect(
        &self,
        host: &str,
        stream: TcpStream,
    ) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned());
        let name = name.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        self.0.connect(name, stream).await
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls(..)")
    }
}

/// Far more than all authorities that a system trusts.
const MAX_FILE: u64 = 16 << 20;
