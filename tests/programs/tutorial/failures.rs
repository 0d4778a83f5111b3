use dtask::prelude::*;

fn parse(text: String) -> Result<f64, Failure> {
    Ok(text.trim().parse()?) // `?` makes a `Failure` of any error
}

fn main() -> dtask::Result<()> {
    dtask::run(|client| {
        let texts = ["1.5", "two", "3"].map(str::to_owned);
        let numbers = client.map(parse, texts);
        let doubled: Vec<Future<f64>> = numbers.iter().map(|n| n.then(|n: f64| 2.0 * n)).collect();
        for (outcome, n) in client.gather_each(&doubled)?.into_iter().zip(1..) {
            match outcome {
                Ok(value) => println!("{n}: {value}"),
                Err(dtask::Error::Task(error)) => println!("{n}: {}", error.message),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    })
}
