//! Prints what is predicted of scenarios that are built in, and how many requests it takes to
//! judge that: `cargo run --release -p scenario --example predictions [NAME…]`.

use scenario::{Plan, builtin, find, parse, predict};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let named: Vec<_> = std::env::args().skip(1).collect();
    let all = builtin().iter().collect();
    let chosen = named
        .iter()
        .map(|name| find(name))
        .collect::<Result<Vec<_>, _>>()?;
    for one in if named.is_empty() { all } else { chosen } {
        println!("{}", one.name);
        let plan = parse(one.name, one.text)?;
        show(plan.title(), &plan);
        for variant in plan.variants() {
            show(&variant.title, &variant.plan);
        }
    }
    Ok(())
}

fn show(title: &str, plan: &Plan) {
    let prediction = predict(plan);
    let percent = |share: f64| 100.0 * share;
    let played = prediction.played.map_or_else(String::new, |played| {
        format!(" ± {:.2}", percent(played.width() / 2.0))
    });
    let distance = plan.expectation().distance;
    let judge = availability::verdict::requests_to_judge(prediction.availability, distance);
    let judge = judge.map_or_else(|| "any".to_owned(), |requests| requests.to_string());
    let load: f64 = prediction.hops.iter().map(|hop| hop.load).sum();
    println!(
        "  {:8.4} %{played} full {:8.4} % {:?}; {:.0} requests, {judge} to judge; {load:.2} attempts each: {title}",
        percent(prediction.availability.get()),
        percent(prediction.full_quality.get()),
        prediction.class,
        plan.load().expected_requests(),
    );
}
