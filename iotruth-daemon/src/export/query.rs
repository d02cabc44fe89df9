//! The part of a URL after the `?`, checked: what is not known is refused, not ignored.

use std::{collections::BTreeMap, str::FromStr};

use thiserror::Error;

use crate::nearest::did_you_mean;

/// What is wrong with a query.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{error}: {remedy}")]
pub struct QueryError {
    /// What is wrong, with the words that were given.
    pub error: String,
    /// What is allowed instead.
    pub remedy: String,
}

/// The form of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For programs.
    #[default]
    Json,
    /// For people.
    Text,
}

/// Keys and values of a query, each key known and given once.
#[derive(Debug)]
pub struct Query<'a> {
    values: BTreeMap<&'static str, &'a str>,
}

impl<'a> Query<'a> {
    /// Checks decoded pairs against the keys that an endpoint knows.
    pub fn new(
        pairs: &'a [(String, String)],
        keys: &'static [&'static str],
    ) -> Result<Self, QueryError> {
        let mut values = BTreeMap::new();
        for (key, value) in pairs {
            let Some(known) = keys.iter().find(|known| *known == key) else {
                let hint = did_you_mean(key, keys.iter().copied());
                let remedy = if keys.is_empty() {
                    "this address takes no query".to_owned()
                } else {
                    format!("the keys here are {}", keys.join(", "))
                };
                return Err(QueryError { error: format!("unknown key \"{key}\"{hint}"), remedy });
            };
            if values.insert(*known, value.as_str()).is_some() {
                return Err(QueryError {
                    error: format!("the key \"{key}\" is given twice"),
                    remedy: "give it once; where it takes several values, commas separate them"
                        .to_owned(),
                });
            }
        }
        Ok(Self { values })
    }

    /// The value of a key, as it was given.
    #[must_use]
    pub fn get(&self, key: &'static str) -> Option<&'a str> {
        self.values.get(key).copied()
    }

    /// The values of a key that takes several, separated by commas.
    pub fn list(&self, key: &'static str) -> impl Iterator<Item = &'a str> + use<'a> {
        self.get(key).into_iter().flat_map(|value| value.split(','))
    }

    /// The value of a key that takes a number.
    pub fn number<N: FromStr>(&self, key: &'static str) -> Result<Option<N>, QueryError> {
        self.get(key)
            .map(|value| {
                value.parse().map_err(|_| QueryError {
                    error: format!("{key}={value} is not a number"),
                    remedy: format!("{key} takes a whole number that is not negative"),
                })
            })
            .transpose()
    }

    /// The value of the key `format`.
    pub fn format(&self) -> Result<Format, QueryError> {
        match self.get("format") {
            None | Some("json") => Ok(Format::Json),
            Some("text") => Ok(Format::Text),
            Some(other) => Err(unknown("format", other, &["json", "text"])),
        }
    }
}

/// The error for a value that is none of a closed set.
pub(super) fn unknown(key: &str, value: &str, allowed: &[&str]) -> QueryError {
    let hint = did_you_mean(value, allowed.iter().copied());
    QueryError {
        error: format!("{key}={value} is unknown{hint}"),
        remedy: format!("{key} takes one of {}", allowed.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::{Format, Query};

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_is_not_known_is_refused_with_the_nearest_key() {
        let given = pairs(&[("formt", "text")]);
        let error = Query::new(&given, &["format", "limit"]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "unknown key \"formt\"; did you mean \"format\"?: the keys here are format, limit"
        );
        let error = Query::new(&given, &[]).unwrap_err();
        assert_eq!(error.remedy, "this address takes no query");
        let given = pairs(&[("limit", "1"), ("limit", "2")]);
        assert!(Query::new(&given, &["limit"]).unwrap_err().error.contains("given twice"));
    }

    #[test]
    fn values_are_checked() {
        let given = pairs(&[("format", "xml"), ("limit", "-1"), ("kind", "a,b")]);
        let query = Query::new(&given, &["format", "limit", "kind"]).unwrap();
        assert_eq!(query.format().unwrap_err().remedy, "format takes one of json, text");
        assert_eq!(query.number::<u64>("limit").unwrap_err().error, "limit=-1 is not a number");
        assert_eq!(query.list("kind").collect::<Vec<_>>(), ["a", "b"]);
        let none = Query::new(&[], &["format"]).unwrap();
        assert_eq!(none.format(), Ok(Format::Json));
        assert_eq!(none.number::<u64>("limit"), Ok(None));
    }
}
