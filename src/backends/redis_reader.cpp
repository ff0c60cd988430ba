#include "backends/redis_reader.h"

#include <algorithm>
#include <charconv>

namespace sluice::backends {
namespace {

std::optional<std::int64_t> parse_number(std::string_view text) {
  std::int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (text.empty() || error != std::errc() || stop != end) return std::nullopt;
  return value;
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

tl::unexpected<Error> not_resp(std::string_view what) {
  return permanent("the server does not answer as Redis does: " + std::string(what));
}

}  // namespace

void RedisReader::feed(std::string_view bytes) {
  if (at_ > 0 && (at_ == buffer_.size() || at_ > kMaxRedisLine * 4)) {
    buffer_.erase(0, at_);
    at_ = 0;
  }
  buffer_.append(bytes);
}

void RedisReader::consume(std::size_t end) {
  bytes_ += end - at_;
  at_ = end;
}

Result<RedisReader::Step> RedisReader::read_text(RedisReply& element, std::int64_t length,
                                                 std::size_t line_end) {
  if (length == -1) {
    consume(line_end);
    return Step::Whole;
  }
  if (length < 0 || static_cast<std::uint64_t>(length) > kMaxRedisText)
    return not_resp("a text of " + std::to_string(length) + " bytes");
  const auto size = static_cast<std::size_t>(length);
  if (buffer_.size() - line_end < size + 2) return Step::Missing;
  if (buffer_.compare(line_end + size, 2, "\r\n") != 0)
    return not_resp("a text goes on behind its length");
  element.kind = RedisReply::Kind::Text;
  element.text = buffer_.substr(line_end, size);
  consume(line_end + size + 2);
  return Step::Whole;
}

Result<RedisReader::Step> RedisReader::open_array(std::int64_t count) {
  if (count < -1 || count > static_cast<std::int64_t>(kMaxRedisElements))
    return not_resp("an array of " + std::to_string(count) + " elements");
  if (count == -1) return Step::Whole;
  RedisReply array;
  array.kind = RedisReply::Kind::Array;
  if (open_.size() >= kMaxRedisDepth) return not_resp("arrays within arrays, too deep");
  open_.push_back({std::move(array), static_cast<std::size_t>(count)});
  return Step::Opened;
}

Result<RedisReader::Step> RedisReader::read_element(RedisReply& element) {
  using Kind = RedisReply::Kind;
  const std::size_t line = buffer_.find("\r\n", at_);
  if (line == std::string::npos || line - at_ > kMaxRedisLine) {
    if (buffered() > kMaxRedisLine) return not_resp("a line without an end");
    // What it will be is clear from its first byte: do not wait for the line of a web server.
    if (buffered() > 0 && std::string_view("+-:$*").find(buffer_[at_]) == std::string_view::npos)
      return not_resp("a reply of no known type");
    return Step::Missing;
  }
  if (line == at_) return not_resp("an empty line");
  const char type = buffer_[at_];
  const std::string_view rest(buffer_.data() + at_ + 1, line - at_ - 1);
  if (type == '+' || type == '-') {
    element.kind = type == '+' ? Kind::Status : Kind::Error;
    element.text = rest;
    // Words for people, that go to logs.
    std::replace_if(element.text.begin(), element.text.end(), is_control, '?');
    consume(line + 2);
    return Step::Whole;
  }
  if (type != ':' && type != '$' && type != '*') return not_resp("a reply of no known type");
  const auto number = parse_number(rest);
  if (!number) return not_resp("no number where one is expected");
  if (type == '$') return read_text(element, *number, line + 2);
  consume(line + 2);
  if (type == '*') return open_array(*number);
  element.kind = Kind::Integer;
  element.integer = *number;
  return Step::Whole;
}

// The reply itself when this was its last element.
std::optional<RedisReply> RedisReader::close_into_parents(RedisReply element) {
  while (!open_.empty()) {
    Open& parent = open_.back();
    parent.array.items.push_back(std::move(element));
    if (--parent.missing > 0) return std::nullopt;
    element = std::move(parent.array);
    open_.pop_back();
  }
  return element;
}

Result<std::optional<RedisReply>> RedisReader::next() {
  for (;;) {
    RedisReply element;
    const auto step = read_element(element);
    if (!step) return tl::unexpected<Error>(step.error());
    if (*step == Step::Missing) return std::optional<RedisReply>();
    if (++elements_ > kMaxRedisElements || bytes_ > kMaxRedisReply)
      return not_resp("a reply above all bounds");
    if (*step == Step::Opened) {
      if (open_.back().missing > 0) continue;
      element = std::move(open_.back().array);
      open_.pop_back();
    }
    if (auto reply = close_into_parents(std::move(element))) {
      bytes_ = elements_ = 0;
      return reply;
    }
  }
}

}  // namespace sluice::backends
