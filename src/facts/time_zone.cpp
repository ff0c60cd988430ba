// libstdc++ 12 has no time zones, and the C library's only one is global to the process. So the
// zone's file is read here: TZif (RFC 8536), version 2 and later. Debian's files list the
// transitions up to 2037; the calendar of 1901 to 2099 repeats every 28 years, so a later moment
// has the offset of the same moment 28 years before.
#include "facts/time_zone.h"

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <map>
#include <mutex>
#include <optional>
#include <vector>

namespace sluice::facts {
namespace {

constexpr std::size_t kMaxZoneFile = 1u << 20;
constexpr std::size_t kMaxTransitions = 100'000;
constexpr std::int64_t kListedUntil = 1'893'456'000;  // 2030
constexpr std::int64_t kCycle = std::int64_t{28 * 365 + 7} * 86'400;

struct Zone {
  std::vector<std::int64_t> at;      // seconds since 1970, ascending
  std::vector<std::int32_t> offset;  // seconds east of UTC from at[i] on
  std::int32_t first_offset = 0;
  std::int32_t offset_at(std::int64_t seconds) const {
    // A zone whose list ends earlier has stopped changing.
    while (!at.empty() && at.back() > kListedUntil && seconds >= at.back()) seconds -= kCycle;
    const auto next = std::upper_bound(at.begin(), at.end(), seconds);
    return next == at.begin() ? first_offset
                              : offset[static_cast<std::size_t>(next - at.begin()) - 1];
  }
};

// A bounds-checked reader of big-endian numbers.
class Bytes {
 public:
  explicit Bytes(const std::string& bytes) : bytes_(bytes) {}
  bool skip(std::size_t n) {
    if (n > bytes_.size() - at_) return false;
    at_ += n;
    return true;
  }
  std::optional<std::int64_t> number(std::size_t width) {
    if (width > bytes_.size() - at_) return std::nullopt;
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < width; ++i)
      value = value << 8 | static_cast<unsigned char>(bytes_[at_ + i]);
    at_ += width;
    if (width == 4) return static_cast<std::int32_t>(static_cast<std::uint32_t>(value));
    return static_cast<std::int64_t>(value);
  }

 private:
  const std::string& bytes_;
  std::size_t at_ = 0;
};

struct Counts {
  std::size_t isut, isstd, leap, time, type, chars;
};

std::optional<Counts> read_header(Bytes& bytes) {
  if (!bytes.skip(20)) return std::nullopt;
  std::size_t n[6];
  for (auto& count : n) {
    const auto value = bytes.number(4);
    if (!value || *value < 0 || static_cast<std::size_t>(*value) > kMaxTransitions)
      return std::nullopt;
    count = static_cast<std::size_t>(*value);
  }
  return Counts{n[0], n[1], n[2], n[3], n[4], n[5]};
}

std::optional<Zone> parse_zone(const std::string& text) {
  if (text.size() < 44 || text.compare(0, 4, "TZif") != 0 || text[4] < '2') return std::nullopt;
  Bytes bytes(text);
  const auto v1 = read_header(bytes);
  if (!v1 ||
      !bytes.skip(v1->time * 5 + v1->type * 6 + v1->chars + v1->leap * 8 + v1->isstd + v1->isut))
    return std::nullopt;
  const auto v2 = read_header(bytes);
  if (!v2 || v2->type == 0) return std::nullopt;
  Zone zone;
  for (std::size_t i = 0; i < v2->time; ++i) {
    const auto at = bytes.number(8);
    if (!at) return std::nullopt;
    zone.at.push_back(*at);
  }
  std::vector<std::size_t> types;
  for (std::size_t i = 0; i < v2->time; ++i) {
    const auto type = bytes.number(1);
    if (!type || static_cast<std::size_t>(*type) >= v2->type) return std::nullopt;
    types.push_back(static_cast<std::size_t>(*type));
  }
  std::vector<std::int32_t> offsets;
  for (std::size_t i = 0; i < v2->type; ++i) {
    const auto offset = bytes.number(4);
    if (!offset || !bytes.skip(2)) return std::nullopt;
    offsets.push_back(static_cast<std::int32_t>(*offset));
  }
  zone.first_offset = offsets[0];
  for (const std::size_t type : types) zone.offset.push_back(offsets[type]);
  return zone;
}

bool is_plain_name(const std::string& zone) {
  return !zone.empty() && zone.size() < 100 && zone[0] != '/' &&
         zone.find("..") == std::string::npos && zone.find('\0') == std::string::npos;
}

std::optional<Zone> read_zone(const std::string& name) {
  if (!is_plain_name(name)) return std::nullopt;
  std::ifstream file("/usr/share/zoneinfo/" + name, std::ios::binary);
  std::string text;
  if (file) text.assign(std::istreambuf_iterator<char>(file), {});
  if (!file || text.size() > kMaxZoneFile) return std::nullopt;
  return parse_zone(text);
}

// Zones are few and never change while we run: read once, kept.
const Zone* find_zone(const std::string& name) {
  static std::mutex mutex;
  static std::map<std::string, std::optional<Zone>> zones;
  const std::lock_guard lock(mutex);
  auto at = zones.find(name);
  if (at == zones.end()) at = zones.emplace(name, read_zone(name)).first;
  return at->second ? &*at->second : nullptr;
}

}  // namespace


LocalTime local_time(const std::string& zone, TimePoint t) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(t).time_since_epoch().count();
  const Zone* found = zone.empty() || zone == "UTC" ? nullptr : find_zone(zone);
  const std::int64_t local = seconds + (found != nullptr ? found->offset_at(seconds) : 0);
  const std::int64_t days = local >= 0 ? local / 86'400 : -((86'399 - local) / 86'400);
  LocalTime result;
  result.minute_of_day = static_cast<int>((local - days * 86'400) / 60);
  result.weekday = static_cast<int>(((days + 3) % 7 + 7) % 7);  // 1970-01-01 was a Thursday
  return result;
}

}  // namespace sluice::facts
