//! Suite: the product on a real Kubernetes: `cargo test --workspace --test cluster`.
//! One cluster for all tests, a namespace for each.

mod least_rights;
mod shop;
