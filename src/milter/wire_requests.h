// What an MTA sends, frame by frame: bytes to plain values. Strict: a text without its NUL, a NUL
// where none belongs, bytes that belong to nothing make a frame malformed (nullopt), because half a
// text must never match a rule. Views point into the frame.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/ip_address.h"

namespace sluice::milter::wire {

inline constexpr std::size_t kMaxParameters = 100;  // of one MAIL or RCPT; the rest is dropped

struct Offer {
  std::uint32_t version = 0, actions = 0, steps = 0;
};
// What is behind the three numbers is for later versions and left alone.
std::optional<Offer> parse_offer(std::string_view body);

struct Client {
  std::string_view name;
  std::optional<IpAddress> address;  // none: a unix socket, or unknown to the MTA
  std::uint16_t port = 0;
};
// host NUL, family (4 6 L U), then but for U: 16-bit port, address NUL.
std::optional<Client> parse_client(std::string_view body);

// One text with its NUL (HELO, unknown command).
std::optional<std::string_view> parse_text(std::string_view body);

struct Arguments {
  std::string_view address;  // may be empty
  std::vector<std::string_view> parameters;
};
// MAIL and RCPT: the address as sent, then ESMTP parameters, each with its NUL.
std::optional<Arguments> parse_arguments(std::string_view body);

struct HeaderField {
  std::string_view name, value;  // the name is not empty
};
std::optional<HeaderField> parse_header(std::string_view body);

// Calls visit(name, value) for each macro of a frame's body behind its command byte. A name without
// a value has an empty one; bytes behind the last NUL are a text too.
template <class Visit>
void visit_macros(std::string_view list, Visit visit) {
  const auto next = [&list] {
    const std::size_t end = list.find('\0');
    const std::string_view text = list.substr(0, end);
    list.remove_prefix(end == std::string_view::npos ? list.size() : end + 1);
    return text;
  };
  while (!list.empty()) {
    const std::string_view name = next();
    visit(name, next());
  }
}

}  // namespace sluice::milter::wire
