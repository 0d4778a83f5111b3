//! Ad-hoc futures that depend on each other in strange ways.
//!
//! Shows futures as arguments of several kinds, errors that dependents hand on, tasks that submit tasks, and a family.
//! Prints each future and its result or error.
//!
//! `mpirun -n 3 target/release/examples/adhoc`

use dtask::prelude::*;

fn inc(x: i64) -> i64 {
    x + 1
}

fn sum(xs: Vec<i64>) -> i64 {
    xs.iter().sum()
}

fn halve(x: i64) -> Result<i64, Failure> {
    if x % 2 == 0 { Ok(x / 2) } else { Err(Failure::new(format!("{x} is odd"))) }
}

fn main() -> dtask::Result<()> {
    dtask::run(|client| {
        // futures are arguments before they are done
        let x = client.submit(inc, (1,));
        let y = client.submit(|a: i64, b: i64| a * b, (&x, 10));
        println!("{x:?}");
        println!("y = {}", y.result()?);

        // the same call is the same task; with pure(false) it is not
        assert_eq!(client.submit(inc, (1,)).key(), x.key());
        assert_ne!(client.options().pure(false).submit(inc, (1,)).key(), x.key());

        // a task that takes one future twice, and one that takes a vector of futures of different depth
        let square = client.submit(|a: &i64, b: i64| a * b, (&y, &y));
        let all = client.submit(sum, (vec![x.clone(), y.clone(), square],));
        println!("all = {}", all.result()?);

        // Collatz: every next task is chosen by looking at a result
        let (mut n, mut steps) = (client.submit(|| 27i64, ()), 0);
        while n.result()? != 1 {
            n = if n.result()? % 2 == 0 {
                client.submit(halve, (n,))
            } else {
                client.submit(|n: i64| 3 * n + 1, (n,))
            };
            steps += 1;
        }
        println!("27 reaches 1 after {steps} steps");

        // text, borrowed slices, a value that is scattered once and used by many
        let words = client.scatter(["to", "be", "or", "not", "to", "be"].map(String::from).to_vec());
        let count = |words: &[String], word: String| words.iter().filter(|w| **w == word).count();
        let counts = client.starmap(count, ["to", "or", "why"].map(|word| (&words, word)));
        println!("counts = {:?}", client.gather(counts)?);

        // a failure reaches all that depend on it, with its cause; a panic is a failure too
        let odd = client.submit(halve, (7,));
        let late = client.submit(inc, (client.submit(inc, (&odd,)),));
        println!("{}", late.result().expect_err("7 is odd"));
        println!("{odd:?}");
        let index = client.submit(|v: Vec<i64>, i: usize| v[i], (vec![1, 2, 3], 5));
        println!("{}", index.result().expect_err("there is no element 5"));

        // a family of ten million tasks, of which only some are looked at
        let family = client.family(|i: u64| i * i, 10_000_000);
        println!("squares = {:?}", client.gather(family.range(3..6))?);
        Ok(())
    })
}
