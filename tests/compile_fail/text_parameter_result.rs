fn length(text: &str) -> u64 {
    text.len() as u64
}

fn first(bytes: &[u8]) -> u8 {
    bytes[0]
}

fn name(path: &std::path::Path) -> u64 {
    path.as_os_str().len() as u64
}

fn main() -> dtask::Result<()> {
    dtask::run(|client| {
        println!("{}", client.submit(length, ("a",)).result()?);
        println!("{}", client.submit(first, (vec![1u8],)).result()?);
        println!("{}", client.options().submit(name, (std::path::PathBuf::new(),)).result()?);
        Ok(())
    })
}
