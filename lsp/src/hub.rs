//! One hub per workspace: keeps up what was asked for, and tells every face how
//! it is.
//!
//! ```text
//! faces --Request--> api --Event--> run (owns State) --Effect--> parts
//!                     ^                |  ^                        |
//!                     '----Status------'  '-------Event------------'
//! ```
//! [`state`] decides and is pure; [`run`] and [`parts`] do what it says.

pub mod api;
pub mod app;
pub mod effect;
pub mod event;
pub mod hooks;
pub mod log;
mod others;
pub mod parts;
pub mod persist;
mod reach;
pub mod requests;
pub mod run;
pub mod serve;
pub mod state;
mod watches;
