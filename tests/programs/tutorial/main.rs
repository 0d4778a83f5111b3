//! The programs of the tutorial in `docs/library.md`, as they stand there: `test_tutorial NAME`.

macro_rules! programs {
    ($($name:ident)*) => {
        $(#[allow(unused_imports, reason = "all programs of the page begin alike")]
        mod $name {
            include!(concat!(stringify!($name), ".rs"));

            pub(super) fn run() -> dtask::Result<()> {
                main()
            }
        })*

        fn main() -> dtask::Result<()> {
            match std::env::args().nth(1).unwrap_or_default().as_str() {
                $(stringify!($name) => $name::run(),)*
                other => Err(dtask::Error::Other(format!("no program `{other}`"))),
            }
        }
    };
}

programs! { first graph search failures nested shared_state }
