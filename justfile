# The one door: `just` lists what a person does here; CI runs the same recipes.

# List the recipes
default:
    @just --list

# Play the intra-group failover lab
demo:
    cargo run --release -- run scenarios/intra-group.yaml

# Everything that must hold, with only a Rust toolchain
test:
    cargo test

# 100,000 requests with every fault switched on at random; some minutes
storm:
    cargo test --test it storm -- --include-ignored

# The official OpenAI clients for Python and Node, against both simulators
clients:
    tests/clients/run.sh

# A virtual day at 5 requests a second while things break at random, for each personality; some minutes
soak:
    CARGO_PROFILE_TEST_OPT_LEVEL=2 cargo test --test soak -- --include-ignored --nocapture --test-threads 1

# Formatting, and clippy with warnings denied (the fence against real time and chance is in clippy.toml)
lint:
    cargo fmt --check
    cargo clippy --all-targets -- --deny warnings

# Write anew what tests compare with: cases, screens, reports, tables in docs; read the diff before you commit it
bless:
    LABSIM_BLESS=1 cargo test

# Speed and memory; figures in docs/performance.md
bench:
    cargo bench
    benches/throughput.sh
    benches/streams.sh
    benches/cold_start.py
    benches/gateway.sh
    benches/instructions.sh

# What the live screen costs a lab, and how it holds a million events; figures in docs/performance.md
bench-screen:
    cargo build --release --bin labsim
    benches/screen.py
    benches/million.py

# The README's moving pictures of the two labs, made anew
pictures:
    cargo build --quiet --bin labsim
    for lab in intra-group inter-group; do \
        target/debug/labsim run scenarios/$lab.yaml --quiet --no-tui --record target/$lab.jsonl >/dev/null && \
        target/debug/labsim replay target/$lab.jsonl --size 100x30 --picture docs/pictures/$lab.svg || exit 1; \
    done

# The lab's own curl commands against `labsim up`, on port 8080
curl:
    tests/clients/curl.sh

# Ten minutes of whatever comes: the loader, the SSE reader, the header parsers. LABSIM_FUZZ_SECONDS says how long
fuzz:
    LABSIM_FUZZ_SECONDS=${LABSIM_FUZZ_SECONDS:-600} cargo test --test it fuzz -- --ignored --nocapture

# What the load generator does beside oha on one static server; figures in docs/performance.md
bench-load:
    benches/load.sh

# What CI runs
ci:
    .ci/run
