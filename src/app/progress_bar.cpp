#include "app/progress_bar.h"

#include <fmt/format.h>

#include <algorithm>
#include <ostream>

#include "app/rule_evidence.h"

namespace sluice::app {
namespace {

constexpr std::size_t kWidth = 30;
constexpr std::chrono::milliseconds kEvery{200};
constexpr const char* kClearLine = "\r\033[K";

}  // namespace

std::string progress_line(std::uint64_t position, std::uint64_t length, std::uint64_t messages,
                          std::chrono::milliseconds spent) {
  if (length == 0) return fmt::format("{} messages, {} s", grouped(messages), spent.count() / 1000);
  const double share = std::min(1.0, static_cast<double>(position) / static_cast<double>(length));
  const auto full = static_cast<std::size_t>(share * kWidth);
  std::string line = fmt::format("[{}{}] {:3.0f}%  {} messages", std::string(full, '#'),
                                 std::string(kWidth - full, '-'), share * 100, grouped(messages));
  if (share > 0.01)
    line += fmt::format(", {:.0f} s left",
                        static_cast<double>(spent.count()) / 1000.0 * (1 - share) / share);
  return line;
}

ProgressBar::ProgressBar(std::ostream& out, bool is_on)
    : out_(out), is_on_(is_on), start_(std::chrono::steady_clock::now()), next_(start_ + kEvery) {}

void ProgressBar::show(std::uint64_t position, std::uint64_t length, std::uint64_t messages) {
  const auto now = std::chrono::steady_clock::now();
  next_ = now + kEvery;
  is_shown_ = true;
  out_ << kClearLine
       << progress_line(position, length, messages,
                        std::chrono::duration_cast<std::chrono::milliseconds>(now - start_))
       << std::flush;
}

void ProgressBar::clear() {
  if (is_shown_) out_ << kClearLine << std::flush;
  is_shown_ = false;
}

}  // namespace sluice::app
