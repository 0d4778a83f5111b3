fn main() -> dtask::Result<()> {
    dtask::run(|client| {
        let _ = client.submit(|x: i64| x, (1, 2));
        let _ = client.submit(|x: i64| x, ("text",));
        Ok(())
    })
}
