//! How far the numbers can be trusted: it stands beside them.

use crate::{
    facts::is_censored,
    results::{LATE, RunResult, ScenarioResult},
    words::{self, accounted, count, duration, millis, share},
};
use maud::{Markup, html};

pub(super) fn section(id: &str, result: &ScenarioResult) -> Markup {
    let all: Vec<String> = result.shown().map(of_run).unwrap_or_default();
    html! {
        section.caveats aria-labelledby={(id) "-trust"} {
            h3 id={(id) "-trust"} { "How far to trust it" }
            ul {
                @for caveat in &all { li { (caveat) } }
            }
        }
    }
}

fn of_run(run: &RunResult) -> Vec<String> {
    let told = [
        Some(accounting(run)),
        Some(format!("spans: {}", run.analysis.completeness)),
        Some(generator(run)),
        run.host_busy.map(|busy| format!("the host was {} busy", share(busy))),
        is_censored(&run.generator).then(|| {
            let gave_up = count(run.generator.gave_up);
            format!("{gave_up} times the client gave up: those latencies are censored, the true ones longer")
        }),
        run.deployed.as_ref().map(words::deployed),
        forwarded(run),
    ];
    told.into_iter().flatten().collect()
}

fn accounting(run: &RunResult) -> String {
    let sum = accounted(&run.generator.counts);
    let lines = run.accounting.lines.len();
    if run.accounting.agrees() {
        return format!(
            "{sum}; generator, metrics and spans agree to the request ({lines} counts)"
        );
    }
    let apart = run.accounting.disagreements().map(|line| {
        let (left, right) = (&line.left, &line.right);
        let (one, other) = (count(left.count), count(right.count));
        format!("{}: {} {one}, {} {other}", line.what, left.by, right.by)
    });
    format!(
        "{sum}; NOT all counts agree: {}",
        apart.collect::<Vec<_>>().join("; ")
    )
}

fn generator(run: &RunResult) -> String {
    let worst = millis(run.generator.worst_lateness_ms);
    let late = match run.generator.late {
        0 => "no request".to_owned(),
        1 => "1 request".to_owned(),
        late => format!("{} requests", count(late)),
    };
    format!(
        "{late} left more than {} late; the generator was at most {worst} late",
        duration(LATE)
    )
}

fn forwarded(run: &RunResult) -> Option<String> {
    let forward = run.forwarded.as_ref()?;
    let (sent, dropped) = (count(forward.forwarded), count(forward.dropped));
    let why = forward.last_error.as_ref();
    let why = why.map_or_else(String::new, |error| format!(" (last error: {error})"));
    Some(format!(
        "{sent} spans passed on to a collector, {dropped} dropped{why}"
    ))
}
