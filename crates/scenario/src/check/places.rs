//! `on`: where a fault strikes.

use super::{
    Check, Checked, Reported,
    faults::{Id, Tables},
};
use crate::{
    place::Place,
    raw::RawFault,
    topology::{Name, Topology},
};
use toml::Spanned;
use types::names;

impl Check<'_> {
    /// The places that have the fault: those stated, or all services, the edge first.
    pub(super) fn places(
        &mut self,
        tables: Tables,
        id: &Id,
        raw: &RawFault,
        topology: Option<&Topology>,
    ) -> Checked<Vec<Place>> {
        let path = tables.key(id, "on");
        // Without a chain nothing can be said; that it is missing has been.
        let topology = topology.ok_or(Reported)?;
        let services: Vec<_> = topology.services().into_iter().rev().collect();
        let Some(on) = &raw.on else {
            return Ok(services.into_iter().map(Place::all_of).collect());
        };
        if on.get_ref().is_empty() {
            return self.refuse(&path, on);
        }
        let places = on.get_ref().iter();
        let places: Vec<_> = places
            .map(|name| self.place_of(&path, name, &services, topology))
            .collect();
        let places: Vec<Place> = places.into_iter().collect::<Checked<_>>()?;
        let met = |(nth, place): &(usize, &Place)| places[..*nth].iter().any(|p| p.meets(place));
        match places.iter().enumerate().find(met) {
            Some(_) => self.refuse(&path, on),
            None => Ok(places),
        }
    }

    /// The service or replica `name`, if it is one of the chain's.
    fn place_of(
        &mut self,
        path: &[&str],
        name: &Spanned<String>,
        services: &[Name],
        topology: &Topology,
    ) -> Checked<Place> {
        let word = name.get_ref().as_str();
        if let Some(service) = services.iter().find(|service| ***service == *word) {
            return Ok(Place::all_of(service.clone()));
        }
        let replicas = services.iter().flat_map(|service| {
            let place = |replica| Place {
                service: service.clone(),
                replica: Some(replica),
            };
            (0..topology.replicas(service)).map(place)
        });
        let replica = replicas
            .into_iter()
            .find(|place| place.to_string() == *word);
        replica.map_or_else(|| self.no_such_place(path, name, services, topology), Ok)
    }

    fn no_such_place(
        &mut self,
        path: &[&str],
        name: &Spanned<String>,
        services: &[Name],
        topology: &Topology,
    ) -> Checked<Place> {
        let replicas = |service: &Name| {
            let names = topology.replica_names(service);
            let is_told_apart = names.len() > 1;
            names.into_iter().filter(move |_| is_told_apart)
        };
        let replicas: Vec<_> = services.iter().flat_map(replicas).collect();
        let what = if replicas.is_empty() {
            "service in this chain"
        } else {
            "service or replica in this chain"
        };
        let known = || services.iter().chain(&replicas).map(|known| &**known);
        let reason = names::no_such(what, name.get_ref(), known);
        self.conflict(path, name, reason)
    }
}
