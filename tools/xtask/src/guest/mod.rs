//! `cargo xtask guest-fetch`: a Linux guest for QEMU with network cards that stamp packets, for
//! hosts without such cards. The guest can have its [own time base](Time).
//!
//! Model: the kernel is Debian's, with its modules; the cards are a module of ours
//! (`stamping_nic.c`), built with Debian's headers of that kernel. The guest's files are the
//! host's, read-only but for `/run`; it runs one script, and ends. Nothing is installed: packages
//! are unpacked in cargo's target folder. QEMU emulates the processor, so no permission for
//! virtualisation is required.

use crate::cmd::Cmd;
use crate::debian;
use crate::error::Error;
use crate::files::{absolute, copy, list, make_folder, read, remove, remove_file, write};
use std::fs;
use std::path::{Path, PathBuf};

/// Programs for fetching and running the guest.
pub(crate) const PROGRAMS: [&str; 6] = ["qemu-system-x86_64", "busybox", "cpio", "cc", "make", "ptp4l"];
/// The package that always depends on Debian's current kernel.
const KERNEL: &str = "linux-image-amd64";
/// Debian 12's kernel: the module of the cards is for its interfaces, and later ones come with
/// other modules.
const SERIES: &str = "6.1.";
/// Modules of the kernel that a guest loads, each after those that it needs.
const MODULES: [&str; 18] = [
    "virtio_ring",
    "virtio",
    "virtio_pci_legacy_dev",
    "virtio_pci_modern_dev",
    "virtio_pci",
    "netfs",
    "fscache",
    "9pnet",
    "9pnet_virtio",
    "9p",
    "veth",
    "llc",
    "stp",
    "bridge",
    "crc32c_generic",
    "libcrc32c",
    "nfnetlink",
    "nf_tables",
];
/// The module of our cards.
const CARD: &str = "stamping_nic";
const CARD_SOURCE: &str = include_str!("stamping_nic.c");
const INIT: &str = include_str!("init");

/// The time base of a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Time {
    /// The host's time, on two processors.
    Hosts,
    /// The guest's own time: its only processor takes a nanosecond for each instruction, and idle
    /// time is skipped. So pauses of the host are not visible in the guest.
    Counted,
}

impl Time {
    fn options(self) -> &'static str {
        match self {
            Self::Hosts => "-accel tcg,thread=multi -smp 2 -m 1024",
            Self::Counted => "-accel tcg -icount shift=0,sleep=off -smp 1 -m 4096",
        }
    }
}

/// What keeps a kernel from starting is told from the beginning. Where the host stands still, the
/// kernel would find that its timer does not work, and panic.
const KERNEL_OPTIONS: &str = "console=ttyS0 earlyprintk=ttyS0 quiet panic=-1 tsc=reliable no_timer_check";

/// Has what a guest was made of, once it is complete.
const RECIPE: &str = "recipe";

fn recipe() -> String {
    format!("{}\n{INIT}\n{CARD_SOURCE}", MODULES.join(" "))
}

/// Where a guest's kernel and first files are.
pub(crate) struct Guest {
    folder: PathBuf,
}

impl Guest {
    /// The guest that was fetched into the target folder.
    ///
    /// # Errors
    /// If there is none, or an older one; the message contains the remedy.
    pub(crate) fn find(target: &Path) -> Result<Self, String> {
        let folder = absolute(target).join("guest");
        if fs::read_to_string(folder.join(RECIPE)).is_ok_and(|recipe| recipe == self::recipe()) {
            return Ok(Self { folder });
        }
        Err(format!("there is no guest in {} (cargo xtask guest-fetch)", folder.display()))
    }

    /// The arguments of `qemu-system-x86_64` for a guest that runs `guest.sh` of the folder
    /// `shared`, with cards that have these `parameters`.
    pub(crate) fn arguments(&self, shared: &Path, time: Time, parameters: &[&str]) -> Vec<String> {
        let share = |path: &Path, tag: &str, more: &str| {
            format!("local,path={},mount_tag={tag},security_model=none{more}", path.display())
        };
        let cards: String = parameters.iter().map(|parameter| format!(" nic.{parameter}")).collect();
        let machine = format!("-M q35 {} -nographic -no-reboot -nic none", time.options());
        let mut arguments: Vec<String> = machine.split(' ').map(str::to_owned).collect();
        let rest = [
            ("-kernel", self.folder.join("vmlinuz").display().to_string()),
            ("-initrd", self.folder.join("initrd").display().to_string()),
            ("-append", format!("{KERNEL_OPTIONS}{cards}")),
            ("-virtfs", share(Path::new("/"), "root", ",readonly=on,multidevs=remap")),
            ("-virtfs", share(shared, "shared", "")),
        ];
        arguments.extend(rest.into_iter().flat_map(|(option, value)| [option.to_owned(), value]));
        arguments
    }
}

