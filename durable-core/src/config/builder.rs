//! Putting a configuration together.

use std::fmt;
use std::path::PathBuf;

use super::environment::Variables;
use super::error::{ConfigError, Mistake, MistakeKind};
use super::host_config::HostConfig;
use super::host_json;
use super::layers::{Entry, Layers, Raw, Source};
use super::remark::Remark;
use super::settings::{self, Kind, Setting};
use super::similar::closest;
use super::value::{Reader, Value, is_port, listen_address, with_port};

/// Says where a configuration comes from. Made by [`HostConfig::builder`].
#[derive(Default)]
#[must_use = "nothing is read before `load`"]
pub struct HostConfigBuilder {
    files: Vec<File>,
    variables: Variables,
}

enum File {
    At(PathBuf),
    /// It need not exist.
    Perhaps(PathBuf),
    Text(String),
}

/// Where a program is told which port to listen on, the first one first.
const PORTS: &[&str] = &["FUNCTIONS_CUSTOMHANDLER_PORT", "FUNCTIONS_HTTPWORKER_PORT", "PORT"];

const LISTEN: &str = "extensions.durableTask.httpSettings.listen";

impl HostConfigBuilder {
    /// Reads this file, which must exist. Of several files, a later one wins.
    pub fn file(mut self, path: impl Into<PathBuf>) -> Self {
        self.files.push(File::At(path.into()));
        self
    }

    /// Reads this file if there is one.
    pub fn optional_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.files.push(File::Perhaps(path.into()));
        self
    }

    /// Takes this text as a `host.json`.
    pub fn json(mut self, text: impl Into<String>) -> Self {
        self.files.push(File::Text(text.into()));
        self
    }

    /// Takes these as environment variables. They win over files, wherever this stands.
    pub fn vars<K: Into<String>, V: Into<String>>(mut self, variables: impl IntoIterator<Item = (K, V)>) -> Self {
        for (name, value) in variables {
            self.variables.insert(name.into(), value.into());
        }
        self
    }

    /// Takes the environment variables of this process. Without it, and without [`vars`](Self::vars), there are none.
    pub fn process_vars(mut self) -> Self {
        self.variables.extend(Variables::of_process());
        self
    }

    /// Reads everything.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] has every mistake that there is.
    pub fn load(self) -> Result<HostConfig, ConfigError> {
        let mut gathered = Gathered::default();
        self.variables.put_defaults(&mut gathered.layers);
        for file in self.files {
            gathered.read(file);
        }
        let Gathered { mut layers, mut mistakes, mut warnings } = gathered;
        self.variables.put_settings(&mut layers, &mut mistakes, &mut warnings);
        put_port(&self.variables, &mut layers, &mut mistakes);

        let mut reader = Reader { layers: &layers, variables: &self.variables, mistakes };
        let read = |setting: &'static Setting| Some((setting.path, reader.read(setting)?));
        let values = settings::used().filter_map(read).collect();
        let mut mistakes = reader.mistakes;
        let notes = remarks(&layers, &mut mistakes, &mut warnings);
        if !mistakes.is_empty() {
            return Err(ConfigError::new(mistakes));
        }
        Ok(HostConfig::new(values, &self.variables, warnings, notes))
    }
}

impl fmt::Debug for HostConfigBuilder {
    /// Without values: they may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostConfigBuilder").field("files", &self.files.len()).finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Gathered {
    layers: Layers,
    mistakes: Vec<Mistake>,
    warnings: Vec<Remark>,
}

impl Gathered {
    fn read(&mut self, file: File) {
        let (read, source) = match file {
            File::Text(text) => (Ok(Some(text)), Source::File("host.json".to_owned())),
            File::At(path) => (host_json::read(&path, true), Source::File(path.display().to_string())),
            File::Perhaps(path) => (host_json::read(&path, false), Source::File(path.display().to_string())),
        };
        match read {
            Ok(Some(text)) => {
                host_json::put(&text, &source, &mut self.layers, &mut self.mistakes, &mut self.warnings);
            }
            Ok(None) => {}
            Err(mistake) => self.mistakes.push(mistake),
        }
    }
}

