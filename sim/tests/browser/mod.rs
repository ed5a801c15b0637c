//! Chromium without a window, driven by the Chrome DevTools Protocol over a pipe: messages of JSON,
//! each with a NUL at its end.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// How long an answer may take: no measurement, but the end of hope.
const PATIENCE: Duration = Duration::from_secs(120);

/// Descriptors 3 and 4 are those of the protocol; a shell puts the pipes there.
const SCRIPT: &str = "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>/dev/null";

/// A browser with one page.
pub(crate) struct Browser {
    child: Child,
    to: ChildStdin,
    from: Receiver<Value>,
    next: u64,
    session: String,
    /// What the page said that it should not.
    complaints: Vec<String>,
}

impl Browser {
    /// Starts Chromium with a window of that size; its files go into `folder`.
    pub(crate) fn start(folder: &Path, width: u32, height: u32) -> Self {
        let mut child = Command::new("sh")
            .args(["-c", SCRIPT, "chromium", "--headless=new", "--remote-debugging-pipe", "--no-sandbox"])
            .args([
                "--disable-gpu",
                "--mute-audio",
                "--no-first-run",
                "--disable-extensions",
                "--disable-dev-shm-usage",
            ])
            .arg("--autoplay-policy=no-user-gesture-required")
            .arg(format!("--user-data-dir={}", folder.join("profile").display()))
            .arg(format!("--window-size={width},{height}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let (to, answers) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (send, from) = channel();
        std::thread::spawn(move || {
            for message in BufReader::new(answers).split(0) {
                let message = message.ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
                if message.is_none_or(|message: Value| send.send(message).is_err()) {
                    break;
                }
            }
        });
        let mut browser = Self { child, to, from, next: 0, session: String::new(), complaints: Vec::new() };
        let target = browser.call("Target.createTarget", &json!({ "url": "about:blank" }))["targetId"].clone();
        let attached = browser.call("Target.attachToTarget", &json!({ "targetId": target, "flatten": true }));
        browser.session = attached["sessionId"].as_str().expect("a session").to_owned();
        for domain in ["Runtime", "Log", "Page"] {
            browser.call(&format!("{domain}.enable"), &json!({}));
        }
        browser
    }

    /// Opens a file, and waits until it is there.
    pub(crate) fn open(&mut self, file: &Path) {
        let url = format!("file://{}", file.canonicalize().unwrap().display());
        let answer = self.call("Page.navigate", &json!({ "url": url }));
        assert!(answer.get("errorText").is_none(), "{url}: {answer}");
        self.until("document.readyState === 'complete' && location.protocol === 'file:'");
    }

    /// The value of an expression, or of what it promises.
    pub(crate) fn value(&mut self, expression: &str) -> Value {
        let arguments = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let answer = self.call("Runtime.evaluate", &arguments);
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// The same as a number.
    pub(crate) fn number(&mut self, expression: &str) -> f64 {
        let value = self.value(expression);
        value.as_f64().unwrap_or_else(|| panic!("{expression} is {value}"))
    }

    /// Waits until an expression holds.
    pub(crate) fn until(&mut self, expression: &str) {
        let tries = PATIENCE.as_millis() / 50;
        for _ in 0..tries {
            if self.value(expression) == true {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("never: {expression}");
    }

    /// Drags the mouse from one point of the window to another.
    pub(crate) fn drag(&mut self, from: (f64, f64), to: (f64, f64)) {
        let middle = (from.0.midpoint(to.0), from.1.midpoint(to.1));
        let steps = [
            ("mouseMoved", from),
            ("mousePressed", from),
            ("mouseMoved", middle),
            ("mouseMoved", to),
            ("mouseReleased", to),
        ];
        for (kind, (x, y)) in steps {
            let is_down = kind != "mouseMoved" || (x, y) != from;
            let (button, buttons) = if is_down { ("left", 1) } else { ("none", 0) };
            let event = json!({ "type": kind, "x": x, "y": y, "button": button, "buttons": buttons, "clickCount": 1 });
            self.call("Input.dispatchMouseEvent", &event);
        }
    }

    /// Moves the mouse to a point of the window.
    pub(crate) fn hover(&mut self, (x, y): (f64, f64)) {
        let event = json!({ "type": "mouseMoved", "x": x, "y": y, "button": "none", "buttons": 0 });
        self.call("Input.dispatchMouseEvent", &event);
    }

    /// Turns the wheel at a point of the window; `modifiers` are 2 for Ctrl and 8 for Shift.
    pub(crate) fn wheel(&mut self, (x, y): (f64, f64), delta: f64, modifiers: u32) {
        let event =
            json!({ "type": "mouseWheel", "x": x, "y": y, "deltaX": 0, "deltaY": delta, "modifiers": modifiers });
        self.call("Input.dispatchMouseEvent", &event);
    }

    /// Presses a key and lets it go.
    pub(crate) fn press(&mut self, key: &str) {
        for kind in ["rawKeyDown", "keyUp"] {
            self.call("Input.dispatchKeyEvent", &json!({ "type": kind, "key": key }));
        }
    }

    /// Errors that the page logged or threw so far.
    pub(crate) fn complaints(&mut self) -> &[String] {
        self.value("1");
        &self.complaints
    }

    fn call(&mut self, method: &str, parameters: &Value) -> Value {
        self.next += 1;
        let mut message = json!({ "id": self.next, "method": method, "params": parameters });
        if !self.session.is_empty() {
            message["sessionId"] = self.session.clone().into();
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.to.write_all(&bytes).expect("the browser listens");
        loop {
            let answer = self.from.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("{method}: {error}"));
            if answer["id"] == self.next {
                assert!(answer.get("error").is_none(), "{method}: {answer}");
                return answer["result"].clone();
            }
            let is_complaint = match answer["method"].as_str() {
                Some("Runtime.exceptionThrown") => true,
                Some("Runtime.consoleAPICalled") => answer["params"]["type"] == "error",
                Some("Log.entryAdded") => answer["params"]["entry"]["level"] == "error",
                _ => false,
            };
            if is_complaint {
                self.complaints.push(answer["params"].to_string());
            }
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The end of its pipe ends it as well; either way nothing is left behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
