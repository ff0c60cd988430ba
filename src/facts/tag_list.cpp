#include "facts/tag_list.h"

#include <algorithm>

namespace sluice::facts {

namespace {

bool is_folding(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

bool is_tag_name(std::string_view name) {
  if (name.empty() || !is_letter(name.front())) return false;
  return std::all_of(name.begin(), name.end(),
                     [](char c) { return is_letter(c) || (c >= '0' && c <= '9') || c == '_'; });
}

bool has_controls(std::string_view value) {
  return std::any_of(value.begin(), value.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < ' ' && !is_folding(c)) || byte == 0x7f;
  });
}

}  // namespace

std::string_view trim_folding(std::string_view text) {
  while (!text.empty() && is_folding(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_folding(text.back())) text.remove_suffix(1);
  return text;
}

Result<TagList> TagList::parse(std::string_view text) {
  if (text.size() > kMaxTagList) return permanent("too long");
  TagList list;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(';', at), text.size());
    const std::string_view spec = trim_folding(text.substr(at, end - at));
    at = end + 1;
    if (spec.empty()) {
      if (at > text.size() && !list.tags_.empty()) break;  // behind the last ";"
      return permanent("an empty tag");
    }
    const std::size_t equals = spec.find('=');
    if (equals == std::string_view::npos) return permanent("a tag without an equals sign");
    const std::string_view name = trim_folding(spec.substr(0, equals));
    const std::string_view value = trim_folding(spec.substr(equals + 1));
    if (!is_tag_name(name)) return permanent("a tag with a bad name");
    if (has_controls(value)) return permanent("a control character in a tag");
    if (list.find(name)) return permanent("tag " + std::string(name) + " stands twice");
    if (list.tags_.size() == kMaxTags) return permanent("too many tags");
    list.tags_.emplace_back(name, value);
  }
  return list;
}

std::optional<std::string_view> TagList::find(std::string_view name) const {
  for (const auto& [tag, value] : tags_)
    if (tag == name) return value;
  return std::nullopt;
}

std::string without_signature(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(';', at), text.size());
    const std::string_view spec = text.substr(at, end - at);
    const std::size_t equals = spec.find('=');
    const bool is_signature =
        equals != std::string_view::npos && trim_folding(spec.substr(0, equals)) == "b";
    out += is_signature ? spec.substr(0, equals + 1) : spec;
    if (end < text.size()) out.push_back(';');
    at = end + 1;
  }
  return out;
}

}  // namespace sluice::facts
