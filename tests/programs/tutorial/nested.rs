use dtask::prelude::*;

fn sort(mut numbers: Vec<u64>) -> Result<Vec<u64>, Failure> {
    if numbers.len() > 1_000 {
        let rest = numbers.split_off(numbers.len() / 2);
        let client = dtask::current()?; // the client of this task
        let halves = [client.submit(sort, (numbers,)), client.submit(sort, (rest,))];
        numbers = client.gather(halves)?.concat(); // while it waits, others run in its slot
    }
    numbers.sort(); // of two sorted runs it makes one
    Ok(numbers)
}

fn main() -> dtask::Result<()> {
    dtask::run(|client| {
        let numbers: Vec<u64> = (0..4_000).map(|n| n * 7_919 % 10_007).collect();
        let sorted = client.submit(sort, (numbers,)).result()?;
        println!("{} numbers, sorted: {}", sorted.len(), sorted.is_sorted());
        Ok(())
    })
}
