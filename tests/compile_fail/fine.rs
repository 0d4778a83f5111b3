fn main() -> dtask::Result<()> {
    dtask::run(|client| {
        println!("{}", client.submit(|x: i64, factor: i64| x * factor, (1, 3)).result()?);
        Ok(())
    })
}

/// Every form that a program may write.
#[allow(dead_code)]
mod forms {
    use dtask::prelude::*;
    use std::path::{Path, PathBuf};
    use std::sync::Arc;

    /// An error of the program's own, as `anyhow::Error` is one.
    #[derive(Debug)]
    struct Own(String);

    impl<E: std::error::Error> From<E> for Own {
        fn from(error: E) -> Self {
            Own(error.to_string())
        }
    }

    fn any_error() -> Result<u64, Own> {
        dtask::run(|client| {
            let n: u64 = "7".parse()?;
            Ok(client.submit(|n: u64| n, (n,)).result()?)
        })
    }

    fn boxed() -> Result<Vec<u64>, Box<dyn std::error::Error + Send + Sync>> {
        dtask::run(|client| Ok(client.gather(client.map(|n: u64| n, 0..4_u64))?))
    }

    fn forms(client: &Client, table: Arc<Vec<f64>>, path: &Path, some: &[u64]) -> dtask::Result<()> {
        let at = |table: &[f64], k: usize| table[k];
        let shared = client.scatter(&table);
        let moved: Future<Vec<f64>> = client.scatter(table.clone());
        let _ = client.gather([client.submit(at, (&shared, 1)), client.submit(at, (&moved, &2)), client.submit(at, (&table, 3))])?;
        let _ = client.submit(|path: &PathBuf| path.exists(), (path,));
        let _ = client.submit(|all: Vec<u64>, text: &String| all.len() + text.len(), (some, "text"));
        let _ = client.submit(|n: &u64, all: &Vec<u64>| *n + all[0], (&7, &vec![1]));
        let _: Vec<String> = client.has_what(Rank(0))?;
        client.publish("mesh", &shared)?;
        let _: Future<Vec<f64>> = client.published("mesh")?;
        let _: bool = client.unpublish("mesh")?;
        let _: u64 = client.rebalance()?;
        Ok(())
    }
}
