#include "policy/schema.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/text.h"

namespace sluice::policy {
namespace {

constexpr std::size_t kShownBytes = 60;

std::string listed(Words words) {
  std::string out;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) out += i + 1 == words.size() ? " or " : ", ";
    out.append("`").append(words[i]).append("`");
  }
  return out;
}

std::string did_you_mean(std::string_view word, Words words) {
  const std::string_view near = nearest(word, {words.begin(), words.end()});
  return near.empty() ? std::string() : "; did you mean " + quoted_name(near) + "?";
}

std::optional<int> parse_number(std::string_view text, int most) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 1 || value > most)
    return std::nullopt;
  return value;
}

bool is_name_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == '-';
}

// The rest of the line behind a plain value, from its `#` on, with its place.
SourceSpan comment_span(const Scalar& scalar) {
  SourceSpan span = scalar.span(scalar.text.size(), 1);
  const std::string_view line = span.file->line(span.line);
  const std::size_t hash = line.find('#', span.column - 1);
  span.column = static_cast<std::uint32_t>(std::min(hash, line.size())) + 1;
  return span;
}

// Comments begin with "# " and go on as prose; what stands directly behind the # or goes on like an
// expression was meant as part of the value.
bool seems_meant(std::string_view comment, bool is_expression) {
  if (comment.size() < 2) return false;
  if (comment[1] != ' ' && comment[1] != '#' && comment[1] != '-' && comment[1] != '=') return true;
  const std::size_t start = comment.find_first_not_of("# ");
  if (start == std::string_view::npos || !is_expression) return false;
  const std::string_view rest = comment.substr(start);
  constexpr std::array<std::string_view, 6> kGoingOn{"and ", "or ", "\"", "== ", "in $", "?? "};
  return std::any_of(kGoingOn.begin(), kGoingOn.end(),
                     [rest](std::string_view w) { return rest.starts_with(w); });
}

}  // namespace

std::string quoted_name(std::string_view text) {
  return "`" + std::string(text.substr(0, kShownBytes)) + (text.size() > kShownBytes ? "..." : "") +
         "`";
}

void SchemaReader::wrong(const SourceSpan& place, std::string message) {
  diagnostics_.error("E106", place, std::move(message));
}

bool SchemaReader::map(const YamlEntry& entry) {
  if (entry.second.kind == YamlNode::Kind::Map) return true;
  const bool null = entry.second.is_null();
  wrong(null ? entry.first.whole() : entry.second.span,
        quoted_name(entry.first.text) + " needs keys of its own");
  return false;
}

bool SchemaReader::sequence(const YamlEntry& entry) {
  if (entry.second.kind == YamlNode::Kind::Sequence) return true;
  const bool null = entry.second.is_null();
  wrong(null ? entry.first.whole() : entry.second.span,
        quoted_name(entry.first.text) + " needs a list");
  return false;
}

const Scalar* SchemaReader::text(const YamlEntry& entry) { return text(entry.second, entry.first); }

const Scalar* SchemaReader::text(const YamlNode& node, const Scalar& key) {
  if (node.kind == YamlNode::Kind::Scalar) return &node.scalar;
  if (node.is_null()) {
    wrong(key.whole(), quoted_name(key.text) + " has no value");
  } else {
    const bool list = node.kind == YamlNode::Kind::Sequence;
    wrong(node.span, quoted_name(key.text) + " takes a text, not " +
                         (list ? "a list" : "keys (a text with `: ` inside needs quotes)"));
  }
  return nullptr;
}

std::vector<const YamlNode*> SchemaReader::texts(const YamlEntry& entry) {
  std::vector<const YamlNode*> found;
  if (entry.second.kind != YamlNode::Kind::Sequence) {
    if (text(entry)) found.push_back(&entry.second);
    return found;
  }
  for (const YamlNode& item : entry.second.items)
    if (text(item, entry.first)) found.push_back(&item);
  if (entry.second.items.empty())
    wrong(entry.second.span, quoted_name(entry.first.text) + " is an empty list");
  return found;
}

std::optional<std::size_t> SchemaReader::word(const YamlEntry& entry, Words words) {
  const Scalar* scalar = text(entry);
  if (!scalar) return std::nullopt;
  const auto found = std::find(words.begin(), words.end(), scalar->text);
  if (found != words.end()) return static_cast<std::size_t>(found - words.begin());
  const std::string hint = did_you_mean(scalar->text, words);
  wrong(scalar->whole(), quoted_name(scalar->text) + " is no value of " +
                             quoted_name(entry.first.text) +
                             (hint.empty() ? ": " + listed(words) : hint));
  return std::nullopt;
}

