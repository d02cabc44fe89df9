//! Settings from a TOML file; every complaint names file and line.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{ConfigError, KEYS, Layer, key::Given};
use crate::nearest::nearest;

/// The file that is read where none is named; it need not exist.
pub const DEFAULT_PATH: &str = "/etc/iotruth.toml";

/// The layer of a file.
pub fn from_file(path: &Path) -> Result<Layer, ConfigError> {
    let text = read(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    from_text(path, &text)
}

/// Bytes that no configuration has. What never ends, as some devices, must not take all memory.
const TOO_MANY: u64 = 1 << 20;

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(TOO_MANY).read_to_string(&mut text)?;
    if text.len() as u64 == TOO_MANY {
        let what = "it has a megabyte or more, and is no configuration";
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    }
    Ok(text)
}

/// The layer of the text of a file.
pub fn from_text(path: &Path, text: &str) -> Result<Layer, ConfigError> {
    let place = Place { path, text };
    let table = DeTable::parse(text).map_err(|error| ConfigError::Syntax {
        path: path.to_owned(),
        line: place.line(error.span().map_or(0, |span| span.start)),
        message: error.message().to_owned(),
    })?;
    let mut layer = Layer::default();
    for (name, value) in table.get_ref() {
        place.set(&mut layer, name.get_ref(), name.span().start, value)?;
    }
    Ok(layer)
}

/// Where we are, for complaints.
struct Place<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Place<'_> {
    fn line(&self, offset: usize) -> usize {
        let before = self.text.as_bytes().get(..offset).unwrap_or_default();
        before.split(|byte| *byte == b'\n').count()
    }

    fn path(&self) -> PathBuf {
        self.path.to_owned()
    }

    fn set(
        &self,
        layer: &mut Layer,
        name: &str,
        offset: usize,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<(), ConfigError> {
        let line = self.line(offset);
        let Some(key) = KEYS.iter().find(|key| key.name == name) else {
            let hint = nearest(name, KEYS.iter().map(|key| key.name))
                .map_or_else(|| ".".to_owned(), |key| format!("; did you mean \"{key}\"?"));
            return Err(ConfigError::UnknownKey {
                path: self.path(),
                line,
                key: name.to_owned(),
                hint,
            });
        };
        (key.set)(layer, &given(value.get_ref())).ok_or_else(|| ConfigError::Value {
            place: format!("{}:{line}", self.path.display()),
            key: name.to_owned(),
            value: self.text.get(value.span()).unwrap_or_default().to_owned(),
            allowed: key.allowed,
        })
    }
}

fn given<'a>(value: &'a DeValue<'_>) -> Given<'a> {
    match value {
        DeValue::String(text) => Given::Text(text),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or(Given::Other, Given::Integer),
        DeValue::Boolean(boolean) => Given::Boolean(*boolean),
        DeValue::Array(values) => values
            .iter()
            .map(|value| value.get_ref().as_str())
            .collect::<Option<Vec<&str>>>()
            .map_or(Given::Other, Given::List),
        DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Table(_) => Given::Other,
    }
}
