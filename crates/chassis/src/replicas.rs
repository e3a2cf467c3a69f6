//! Where another service is.

use url::Url;

const ALLOWED: &str = "allowed: http://address:port, several separated by commas";

/// The address of one replica, as in a flag: `http://address:port`.
pub fn parse(text: &str) -> Result<Url, String> {
    let url: Url = text
        .parse()
        .map_err(|error| format!("{error}; {ALLOWED}"))?;
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let plain = url.username().is_empty() && url.password().is_none();
    if url.scheme() == "http" && url.has_host() && bare && plain {
        Ok(url)
    } else {
        Err(ALLOWED.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn an_address_is_one_of_a_server_and_nothing_more() {
        for good in [
            "http://127.0.0.1:8081",
            "http://auth:8080/",
            "http://[::1]:1",
        ] {
            assert!(parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "auth",
            "localhost:8080",
            "https://auth",
            "http://",
            "http://auth/v1",
            "http://auth?x=1",
            "http://auth/#x",
            "http://me:secret@auth",
        ] {
            let error = parse(bad).unwrap_err();
            assert!(error.contains("allowed: http://address:port"), "{error}");
        }
    }
}
