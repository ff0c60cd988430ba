// A world is one kind of store with the clock it lives by; the contract's tests run in each.
#pragma once
#include <stdlib.h>

#include <filesystem>

#include "backends/embedded_store.h"
#include "backends/reference_store.h"
#include "redis_worlds.h"
#include "store_testing.h"

namespace sluice::backends {

// An empty folder that goes with the object.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    auto pattern = (std::filesystem::temp_directory_path() / "sluice-store-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline std::unique_ptr<EmbeddedStore> open_store(const std::filesystem::path& folder,
                                                 const Clock& clock,
                                                 const EmbeddedOptions& options = {}) {
  auto store = EmbeddedStore::open(folder, clock, options);
  if (!store) FAIL(store.error().what);
  return std::move(*store);
}

// A world that cannot be made on this machine says why.
struct LocalWorld {
  static const char* missing() { return nullptr; }
  static std::string key(const std::string& key) { return key; }  // as show() tells it
};

struct ReferenceWorld : LocalWorld {
  VirtualClock clock{kStart};
  ReferenceStore store{clock};
};

struct EmbeddedWorld : LocalWorld {
  VirtualClock clock{kStart};
  TemporaryFolder folder;
  std::unique_ptr<EmbeddedStore> opened = open_store(folder.path(), clock);
  EmbeddedStore& store = *opened;
};

#define STORE_WORLDS ReferenceWorld, EmbeddedWorld, RedisSingle, RedisSentinel, RedisCluster

// The world that a test lives in.
#define IN_WORLD(w)                             \
  if (const char* missing = TestType::missing()) { \
    WARN(missing);                              \
    return;                                     \
  }                                             \
  TestType w

}  // namespace sluice::backends
