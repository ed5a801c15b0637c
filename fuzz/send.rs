//! The modules of the command `aes67 send` that read its configuration: they are the program's own,
//! and have the same names here.

#[path = "../tools/aes67/src/send/locate.rs"]
mod locate;
#[path = "../tools/aes67/src/send/plan.rs"]
mod plan;
#[path = "send_config.rs"]
pub(crate) mod send_config;
