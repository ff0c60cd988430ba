#include "app/store_watch.h"

#include <fmt/format.h>

#include "base/text.h"

namespace sluice::app {

namespace {

constexpr Duration kSayAgain{60'000};
constexpr Duration kQuiet{5'000};  // so long without an error it is back

std::string seconds_text(Duration d) {
  return render_duration(std::chrono::duration_cast<std::chrono::seconds>(d));
}

// What is said of a failure and its consequences; in front of and behind "for 3m".
struct Words {
  const char* failing;
  const char* consequence;
  const char* well_again;
};
constexpr Words kOfServers{"the state store does not answer as it should",
                           "limits do what their on_error says, greylists pass",
                           "the state store answers again"};
constexpr Words kOfDisk{"the state store cannot write to its disk",
                        "it goes on in memory, and what is not written is lost with the process",
                        "the state store has written everything to its disk again"};

}  // namespace

bool StoreWatch::fails(const backends::StateHealth& health) {
  const bool is_new = health.errors > known_errors_;
  known_errors_ = health.errors;
  // A disk is tried less and less often: between two tries nothing new fails, and nothing is well.
  return !health.available || is_new || (on_disk_ && health.degraded);
}

std::optional<StoreWatch::Remark> StoreWatch::look(const backends::StateHealth& health,
                                                   TimePoint now) {
  const std::lock_guard lock(mutex_);
  const Words& words = on_disk_ ? kOfDisk : kOfServers;
  if (!fails(health)) {
    if (!failing_since_ || now - *report_.last < kQuiet) return std::nullopt;
    const auto away = *report_.last - *failing_since_;
    failing_since_.reset();
    report_.failing = false;
    return Remark{false, fmt::format("{}, after {}", words.well_again, seconds_text(away))};
  }
  const auto minute = std::chrono::duration_cast<std::chrono::minutes>(now.time_since_epoch()).count();
  if (report_.minutes == 0 || minute != last_minute_) ++report_.minutes;
  last_minute_ = minute;
  report_.failing = true;
  report_.last = now;
  if (failing_since_ && now - *told_ < kSayAgain) return std::nullopt;
  const auto since = failing_since_.value_or(now);
  failing_since_ = since;
  told_ = now;
  return Remark{true, fmt::format("{}{}: {}: {}", words.failing,
                                  now > since ? " for " + seconds_text(now - since) : std::string(),
                                  words.consequence, health.what)};
}

StoreWatch::Report StoreWatch::report() const {
  const std::lock_guard lock(mutex_);
  return report_;
}

std::string StoreWatch::line() const {
  const auto known = report();
  if (known.minutes == 0) return {};
  return fmt::format("{} degraded {}, the last at {}", known.minutes,
                     known.minutes == 1 ? "minute" : "minutes", render_datetime(*known.last));
}

}  // namespace sluice::app
