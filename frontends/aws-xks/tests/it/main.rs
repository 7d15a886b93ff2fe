//! The XKS proxy over a real engine: signed requests in, answers of the specification out.
#![cfg(test)]

mod calls;
mod health;
mod house;
mod load;
mod policies;
mod refusals;
