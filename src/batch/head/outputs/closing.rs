//! The end of a run, for files to which several instances append: the outputs that wait for an earlier one are appended
//! all the same, and the outputs that each file lacks are listed for the summary.

use crate::batch::head::display::shown;
use crate::batch::head::outputs::shared_file::{OutputSlot, SharedFile};
use crate::batch::head::outputs::shared_files::{LeftFile, Sinks};
use crate::batch::whole_files::make_private;
use crate::console::counted;
use crate::script::plan::Plan;

impl Sinks {
    /// Appends the outputs that wait for one that never came, at the end of the run, and sorts the files into complete,
    /// left and failed ones. `left` means that the outputs that have not come are left for the next run of the script.
    pub(crate) fn close(&mut self, plan: &Plan, left: bool) {
        for number in 0..self.files.len() as u32 {
            self.close_file(number, left);
            self.rescue(number, left);
        }
        if let Some(mut spool) = self.spool.take() {
            spool.close();
        }
        for shared in std::mem::take(&mut self.files) {
            self.sort(plan, &shared);
        }
    }

    /// Writes the outputs that could not be written to file number `number` into a file of the run folder instead.
    fn rescue(&mut self, number: u32, left: bool) {
        let (Some(shared), Some(spool)) = (self.files.get_mut(number as usize), &self.spool) else { return };
        let Some((error, _)) = shared.error.take() else { return };
        let path = spool.folder().join(format!("rank-0000-unwritten-{number}.log"));
        shared.refused = Some((error, None));
        self.blocked.remove(&number);
        let made = make_private(spool.folder());
        if let (Ok(()), Some(growing)) = (made, &mut shared.growing) {
            growing.redirect(&path);
            self.close_file(number, left);
        }
        if let Some(SharedFile { refused: Some((_, place)), error: None, is_complete: true, .. }) =
            self.files.get_mut(number as usize)
        {
            *place = Some(path);
        }
    }

    /// At most `most` lines of text on files that would be incomplete if the run ended now.
    pub(crate) fn incomplete(&self, most: usize) -> Vec<String> {
        let files = self.files.iter().filter(|shared| !shared.is_complete).take(most);
        let line = |shared: &SharedFile| {
            let (name, has, total) = (shown(&shared.path), shared.has(), counted(shared.total(), "output"));
            if has > 0 { format!("left    {name} has {has} of {total}") } else { format!("left    {name}") }
        };
        files.map(line).collect()
    }

    /// At most `most` lines of text on files that lack outputs. To be called after [`Sinks::close`].
    pub(crate) fn lacking(&self, most: usize) -> Vec<String> {
        let left = self.left.iter().map(|file| format!("left    {}{}", file.name, file.lacks));
        left.chain(self.failed.iter().cloned()).take(most).collect()
    }

    /// Appends to file number `number` all outputs that have come, and passes over those that have not.
    fn close_file(&mut self, number: u32, left: bool) {
        let blocked = self.blocked.contains(&number);
        if self.files.get(number as usize).is_none_or(|shared| shared.is_complete)
            || blocked && !self.try_again(number)
        {
            return;
        }
        loop {
            let mut all = u64::MAX;
            self.advance(number, &mut all);
            let Some(shared) = self.files.get_mut(number as usize) else { return };
            let Some(part) = shared.parts.get(shared.at).filter(|_| shared.error.is_none()) else { break };
            let open = part.slots.iter().take_while(|slot| matches!(slot, OutputSlot::Open)).count() as u64;
            // no output has come after those that have slots
            let count = if open == part.slots.len() as u64 { part.order.len() - part.next } else { open };
            shared.left |= left && count > 0;
            shared.pass_over(count);
        }
    }

    /// Adds a file to the list of those that are complete, left for the next run, or lack outputs, with a line of text
    /// for the summary.
    fn sort(&mut self, plan: &Plan, shared: &SharedFile) {
        let (name, total, is_made) = (shown(&shared.path), shared.total(), shared.is_made());
        if let Some((error, place)) = &shared.refused {
            let mut text = format!("{name} could not be written: {error}");
            if shared.written > 0 {
                text += &format!("; {} of {} are in it", shared.written, counted(total, "output"));
            }
            if shared.missing > 0 {
                text += &format!("; it lacks {}", shared.lacks(plan));
            }
            if let Some(place) = place {
                let what = if shared.written > 0 { "the others" } else { "its outputs" };
                text += &format!("; {what} are in {}", shown(place));
            }
            return self.failed.push(text);
        }
        if shared.missing == 0 {
            return self.written.push(shared.path.clone());
        }
        let lacks = shared.lacks(plan);
        if is_made {
            self.partial.push((shared.path.clone(), shared.written, total));
        }
        match (shared.left, is_made) {
            (true, _) => {
                let lacks = if is_made { format!(" lacks {lacks}") } else { String::new() };
                self.left.push(LeftFile { name, lacks });
            }
            (false, true) => self.failed.push(format!("{name} lacks {lacks}")),
            (false, false) => {
                let rest = if shared.missing < total { "; the others are empty" } else { "" };
                self.failed.push(format!("{name} was not written: it lacks {lacks}{rest}"));
            }
        }
    }
}
