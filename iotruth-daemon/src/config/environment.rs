//! Settings from the environment: `IOTRUTH_` and the key in capitals.

use strsim::damerau_levenshtein;

use super::{ConfigError, KEYS, Layer, key::Given};

/// What all our variables begin with.
const PREFIX: &str = "IOTRUTH_";

/// Variables of ours that are no keys.
const OTHERS: [&str; 1] = ["IOTRUTH_CONFIG"];

/// The layer of the environment.
///
/// Unknown variables with our prefix are passed over unless they look like a typing error:
/// Kubernetes sets `IOTRUTH_SERVICE_HOST` and more in every pod beside a service of our name.
pub fn from_environment(
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<Layer, ConfigError> {
    let mut layer = Layer::default();
    for (variable, value) in variables {
        let Some(name) = variable.strip_prefix(PREFIX) else { continue };
        if OTHERS.contains(&variable.as_str()) {
            continue;
        }
        let name = name.to_ascii_lowercase();
        if let Some(key) = KEYS.iter().find(|key| key.name == name) {
            (key.set)(&mut layer, &Given::Untyped(&value)).ok_or_else(|| ConfigError::Value {
                place: "environment".to_owned(),
                key: variable.clone(),
                value: format!("\"{value}\""),
                allowed: key.allowed,
            })?;
        } else if let Some(key) = KEYS.iter().find(|key| damerau_levenshtein(&name, key.name) <= 2)
        {
            let nearest = format!("{PREFIX}{}", key.name.to_ascii_uppercase());
            return Err(ConfigError::UnknownVariable { variable, nearest });
        }
    }
    Ok(layer)
}
