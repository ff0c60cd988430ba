#include "base/string_set.h"

#include "base/text.h"

namespace sluice {
namespace {

constexpr std::uint64_t kTagMask =
    0xFFFFFF;  // low bits of the hash; the place in the table comes from the high ones
constexpr int kTagBits = 24;

void append_length(std::string& block, std::size_t length) {
  for (; length >= 0x80; length >>= 7)
    block += static_cast<char>(static_cast<std::uint8_t>(length | 0x80));
  block += static_cast<char>(static_cast<std::uint8_t>(length));
}

std::string_view text_at(const std::string& block, std::size_t place) {
  std::size_t length = 0;
  for (unsigned shift = 0;; shift += 7) {
    const auto octet = static_cast<std::uint8_t>(block[place++]);
    length |= static_cast<std::size_t>(octet & 0x7F) << shift;
    if (octet < 0x80) return std::string_view(block).substr(place, length);
  }
}

}  // namespace

StringSet::StringSet(std::span<const std::string_view> texts) {
  std::size_t octets = 0;
  for (const std::string_view text : texts) octets += text.size();
  reserve(texts.size(), octets);
  for (const std::string_view text : texts) insert(text);
  block_.shrink_to_fit();
}

StringSet::StringSet(std::span<const Entry> entries) {
  std::size_t octets = 0;
  for (const Entry& entry : entries) octets += entry.text.size();
  reserve(entries.size(), octets);
  values_.resize(slots_.size());
  for (const Entry& entry : entries) values_[insert(entry.text)] = entry.value;
  block_.shrink_to_fit();
}

void StringSet::reserve(std::size_t count, std::size_t octets) {
  block_.reserve(octets + count + count / 8);
  if (count > 0) slots_.resize(count + count / 3 + 1);  // three quarters full at most
}

bool StringSet::holds(Slot slot, std::uint64_t hash, std::string_view text) const {
  return (slot & kTagMask) == (hash & kTagMask) && text_at(block_, (slot >> kTagBits) - 1) == text;
}

// Where the text is, or the free slot where it would be.
std::size_t StringSet::slot_of(std::uint64_t hash, std::string_view text) const {
  auto at = static_cast<std::size_t>((hash >> 32) * slots_.size() >> 32);
  while (slots_[at] != 0 && !holds(slots_[at], hash, text))
    at = at + 1 < slots_.size() ? at + 1 : 0;
  return at;
}

std::size_t StringSet::insert(std::string_view text) {
  const std::uint64_t hash = keyed_hash(text);
  const std::size_t at = slot_of(hash, text);
  if (slots_[at] != 0) return at;
  slots_[at] = (static_cast<Slot>(block_.size()) + 1) << kTagBits | (hash & kTagMask);
  append_length(block_, text.size());
  block_ += text;
  ++entries_;
  return at;
}

bool StringSet::contains(std::string_view text) const {
  return !slots_.empty() && slots_[slot_of(keyed_hash(text), text)] != 0;
}

std::optional<std::uint32_t> StringSet::find(std::string_view text) const {
  if (slots_.empty()) return std::nullopt;
  const std::size_t at = slot_of(keyed_hash(text), text);
  if (slots_[at] == 0) return std::nullopt;
  return values_.empty() ? 0 : values_[at];
}

std::size_t StringSet::memory_bytes() const {
  return block_.capacity() + slots_.capacity() * sizeof(Slot) +
         values_.capacity() * sizeof(std::uint32_t);
}

}  // namespace sluice
