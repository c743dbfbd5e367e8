//! Values of environment variables in the keychain of the operating system. They are never in a file of
//! this client, and never sent to the window.

use backend::problem::Problem;
use keyring::Entry;

const SERVICE: &str = "pytest-execgo";

/// Names and values of these variables.
pub fn all(names: &[String]) -> Result<Vec<(String, String)>, Problem> {
    names
        .iter()
        .map(|name| {
            let value =
                entry(name)?.get_password().map_err(|error| failed("read", name, &error))?;
            Ok((name.clone(), value))
        })
        .collect()
}

pub fn set(name: &str, value: &str) -> Result<(), Problem> {
    if !is_name(name) {
        return Err(Problem::new(format!("{name:?} is not the name of an environment variable"))
            .hint("a name has letters, digits and underscores, such as OPENAI_API_KEY"));
    }
    entry(name)?.set_password(value).map_err(|error| failed("keep", name, &error))
}

pub fn forget(name: &str) -> Result<(), Problem> {
    match entry(name)?.delete_credential() {
        Ok(()) | Err(keyring::Error::NoEntry) => Ok(()),
        Err(error) => Err(failed("remove", name, &error)),
    }
}

fn entry(name: &str) -> Result<Entry, Problem> {
    Entry::new(SERVICE, name).map_err(|error| failed("open", name, &error))
}

fn failed(what: &str, name: &str, error: &keyring::Error) -> Problem {
    Problem::new(format!("the keychain cannot {what} {name}: {error}"))
        .hint(format!("remove {name} in Settings, and set it in the environment of this client"))
}

fn is_name(name: &str) -> bool {
    let mut characters = name.chars();
    characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && characters.all(|one| one.is_ascii_alphanumeric() || one == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_no_variable_can_have_is_refused() {
        for name in ["", "1A", "A B", "A=B", "A\n"] {
            assert!(set(name, "x").unwrap_err().message.contains("is not the name"), "{name:?}");
        }
        assert!(is_name("OPENAI_API_KEY"));
    }
}
