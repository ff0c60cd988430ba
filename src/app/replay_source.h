// ReplaySource: a stream of the mail of the past. One implementation for each kind of file;
// open_replay_source() chooses. Memory is bounded whatever the size of the file.
//
// Threads: one at a time.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "app/replay_event.h"
#include "base/result.h"

namespace sluice::app {

// What was read, for the summary: an admin has to know how much of the log the answer stands on.
struct ReplayCounts {
  std::uint64_t lines = 0;           // or messages of a mailbox
  std::uint64_t not_understood = 0;  // of this source's own kind, but damaged
  std::uint64_t incomplete = 0;      // messages of which the log tells no recipient
  std::uint64_t local = 0;           // not by SMTP, or come back from a content filter
  std::uint64_t early = 0;           // refused in front of the policy (postscreen)
};

class ReplaySource {
 public:
  virtual ~ReplaySource() = default;
  // False: there is nothing more. Times may step back a little where a log does.
  virtual bool next(ReplayEvent& event) = 0;
  virtual ReplayCounts counts() const = 0;
  // Bytes (or messages) read so far, of so many; 0: not known. Any thread.
  virtual std::uint64_t position() const = 0;
  virtual std::uint64_t length() const = 0;
};
using ReplaySourcePtr = std::unique_ptr<ReplaySource>;

// kind: "postfix", "decisions", "mbox", "maildir", "eml"; empty: by what is found at the path. "-"
// is standard input. Error{Permanent}: it cannot be read, or nothing in it looks like mail.
Result<ReplaySourcePtr> open_replay_source(const std::string& path, const std::string& kind);

}  // namespace sluice::app
