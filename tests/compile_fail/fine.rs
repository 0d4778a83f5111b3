fn main() -> dtask::Result<()> {
    dtask::run(|client| {
        println!("{}", client.submit(|x: i64, factor: i64| x * factor, (1, 3)).result()?);
        Ok(())
    })
}
