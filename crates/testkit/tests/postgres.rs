//! The PostgreSQL that tests use: fresh, apart from others, and gone afterwards.

use std::{process::Command, time::Duration};
use testkit::{postgres, postgres::Cluster, wait_until};

#[test]
fn each_database_is_new_and_its_own() {
    let Some(cluster) = postgres::cluster() else {
        return;
    };
    let (one, two) = (cluster.database(), cluster.database());
    cluster.query(&one, "CREATE TABLE a (x INT); INSERT INTO a VALUES (7)");
    assert_eq!(cluster.query(&one, "SELECT x FROM a"), "7");
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(cluster.query(&two, tables), "0");
}

#[test]
fn a_durable_cluster_keeps_what_was_committed_when_it_is_killed_and_leaves_nothing_behind() {
    let Some(cluster) = Cluster::start(true) else {
        return;
    };
    let url = cluster.database();
    assert_eq!(cluster.query(&url, "SHOW fsync"), "on");
    assert!(!cluster.kill_backend(0), "nobody is connected");
    cluster.query(&url, "CREATE TABLE a (x INT); INSERT INTO a VALUES (7)");
    cluster.kill_server();
    cluster.start_server();
    assert_eq!(cluster.query(&url, "SELECT x FROM a"), "7");
    cluster.restart();
    assert_eq!(cluster.query(&url, "SELECT x FROM a"), "7");
    let folder = cluster.path().to_owned();
    drop(cluster);
    assert!(!folder.exists());
}

#[test]
fn a_killed_server_starts_again_although_one_of_its_processes_hangs() {
    use rustix::process::{Pid, Signal, kill_process};
    let Some(cluster) = Cluster::start(false) else {
        return;
    };
    let url = cluster.database();
    let server = cluster.server_pid();
    let children = std::fs::read_to_string(format!("/proc/{server}/task/{server}/children"));
    let child = children.unwrap().split_whitespace().next().unwrap().parse();
    let child = Pid::from_raw(child.unwrap()).unwrap();
    kill_process(child, Signal::STOP).unwrap();
    cluster.kill_server();
    cluster.start_server();
    assert_eq!(cluster.query(&url, "SELECT 7"), "7");
}

/// Not a test: what the next one runs as a process of its own, and kills.
#[test]
#[ignore = "started by another test"]
fn a_process_with_a_cluster() {
    if let Some(cluster) = postgres::cluster() {
        println!("\nFOLDER {}", cluster.path().display());
        std::thread::park();
    }
}

#[test]
fn a_cluster_ends_with_its_process_also_when_that_is_killed() {
    use std::io::{BufRead, BufReader};
    if postgres::cluster().is_none() {
        return;
    }
    let this = std::env::current_exe().unwrap();
    let arguments = [
        "--ignored",
        "--exact",
        "--nocapture",
        "a_process_with_a_cluster",
    ];
    let mut child = Command::new(this)
        .args(arguments)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let folder = lines.find_map(|line| Some(line.unwrap().strip_prefix("FOLDER ")?.to_owned()));
    let folder = std::path::PathBuf::from(folder.unwrap());
    let pid = std::fs::read_to_string(folder.join("data/postmaster.pid")).unwrap();
    let server = format!("/proc/{}", pid.lines().next().unwrap());
    assert!(std::path::Path::new(&server).exists());
    child.kill().unwrap();
    child.wait().unwrap();
    let gone = || !folder.exists() && !std::path::Path::new(&server).exists();
    assert!(wait_until(Duration::from_mins(1), gone));
}
