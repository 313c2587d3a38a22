//! The `labsim` command. What it does is in [`labsim::cli`].

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> labsim::cli::Exit {
    labsim::cli::main(std::env::args_os())
}
