//! TLS to TURN servers: the system's certificates, and those that the endpoint's configuration adds.

use openssl::error::ErrorStack;
use openssl::ssl::{ConnectConfiguration, SslConnector, SslMethod, SslVersion};
use openssl::x509::X509;
use peerage_ice::StreamEnd;

/// See the module. Nothing is loaded before the first stream needs it.
#[derive(Debug)]
pub(super) struct Tls {
    roots: Option<Vec<u8>>,
    connector: Option<SslConnector>,
}

impl Tls {
    /// `roots` are certificates in PEM.
    pub(super) fn new(roots: Option<Vec<u8>>) -> Self {
        Self { roots, connector: None }
    }

    /// What is needed to connect to `server`, a name or an address, whose certificate has to say so.
    pub(super) fn client(
        &mut self,
        server: &str,
    ) -> Result<(ConnectConfiguration, String), StreamEnd> {
        let fail = |error: ErrorStack| {
            tracing::debug!(%error, "TLS cannot be set up");
            StreamEnd::Tls
        };
        if self.connector.is_none() {
            self.connector = Some(connector(self.roots.as_deref()).map_err(fail)?);
        }
        let connector = self.connector.as_ref().ok_or(StreamEnd::Tls)?;
        Ok((connector.configure().map_err(fail)?, server.to_owned()))
    }
}

fn connector(roots: Option<&[u8]>) -> Result<SslConnector, ErrorStack> {
    let mut builder = SslConnector::builder(SslMethod::tls_client())?;
    builder.set_min_proto_version(Some(SslVersion::TLS1_2))?;
    // The library is built with the workspace and does not know where this system keeps its certificates.
    let places = openssl_probe::probe();
    if let Some(file) = places.cert_file {
        let _ = builder.set_ca_file(file);
    }
    for certificate in X509::stack_from_pem(roots.unwrap_or_default())? {
        builder.cert_store_mut().add_cert(certificate)?;
    }
    Ok(builder.build())
}
