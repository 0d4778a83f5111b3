#![deny(unused_must_use)]

fn write(_: String) {}

fn main() -> dtask::Result<()> {
    dtask::run(|client| {
        client.submit(write, ("results.txt".to_owned(),));
        client.map(write, ["a".to_owned(), "b".to_owned()]);
        Ok(())
    })
}
