// A tag list (RFC 6376 3.2): "v=1; a=rsa-sha256; …", the form of DKIM and ARC fields, of key
// records and of DMARC records.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace sluice::facts {

inline constexpr std::size_t kMaxTagList = 64 * 1024;  // bytes of one list; longer ones are errors
inline constexpr std::size_t kMaxTags = 100;           // of one list; more are an error

// Views into the text it was parsed from.
class TagList {
 public:
  // Names are letters, digits and "_", letter first, no name twice; values have no control
  // characters; blanks and line ends around both are taken off. One ";" may end the list.
  static Result<TagList> parse(std::string_view text);
  // By exact name; nullopt: not there.
  std::optional<std::string_view> find(std::string_view name) const;
  const std::vector<std::pair<std::string_view, std::string_view>>& tags() const { return tags_; }

 private:
  std::vector<std::pair<std::string_view, std::string_view>> tags_;
};

// Blanks, tabs and line ends taken off both ends: folding white space.
std::string_view trim_folding(std::string_view text);
// The text with the value of its tag `b` taken out, blanks around it included: what a signature
// covers of its own field (RFC 6376 3.7). The rest stays as it is.
std::string without_signature(std::string_view text);

}  // namespace sluice::facts
