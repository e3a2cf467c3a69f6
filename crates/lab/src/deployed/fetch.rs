//! The spans of a deployed chain's services, fetched from Jaeger after the run.

use crate::{LabError, Progress, Step};
use traces::{Jaeger, Receiver};
use types::with_sources;
use url::Url;

/// Adds to what `receiver` took in from the load generator what the Jaeger at `url` holds of
/// the same requests: those whose ids begin with `prefix`.
pub(crate) async fn into(
    receiver: &Receiver,
    url: &Url,
    prefix: &str,
    progress: &dyn Progress,
) -> Result<(), LabError> {
    let requests = receiver.requests(prefix);
    let of = requests.len();
    let tell = |complete| progress.step(Step::Fetching { complete, of });
    let take = |spans: &_| receiver.take_back(spans);
    let gathered = Jaeger::at(url)?.gather(requests, tell, take).await?;
    let broken = gathered.broken;
    match gathered.error {
        _ if broken == 0 => {}
        Some(error) => progress.warn(&format!(
            "{broken} of {of} traces lack spans; of some, Jaeger did not tell: {}",
            with_sources(&error)
        )),
        None => progress.warn(&format!(
            "{broken} of {of} traces lack spans, and no more of them came to Jaeger"
        )),
    }
    Ok(())
}
