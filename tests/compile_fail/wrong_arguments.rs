fn main() -> dtask::Result<()> {
    dtask::run(|client| {
        client.submit(|x: i64| x, (1, 2));
        client.submit(|x: i64| x, ("text",));
        Ok(())
    })
}
