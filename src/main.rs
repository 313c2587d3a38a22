//! The `labsim` command. What it does is in [`labsim::cli`].

fn main() -> labsim::cli::Exit {
    labsim::cli::main(std::env::args_os())
}
