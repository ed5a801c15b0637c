//! The program of a receiver of kind `process`.

use super::load::File;
use super::{Period, Receiver, ReceiverKind, Scenario, ScenarioError};
use serde::Deserialize;
use std::path::PathBuf;
use toml::Spanned;
use toml::de::DeValue;

/// A program that is a receiver: it speaks the protocol of docs/own-receiver.md.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// The program and its arguments. It is started in the folder of the file that names it, and
    /// is found like any command unless it has a separator of paths.
    pub command: Spanned<Vec<String>>,
    /// Seconds of wall-clock time after which a program that does not answer is ended. It guards
    /// against one that hangs, and has no influence on results.
    #[serde(default = "answer_limit")]
    pub answer_limit_s: Period,
    /// The folder that it is started in.
    #[serde(skip)]
    pub folder: PathBuf,
}

/// Judgement: far longer than an answer takes on a busy machine.
fn answer_limit() -> Period {
    Period::try_from(30.0).unwrap_or_default()
}

impl File<'_> {
    /// Checks that receivers of kind `process` have a program, and no others.
    pub(super) fn check_program(&self, receiver: &Receiver) -> Result<(), ScenarioError> {
        let name = receiver.name.as_ref();
        match (&receiver.process, receiver.kind) {
            (None, ReceiverKind::Process) => {
                let right = "write process.command = [\"python3\", \"receiver.py\"]";
                Err(self
                    .error(&receiver.name.span(), format!("receiver `{name}` of kind process has no program: {right}")))
            }
            (Some(program), ReceiverKind::Process) => match program.command.as_ref().first() {
                Some(first)
                    if !first.is_empty() && !program.command.as_ref().iter().any(|word| word.contains('\0')) =>
                {
                    Ok(())
                }
                _ => {
                    let message = "`command` names no program: write one, and its arguments, as in [\"python3\", \"receiver.py\"]";
                    Err(self.error(&program.command.span(), message))
                }
            },
            (Some(program), kind) => {
                let message = format!(
                    "receiver `{name}` has a process, and is of kind {kind}: write kind = \"process\", or leave out process"
                );
                Err(self.error(&program.command.span(), message))
            }
            (None, _) => Ok(()),
        }
    }

    /// Finds the folders of all programs.
    pub(super) fn place_programs(&self, scenario: &mut Scenario) {
        for program in scenario.receivers.iter_mut().filter_map(|receiver| receiver.process.as_mut()) {
            let words = program.command.as_ref();
            let is_said = |said: &DeValue<'_>| {
                let items = said.as_array().map(|items| items.iter().map(|item| item.get_ref().as_str()));
                items.is_some_and(|items| items.eq(words.iter().map(|word| Some(word.as_str()))))
            };
            program.folder = self.folder_of(&program.command.span(), is_said).to_owned();
        }
    }
}
