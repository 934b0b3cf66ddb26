//! Client halves of exec, app, logs and copy streams.