std::optional<bool> SchemaReader::boolean(const YamlEntry& entry) {
  static constexpr std::array<std::string_view, 2> kWords{"false", "true"};
  const auto index = word(entry, kWords);
  return index ? std::optional<bool>(*index == 1) : std::nullopt;
}

std::optional<Duration> SchemaReader::duration(const YamlEntry& entry) {
  const Scalar* scalar = text(entry);
  if (!scalar) return std::nullopt;
  const auto parsed = parse_duration(scalar->text);
  if (!parsed)
    wrong(scalar->whole(), quoted_name(scalar->text) + " is not a duration (5m, 2h, 35d)");
  return parsed;
}

std::optional<int> SchemaReader::percent(const YamlEntry& entry) {
  const Scalar* scalar = text(entry);
  if (!scalar) return std::nullopt;
  const std::string_view written = scalar->text;
  const auto parsed = written.ends_with('%')
                          ? parse_number(written.substr(0, written.size() - 1), 100)
                          : std::nullopt;
  if (!parsed) wrong(scalar->whole(), quoted_name(written) + " is not a share from 1% to 100%");
  return parsed;
}

std::optional<int> SchemaReader::count(const YamlEntry& entry) {
  const Scalar* scalar = text(entry);
  if (!scalar) return std::nullopt;
  const auto parsed = parse_number(scalar->text, 1'000'000'000);
  if (!parsed)
    wrong(scalar->whole(), quoted_name(scalar->text) + " is not a whole number from 1 on");
  return parsed;
}

std::optional<std::string> SchemaReader::name(const Scalar& scalar, std::string_view what) {
  const std::string& text = scalar.text;
  const bool good = !text.empty() && text.size() <= kMaxNameBytes && is_name_byte(text[0]) &&
                    text[0] != '.' && text[0] != '-' &&
                    std::all_of(text.begin(), text.end(), is_name_byte);
  if (good) return text;
  wrong(scalar.whole(), quoted_name(text) + " cannot name " + std::string(what) +
                            ": letters, digits, `.`, `_` and `-`, at most " +
                            std::to_string(kMaxNameBytes));
  return std::nullopt;
}

std::optional<Node> SchemaReader::expression(const YamlEntry& entry) {
  return expression(entry.second, entry.first);
}

std::optional<Node> SchemaReader::expression(const YamlNode& node, const Scalar& key) {
  const Scalar* scalar = text(node, key);
  if (!scalar) return std::nullopt;
  auto parsed = parse_expression(*scalar, diagnostics_);
  check_comment(node, !parsed, true);
  return parsed;
}

std::vector<Node> SchemaReader::expressions(const YamlEntry& entry) {
  std::vector<Node> nodes;
  for (const YamlNode* node : texts(entry))
    if (auto parsed = expression(*node, entry.first)) nodes.push_back(std::move(*parsed));
  return nodes;
}

std::vector<Node> SchemaReader::expression_lists(const YamlEntry& entry) {
  std::vector<Node> nodes;
  for (const YamlNode* node : texts(entry)) {
    auto parsed = parse_expression_list(node->scalar, diagnostics_);
    check_comment(*node, !parsed, true);
    if (parsed) std::move(parsed->begin(), parsed->end(), std::back_inserter(nodes));
  }
  return nodes;
}

void SchemaReader::check_comment(const YamlNode& node, bool broken, bool is_expression) {
  if (!node.comment_cut) return;
  const SourceSpan span = comment_span(node.scalar);
  const std::string_view line = span.file->line(span.line);
  const std::string_view comment = line.substr(std::min<std::size_t>(span.column - 1, line.size()));
  if (!broken && !seems_meant(comment, is_expression)) return;
  diagnostics_.warning("W103", span,
                       "a ` #` begins a comment: what follows does not belong to the value; put "
                       "the whole value in single quotes if it should");
}

void SchemaReader::entries(const YamlNode& map, Words keys, std::string_view what,
                           const std::function<void(const YamlEntry&, std::size_t)>& read) {
  for (const YamlEntry& entry : map.entries) {
    const auto found = std::find(keys.begin(), keys.end(), entry.first.text);
    if (found == keys.end())
      unknown_key(entry.first, keys, what);
    else
      read(entry, static_cast<std::size_t>(found - keys.begin()));
  }
}

void SchemaReader::unknown_key(const Scalar& key, Words keys, std::string_view what) {
  diagnostics_.error("E102", key.whole(),
                     "unknown key " + quoted_name(key.text) + " in " + std::string(what) +
                         did_you_mean(key.text, keys));
}

void SchemaReader::missing_key(const SourceSpan& place, std::string_view key, std::string_view what,
                               std::string_view hint) {
  diagnostics_.error("E105", place,
                     std::string(what) + " needs " + quoted_name(key) + std::string(hint));
}

}  // namespace sluice::policy
