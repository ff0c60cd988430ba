// A world is one kind of store with the clock it lives by; the contract's tests run in each.
#pragma once
#include <stdlib.h>

#include <filesystem>

#include "backends/embedded_store.h"
#include "backends/reference_store.h"
#include "store_testing.h"

namespace sluice::backends {

// 2026-11-25T00:00Z, the end of a sub-window of every period that divides a day.
inline constexpr TimePoint kStart{Duration{1'795'564'800'000}};

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

struct ReferenceWorld {
  VirtualClock clock{kStart};
  ReferenceStore store{clock};
};

struct EmbeddedWorld {
  VirtualClock clock{kStart};
  TemporaryFolder folder;
  std::unique_ptr<EmbeddedStore> opened = open_store(folder.path(), clock);
  EmbeddedStore& store = *opened;
};

#define STORE_WORLDS ReferenceWorld, EmbeddedWorld

}  // namespace sluice::backends
