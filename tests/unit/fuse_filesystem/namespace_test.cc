// Names and inodes: lookup, create, mknod, mkdir, symlink, link, unlink, rmdir, readdir, forget.
#include "tests/unit/fuse_filesystem/fs_stack.h"

namespace skymoor::client {
namespace {

using NamespaceTest = FsTest;

TEST_F(NamespaceTest, LookupOfAMissingNameInAListedDirectoryIsNotFound) {
  EXPECT_CODE(stack.find("nothing"), Code::kNotFound);
  EXPECT_CODE(stack.find(std::string(256, 'x')), Code::kNameTooLong);
  EXPECT_EQ(stack.find(".")->id, kRootInode);
  EXPECT_EQ(stack.find("..")->id, kRootInode);
  InodeId sub = stack.mkdir("sub");
  EXPECT_EQ(stack.find("..", sub)->id, kRootInode);
  EXPECT_CODE(stack.find("x", stack.touch("file")), Code::kNotDirectory);
}

TEST_F(NamespaceTest, CreateGivesAnOpenEmptyFile) {
  Request caller = stack.as(1000, 100);
  auto made = stack.fs->create(caller, kRootInode, "a", 0640, FsStack::rw()).value();
  EXPECT_EQ(made.node.attributes.mode, 0640u);
  EXPECT_EQ(made.node.attributes.uid, 1000u);
  EXPECT_EQ(made.node.attributes.gid, 100u);
  EXPECT_EQ(made.node.attributes.size, 0u);
  EXPECT_EQ(made.node.links, 1u);
  EXPECT_EQ(writer_of(made.node.id), WriterId{7});
  EXPECT_EQ(stack.find("a")->id, made.node.id);
  EXPECT_EQ(*stack.read(made.opened.handle), "");
  stack.fs->release(made.opened.handle);
}

TEST_F(NamespaceTest, CreateAppliesTheUmaskAndKnowsExclusive) {
  Request caller{.umask = 027};
  auto made = stack.fs->create(caller, kRootInode, "a", 0666, FsStack::rw()).value();
  EXPECT_EQ(made.node.attributes.mode, 0640u);
  // Cut to nothing before it has a name: what is written later goes over that, not over what nobody else has seen.
  auto emptied = stack.fs->create_unnamed(r, kRootInode, 0600, FsStack::rw()).value();
  EXPECT_OK(stack.write(emptied.opened.handle, 0, "tmp"));
  ASSERT_OK(stack.set_size(emptied.node.id, 0));
  ASSERT_OK(stack.fs->link(r, emptied.node.id, kRootInode, "emptied"));
  EXPECT_EQ(stack.row(emptied.node.id).content, (OpId{WriterId{7}, stack.store->last_lsn().value}));

  // Its names gone again, it is an unlinked file like any other.
  ASSERT_OK(stack.unlink("emptied"));
  EXPECT_CODE(stack.fs->link(r, emptied.node.id, kRootInode, "again"), Code::kNotFound);

  OpenFlags exclusive = FsStack::rw();
  exclusive.exclusive = true;
  EXPECT_CODE(stack.fs->create(caller, kRootInode, "a", 0666, exclusive), Code::kAlreadyExists);
  auto again = stack.fs->create(caller, kRootInode, "a", 0666, FsStack::rw());
  ASSERT_OK(again);
  EXPECT_EQ(again->node.id, made.node.id);
  EXPECT_NE(again->opened.handle, made.opened.handle);
}

TEST_F(NamespaceTest, NamesAreBytesOfOneTo255) {
  std::string longest(255, 'n'), bytes = "\xff\xfe\n -";
  stack.touch(longest);
  stack.touch(bytes);
  EXPECT_OK(stack.find(longest));
  EXPECT_OK(stack.find(bytes));
  for (std::string_view bad : {"", ".", "..", "a/b"})
    EXPECT_CODE(stack.fs->make_directory(r, kRootInode, bad, 0755), Code::kInvalidArgument);
  EXPECT_CODE(stack.fs->make_directory(r, kRootInode, std::string(256, 'n'), 0755), Code::kNameTooLong);
}

TEST_F(NamespaceTest, ParentTimesMoveWithItsNames) {
  Timestamp before = stack.node(kRootInode).attributes.mtime;
  stack.touch("a");
  Attributes after = stack.node(kRootInode).attributes;
  EXPECT_GT(after.mtime, before);
  EXPECT_EQ(after.mtime, after.ctime);
  ASSERT_OK(stack.unlink("a"));
  EXPECT_GT(stack.node(kRootInode).attributes.mtime, after.mtime);
}

TEST_F(NamespaceTest, DirectoriesCountTheirSubdirectories) {
  InodeId sub = stack.mkdir("sub");
  EXPECT_EQ(stack.node(sub).links, 2u);
  EXPECT_EQ(stack.node(kRootInode).links, 3u);
  stack.mkdir("inner", sub);
  EXPECT_EQ(stack.node(sub).links, 3u);
  EXPECT_CODE(stack.fs->remove_directory(r, kRootInode, "sub"), Code::kNotEmpty);
  ASSERT_OK(stack.fs->remove_directory(r, sub, "inner"));
  ASSERT_OK(stack.fs->remove_directory(r, kRootInode, "sub"));
  EXPECT_EQ(stack.node(kRootInode).links, 2u);
  EXPECT_EQ(stack.node(sub).links, 0u);
  EXPECT_CODE(stack.fs->make_directory(r, sub, "late", 0755), Code::kNotFound);
  EXPECT_TRUE(stack.names(sub).empty());
  EXPECT_CODE(stack.fs->remove_directory(r, kRootInode, "."), Code::kInvalidArgument);
  stack.touch("file");
  EXPECT_CODE(stack.fs->remove_directory(r, kRootInode, "file"), Code::kNotDirectory);
}

TEST_F(NamespaceTest, ASetgidDirectoryHandsItsGroupDown) {
  SetAttributesRequest wanted;
  wanted.gid = 500;
  wanted.mode = 02775;
  InodeId sub = stack.mkdir("shared");
  ASSERT_OK(stack.fs->set_attributes(r, sub, wanted));
  Request caller = stack.as(1000, 100);
  Node directory = stack.fs->make_directory(caller, sub, "d", 0755).value();
  EXPECT_EQ(directory.attributes.gid, 500u);
  EXPECT_EQ(directory.attributes.mode, 02755u);
  Node file = stack.fs->make_node(caller, sub, "f", S_IFREG | 0644, 0).value();
  EXPECT_EQ(file.attributes.gid, 500u);
  EXPECT_EQ(file.attributes.mode, 0644u);
}

TEST_F(NamespaceTest, SpecialFilesKeepTypeAndDevice) {
  Node fifo = stack.fs->make_node(r, kRootInode, "fifo", S_IFIFO | 0600, 5).value();
  EXPECT_EQ(fifo.attributes.type, FileType::kFifo);
  EXPECT_EQ(fifo.attributes.rdev, 0u);
  EXPECT_EQ(stack.fs->make_node(r, kRootInode, "sock", S_IFSOCK | 0600, 0)->attributes.type, FileType::kSocket);
  Node device = stack.fs->make_node(r, kRootInode, "dev", S_IFCHR | 0600, 0x103).value();
  EXPECT_EQ(device.attributes.rdev, 0x103u);
  EXPECT_CODE(stack.fs->make_node(r, kRootInode, "d", S_IFDIR | 0600, 0), Code::kNotPermitted);
  EXPECT_CODE(stack.fs->open(r, fifo.id, {}), Code::kNoDevice);
}

TEST_F(NamespaceTest, SymlinksKeepTheirTarget) {
  std::string target(4095, 't');
  Node link = stack.fs->make_symlink(r, kRootInode, "l", target).value();
  EXPECT_EQ(link.attributes.size, 4095u);
  EXPECT_EQ(link.attributes.mode, 0777u);
  EXPECT_EQ(*stack.fs->read_link(r, link.id), target);
  EXPECT_CODE(stack.fs->make_symlink(r, kRootInode, "l2", target + "x"), Code::kNameTooLong);
  EXPECT_CODE(stack.fs->read_link(r, stack.touch("f")), Code::kInvalidArgument);
  EXPECT_CODE(stack.fs->open(r, link.id, {}), Code::kLoop);
}

TEST_F(NamespaceTest, HardLinksShareTheInode) {
  InodeId a = stack.write_file("a", "one");
  Timestamp ctime = stack.node(a).attributes.ctime;
  Node b = stack.fs->link(r, a, kRootInode, "b").value();
  EXPECT_EQ(b.id, a);
  EXPECT_EQ(b.links, 2u);
  EXPECT_GT(b.attributes.ctime, ctime);
  EXPECT_CODE(stack.fs->link(r, a, kRootInode, "b"), Code::kAlreadyExists);
  EXPECT_CODE(stack.fs->link(r, stack.mkdir("d"), kRootInode, "d2"), Code::kNotPermitted);
  ASSERT_OK(stack.unlink("a"));
  EXPECT_EQ(stack.node(a).links, 1u);
  EXPECT_EQ(stack.content(a), "one");
}

TEST_F(NamespaceTest, AnUnlinkedOpenFileLivesUntilForgotten) {
  InodeId a = stack.write_file("a", "still here");
  HandleId handle = stack.open_file(a);
  ASSERT_OK(stack.unlink("a"));
  EXPECT_CODE(stack.find("a"), Code::kNotFound);
  EXPECT_EQ(stack.node(a).links, 0u);
  EXPECT_EQ(*stack.read(handle), "still here");
  EXPECT_OK(stack.write(handle, 0, "STILL"));
  EXPECT_EQ(*stack.read(handle), "STILL here");
  EXPECT_CODE(stack.fs->link(r, a, kRootInode, "again"), Code::kNotFound);
  stack.fs->forget(a);   // while it is open: the last release erases it
  EXPECT_EQ(*stack.read(handle), "STILL here");
  stack.fs->release(handle);
  EXPECT_CODE(stack.fs->get_attributes(r, a), Code::kStale);
  EXPECT_EQ(stack.backing_files("data"), 0u);
  stack.expect_sound();
}

TEST_F(NamespaceTest, AnOrphanGoesAtForget) {
  InodeId a = stack.write_file("a", "x");
  ASSERT_OK(stack.unlink("a"));
  EXPECT_EQ(stack.backing_files("data"), 1u);
  stack.fs->forget(a);
  EXPECT_EQ(stack.backing_files("data"), 0u);
  stack.fs->forget(a);
  stack.fs->forget(stack.touch("b"));
  EXPECT_OK(stack.find("b"));
}

// With a thread of its own the room does not let the kernel's threads wait for the disk to free files.
TEST_F(NamespaceTest, OrphansGoInTheBackgroundManyWithOneRecord) {
  std::atomic<int> unlinks{0};
  stack.options.tick = std::chrono::hours(1);
  stack.reopen();
  stack.hook = [&](const FaultPoint& point) {
    unlinks += point.name == "disk.unlink";
    return 0;
  };
  std::vector<InodeId> inodes;
  for (int i = 0; i < 300; ++i) inodes.push_back(stack.write_file("f" + std::to_string(i), "x"));
  for (int i = 0; i < 300; ++i) ASSERT_OK(stack.unlink("f" + std::to_string(i)));
  Lsn before = stack.store->last_lsn();
  for (InodeId inode : inodes) stack.fs->forget(inode);
  EXPECT_EQ(unlinks, 0);
  EXPECT_EQ(stack.store->last_lsn(), before);
  stack.fs->tick();
  EXPECT_EQ(unlinks, 300);
  EXPECT_LE(stack.store->last_lsn().value, before.value + 3);
  stack.expect_sound();
  // At the end of the mount nothing is left for the next one.
  InodeId last = stack.write_file("last", "x");
  ASSERT_OK(stack.unlink("last"));
  stack.fs->forget(last);
  EXPECT_EQ(stack.backing_files("data"), 1u);
  stack.hook = nullptr;
  stack.close();
  EXPECT_EQ(stack.backing_files("data"), 0u);
}

TEST_F(NamespaceTest, ALargeOrphanGoesAtOnce) {
  stack.options.tick = std::chrono::hours(1);
  stack.reopen();
  InodeId a = stack.write_file("a", "x");
  ASSERT_OK(stack.set_size(a, 64u << 20));
  ASSERT_OK(stack.unlink("a"));
  stack.fs->forget(a);
  for (int i = 0; i < 3000 && stack.backing_files("data") != 0; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_EQ(stack.backing_files("data"), 0u);
}

TEST_F(NamespaceTest, UnlinkIsForNonDirectories) {
  stack.mkdir("d");
  EXPECT_CODE(stack.unlink("d"), Code::kIsDirectory);
  EXPECT_CODE(stack.unlink("nothing"), Code::kNotFound);
}

TEST_F(NamespaceTest, AnUnnamedFileGetsItsNameByLink) {
  auto made = stack.fs->create_unnamed(r, kRootInode, 0600, FsStack::rw()).value();
  EXPECT_EQ(made.node.links, 0u);
  EXPECT_OK(stack.write(made.opened.handle, 0, "tmp"));
  ASSERT_OK(stack.fs->set_xattr(r, made.node.id, "user.x", as_bytes("1"), 0));
  Lsn before = stack.store->last_lsn();
  Node named = stack.fs->link(r, made.node.id, kRootInode, "named").value();
  EXPECT_EQ(named.links, 1u);
  // Everybody else hears of it as a new file with content and attributes.
  std::vector<LogRecord> records = stack.records(before);
  ASSERT_EQ(records.size(), 1u);
  EXPECT_TRUE(std::holds_alternative<CreateIntent>(records[0].intent));
  EXPECT_EQ(stack.row(made.node.id).content, (OpId{WriterId{7}, records[0].lsn.value}));
  bool xattr = false, dirty = false;
  for (const RowChange& change : records[0].changes) {
    if (const auto* put = std::get_if<PutXattr>(&change)) xattr |= put->name == "user.x";
    if (const auto* mark = std::get_if<MarkContent>(&change)) dirty |= mark->extent == Extent{0, 3} && mark->dirty;
  }
  EXPECT_TRUE(xattr);
  EXPECT_TRUE(dirty);
  EXPECT_EQ(*stack.read(made.opened.handle), "tmp");
  stack.fs->release(made.opened.handle);
  stack.fs->forget(made.node.id);
  EXPECT_EQ(stack.content(made.node.id), "tmp");
  stack.expect_sound();

  OpenFlags exclusive = FsStack::rw();
  exclusive.exclusive = true;
  auto never = stack.fs->create_unnamed(r, kRootInode, 0600, exclusive).value();
  EXPECT_CODE(stack.fs->link(r, never.node.id, kRootInode, "no"), Code::kNotFound);
}

TEST_F(NamespaceTest, ReadDirectoryGoesOnBehindACookie) {
  for (int i = 0; i < 10; ++i) stack.touch("f" + std::to_string(i));
  EXPECT_EQ(stack.names().size(), 10u);
  auto page = stack.fs->read_directory(r, kRootInode, 0, 4, true).value();
  ASSERT_EQ(page.size(), 4u);
  EXPECT_EQ(page[0].node.links, 1u);
  // Names that come and go in between move nobody else's place.
  ASSERT_OK(stack.unlink(page[3].name));
  ASSERT_OK(stack.unlink(page[0].name));
  stack.touch("late");
  auto rest = stack.fs->read_directory(r, kRootInode, page[3].cookie, 100, false).value();
  EXPECT_EQ(rest.size(), 7u);
  EXPECT_EQ(rest.back().name, "late");
  EXPECT_CODE(stack.fs->read_directory(r, stack.touch("x"), 0, 9, false), Code::kNotDirectory);
}

TEST_F(NamespaceTest, EveryOperationIsOneRecordAndWakesTheUploader) {
  Lsn before = stack.store->last_lsn();
  int told = stack.fetcher.changes;
  stack.touch("a");
  EXPECT_EQ(stack.store->last_lsn().value, before.value + 1);
  ASSERT_OK(stack.rename("a", "b"));
  ASSERT_OK(stack.unlink("b"));
  EXPECT_EQ(stack.store->last_lsn().value, before.value + 3);
  EXPECT_EQ(stack.fetcher.changes, told + 3);
}

// A directory whose names are not known here: the need says what to fetch.
TEST(NamespaceUnlisted, AnUnlistedDirectoryNeedsAListing) {
  skymoor::testing::TempDir dir;
  FsStack stack(dir / "mount");
  stack.root_listed = false;
  ASSERT_NO_FATAL_FAILURE(stack.open());
  Request r;
  for (auto operation : std::vector<std::function<Code()>>{
           [&] { return stack.fs->lookup(r, kRootInode, "x").error().code(); },
           [&] { return stack.fs->read_directory(r, kRootInode, 0, 9, true).error().code(); },
           [&] { return stack.fs->make_directory(r, kRootInode, "x", 0755).error().code(); },
           [&] { return stack.fs->unlink(r, kRootInode, "x").error().code(); },
           [&] { return stack.fs->rename(r, kRootInode, "x", kRootInode, "y", 0).error().code(); }}) {
    r.need.reset();
    EXPECT_EQ(name_of(operation()), name_of(Code::kNotPresent));
    ASSERT_TRUE(r.need);
    EXPECT_EQ(r.need->kind, Need::Kind::kDirectory);
    EXPECT_EQ(r.need->inode, kRootInode);
  }
}

}  // namespace
}  // namespace skymoor::client
