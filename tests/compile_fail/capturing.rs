fn main() -> dtask::Result<()> {
    let factor = 3;
    dtask::run(move |client| {
        println!("{}", client.submit(move |x: i64| x * factor, (1,)).result()?);
        Ok(())
    })
}
