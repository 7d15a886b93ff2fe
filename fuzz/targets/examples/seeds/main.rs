//! Writes the hand-made part of every corpus: valid, cut short, and at the bounds. Files that are there are left alone.
//!
//! What is sealed has fresh salts and IVs each time, so a file that is removed comes back different and as good.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, reason = "run by hand")]

mod audit;
mod external;
mod front_end;
mod sealed;
mod text;
mod wire;

use std::path::Path;

/// (target, name, bytes)
type Seed = (&'static str, String, Vec<u8>);

fn main() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus");
    let all = [sealed::seeds(), audit::seeds(), wire::seeds(), text::seeds(), front_end::seeds(), external::seeds()];
    for (target, name, bytes) in all.into_iter().flatten() {
        let folder = corpus.join(target);
        let file = folder.join(&name);
        if !file.exists() {
            std::fs::create_dir_all(folder).unwrap();
            std::fs::write(file, bytes).unwrap();
            println!("{target}/{name}");
        }
    }
}

fn seed(target: &'static str, name: &str, bytes: impl Into<Vec<u8>>) -> Seed {
    (target, name.to_owned(), bytes.into())
}
