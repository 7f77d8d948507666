#![doc = include_str!("../docs/config.md")]

mod builder;
mod comments;
mod duration;
mod effective;
mod environment;
mod error;
mod host_config;
mod host_json;
mod http;
mod layers;
mod remark;
mod settings;
mod similar;
mod storage;
mod value;

pub use self::builder::HostConfigBuilder;
pub use self::effective::{Effective, EffectiveSetting};
pub use self::error::{ConfigError, Mistake, MistakeKind};
pub use self::host_config::HostConfig;
pub(crate) use self::host_config::RETAINED;
pub use self::http::{HttpSettings, Secret};
pub use self::layers::Source;
pub use self::remark::Remark;
pub use self::storage::{StorageError, StorageType};
