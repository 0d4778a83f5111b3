fn or_one(n: Option<&u64>) -> u64 {
    *n.unwrap_or(&1)
}

fn main() -> dtask::Result<()> {
    dtask::run(|client| {
        println!("{}", client.submit(or_one, (Some(1_u64),)).result()?);
        Ok(())
    })
}
