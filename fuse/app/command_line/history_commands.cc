#include "fuse/app/command_line/declare.h"

namespace skymoor::client {

namespace {

void declare_conflicts(CLI::App& app, Declared& declared) {
  auto list = std::make_shared<ConflictsListArguments>();
  CLI::App* c = add_command(app, declared, "conflicts", "List and resolve conflict copies",
                            "  skymoor conflicts\n  skymoor conflicts ~/drive/letters\n"
                            "  skymoor conflicts resolve '~/drive/note (conflict laptop 2026-03-01 2-5).txt' --keep mine");
  c->add_option("PATH", list->path, "only what is below it (default: all mounts)")->check(not_empty());
  auto resolve = std::make_shared<ConflictsResolveArguments>();
  CLI::App* r = add_command(*c, declared, "resolve", "Keep one side of a conflict, or both",
                            "  skymoor conflicts resolve ~/drive/note.txt --keep theirs\n\n"
                            "mine: the copy, if this device made it, else what stands under the name; theirs: the other one.\n"
                            "What goes is a deleted file that 'skymoor restore' brings back.");
  r->add_option("PATH", resolve->path, "a conflict copy, or the file it is a copy of")->required()->check(not_empty());
  r->add_option("--keep", resolve->keep, "mine, theirs, both; or copy, original")
      ->required()
      ->check(CLI::IsMember({"mine", "theirs", "both", "copy", "original"}));
  add_duration(r, "--timeout", resolve->timeout, "how long what goes may take to reach the server first (default: 1m)");
  choose_on_parse(r, declared, resolve);
  // A parent's callback runs after its subcommand's.
  c->callback([&declared, list, c] {
    if (c->get_subcommands().empty()) declared.invocation.command = *list;
  });
}

void declare_pins(CLI::App& app, Declared& declared) {
  auto pin = std::make_shared<PinArguments>();
  CLI::App* p = add_command(app, declared, "pin", "Keep a file or a directory with all that is below it here, always",
                            "  skymoor pin ~/drive/travel --wait\n  skymoor pin --list");
  p->add_option("PATH", pin->path, "what to fetch and keep; with --list only the mount that holds it")->check(not_empty());
  auto* list = p->add_flag("--list", pin->list, "show what is pinned, and how much of it is here");
  auto* wait = p->add_flag("--wait", pin->wait, "return when all that is pinned in that mount is here")->excludes(list);
  add_duration(p, "--timeout", pin->timeout, "with --wait: give up after this long (exit code 5); fetching goes on")->needs(wait);
  choose_on_parse(p, declared, pin);
  auto unpin = std::make_shared<UnpinArguments>();
  CLI::App* u = add_command(app, declared, "unpin", "End a pin: what it kept may be evicted again", "  skymoor unpin ~/drive/travel");
  u->add_option("PATH", unpin->path, "what was pinned")->required()->check(not_empty());
  choose_on_parse(u, declared, unpin);
}

}  // namespace

void declare_history_commands(CLI::App& app, Declared& declared) {
  auto versions = std::make_shared<VersionsArguments>();
  CLI::App* v = add_command(app, declared, "versions", "List the contents of a file that the server keeps, newest first",
                            "  skymoor versions ~/drive/report.odt\n  skymoor versions --json ~/drive/gone.txt   (deleted ones too)");
  v->add_option("PATH", versions->path, "a file in a mount, or one that was deleted from there")->required()->check(not_empty());
  choose_on_parse(v, declared, versions);

  auto trash = std::make_shared<TrashArguments>();
  CLI::App* t = add_command(app, declared, "trash", "List what was deleted from a directory, newest first",
                            "  skymoor trash ~/drive\n  skymoor trash ~/drive/deleted-directory");
  t->add_option("DIR", trash->directory, "a directory in a mount, or one that was deleted from there (default: this one)")->check(not_empty());
  choose_on_parse(t, declared, trash);

  auto restore = std::make_shared<RestoreArguments>();
  CLI::App* r = add_command(app, declared, "restore", "Bring an older version, or what was deleted, back",
                            "  skymoor restore ~/drive/report.odt                 (the version before the present one)\n"
                            "  skymoor restore ~/drive/report.odt --at '2026-03-01 12:00' --to old.odt\n"
                            "  skymoor restore ~/drive/deleted-directory\n\n"
                            "What a restore replaces becomes a version itself; nothing else is overwritten.");
  r->add_option("PATH", restore->path, "where it is, or was")->required()->check(not_empty());
  auto* version = r->add_option("--version", restore->version, "the version as 'skymoor versions' names it")->type_name("N")->check(not_empty());
  r->add_option("--at", restore->at, "of a file, the version of that time: 2026-03-01T12:00:00Z, '2026-03-01 12:00', or an age like 2h")
      ->type_name("TIME")
      ->excludes(version);
  r->add_option("--to", restore->to, "make a new file or directory there instead; it must not exist")->type_name("FILE")->check(not_empty());
  r->add_flag("--all", restore->all, "of a deleted directory also what was deleted from it long before");
  add_duration(r, "--timeout", restore->timeout, "how long the present content may take to reach the server (default: 1m)");
  choose_on_parse(r, declared, restore);
  declare_conflicts(app, declared);
  declare_pins(app, declared);
}

}  // namespace skymoor::client
