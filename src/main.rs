//! The `dtask` command: its subcommands are in `src/cli`.

fn main() -> std::process::ExitCode {
    dtask::internal::main()
}
