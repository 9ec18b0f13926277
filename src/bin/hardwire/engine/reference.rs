//! The matcher that defines what is right.

use hardwire::compiler::reference;

use super::{Answer, Engine, Question};
use crate::failure::Failure;

/// Answers by trying every pattern at every position.
pub(crate) struct Reference(Question);

impl Reference {
    pub(crate) fn new(question: Question) -> Self {
        Self(question)
    }
}

impl Engine for Reference {
    fn search(&mut self, input: &[u8]) -> Result<Answer, Failure> {
        Ok(reference::search(&self.0.matcher, input, self.0.hook).into())
    }
}
