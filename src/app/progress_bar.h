// ProgressBar: one line on a terminal that is written over: share, time left. Nothing is written
// unless it is on.
#pragma once
#include <chrono>
#include <cstdint>
#include <iosfwd>
#include <string>

namespace sluice::app {

// "[##########----------]  50%  1,234 messages, 12 s left"; without a length only what was done.
std::string progress_line(std::uint64_t position, std::uint64_t length, std::uint64_t messages,
                          std::chrono::milliseconds spent);

class ProgressBar {
 public:
  ProgressBar(std::ostream& out, bool is_on);
  ~ProgressBar() { clear(); }
  // Cheap: writes five times a second at most.
  void show(std::uint64_t position, std::uint64_t length, std::uint64_t messages);
  bool is_due() const { return is_on_ && std::chrono::steady_clock::now() >= next_; }
  void clear();

 private:
  std::ostream& out_;
  bool is_on_, is_shown_ = false;
  std::chrono::steady_clock::time_point start_, next_;
};

}  // namespace sluice::app
