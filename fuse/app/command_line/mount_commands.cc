#include "fuse/app/command_line/declare.h"
#include "fuse/app/command_line/mount_options.h"

namespace skymoor::client {

void declare_mount_commands(CLI::App& app, Declared& declared) {
  auto mount = std::make_shared<MountArguments>();
  CLI::App* m = add_command(app, declared, "mount", "Mount a volume on a directory",
                            "  skymoor mount home ~/drive\n"
                            "  skymoor mount home ~/drive -o cache-size=50GiB,ro\n"
                            "  mount -t skymoor home /mnt/drive -o state-dir=/var/lib/skymoor   (as root; also in fstab)\n\n" +
                                mount_options_help());
  m->add_option("VOLUME", mount->volume, "the volume's name or id")->required();
  m->add_option("DIR", mount->directory, "an empty directory")->required()->check(not_empty());
  m->add_option("-o,--options", mount->options, "mount options, separated by commas")->type_name("OPTIONS")
      ->allow_extra_args(false);
  m->add_flag("-f,--foreground", mount->foreground, "stay in the foreground and log to standard error");
  m->add_option("--take-over", mount->take_over)->group("");
  choose_on_parse(m, declared, mount);

  auto umount = std::make_shared<UmountArguments>();
  CLI::App* u = add_command(app, declared, "umount", "Unmount; what was not sent yet is sent after the next mount",
                            "  skymoor umount ~/drive\n  skymoor umount ~/drive --wait --timeout 10m");
  u->add_option("DIR", umount->directory, "the mount point")->required()->check(not_empty());
  CLI::Option* wait = u->add_flag("--wait", umount->wait, "first wait until the server holds everything");
  add_duration(u, "--timeout", umount->timeout, "with --wait: give up after this long and stay mounted (exit codes as for sync)")->needs(wait);
  u->add_flag("--lazy", umount->lazy, "detach at once even if files are open; the mount ends when they are closed");
  u->add_flag("--force", umount->force, "detach at once; programs that wait for it, or have files open, get errors")
      ->excludes(wait);
  choose_on_parse(u, declared, umount);

  auto status = std::make_shared<StatusArguments>();
  CLI::App* s = add_command(app, declared, "status", "Show mounts: what is unsent, transfers, server, cache",
                            "  skymoor status\n  skymoor status --watch\n  skymoor status --json ~/drive");
  s->add_option("DIR", status->directory, "only the mount that holds DIR")->check(not_empty());
  s->add_flag("--watch", status->watch, "show it again every second");
  choose_on_parse(s, declared, status);

  auto sync = std::make_shared<SyncArguments>();
  CLI::App* y = add_command(app, declared, "sync", "Wait until the server holds everything written so far",
                            "  skymoor sync\n  skymoor sync ~/drive --timeout 5m");
  y->add_option("PATH", sync->path, "only the mount that holds PATH")->check(not_empty());
  add_duration(y, "--timeout", sync->timeout, "give up after this long (exit code 5; 4 if the server cannot be reached)");
  choose_on_parse(y, declared, sync);

  auto upgrade = std::make_shared<UpgradeArguments>();
  CLI::App* g = add_command(app, declared, "upgrade", "Let this version of the program serve what is mounted, without unmounting",
                            "  skymoor upgrade\n  skymoor upgrade ~/drive");
  g->add_option("DIR", upgrade->directory, "only the mount that holds DIR")->check(not_empty());
  choose_on_parse(g, declared, upgrade);
}

void declare_care_commands(CLI::App& app, Declared& declared) {
  CLI::App* doctor = add_command(app, declared, "doctor", "Check this machine, the state directory and the server",
                                 "  skymoor doctor");
  choose_on_parse(doctor, declared, std::make_shared<DoctorArguments>());
  auto fsck = std::make_shared<FsckArguments>();
  CLI::App* f = add_command(app, declared, "fsck", "Check the local state of volumes that are not mounted",
                            "  skymoor fsck\n  skymoor fsck home --deep --repair\n\n"
                                "A repair only forgets bytes that the server has too, so that they are fetched again; what was not\n"
                                "sent yet is never touched.");
  f->add_option("VOLUME", fsck->volume, "only this one");
  f->add_flag("--deep", fsck->deep, "also read the bytes that are here, and compare them with what the server has of them");
  f->add_flag("--repair", fsck->repair, "forget damaged bytes that the server has");
  choose_on_parse(f, declared, fsck);
  auto bench = std::make_shared<BenchArguments>();
  CLI::App* b = add_command(app, declared, "bench", "Measure a directory, with the disk below beside it",
                            "  skymoor bench ~/drive\n  skymoor bench ~/drive --compare /mnt/disk --json\n\n"
                            "Works in a new directory of DIR and removes it. On a mount some of it may be sent meanwhile.");
  b->add_option("DIR", bench->directory, "a directory of a mount, or any other")->required()->check(not_empty());
  b->add_option("--compare", bench->compare, "the directory to measure beside it (default: where the state lies)")
      ->type_name("DIR");
  b->add_option("--megabytes", bench->megabytes, "size of the large file (default 128)")->check(CLI::Range(1, 1 << 20));
  b->add_option("--files", bench->files, "number of small files (default 2000)")->check(CLI::Range(1, 10000000));
  b->add_option("--syncs", bench->syncs, "number of fsyncs (default 50)")->check(CLI::Range(1, 100000));
  choose_on_parse(b, declared, bench);
  CLI::App* version = add_command(app, declared, "version", "Show the version", "  skymoor version --json");
  choose_on_parse(version, declared, std::make_shared<VersionArguments>());
  auto completion = std::make_shared<CompletionArguments>();
  CLI::App* c = add_command(app, declared, "completion", "Print a shell's completion script",
                            "  skymoor completion bash > ~/.local/share/bash-completion/completions/skymoor");
  c->add_option("SHELL", completion->shell, "bash, zsh or fish")->required()->check(CLI::IsMember({"bash", "zsh", "fish"}));
  choose_on_parse(c, declared, completion);
}

}  // namespace skymoor::client
