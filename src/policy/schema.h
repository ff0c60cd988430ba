// Reading YAML nodes as what the schema says they are: words, durations, expressions. Each reader
// says what is wrong (E102 unknown key, E105 missing key, E106 value of the wrong form) and gives
// an empty result. Private to the front half of policy/.
#pragma once
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "policy/policy_source.h"

namespace sluice::policy {

using Words = std::span<const std::string_view>;

class SchemaReader {
 public:
  explicit SchemaReader(Diagnostics& diagnostics) : diagnostics_(diagnostics) {}
  Diagnostics& diagnostics() { return diagnostics_; }

  bool map(const YamlEntry& entry);  // E106 unless it is one
  bool sequence(const YamlEntry& entry);
  // One text; an empty one only if quoted.
  const Scalar* text(const YamlEntry& entry);
  const Scalar* text(const YamlNode& node, const Scalar& key);
  // One text or a list of texts.
  std::vector<const YamlNode*> texts(const YamlEntry& entry);
  // Index in `words`.
  std::optional<std::size_t> word(const YamlEntry& entry, Words words);
  std::optional<bool> boolean(const YamlEntry& entry);
  std::optional<Duration> duration(const YamlEntry& entry);
  std::optional<int> percent(const YamlEntry& entry);  // "10%": 1..100
  std::optional<int> count(const YamlEntry& entry);    // 1..1,000,000,000
  // A name of ours: letters, digits, . _ -, at most kMaxNameBytes, beginning with a letter or
  // digit.
  std::optional<std::string> name(const Scalar& scalar, std::string_view what);
  std::optional<Node> expression(const YamlEntry& entry);
  std::optional<Node> expression(const YamlNode& node, const Scalar& key);
  // One expression or a list of them.
  std::vector<Node> expressions(const YamlEntry& entry);
  // As expressions(), each cut at commas (`max:`).
  std::vector<Node> expression_lists(const YamlEntry& entry);
  // W103 when the comment behind a plain value seems to be a part of it. `broken`: it does not
  // parse without.
  void check_comment(const YamlNode& node, bool broken, bool is_expression = false);

  // Calls `read` for each entry whose key is in `keys`; E102 for the others. `what`: "a rule".
  void entries(const YamlNode& map, Words keys, std::string_view what,
               const std::function<void(const YamlEntry&, std::size_t)>& read);
  void unknown_key(const Scalar& key, Words keys, std::string_view what);
  void missing_key(const SourceSpan& place, std::string_view key, std::string_view what,
                   std::string_view hint = "");
  void wrong(const SourceSpan& place, std::string message);

 private:
  Diagnostics& diagnostics_;
};

inline constexpr std::size_t kMaxNameBytes = 100;

std::string quoted_name(std::string_view text);  // `text`, cut at 60 bytes

}  // namespace sluice::policy
