//! The admin front end over a real engine.

mod access;
mod acts;
mod audit;
mod house;
mod keys;
mod requests;
