//! `nines probe`: whether a service is well, for whoever has no shell and no curl.

use crate::{
    exit::{Done, Failure},
    remote, say,
};
use std::{error::Error, time::Duration};
use types::with_sources;
use url::Url;

/// Asks `url` once. Whatever is not a 2xx is a failed expectation; no answer at all, within
/// `timeout`, is the environment's.
pub fn probe(url: &Url, timeout: Duration) -> Result<Done, Failure> {
    let no_answer = |error: &dyn Error| {
        let why = with_sources(error);
        Failure::Environment(format!("{url}: no answer within {timeout:?}: {why}"))
    };
    let client = chassis::outbound::client().map_err(|error| no_answer(&error))?;
    remote::block_on(async {
        let asked = client.get(url.clone()).timeout(timeout).send().await;
        let status = asked.map_err(|error| no_answer(&error))?.status();
        say::out(format!("{url}: {status}"));
        Ok(if status.is_success() {
            Done::Fine
        } else {
            Done::Failed
        })
    })
}
