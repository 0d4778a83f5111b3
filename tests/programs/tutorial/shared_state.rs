use dtask::prelude::*;
use std::collections::BTreeMap;

#[derive(Default)]
struct Tally(BTreeMap<String, u64>); // lives on one rank, and need not be `Serialize`

impl Tally {
    fn new() -> Tally {
        Tally::default()
    }

    fn add(&mut self, word: String) -> u64 {
        let count = self.0.entry(word).or_default();
        *count += 1;
        *count
    }

    fn most(&self) -> Option<(String, u64)> {
        self.0.iter().max_by_key(|(_, count)| **count).map(|(word, count)| (word.clone(), *count))
    }
}

fn count(jobs: Queue<String>, tally: Actor<Tally>) -> Result<u64, Failure> {
    let mut words = 0;
    for line in &jobs {
        for word in line?.split_whitespace() {
            tally.call(Tally::add, (word.to_owned(),)).result()?;
            words += 1;
        }
    }
    Ok(words)
}

fn main() -> dtask::Result<()> {
    dtask::run(|client| {
        let jobs = client.queue::<String>("lines");
        let tally = client.actor(Tally::new, ());
        let counted: Vec<Future<u64>> = (0..3).map(|_| client.submit(count, (&jobs, &tally))).collect();
        for line in ["a rose is a rose", "is a rose", "is a flower"] {
            jobs.put(line.to_owned())?;
        }
        jobs.close()?; // the loops over the queue end when it is empty
        let words: u64 = client.gather(counted)?.iter().sum();
        println!("{words} words, most often {:?}", tally.call(Tally::most, ()).result()?);
        Ok(())
    })
}
