//! The macros by which traits are implemented for functions of any parameters: each by value (`V`) or by reference (`R`).

/// The type of a parameter in a function's signature.
macro_rules! parameter {
    (V $p:ident) => {
        $p
    };
    (R $p:ident) => {
        &$p
    };
}

/// The type that a parameter's argument has when it travels.
macro_rules! owned {
    (V $p:ident) => {
        $p
    };
    (R $p:ident) => {
        <$p as ToOwned>::Owned
    };
}

/// Takes the next argument, for a parameter by value (`V`) or by reference (`R`).
macro_rules! unpack {
    (V $arguments:ident $p:ident) => {
        $arguments.take()?.into_owned::<$p>()?
    };
    (R $arguments:ident $p:ident) => {
        $arguments.take()?.hold::<<$p as ToOwned>::Owned>()?
    };
}

/// Hands an argument that was taken to the function.
macro_rules! pass {
    (V $x:ident) => {
        $x
    };
    (R $x:ident) => {
        $x.get().borrow()
    };
}

/// Expands to an `implement!`, which the caller defines, for each combination of parameters by value and by reference: 2^n of them for n
/// parameters.
macro_rules! combinations {
    ([] $done:tt $generics:tt $bounds:tt) => {
        implement!($done $generics $bounds);
    };
    ([$p:ident $($rest:ident)*] [$($done:tt)*] [$($generics:tt)*] [$($bounds:tt)*]) => {
        combinations!([$($rest)*] [$($done)* (V $p)] [$($generics)* $p,] [$($bounds)* $p: Data,]);
        combinations!(
            [$($rest)*] [$($done)* (R $p)] [$($generics)* $p: ?Sized,]
            [$($bounds)* $p: ToOwned + 'static, $p::Owned: Data,]
        );
    };
}

pub(super) use {combinations, owned, parameter, pass, unpack};
