//! A service that can't start says which setting is to blame.

use super::{settings, words};
use chassis::Chassis;
use tokio::net::TcpListener;

#[tokio::test]
async fn a_port_in_use_is_named_with_the_setting_it_came_from() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    for flag in ["--listen", "--admin"] {
        let options = settings(&[&format!("{flag}={address}")]);
        let error = Chassis::start("desk", options).await.unwrap_err();
        let (what, why) = words(&error);
        assert!(
            what.starts_with(&format!("{flag} {address}: cannot listen")),
            "{what}"
        );
        assert!(what.contains("allowed: "), "{what}");
        assert!(why.contains("in use"), "{why}");
    }
}

#[tokio::test]
async fn the_system_chooses_two_different_ports() {
    let chassis = Chassis::start("desk", settings(&[])).await.unwrap();
    let addresses = chassis.addresses().unwrap();
    assert_ne!(addresses.public.port(), 0);
    assert_ne!(addresses.admin.port(), 0);
    assert_ne!(addresses.public, addresses.admin);
}
