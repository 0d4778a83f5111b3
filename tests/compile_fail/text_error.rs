fn parse(text: String) -> Result<u64, String> {
    text.parse().map_err(|_| "no number".to_owned())
}

fn main() -> dtask::Result<()> {
    dtask::run(|client| {
        let numbers = client.map(parse, ["1"]);
        client.wait(&numbers)
    })
}
