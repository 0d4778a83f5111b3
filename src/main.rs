//! The `dtask` command: see [`dtask::cli`].

fn main() -> std::process::ExitCode {
    dtask::cli::main()
}
