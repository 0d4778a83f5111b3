fn length(text: &str) -> u64 {
    text.len() as u64
}

fn main() -> dtask::Result<()> {
    dtask::run(|client| {
        let lengths = client.map(length, ["a"]);
        client.wait(&lengths)
    })
}
