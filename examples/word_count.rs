//! Words of files counted over all ranks.
//!
//! Shows `Client::map_reduce`: each file is mapped to pairs where it is read, equal words are summed there and then in
//! one of eight partitions. Prints the ten most frequent words with their counts, `   123 the`.
//!
//! `mpirun -n 4 target/release/examples/word_count FILE ..`

use std::path::PathBuf;

fn words(path: PathBuf) -> std::io::Result<Vec<(String, u64)>> {
    let text = std::fs::read_to_string(path)?;
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    Ok(words.map(|word| (word.to_lowercase(), 1)).collect())
}

fn sum(a: u64, b: u64) -> u64 {
    a + b
}

fn main() -> dtask::Result<()> {
    let files: Vec<PathBuf> = std::env::args().skip(1).map(PathBuf::from).collect();
    dtask::run(|client| {
        let counts = client.map_reduce(files, words, sum, 8);
        let mut counts = client.gather(counts)?.concat();
        counts.sort_by_key(|(word, count)| (std::cmp::Reverse(*count), word.clone()));
        for (word, count) in counts.iter().take(10) {
            println!("{count:6} {word}");
        }
        Ok(())
    })
}
