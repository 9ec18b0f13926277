//! What `scripts/package` installs.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::{BIN, skip};

#[test]
fn everything_is_installed_below_destdir_and_nothing_elsewhere() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/package");
    let mut command = Command::new("bash");
    command.arg(script).env("DESTDIR", folder.path()).env("PREFIX", "/usr/local");
    let output = match command.env("BINARY", BIN).output() {
        Ok(output) => output,
        Err(error) => return skip(&format!("no bash: {error}")),
    };
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let root = folder.path().join("usr/local");
    for file in [
        "bin/hardwire",
        "share/man/man1/hardwire.1.gz",
        "share/man/man1/hardwire-serve.1.gz",
        "share/bash-completion/completions/hardwire",
        "share/zsh/site-functions/_hardwire",
        "share/fish/vendor_completions.d/hardwire.fish",
        "lib/systemd/system/hardwire.service",
        "share/doc/hardwire/hardwire.toml",
    ] {
        assert!(root.join(file).metadata().is_ok_and(|m| m.len() > 0), "no {file} in\n{said}");
    }
    let unit = std::fs::read_to_string(root.join("lib/systemd/system/hardwire.service"));
    let unit = unit.expect("just seen");
    assert!(unit.contains("ExecStart=/usr/local/bin/hardwire serve /etc/hardwire/hardwire.toml"));
    assert!(unit.contains("Type=notify-reload"));
    let version = Command::new(root.join("bin/hardwire")).arg("--version").output();
    assert!(version.expect("it runs").status.success());
}

#[test]
fn what_is_built_is_found_wherever_cargo_puts_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let (bin, target) = (folder.path().join("bin"), folder.path().join("else where"));
    std::fs::create_dir(&bin).expect("a folder");
    // Instead of a build of minutes.
    let cargo = format!(
        "#!/usr/bin/env bash\n[ \"$1\" = build ] || exec {:?} \"$@\"\nexec install -D {BIN:?} {:?}\n",
        env!("CARGO"),
        target.join("release/hardwire"),
    );
    std::fs::write(bin.join("cargo"), cargo).expect("a file");
    let runs = Permissions::from_mode(0o755);
    std::fs::set_permissions(bin.join("cargo"), runs).expect("our own file");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let paths = std::iter::once(bin).chain(std::env::split_paths(&path));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/package");
    let root = folder.path().join("root");
    let mut command = Command::new("bash");
    command.arg(script).env("DESTDIR", &root).env("CARGO_TARGET_DIR", &target).env_remove("BINARY");
    command.env("PATH", std::env::join_paths(paths).expect("no colons"));
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => return skip(&format!("no bash: {error}")),
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(root.join("usr/bin/hardwire").exists());
}
