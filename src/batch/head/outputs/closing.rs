//! The end of the files that instances share: what is there is appended, and what each file lacks is said.

use crate::batch::head::display::shown;
use crate::batch::head::outputs::shared_file::{OutputSlot, SharedFile};
use crate::batch::head::outputs::shared_files::{LeftFile, Sinks};
use crate::batch::whole_files::make_private;
use crate::console::counted;
use crate::script::plan::Plan;

impl Sinks {
    /// Appends what is there, whatever lacks between, at the end of the run; and says what each file lacks. `left` if
    /// what has not come is left for the next run of the script.
    pub(crate) fn close(&mut self, plan: &Plan, left: bool) {
        for number in 0..self.files.len() as u32 {
            self.close_file(number, left);
            self.rescue(number, left);
        }
        if let Some(mut spool) = self.spool.take() {
            spool.close();
        }
        for shared in std::mem::take(&mut self.files) {
            self.tell(plan, &shared);
        }
    }

    /// Puts the outputs that could not be written to their file into one in the run folder.
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

    /// Up to `most` lines on files that a run which ends now leaves incomplete.
    pub(crate) fn incomplete(&self, most: usize) -> Vec<String> {
        let files = self.files.iter().filter(|shared| !shared.is_complete).take(most);
        let line = |shared: &SharedFile| {
            let (name, has, total) = (shown(&shared.path), shared.has(), counted(shared.total(), "output"));
            if has > 0 { format!("left    {name} has {has} of {total}") } else { format!("left    {name}") }
        };
        files.map(line).collect()
    }

    /// Up to `most` lines on files that lack outputs, after [`Sinks::close`].
    pub(crate) fn lacking(&self, most: usize) -> Vec<String> {
        let left = self.left.iter().map(|file| format!("left    {}{}", file.name, file.lacks));
        left.chain(self.failed.iter().cloned()).take(most).collect()
    }

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
            // after the last that is known, none has come
            let count = if open == part.slots.len() as u64 { part.order.len() - part.next } else { open };
            shared.left |= left && count > 0;
            shared.pass_over(count);
        }
    }

    /// Sorts a file into those that are complete, left, or lack outputs.
    fn tell(&mut self, plan: &Plan, shared: &SharedFile) {
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