/// The port that the surroundings give goes before that of the file, and not before an address from the environment.
fn put_port(variables: &Variables, layers: &mut Layers, mistakes: &mut Vec<Mistake>) {
    let given = PORTS.iter().find_map(|name| Some((*name, variables.filled(name)?)));
    let Some((name, port)) = given else { return };
    let source = Source::Environment(name.to_owned());
    if !is_port(port) {
        let raw = Raw::Text(port.to_owned());
        let mistake = Mistake::new(MistakeKind::Value, LISTEN, &source, "it must be a port, from 0 to 65535");
        return mistakes.push(mistake.showing(&raw, false));
    }
    let key = "durabletask:httpsettings:listen";
    let address = match layers.get(key) {
        Some(Entry { source: Source::Environment(_), .. }) => return,
        Some(Entry { raw: Raw::Text(address), .. }) => {
            let address = variables.resolve(address).ok();
            // What is no address stays, to be found.
            let Some(address) = address.and_then(|address| listen_address(&address)) else { return };
            address
        }
        Some(_) => return,
        None => "127.0.0.1:0".to_owned(),
    };
    let raw = Raw::Text(with_port(&address, port));
    layers.put(key, Entry { written: LISTEN.to_owned(), name: "listen".to_owned(), raw, source });
}

/// Notes about what has no effect; warnings about what nobody knows; mistakes where a section has a value.
fn remarks(layers: &Layers, mistakes: &mut Vec<Mistake>, warnings: &mut Vec<Remark>) -> Vec<Remark> {
    let mut notes: Vec<Remark> = Vec::new();
    for (key, entry) in layers.iter() {
        match settings::of_key(key) {
            Some(Setting { kind: Kind::Ignored(reason), path, .. }) => {
                if !notes.iter().any(|note| note.setting() == *path) {
                    notes.push(Remark::new(*path, entry.source.clone(), format!("it has no effect here: {reason}")));
                }
            }
            Some(_) => {}
            None if settings::is_section(key) => {
                if entry.raw != Raw::Empty("{}") {
                    let mistake =
                        Mistake::new(MistakeKind::Value, &entry.written, &entry.source, "it must be an object");
                    mistakes.push(mistake.showing(&entry.raw, true));
                }
            }
            // The reader has refused what stands inside of a value.
            None if settings::used().any(|setting| key.starts_with(&format!("{}:", setting.key()))) => {}
            None => {
                let (setting, text) = unknown(key, entry);
                if !warnings.iter().any(|warning| warning.setting() == setting) {
                    warnings.push(Remark::new(setting, entry.source.clone(), text));
                }
            }
        }
    }
    notes
}

/// The first part of a key that nobody knows, as it was written, and what there is to say about it.
fn unknown(key: &str, entry: &Entry) -> (String, String) {
    let ends = key.match_indices(':').map(|(at, _)| at).chain([key.len()]);
    let is_known = |key: &str| settings::is_section(key) || settings::of_key(key).is_some();
    let end = ends.into_iter().find(|end| !is_known(&key[..*end])).unwrap_or(key.len());
    let (below, key) = (key[end..].matches(':').count(), &key[..end]);
    let written =
        (0..below).fold(entry.written.as_str(), |path, _| path.rsplit_once('.').map_or(path, |(path, _)| path));

    let (section, name) = key.rsplit_once(':').unwrap_or(("", key));
    let last = |path: &'static str| path.rsplit('.').next().unwrap_or(path);
    let sibling = closest(name, settings::inside(section).map(last))
        .and_then(|name| settings::inside(section).find(|path| last(path) == name));
    let elsewhere = || settings::all().map(|setting| setting.path).find(|path| last(path).eq_ignore_ascii_case(name));
    let meant = sibling.or_else(elsewhere).map(|path| format!(": did you mean `{path}`?")).unwrap_or_default();
    (written.to_owned(), format!("it is not known and has no effect{meant}"))
}

/// What the reader found, by path.
pub(super) type Values = std::collections::BTreeMap<&'static str, (Value, Source)>;
