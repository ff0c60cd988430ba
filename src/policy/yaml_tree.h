// The YAML of a policy or of the service configuration as a tree that remembers where everything stands.
// All scalars are text: NO, 22:30 and 0777 mean what is written. Anchors, aliases, merge keys and tags are errors outside
// `x-…` keys of the top level; duplicate keys are errors (E103). Depth, nodes and bytes are capped.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/diagnostic.h"
#include "base/result.h"

namespace sluice::policy {

inline constexpr std::size_t kMaxYamlBytes = 64u << 20;
inline constexpr std::size_t kMaxYamlDepth = 64;
inline constexpr std::size_t kMaxYamlNodes = 4'000'000;

// Text of a scalar with the way back to the file: plain, quoted, folded and block scalars, escapes included.
struct Scalar {
  std::string text;
  SourceSpan begin;                              // first character of the content
  // Where bytes [offset, offset+length) of text stand in the file.
  SourceSpan span(std::size_t offset, std::size_t length) const;
  SourceSpan whole() const { return span(0, text.size()); }
  std::vector<std::pair<std::uint32_t, SourceSpan>> jumps;  // offset in text -> place, where they stop running in step
};

// Builds a Scalar byte by byte; a byte that stands directly behind the one before costs nothing.
class ScalarBuilder {
 public:
  explicit ScalarBuilder(SourceFilePtr file) { scalar_.begin.file = std::move(file); }
  void add(char byte, std::uint32_t line, std::uint32_t column);
  // Place of what follows the last byte (the closing quote): errors at the end of the text point there.
  Scalar finish(std::uint32_t line, std::uint32_t column);
  const std::string& text() const { return scalar_.text; }

 private:
  void note(std::uint32_t line, std::uint32_t column);
  Scalar scalar_;
  std::uint32_t line_ = 0, column_ = 0;  // where the next byte is in step
};

struct YamlEntry;
struct YamlNode {
  enum class Kind { Null, Scalar, Sequence, Map };
  Kind kind = Kind::Null;
  SourceSpan span;                               // of the node's first character
  Scalar scalar;                                 // Scalar
  bool quoted = false;                           // quoted or block style
  bool comment_cut = false;                      // a ` #` after a plain value begins a comment on this line (W103)
  std::vector<YamlNode> items;                   // Sequence
  std::vector<YamlEntry> entries;                // Map, in file order

  const YamlNode* find(std::string_view key) const;  // Map entry
  bool is_null() const { return kind == Kind::Null; }
};
// A key of a map and its value. A struct of its own, for clang 14 cannot compile a pair of an incomplete type here.
struct YamlEntry {
  Scalar first;
  YamlNode second;
};

// Parses one document. On an error the tree may be partial; the diagnostics say all that is wrong (E101, E103).
YamlNode parse_yaml(const SourceFilePtr& file, Diagnostics& diagnostics);

// Reads the file; a missing or too large one is an error.
Result<SourceFilePtr> read_source(const std::string& path);

}  // namespace sluice::policy
