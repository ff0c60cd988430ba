#include "facts/archive.h"

#include <algorithm>

#include "facts/mime_parameters.h"

namespace sluice::facts {
namespace {

constexpr std::string_view kLocalFile("PK\x03\x04", 4);
constexpr std::string_view kDirectoryEntry("PK\x01\x02", 4);
constexpr std::string_view kDirectoryEnd("PK\x05\x06", 4);
constexpr std::size_t kEndSize = 22, kEntrySize = 46, kMaxComment = 65'535;

std::uint32_t little_endian(std::string_view bytes, std::size_t at, std::size_t width) {
  std::uint32_t value = 0;
  for (std::size_t i = width; i-- > 0;)
    value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

// The end record stands last, in front of a comment of at most 64 KiB.
std::optional<std::size_t> find_end(std::string_view bytes) {
  if (bytes.size() < kEndSize) return std::nullopt;
  const std::size_t tail = std::min(bytes.size(), kEndSize + kMaxComment);
  const std::size_t at = bytes.substr(bytes.size() - tail).rfind(kDirectoryEnd);
  if (at == std::string_view::npos || tail - at < kEndSize) return std::nullopt;
  return bytes.size() - tail + at;
}

}  // namespace

bool looks_like_zip(std::string_view bytes) {
  return bytes.substr(0, 4) == kLocalFile || bytes.substr(0, 4) == kDirectoryEnd;
}

std::optional<Archive> read_zip(std::string_view bytes) {
  const auto end = find_end(bytes);
  if (!end) return std::nullopt;
  const std::size_t entries = little_endian(bytes, *end + 10, 2);
  std::size_t at = little_endian(bytes, *end + 16, 4);
  Archive archive;
  for (std::size_t i = 0; i < entries; ++i) {
    if (at > bytes.size() || bytes.size() - at < kEntrySize ||
        bytes.substr(at, 4) != kDirectoryEntry)
      return std::nullopt;
    const std::size_t name = little_endian(bytes, at + 28, 2);
    const std::size_t extra = little_endian(bytes, at + 30, 2);
    const std::size_t comment = little_endian(bytes, at + 32, 2);
    if (name > bytes.size() - at - kEntrySize) return std::nullopt;
    archive.encrypted = archive.encrypted || (little_endian(bytes, at + 8, 2) & 1) != 0;
    if (archive.members.size() < kMaxMembers) {
      archive.members.push_back(
          to_utf8(bytes.substr(at + kEntrySize, std::min(name, kMaxMemberName)), "utf-8"));
    } else {
      archive.truncated = true;
    }
    at += kEntrySize + name + extra + comment;
  }
  return archive;
}

}  // namespace sluice::facts
