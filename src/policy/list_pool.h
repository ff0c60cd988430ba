// ListPool: keeps lists and tables findable by their content, so that a reload that changes nothing
// in a file of a million lines neither parses it again nor holds a second copy. It owns nothing:
// what no program uses is gone. Threads: any.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string_view>

#include "policy/static_list.h"
#include "policy/table.h"

namespace sluice::policy {

// 128 bits over content and type: two contents are never taken for each other.
struct ContentKey {
  std::uint64_t high = 0, low = 0;
  auto operator<=>(const ContentKey&) const = default;
};

// Hashes one text after another. Stable across processes.
class ContentHash {
 public:
  void add(std::string_view text);
  ContentKey key() const { return key_; }

 private:
  ContentKey key_;
};

class ListPool {
 public:
  StaticListPtr find_list(const ContentKey& key);
  TablePtr find_table(const ContentKey& key);
  void keep(const ContentKey& key, const StaticListPtr& list);
  void keep(const ContentKey& key, const TablePtr& table);

 private:
  std::mutex mutex_;
  std::map<ContentKey, std::weak_ptr<const StaticList>> lists_;
  std::map<ContentKey, std::weak_ptr<const Table>> tables_;
};

}  // namespace sluice::policy
