//! The examples `send` and `receive`, against each other on the loopback interface.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// An example, which `cargo test` and `cargo nextest run` build with the tests.
fn example(name: &str) -> Command {
    let test = std::env::current_exe().expect("a test has a path");
    let built = test.parent().and_then(|deps| deps.parent()).expect("tests are in target/PROFILE/deps");
    let path: PathBuf = built.join("examples").join(name).with_extension(std::env::consts::EXE_EXTENSION);
    assert!(path.exists(), "{} is not built: cargo build -p aes67-engine --examples", path.display());
    Command::new(path)
}

/// A port that nobody uses at present.
fn free_port() -> u16 {
    let socket = UdpSocket::bind(("127.0.0.1", 0)).expect("a socket");
    socket.local_addr().expect("an address").port()
}

#[test]
fn what_one_example_sends_the_other_plays() {
    let destination = format!("127.0.0.1:{}", free_port());
    // Longer than the receiver listens, which ends it.
    let mut sender = example("send")
        .args([destination.as_str(), "60"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the sender starts");
    let mut lines = BufReader::new(sender.stdout.take().expect("its output")).lines();
    let mut description = String::new();
    // The last attribute of its one stream.
    while !description.contains("a=mediaclk") {
        description += &lines.next().expect("a description").expect("text");
        description += "\r\n";
    }
    let folder = std::env::temp_dir().join(format!("engine-examples-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join("stream.sdp");
    std::fs::write(&file, description).expect("a file");

    let mut receiver =
        example("receive").arg(&file).arg("3").stdout(Stdio::piped()).spawn().expect("the receiver starts");
    let mut told = String::new();
    receiver.stdout.take().expect("its output").read_to_string(&mut told).expect("text");
    let status = receiver.wait().expect("the receiver ends");
    sender.kill().expect("the sender runs still");
    sender.wait().expect("the sender ends");
    std::fs::remove_dir_all(&folder).expect("the folder is ours");

    assert!(status.success(), "{status}: {told}");
    let number = |name: &str| -> f64 {
        let mut words = told.split_whitespace().skip_while(|word| *word != name);
        words.nth(1).and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("no {name} in: {told}"))
    };
    // A busy machine may lose packets, or play some late; but what is played is the tone.
    assert!(number("packets") > 100.0, "{told}");
    let peak = number("peak");
    assert!((0.45..0.56).contains(&peak), "{told}");
}
