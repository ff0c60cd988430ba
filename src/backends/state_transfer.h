// Moves what an embedded store has kept into Redis: what limits have counted and were granted, the
// greylist, dynamic lists, values seen. Reservations are not on disk.
//
// It may be repeated, and run while other hosts use that Redis: a limit that has counted there stays as
// it is, of two passes the longer one stays, list entries that are there stay.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>

#include "backends/redis_store.h"
#include "base/clock.h"
#include "base/result.h"

namespace sluice::backends {

struct TransferCounts {
  std::uint64_t read = 0;   // limits, greylist entries, ... on disk
  std::uint64_t taken = 0;  // now in Redis
  std::uint64_t known = 0;  // Redis knew as much or more, or its time was over
};

// Error: as EmbeddedStore::open() says (another process uses the folder); Temporary when Redis did not
// answer for some of it, which is what to repeat for. `progress` is told now and then. Waits.
Result<TransferCounts> transfer_state(const std::filesystem::path& folder, const Clock& clock,
                                      RedisStore& to,
                                      const std::function<void(const TransferCounts&)>& progress);

}  // namespace sluice::backends
