//! Client halves of exec, app, logs and copy streams, over any two byte
//! streams that stand behind `Opened::Ok`; and the splice by which the hub lends
//! a stream to a face.

pub mod app;
pub mod copy;
pub mod exec;
pub mod files;
pub mod logs;
pub mod splice;
