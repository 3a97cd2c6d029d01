//! A delay per source, and per name and source, after wrong first factors. In memory, bounded; never locks a name
//! for everybody. Sources are IPv4 addresses and IPv6 /64 networks.

use std::net::IpAddr;

use crate::clock::Now;

/// Counts wrong first factors.
pub struct FirstFactorThrottle {}

impl FirstFactorThrottle {
    pub fn new() -> Self {
        todo!()
    }

    /// Seconds this source has to wait before it may try this name, if any.
    pub fn wait_s(&self, _source: IpAddr, _name: &str, _now: &Now) -> Option<u64> {
        todo!()
    }

    /// A wrong first factor.
    pub fn failed(&self, _source: IpAddr, _name: &str, _now: &Now) {
        todo!()
    }

    /// A right one: the pair of name and source starts anew.
    pub fn passed(&self, _source: IpAddr, _name: &str) {
        todo!()
    }
}
