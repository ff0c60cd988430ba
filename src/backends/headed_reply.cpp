#include "backends/headed_reply.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"

namespace sluice::backends {
namespace {

constexpr std::size_t kMaxChunkLine = 1024;  // size and extensions

std::optional<std::size_t> number(std::string_view text, int base) {
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

HeadedReply::State HeadedReply::broken(std::string why) {
  why_ = std::move(why);
  rest_.clear();
  return state_ = State::Broken;
}

const std::string* HeadedReply::field(std::string_view name) const {
  const auto found = std::find_if(fields_.begin(), fields_.end(), [name](const auto& field) {
    return equal_folded(field.first, name);
  });
  return found != fields_.end() ? &found->second : nullptr;
}

HeadedReply::State HeadedReply::feed(std::string_view bytes) {
  if (state_ != State::Reading) return state_;
  rest_.append(bytes);
  for (;;) {
    const Part part = part_;
    const std::size_t at = at_;
    if (step() != State::Reading) break;
    if (part == part_ && at == at_) break;
  }
  rest_.erase(0, at_);
  searched_ -= std::min(searched_, at_);
  at_ = 0;
  return state_;
}

HeadedReply::State HeadedReply::close() {
  if (state_ != State::Reading) return state_;
  if (part_ == Part::Body && !length_) return state_ = State::Complete;
  return broken(part_ == Part::Head ? "closed before a whole reply" : "closed within the body");
}

HeadedReply::State HeadedReply::step() {
  switch (part_) {
    case Part::Head:
      return read_head();
    case Part::Body:
      return read_body();
    case Part::ChunkSize:
      return read_chunk_size();
    case Part::Chunk:
      return read_chunk();
    case Part::ChunkEnd:
      if (const auto end = line(2)) {
        if (!end->empty()) return broken("no line end behind a chunk");
        part_ = Part::ChunkSize;
      }
      return state_;
    case Part::Trailer:
      if (const auto trailer = line(kMaxReplyHead)) {
        head_bytes_ += trailer->size() + 2;
        if (head_bytes_ > kMaxReplyHead) return broken("the trailer is too long");
        if (trailer->empty()) state_ = State::Complete;
      }
      return state_;
  }
  return state_;
}

std::optional<std::string_view> HeadedReply::line(std::size_t most) {
  const std::size_t end = rest_.find('\n', std::max(at_, searched_));
  if (end == std::string::npos) {
    searched_ = rest_.size();
    if (rest_.size() - at_ > most) broken("a line is too long");
    return std::nullopt;
  }
  if (end - at_ > most) return broken("a line is too long"), std::nullopt;
  std::string_view found(rest_.data() + at_, end - at_);
  at_ = end + 1;
  if (!found.empty() && found.back() == '\r') found.remove_suffix(1);
  return found;
}

HeadedReply::State HeadedReply::read_head() {
  const std::size_t before = at_;
  const auto found = line(kMaxReplyHead);
  if (!found) return state_;
  head_bytes_ += at_ - before;
  if (head_bytes_ > kMaxReplyHead) return broken("the head is too long");
  if (!has_first_line_) {
    has_first_line_ = true;
    first_line_ = *found;
  } else if (!found->empty()) {
    const std::size_t colon = found->find(':');
    if (colon == std::string_view::npos || colon == 0) return broken("a field without a name");
    if (fields_.size() >= kMaxReplyFields) return broken("too many fields");
    fields_.emplace_back(found->substr(0, colon), trim(found->substr(colon + 1)));
  } else if (!begin_body()) {
    return state_;
  }
  return state_;
}

bool HeadedReply::begin_body() {
  part_ = Part::Body;
  if (const std::string* coding = field("Transfer-Encoding")) {
    if (!equal_folded(*coding, "chunked")) return broken("transfer coding " + *coding), false;
    head_bytes_ = 0;
    part_ = Part::ChunkSize;
    return true;
  }
  for (const auto& [name, value] : fields_) {
    if (!equal_folded(name, "Content-Length")) continue;
    const auto length = number(value, 10);
    if (!length || (length_ && *length_ != *length)) return broken("no content length"), false;
    length_ = length;
  }
  if (length_ && *length_ > max_body_) return broken("the body is too long"), false;
  return true;
}

HeadedReply::State HeadedReply::read_body() {
  std::size_t take = rest_.size() - at_;
  if (length_) take = std::min(take, *length_ - body_.size());
  if (body_.size() + take > max_body_) return broken("the body is too long");
  body_.append(rest_, at_, take);
  at_ += take;
  if (length_ && body_.size() == *length_) state_ = State::Complete;
  return state_;
}

HeadedReply::State HeadedReply::read_chunk_size() {
  const auto found = line(kMaxChunkLine);
  if (!found) return state_;
  length_ = number(trim(found->substr(0, found->find(';'))), 16);
  if (!length_) return broken("a chunk without a size");
  if (*length_ > max_body_ || body_.size() + *length_ > max_body_)
    return broken("the body is too long");
  part_ = *length_ == 0 ? Part::Trailer : Part::Chunk;
  return state_;
}

HeadedReply::State HeadedReply::read_chunk() {
  const std::size_t take = std::min(rest_.size() - at_, *length_);
  body_.append(rest_, at_, take);
  at_ += take;
  *length_ -= take;
  if (*length_ == 0) part_ = Part::ChunkEnd;
  return state_;
}

}  // namespace sluice::backends
