fn main() {
    let path = String::from("weights");
    println!("{}", dtask::local(move || path.len()));
}
