//! Looking at what is set up, and changing one device of several.

use super::{Bench, Failure};
use crate::{
    adapter::Package,
    devices::{DeviceChange, Overview},
    protocol::{Operation, Reply},
};

impl<M: Package> Bench<M> {
    /// What the user is told of what is set up.
    ///
    /// # Errors
    /// [`Failure`] if the module does not answer, nothing is set up or English lacks a text.
    pub fn overview(&mut self) -> Result<Overview, Failure> {
        let enrolment = self.enrolment.clone().ok_or(Failure::OutOfOrder("nothing is set up"))?;
        let Reply::Overview(overview) = self.ask(Operation::Overview { enrolment })? else {
            return Err(Failure::WrongReply);
        };
        self.check_texts(&overview.summary)?;
        Ok(overview)
    }

    /// Removes or renames a device; the bench keeps what is left.
    ///
    /// # Errors
    /// [`Failure::Unsupported`] unless the module keeps several devices; [`Failure`] if nothing is set up or the
    /// module does not know the device.
    pub fn change_device(&mut self, device: impl Into<String>, change: DeviceChange) -> Result<(), Failure> {
        let enrolment = self.enrolment.clone().ok_or(Failure::OutOfOrder("nothing is set up"))?;
        match self.ask(Operation::ChangeDevice { enrolment, device: device.into(), change })? {
            Reply::Changed { enrolment: Some(data) } => {
                self.keep_enrolment(self.description.enrolment_version, data);
                Ok(())
            }
            Reply::Changed { enrolment: None } => {
                self.enrolment = None;
                Ok(())
            }
            _ => Err(Failure::WrongReply),
        }
    }
}

#[cfg(test)]
mod tests;
