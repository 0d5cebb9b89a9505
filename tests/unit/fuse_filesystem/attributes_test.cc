// chmod, chown, utimensat, extended attributes, access control lists, statfs.
#include <sys/xattr.h>

#include "fuse/filesystem/attributes/posix_acl.h"
#include "shared/model/change.h"
#include "shared/model/xattr_limits.h"
#include "tests/unit/fuse_filesystem/fs_stack.h"

namespace skymoor::client {
namespace {

class AttributesTest : public FsTest {
 protected:
  Result<Node> set(InodeId inode, std::function<void(SetAttributesRequest&)> fill) {
    SetAttributesRequest wanted;
    fill(wanted);
    return stack.fs->set_attributes(r, inode, wanted);
  }
  Status set_xattr(InodeId inode, std::string_view name, std::string_view value, int flags = 0) {
    return stack.fs->set_xattr(r, inode, name, as_bytes(value), flags);
  }
};

TEST_F(AttributesTest, ChmodMovesTheChangeTimeOnly) {
  InodeId a = stack.touch("a");
  Attributes before = stack.node(a).attributes;
  Attributes after = set(a, [](auto& w) { w.mode = 07123; })->attributes;
  EXPECT_EQ(after.mode, 07123u);
  EXPECT_GT(after.ctime, before.ctime);
  EXPECT_EQ(after.mtime, before.mtime);
  auto intent = std::get<AttributeIntent>(stack.records().back().intent);
  EXPECT_EQ(intent.fields, kFieldMode | kFieldCtime);
}

TEST_F(AttributesTest, ChownTakesPrivilegesFromFiles) {
  InodeId a = stack.touch("a"), d = stack.mkdir("d");
  ASSERT_OK(set(a, [](auto& w) { w.mode = 06755; }));
  ASSERT_OK(set(d, [](auto& w) { w.mode = 06755; }));
  Attributes after = set(a, [](auto& w) { w.uid = 5; })->attributes;
  EXPECT_EQ(after.uid, 5u);
  EXPECT_EQ(after.gid, 0u);
  EXPECT_EQ(after.mode, 0755u);
  EXPECT_EQ(set(d, [](auto& w) { w.gid = 5; })->attributes.mode, 06755u);
}

TEST_F(AttributesTest, AnAccessListOfSomebodyOutsideTheGroupTakesSetgid) {
  InodeId a = stack.touch("a");
  ASSERT_OK(set(a, [](auto& w) { w.mode = 02755; }));
  const Acl acl = {{0x01, 7, 0}, {0x02, 5, 1002}, {0x04, 5, 0}, {0x10, 5, 0}, {0x20, 5, 0}};
  const Bytes value = encode_acl(acl);
  ASSERT_OK(stack.fs->set_xattr(r, a, kAccessAclName, value, 0, false));
  EXPECT_EQ(stack.node(a).attributes.mode, 02755u);
  ASSERT_OK(stack.fs->set_xattr(r, a, kAccessAclName, value, 0, true));
  EXPECT_EQ(stack.node(a).attributes.mode, 0755u);
}

TEST_F(AttributesTest, PrivilegesGoWhenTheKernelSaysSo) {
  InodeId a = stack.touch("a");
  ASSERT_OK(set(a, [](auto& w) { w.mode = 06755; }));
  ASSERT_OK(set_xattr(a, "security.capability", "caps"));
  EXPECT_EQ(set(a, [](auto& w) { w.kill_suid_sgid = true; })->attributes.mode, 0755u);
  EXPECT_CODE(stack.fs->get_xattr(r, a, "security.capability"), Code::kNoAttribute);
}

TEST_F(AttributesTest, ChownToNobodyMovesTheChangeTime) {
  InodeId a = stack.touch("a");
  Timestamp before = stack.node(a).attributes.ctime;
  EXPECT_GT(set(a, [](auto&) {})->attributes.ctime, before);
}

TEST_F(AttributesTest, TimesHaveNanosecondsAndAnyYear) {
  InodeId a = stack.touch("a");
  Timestamp old(std::chrono::nanoseconds(-1234567890123456789)), late(std::chrono::seconds(1ll << 33));
  Attributes after = set(a, [&](auto& w) { w.atime = old, w.mtime = late; })->attributes;
  EXPECT_EQ(after.atime, old);
  EXPECT_EQ(after.mtime, late);
  EXPECT_GT(after.ctime, old);
  after = set(a, [&](auto& w) { w.mtime_now = true; })->attributes;
  EXPECT_EQ(after.atime, old);
  EXPECT_EQ(after.mtime, after.ctime);
  stack.reopen();
  EXPECT_EQ(stack.node(a).attributes, after);
}

TEST_F(AttributesTest, OwnersMineShowsAndChangesNobodyElse) {
  InodeId a = stack.touch("a");
  stack.options.owners_mine = true;
  stack.options.mine_uid = 77;
  stack.options.mine_gid = 88;
  stack.reopen();
  EXPECT_EQ(stack.node(a).attributes.uid, 77u);
  Node after = set(a, [](auto& w) { w.uid = 5, w.gid = 6; }).value();
  EXPECT_EQ(after.attributes.uid, 77u);
  EXPECT_EQ(after.attributes.gid, 88u);
  EXPECT_EQ(stack.row(a).attributes.uid, 0u);
}

TEST_F(AttributesTest, XattrsAreSetListedAndRemoved) {
  InodeId a = stack.touch("a");
  EXPECT_CODE(stack.fs->get_xattr(r, a, "user.x"), Code::kNoAttribute);
  EXPECT_CODE(set_xattr(a, "user.x", "1", XATTR_REPLACE), Code::kNoAttribute);
  ASSERT_OK(set_xattr(a, "user.x", "1", XATTR_CREATE));
  EXPECT_CODE(set_xattr(a, "user.x", "2", XATTR_CREATE), Code::kAlreadyExists);
  ASSERT_OK(set_xattr(a, "user.x", "2", XATTR_REPLACE));
  ASSERT_OK(set_xattr(a, "trusted.empty", ""));
  EXPECT_EQ(as_text(stack.fs->get_xattr(r, a, "user.x").value()), "2");
  EXPECT_EQ(stack.fs->get_xattr(r, a, "trusted.empty")->size(), 0u);
  EXPECT_EQ(stack.fs->list_xattrs(r, a)->size(), 2u);
  ASSERT_OK(stack.fs->remove_xattr(r, a, "user.x"));
  EXPECT_CODE(stack.fs->remove_xattr(r, a, "user.x"), Code::kNoAttribute);
  EXPECT_EQ(stack.fs->list_xattrs(r, a).value(), std::vector<std::string>{"trusted.empty"});
  stack.reopen();
  EXPECT_EQ(stack.fs->get_xattr(r, a, "trusted.empty")->size(), 0u);
}

TEST_F(AttributesTest, XattrsHaveLimitsAndNamespaces) {
  InodeId a = stack.touch("a");
  EXPECT_CODE(set_xattr(a, "user." + std::string(251, 'n'), "1"), Code::kRangeTooSmall);
  EXPECT_CODE(set_xattr(a, "user.x", std::string(65537, 'v')), Code::kAttributeTooLarge);
  ASSERT_OK(set_xattr(a, "user.x", std::string(65536, 'v')));
  EXPECT_CODE(set_xattr(a, "other.x", "1"), Code::kNotSupported);
  EXPECT_CODE(set_xattr(a, "system.x", "1"), Code::kNotSupported);
  EXPECT_CODE(set_xattr(a, "user.", "1"), Code::kInvalidArgument);
}

TEST_F(AttributesTest, ThousandsOfXattrs) {
  InodeId a = stack.touch("a");
  for (int i = 0; i < 1500; ++i) ASSERT_OK(set_xattr(a, "user.n" + std::to_string(i), std::to_string(i)));
  EXPECT_EQ(stack.fs->list_xattrs(r, a)->size(), 1500u);
  EXPECT_EQ(as_text(stack.fs->get_xattr(r, a, "user.n777").value()), "777");
}

/// They travel in one message: what a device cannot send it does not take.
TEST_F(AttributesTest, XattrsOfAFileAreBoundedTogether) {
  InodeId a = stack.touch("a"), b = stack.touch("b");
  for (std::size_t i = 0; i < kMaxXattrs; ++i) ASSERT_OK(set_xattr(a, "user.n" + std::to_string(i), "x"));
  EXPECT_CODE(set_xattr(a, "user.more", "x"), Code::kNoSpace);
  EXPECT_OK(set_xattr(a, "user.n7", "other"));
  ASSERT_OK(stack.fs->remove_xattr(r, a, "user.n8"));
  EXPECT_OK(set_xattr(a, "user.more", "x"));
  const std::string large(kMaxXattrValueBytes, 'x');
  for (std::size_t i = 0; i < kMaxXattrsBytes / large.size(); ++i) ASSERT_OK(set_xattr(b, "user.n" + std::to_string(i), large));
  EXPECT_CODE(set_xattr(b, "user.more", large), Code::kNoSpace);
  EXPECT_OK(set_xattr(b, "user.n7", large));
  EXPECT_OK(set_xattr(b, "user.more", "small"));
  stack.expect_sound();
}

TEST_F(AttributesTest, XattrsMoveTheChangeTime) {
  InodeId a = stack.touch("a");
  Timestamp before = stack.node(a).attributes.ctime;
  ASSERT_OK(set_xattr(a, "user.x", "1"));
  EXPECT_GT(stack.node(a).attributes.ctime, before);
}

TEST_F(AttributesTest, TheStateIsToldAndCannotBeSet) {
  InodeId a = stack.touch("a");
  stack.fetcher.state = "pending";
  EXPECT_EQ(as_text(stack.fs->get_xattr(r, a, "user.skymoor.state").value()), "pending");
  EXPECT_CODE(set_xattr(a, "user.skymoor.state", "x"), Code::kNotPermitted);
  EXPECT_CODE(stack.fs->remove_xattr(r, a, "user.skymoor.state"), Code::kNotPermitted);
  EXPECT_TRUE(stack.fs->list_xattrs(r, a)->empty());
}

Bytes acl(std::initializer_list<AclEntry> entries) { return encode_acl(Acl(entries)); }
const AclEntry kUserAll{1, 7, UINT32_MAX}, kGroupRead{4, 4, UINT32_MAX}, kOtherNone{0x20, 0, UINT32_MAX};
const AclEntry kNamedAll{2, 7, 1000}, kMaskRead{0x10, 5, UINT32_MAX};

TEST_F(AttributesTest, AnAccessListSetsTheModeAndAChmodTheList) {
  InodeId a = stack.touch("a");
  Bytes list = acl({kUserAll, kNamedAll, kGroupRead, kMaskRead, kOtherNone});
  ASSERT_OK(stack.fs->set_xattr(r, a, kAccessAclName, list, 0));
  EXPECT_EQ(stack.node(a).attributes.mode, 0750u);
  EXPECT_EQ(stack.fs->get_xattr(r, a, kAccessAclName).value(), list);
  ASSERT_OK(set(a, [](auto& w) { w.mode = 0624; }));
  Acl after = decode_acl(stack.fs->get_xattr(r, a, kAccessAclName).value()).value();
  EXPECT_EQ(after[0].permissions, 6);
  EXPECT_EQ(after[1].permissions, 7);   // named users stay, the mask bounds them
  EXPECT_EQ(after[2].permissions, 4);
  EXPECT_EQ(after[3].permissions, 2);
  EXPECT_EQ(after[4].permissions, 4);
}

TEST_F(AttributesTest, AMinimalListIsTheMode) {
  InodeId a = stack.touch("a");
  ASSERT_OK(stack.fs->set_xattr(r, a, kAccessAclName, acl({kUserAll, kGroupRead, kOtherNone}), 0));
  EXPECT_EQ(stack.node(a).attributes.mode, 0740u);
  EXPECT_CODE(stack.fs->get_xattr(r, a, kAccessAclName), Code::kNoAttribute);
}

TEST_F(AttributesTest, MalformedListsAreRefused) {
  InodeId a = stack.touch("a");
  for (Bytes bad : {acl({kUserAll, kOtherNone}), acl({kUserAll, kNamedAll, kGroupRead, kOtherNone}),
                    acl({kGroupRead, kUserAll, kOtherNone}), to_bytes("nonsense")})
    EXPECT_CODE(stack.fs->set_xattr(r, a, kAccessAclName, bad, 0), Code::kInvalidArgument);
  EXPECT_CODE(stack.fs->set_xattr(r, a, kDefaultAclName, acl({kUserAll, kGroupRead, kOtherNone}), 0),
              Code::kPermissionDenied);
}

TEST_F(AttributesTest, DefaultListsAreInheritedInsteadOfTheUmask) {
  InodeId d = stack.mkdir("d");
  Bytes list = acl({kUserAll, kNamedAll, kGroupRead, kMaskRead, kOtherNone});
  ASSERT_OK(stack.fs->set_xattr(r, d, kDefaultAclName, list, 0));
  Request caller{.umask = 077};
  Node file = stack.fs->make_node(caller, d, "f", S_IFREG | 0666, 0).value();
  EXPECT_EQ(file.attributes.mode, 0640u);
  Acl access = decode_acl(stack.fs->get_xattr(r, file.id, kAccessAclName).value()).value();
  EXPECT_EQ(access[0].permissions, 6);
  EXPECT_EQ(access[3].permissions, 4);
  EXPECT_CODE(stack.fs->get_xattr(r, file.id, kDefaultAclName), Code::kNoAttribute);
  Node sub = stack.fs->make_directory(caller, d, "sub", 0777).value();
  EXPECT_EQ(stack.fs->get_xattr(r, sub.id, kDefaultAclName).value(), list);
  EXPECT_EQ(stack.fs->make_symlink(caller, d, "l", "x")->attributes.mode, 0777u);
}

// Several records once: a kill or a full disk between them left half of it, and a repeated mkdir found the name taken.
TEST_F(AttributesTest, ListsAndPrivilegesGoWithTheRecordTheyBelongTo) {
  std::vector<Lsn> told;
  stack.options.before_commit = [&](Lsn lsn) { told.push_back(lsn); };
  stack.reopen();
  auto records_of = [&](const std::function<void()>& operation) {
    const Lsn before = stack.store->last_lsn();
    told.clear();
    operation();
    return stack.store->last_lsn().value - before.value;
  };
  const InodeId d = stack.mkdir("d");
  const Bytes list = acl({kUserAll, kNamedAll, kGroupRead, kMaskRead, kOtherNone});
  EXPECT_EQ(records_of([&] { ASSERT_OK(stack.fs->set_xattr(r, d, kDefaultAclName, list, 0)); }), 1u);
  Node sub, file;
  EXPECT_EQ(records_of([&] { sub = stack.fs->make_directory(r, d, "sub", 0777).value(); }), 1u);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(sub.id, make_inode_id(WriterId{7}, told[0].value));   // what a repeated request is answered with
  EXPECT_EQ(records_of([&] { file = stack.fs->make_node(r, d, "f", S_IFREG | 0666, 0).value(); }), 1u);
  EXPECT_EQ(records_of([&] { stack.touch("g", d); }), 1u);
  EXPECT_EQ(records_of([&] { ASSERT_OK(set(file.id, [](auto& w) { w.mode = 0600; })); }), 1u);
  EXPECT_EQ(decode_acl(stack.fs->get_xattr(r, file.id, kAccessAclName).value()).value()[3].permissions, 0);
  EXPECT_EQ(records_of([&] { ASSERT_OK(stack.fs->set_xattr(r, file.id, kAccessAclName, list, 0)); }), 1u);
  EXPECT_EQ(stack.node(file.id).attributes.mode, 0750u);
  // A list that says no more than the mode: the mode goes with the list's end, and alone where there was none.
  const Bytes minimal = acl({kUserAll, kGroupRead, kOtherNone});
  EXPECT_EQ(records_of([&] { ASSERT_OK(stack.fs->set_xattr(r, file.id, kAccessAclName, minimal, 0)); }), 1u);
  EXPECT_EQ(records_of([&] { ASSERT_OK(stack.fs->set_xattr(r, file.id, kAccessAclName, minimal, 0)); }), 0u);
  ASSERT_OK(set(file.id, [](auto& w) { w.mode = 06777; }));
  EXPECT_EQ(records_of([&] { ASSERT_OK(stack.fs->set_xattr(r, file.id, kAccessAclName, minimal, 0)); }), 1u);
  EXPECT_EQ(stack.node(file.id).attributes.mode, 06740u);

  auto privileged = [&] {
    ASSERT_OK(set(file.id, [](auto& w) { w.mode = 06777; }));
    ASSERT_OK(stack.fs->set_xattr(r, file.id, "security.capability", as_bytes("x"), 0));
  };
  auto has_none = [&] {
    EXPECT_EQ(stack.node(file.id).attributes.mode & 06000u, 0u);
    EXPECT_CODE(stack.fs->get_xattr(r, file.id, "security.capability"), Code::kNoAttribute);
  };
  const HandleId handle = stack.open_file(file.id);
  privileged();
  EXPECT_EQ(records_of([&] { ASSERT_OK(stack.write(handle, 0, "text", 1000)); }), 1u);
  has_none();
  privileged();
  EXPECT_EQ(records_of([&] { ASSERT_OK(set(file.id, [](auto& w) { w.size = 4; w.kill_suid_sgid = true; })); }), 1u);
  has_none();
  privileged();
  EXPECT_EQ(records_of([&] { ASSERT_OK(set(file.id, [](auto& w) { w.size = 2; w.kill_suid_sgid = true; })); }), 1u);
  has_none();
  privileged();
  EXPECT_EQ(records_of([&] { ASSERT_OK(set(file.id, [](auto& w) { w.uid = 5; })); }), 1u);
  has_none();
  stack.fs->release(handle);
  stack.expect_sound();
}

TEST_F(AttributesTest, StatisticsAreTheSmallerOfServerAndDisk) {
  VolumeStatistics shown = stack.fs->statistics(r).value();
  EXPECT_GT(shown.free_bytes, 0u);
  EXPECT_EQ(shown.total_bytes, shown.used_bytes + shown.free_bytes);
  std::uint64_t disk = shown.free_bytes;
  stack.fetcher.statistics = {.total_bytes = 1000000, .free_bytes = 500000};
  stack.write_file("a", std::string(1000, 'x'));
  shown = stack.fs->statistics(r).value();
  EXPECT_EQ(shown.total_bytes, 1000000u);
  EXPECT_EQ(shown.free_bytes, 499000u);
  EXPECT_EQ(shown.used_bytes, 501000u);
  stack.fetcher.statistics = {.total_bytes = UINT64_MAX / 2, .free_bytes = UINT64_MAX / 4};
  EXPECT_LE(stack.fs->statistics(r)->free_bytes, disk + (64u << 20));
}

TEST_F(AttributesTest, FullDisksAndQuotasAreSaidBeforeAnythingIsDone) {
  auto made = stack.create("a");
  stack.fetcher.statistics = {.total_bytes = 10000, .free_bytes = 5000};
  stack.options.reserve_bytes = 0;
  std::this_thread::sleep_for(std::chrono::milliseconds(110));
  EXPECT_CODE(stack.write(made.opened.handle, 0, std::string(6000, 'x')), Code::kQuotaExceeded);
  EXPECT_EQ(stack.node(made.node.id).attributes.size, 0u);
  stack.fetcher.statistics = {};
  stack.options.reserve_bytes = UINT64_MAX / 2;
  stack.fs->release(made.opened.handle);
  stack.reopen();
  HandleId handle = stack.open_file(made.node.id);
  EXPECT_CODE(stack.write(handle, 0, "x"), Code::kNoSpace);
  EXPECT_CODE(stack.fs->create(r, kRootInode, "b", 0600, FsStack::rw()), Code::kNoSpace);
  EXPECT_CODE(stack.fs->allocate(r, handle, 0, 0, 10), Code::kNoSpace);
  EXPECT_CODE(set_xattr(made.node.id, "user.x", "1"), Code::kNoSpace);
  EXPECT_OK(stack.rename("a", "b"));
  EXPECT_OK(stack.unlink("b"));   // making room always works
}

TEST_F(AttributesTest, AFullDiskIsWaitedForWhileTheServerTakesWhatLiesOnIt) {
  auto made = stack.create("a");
  stack.fs->release(made.opened.handle);
  stack.options.reserve_bytes = UINT64_MAX / 2;
  stack.reopen();
  stack.fetcher.sending = true;
  for (int call = 0; call < 2; ++call) {
    Request request;
    EXPECT_CODE(stack.fs->create(request, kRootInode, "b", 0600, FsStack::rw()), Code::kNotPresent);
    ASSERT_TRUE(request.need);
    EXPECT_EQ(request.need->kind, Need::Kind::kRoom);
  }
  stack.fetcher.sending = false;
  EXPECT_CODE(stack.fs->create(r, kRootInode, "b", 0600, FsStack::rw()), Code::kNoSpace);
}

TEST_F(AttributesTest, TheHolesOfASparseFileTakeNoRoomOnTheServer) {
  auto made = stack.create("sparse");
  SetAttributesRequest longer;
  longer.size = 1ull << 40;
  ASSERT_OK(stack.fs->set_attributes(r, made.node.id, longer));
  stack.fetcher.statistics = {.total_bytes = 2 << 20, .free_bytes = 1 << 20};
  std::this_thread::sleep_for(std::chrono::milliseconds(110));
  EXPECT_OK(stack.write(made.opened.handle, 1ull << 39, std::string(6000, 'x')));
  EXPECT_GT(stack.fs->statistics(r)->free_bytes, 900000u);
  std::this_thread::sleep_for(std::chrono::milliseconds(110));
  EXPECT_OK(stack.write(made.opened.handle, 1ull << 30, std::string(6000, 'y')));
  std::this_thread::sleep_for(std::chrono::milliseconds(110));
  EXPECT_CODE(stack.write(made.opened.handle, 1ull << 38, std::string((1 << 20) + 6000, 'x')), Code::kQuotaExceeded);
}

}  // namespace
}  // namespace skymoor::client
