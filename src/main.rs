//! The `labsim` command. What it does is in [`labsim::cli`].

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> labsim::cli::Exit {
    with_small_pages();
    labsim::cli::main(std::env::args_os())
}

/// Does without pages of 2 MiB: each is zeroed whole when it is first touched, which took a quarter of the processor
/// time while connections were opened.
fn with_small_pages() {
    // Where that is refused it goes on with them.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}