/// Fetches the kernel, builds the cards' module, and packs the guest's first files.
///
/// # Errors
/// If a program or package cannot be installed or fetched, or the module does not compile.
pub(crate) fn fetch(target: &Path) -> Result<PathBuf, Error> {
    debian::ensure(&PROGRAMS)?;
    let folder = absolute(target).join("guest");
    let release = release()?;
    let unpacked = folder.join(&release);
    if !unpacked.join("complete").is_file() {
        unpack(&unpacked, &release)?;
    }
    remove_file(&folder.join(RECIPE))?;
    let card = build_card(&folder, &unpacked, &release)?;
    copy(&unpacked.join(format!("boot/vmlinuz-{release}")), &folder.join("vmlinuz"))?;
    pack(&folder, &unpacked, &card)?;
    write(&folder.join(RECIPE), &recipe())?;
    Ok(folder)
}

/// The kernel's release, such as `6.1.0-56-amd64`.
fn release() -> Result<String, Error> {
    let command = Cmd::new("apt-cache").words("depends").arg(KERNEL);
    let depends = command.read()?;
    let image = depends.lines().find_map(|line| line.trim().strip_prefix("Depends: linux-image-"));
    let release = image.ok_or_else(|| Error::Failed { command: command.to_string(), code: None })?;
    if release.starts_with(SERIES) {
        Ok(release.to_owned())
    } else {
        Err(Error::Kernel { release: release.to_owned() })
    }
}

/// Fetches the packages of the kernel and its headers.
fn unpack(folder: &Path, release: &str) -> Result<(), Error> {
    remove(folder)?;
    let packages = folder.join("packages");
    make_folder(&packages)?;
    // The headers of "6.1.0-56-amd64" are partly shared with other flavours, and its tools are
    // named after "6.1".
    let abi = release.strip_suffix("-amd64").unwrap_or(release);
    let series = release.split('.').take(2).collect::<Vec<_>>().join(".");
    let names = [
        format!("linux-image-{release}"),
        format!("linux-headers-{release}"),
        format!("linux-headers-{abi}-common"),
        format!("linux-kbuild-{series}"),
    ];
    let download = format!("cd {} && apt-get download --quiet {}", packages.display(), names.join(" "));
    Cmd::new("sh").arg("-c").arg(download).run()?;
    for package in list(&packages)? {
        Cmd::new("dpkg").words("--extract").arg(package).arg(folder).run()?;
    }
    // The makefile of the headers expects them at the installed paths.
    let makefile = folder.join(format!("usr/src/linux-headers-{release}/Makefile"));
    let text = read(&makefile)?.replace("include /usr/src/", &format!("include {}/usr/src/", folder.display()));
    write(&makefile, &text)?;
    write(&folder.join("complete"), "")
}

/// Builds the module of the cards.
fn build_card(folder: &Path, unpacked: &Path, release: &str) -> Result<PathBuf, Error> {
    let card = folder.join("card");
    make_folder(&card)?;
    write(&card.join("stamping_nic.c"), CARD_SOURCE)?;
    write(&card.join("Kbuild"), "obj-m := stamping_nic.o\n")?;
    let headers = unpacked.join(format!("usr/src/linux-headers-{release}"));
    Cmd::new("make").words("--silent -C").arg(headers).arg(format!("M={}", card.display())).arg("modules").run()?;
    Ok(card.join(format!("{CARD}.ko")))
}

/// Packs the guest's first files, from which it mounts the host's.
fn pack(folder: &Path, unpacked: &Path, card: &Path) -> Result<(), Error> {
    let files = folder.join("files");
    remove(&files)?;
    for name in ["bin", "modules", "proc", "dev", "host"] {
        make_folder(&files.join(name))?;
    }
    write(&files.join("init"), INIT)?;
    Cmd::new("chmod").words("755").arg(files.join("init")).run()?;
    copy(Path::new("/usr/bin/busybox"), &files.join("bin/busybox"))?;
    for module in MODULES {
        let name = format!("{module}.ko*");
        let found = Cmd::new("find").arg(unpacked.join("lib/modules")).words("-name").arg(name).read()?;
        let found = found.lines().next().unwrap_or_default();
        copy(Path::new(found), &files.join(format!("modules/{module}.ko")))?;
    }
    copy(card, &files.join(format!("modules/{CARD}.ko")))?;
    write(&files.join("modules/list"), &format!("{} {CARD}\n", MODULES.join(" ")))?;
    let archive = format!("cd {} && find . | cpio --quiet -o -H newc | gzip -1 > ../initrd", files.display());
    Cmd::new("sh").arg("-c").arg(archive).run()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_that_is_not_there_says_how_to_get_it() {
        let missing = Guest::find(Path::new("/nowhere")).err().unwrap();
        assert!(missing.ends_with("(cargo xtask guest-fetch)"), "{missing}");
    }

    #[test]
    fn cards_get_their_parameters_by_the_kernels_command_line() {
        let guest = Guest { folder: "guest".into() };
        let arguments = guest.arguments(Path::new("/shared"), Time::Hosts, &["ppb=0,30000", "cross=1"]);
        assert!(arguments.iter().any(|argument| argument.ends_with("no_timer_check nic.ppb=0,30000 nic.cross=1")));
        assert!(!arguments.iter().any(|argument| argument == "-icount"));
    }
}
