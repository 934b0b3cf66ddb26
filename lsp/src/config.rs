//! Settings: `towline.yaml`, flags and defaults, parsed once.
