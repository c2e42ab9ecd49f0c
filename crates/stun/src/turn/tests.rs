//! See tests of the client.
