//! A solver that has MPI itself, and hands its irregular phase to dtask.
//!
//! The ranks are split into the group that solves and one that stands aside. The solver exchanges borders and sums
//! residuals by its own collectives, as it always did. Between two of its phases, all its ranks call `dtask::run_on`
//! with their communicator: rank 0 of the group submits refinements of very unequal size, the others compute them. Then
//! the ranks are the solver's again. `mpirun -n 4 existing_mpi_program` prints something like
//!
//! ```text
//! phase 1: residual 0.0312 on 3 ranks
//! refined 24 cells, the hardest in 4000 steps
//! phase 2: residual 0.0156 on 3 ranks
//! ```

use mpi::traits::{Communicator, CommunicatorCollectives};

/// A refinement whose cost nobody knows before.
fn refine(cell: u64) -> u64 {
    let steps = if cell.is_multiple_of(8) { 4000 } else { 100 + cell };
    let mut x = cell as f64;
    for _ in 0..steps {
        x = (x.sin() + 1.1).sqrt();
    }
    if x.is_nan() { 0 } else { steps }
}

/// A phase of the solver: its own work, and a sum over its ranks.
fn phase(number: u32, group: &impl Communicator) {
    let own = 1.0 / (f64::from(number) * 32.0 * f64::from(group.size()));
    let mut residual = 0.0f64;
    group.all_reduce_into(&own, &mut residual, mpi::collective::SystemOperation::sum());
    if group.rank() == 0 {
        println!("phase {number}: residual {residual:.4} on {} ranks", group.size());
    }
}

fn main() -> dtask::Result<()> {
    let (universe, _) = mpi::initialize_with_threading(mpi::Threading::Funneled).expect("MPI starts");
    let world = universe.world();
    let stands_aside = world.size() > 1 && world.rank() == world.size() - 1;
    let color = mpi::topology::Color::with_value(i32::from(stands_aside));
    let group = world.split_by_color(color).expect("every rank has a color");
    if stands_aside {
        world.barrier();
        return Ok(());
    }
    phase(1, &group);
    // rank 0 of the group gets what the closure returns, the others `None`; an error comes on every rank
    if let Some(steps) = dtask::run_on(&group, |client| client.gather(client.map(refine, 0..24)))? {
        println!("refined {} cells, the hardest in {} steps", steps.len(), steps.iter().max().unwrap_or(&0));
    }
    phase(2, &group);
    world.barrier();
    Ok(())
}
