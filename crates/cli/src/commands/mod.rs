//! The subcommands.

#[cfg(feature = "call")]
pub(crate) mod call;
pub(crate) mod connect;
pub(crate) mod diagnose;
pub(crate) mod echo;
pub(crate) mod inspect;
mod meeting;
pub(crate) mod receive;
pub(crate) mod send;
pub(crate) mod serve;
pub(crate) mod turn;
