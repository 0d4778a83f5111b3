//! `call` as `dtask check` tells of it; no function is registered in tests.

use super::golden;

#[test]
fn e49_unknown_function() {
    golden(
        r#"dtask = 1
[task.a]
call = "power_spectrum"
args = { signal = "{x}", window = "hann", deep = [1] }
save = "a.npy"
[task.b]
run = "true"
args = { a = 1 }
"#,
        r#"error[E49]: the function `power_spectrum` is not registered
 --> flow.toml:3:8
  |
3 | call = "power_spectrum"
  |        ^^^^^^^^^^^^^^^^ no such function
  = help: plain `dtask` has no functions: run the script with a program of your own, which calls `dtask::script::main(Registry::new().task("name", function))`

error[E21]: unknown name `x` in an argument
 --> flow.toml:4:20
  |
4 | args = { signal = "{x}", window = "hann", deep = [1] }
  |                    ^^^ no variable and no task has this name

error[E06]: the argument `deep` must be a string, number or boolean, not an array
 --> flow.toml:4:50
  |
4 | args = { signal = "{x}", window = "hann", deep = [1] }
  |                                                  ^^^ expected a string, number or boolean

error[E19]: `args` means nothing beside `run`
 --> flow.toml:8:1
  |
8 | args = { a = 1 }
  | ^^^^ remove this
  = help: it belongs to `call`"#,
    );
}
