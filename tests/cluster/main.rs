//! Suite: the product on a real Kubernetes: `cargo test --workspace --test cluster`.
//! One cluster for all tests, a namespace for each.

mod all;
mod carriers;
mod chart;
mod contexts;
mod editors;
mod errors;
mod faults;
mod follows;
mod images;
mod least_rights;
mod lists;
mod people;
mod shop;
mod words;
