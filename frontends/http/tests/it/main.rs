//! What the HTTP layer promises, shown over real sockets and real TLS on loopback.
#![cfg(test)]

mod bodies;
mod connections;
mod lifecycle;
mod peers;
mod requests;
mod support;
mod tls;
