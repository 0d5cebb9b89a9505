// The parts of a check. Private to the room.
#pragma once
#include "backend-server/metadata_store/metadata_check.h"
#include "backend-server/metadata_store/sqlite/connection.h"

namespace skymoor::server {

/// What each part works on: the connection, and where findings go.
struct CheckContext {
  Connection& connection;
  MetadataReport& report;
  bool repair = false;

  void find(std::string what, bool repairable = false) {
    if (report.findings.size() < MetadataReport::kMaxFindings)
      report.findings.push_back({std::move(what), repairable, repairable && repair});
    else
      ++report.more_findings;
  }
};

/// SQLite's own view: pages, indexes. Repair: indexes are made anew.
Status check_pages(CheckContext& context);
/// Names, links, parents, reachability, attributes' counts. Repair: links (of what has a name), counts of xattrs.
Status check_tree(CheckContext& context);
/// Versions, what they name, reference counts, sums of volumes. Repair: references, sums.
Status check_contents(CheckContext& context);
/// The chain of commits, their signatures and answers, and that the tree holds what they say.
Status check_changes(CheckContext& context);

}  // namespace skymoor::server
