// What stands in the directory of a zip archive (APPNOTE 4.3.12), without unpacking anything:
// names, encryption.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::facts {

inline constexpr std::size_t kMaxMembers = 1'000;  // of one archive; further ones are not looked at
inline constexpr std::size_t kMaxMemberName = 1'024;  // bytes

struct Archive {
  std::vector<std::string> members;  // paths as stored, bytes outside UTF-8 as `?`
  bool encrypted = false;            // some member is
  bool truncated = false;            // more members than we look at
};

bool looks_like_zip(std::string_view bytes);
// nullopt: no directory can be read (damaged, cut off, or no zip). Linear in the size of the
// directory.
std::optional<Archive> read_zip(std::string_view bytes);

}  // namespace sluice::facts
